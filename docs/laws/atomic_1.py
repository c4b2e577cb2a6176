"""A cache in front of the table. A reader finds it empty and reads the row. Before it stores the
job in the cache, a writer changes the row and clears the cache; then the reader stores what it read
earlier. From then on every read is wrong, until somebody writes.

Do not let a reader fill the cache with what it read before a change; here, a counter of the changes
detects that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import CollectionJob
from docs.laws.table import T, Table


class Breach(Table):
    cache: dict[str, CollectionJob | None] | None = None

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        if self.cache and job_id in self.cache:
            return self.cache[job_id]
        job = await super().get_by_id(job_id)
        await asyncio.sleep(0)  # the cache is a server, and takes its time
        self.cache = {**(self.cache or {}), job_id: job}
        return job

    @override
    async def transaction(self, work: Callable[[Connection], T]) -> T:
        def changing(connection: Connection) -> T:
            before = connection.total_changes
            result = work(connection)
            if connection.total_changes != before:
                self.cache = None
            return result

        return await super().transaction(changing)


class Fix(Breach):
    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        before = self.connection.total_changes if self.connection else None
        job = await super().get_by_id(job_id)
        if self.connection and self.connection.total_changes != before:
            self.cache = None
        return job
