"""Jobs of one batch share their `created_at`, and the engine returns ties in whatever order it
finds them: here in the order of insertion, in which a replaced job comes last.

Order by a second column that is unique: the id.
"""

from __future__ import annotations

from typing_extensions import override

from collection_jobs import CollectionJob, JobStatus
from collection_jobs.validation import check_limit, check_offset, check_status
from docs.laws.table import ALL, Table


class Breach(Table):
    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        check_status(status)
        limit = check_limit(limit)
        offset = check_offset(offset)
        return await self.select(
            "WHERE status = ? ORDER BY created_at, row LIMIT ? OFFSET ?",
            *(status.value, min(limit, ALL), min(offset, ALL)),
        )


FIX = (Table.list_by_status,)
