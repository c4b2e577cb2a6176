"""The engine will reject a wrong value, so why check it? Because it may not: to SQLite, `LIMIT -1`
means no limit at all, and a service that computed this limit for a page gets the whole table.

The checks of `collection_jobs.validation` are one line each, and their messages show the value.
"""

from __future__ import annotations

from typing_extensions import override

from collection_jobs import CollectionJob, JobStatus
from docs.laws.table import ALL, Table


class Breach(Table):
    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        return await self.select(
            "WHERE status = ? ORDER BY created_at, id LIMIT ? OFFSET ?",
            *(status.value, min(limit, ALL), min(offset, ALL)),
        )


FIX = (Table.list_by_status,)
