"""The engine will complain of a wrong value, so why look at it? Because it may not complain: to
SQLite, `LIMIT -1` is no limit at all, and the page of a service that computed it returns the
whole table.

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
