"""A cache returns the same list that it keeps. A caller that pops jobs off the list as it works
takes them from everybody else.

Return a copy. (The jobs themselves are frozen and may be shared.)
"""

from __future__ import annotations

from collections.abc import Callable
from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import CollectionJob
from docs.laws.table import T, Table


class Breach(Table):
    running: list[CollectionJob] | None = None

    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        if self.running is None:
            self.running = await super().get_running_jobs()
        return self.running

    @override
    async def transaction(self, work: Callable[[Connection], T]) -> T:
        changes = self.connection.total_changes if self.connection else 0
        result = await super().transaction(work)
        if self.connection and self.connection.total_changes != changes:
            self.running = None
        return result


class Fix(Breach):
    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        return list(await super().get_running_jobs())
