"""The rows are read in the order of the primary key, because the key of a page looks like one. Jobs
that were saved out of order are listed out of order.

Order by the columns of the key: `created_at`, then `id`.
"""

from __future__ import annotations

from datetime import datetime

from typing_extensions import override

from collection_jobs import CollectionJob, JobStatus
from collection_jobs.validation import check_limit, check_status
from docs.laws.beyond import Beyond
from docs.laws.table import ALL


class Breach(Beyond):
    @override
    async def list_after(
        self, status: JobStatus, after: tuple[datetime, str] | None = None, limit: int = 100
    ) -> list[CollectionJob]:
        if after is not None:
            return await super().list_after(status, after, limit)
        check_status(status)
        limit = check_limit(limit)
        return await self.select(
            "WHERE status = ? ORDER BY row LIMIT ?", status.value, min(limit, ALL)
        )


FIX = (Beyond.list_after,)
