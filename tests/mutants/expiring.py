"""Stores in which something expires while nobody asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from typing_extensions import override

from collection_jobs import CollectionJob, RepositoryError
from tests.mutants.stores import Hooked
from tests.mutants.table import breaks, is_right

T = TypeVar("T")
TIME = "passing time"


@breaks(TIME, "GET-1")
class KeepsForAMinute(Hooked):
    """Takes the store for a cache: what was not changed for a minute is removed."""

    @override
    def _put(self, job: CollectionJob) -> None:
        super()._put(job)
        stored = self._jobs[job.id]
        asyncio.get_running_loop().call_later(60, self.expire, stored)

    def expire(self, stored: CollectionJob) -> None:
        """Remove a job that is as it was a minute ago."""
        if self._jobs.get(stored.id) is stored:
            del self._jobs[stored.id]
            self._index.move(stored, None)


@breaks(TIME, "GET-1")
class CachesADay(Hooked):
    """Reads a job from a cache that is filled again after some hours, with what it was then."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.first: dict[str, CollectionJob] = {}

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        found = await super().get_by_id(job_id)
        if found is not None and job_id not in self.first:
            self.first[job_id] = found
            asyncio.get_running_loop().call_later(7_200, self.restore, found)
        return found

    def restore(self, job: CollectionJob) -> None:
        """Put back what was read."""
        if job.id in self._jobs:
            self._index.move(self._jobs[job.id], job)
            self._jobs[job.id] = job


@breaks(TIME, "ERROR-1")
class HangsUpWhenIdle(Hooked):
    """Closes its connection after five idle minutes, and does not open another."""

    idle: asyncio.TimerHandle | None = None
    is_connected = True

    def hang_up(self) -> None:
        """Close the connection."""
        self.is_connected = False

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        if not self.is_connected:
            raise RepositoryError("the connection is closed")
        if self.idle is not None:
            self.idle.cancel()
        self.idle = asyncio.get_running_loop().call_later(300, self.hang_up)
        return await call()


@is_right
class ConnectsAgain(HangsUpWhenIdle):
    """Closes its connection after five idle minutes, and opens another when it is asked again."""

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        self.is_connected = True
        return await super().around(call, writes=writes)
