"""Stores on a file that are wrong about the jobs of a worker that was killed, and one that is not.

Each derives from `Leased` of the page of laws, which keeps leases in a table.
"""

from __future__ import annotations

from sqlite3 import Connection
from typing import Self

from typing_extensions import override

from docs.laws.leased import Leased as Right

__all__ = ["DYING", "FreesAllAtTheStart", "KeepsLeasesInMemory", "Right"]


class KeepsLeasesInMemory(Right):
    """The jobs are in the file, and the leases in a temporary table: they die with the process."""

    @override
    async def __aenter__(self) -> Self:
        await super().__aenter__()
        await self.transaction(forget)
        return self


def forget(connection: Connection) -> None:
    connection.execute("DELETE FROM leases")


class FreesAllAtTheStart(Right):
    """Whoever opens the store gives back all that runs, for nobody can be at work yet, or so it is
    thought: on another machine somebody is.
    """

    @override
    async def __aenter__(self) -> Self:
        await super().__aenter__()
        for job in await self.get_running_jobs():
            await self.save(job.give_back())
        return self


DYING = {
    "Right": frozenset[str](),
    "KeepsLeasesInMemory": frozenset({"LEASE-3"}),
    "FreesAllAtTheStart": frozenset({"LEASE-2"}),
}
"""Each with exactly the laws that are broken when a worker is killed."""
