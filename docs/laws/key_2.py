"""The key has two parts, and each is compared separately: jobs that were created later but have a
smaller id are skipped.

Compare rows, `(created_at, id) > (?, ?)`; or `created_at > ? OR (created_at = ? AND id > ?)`.
"""

from __future__ import annotations

from datetime import datetime

from typing_extensions import override

from collection_jobs import CollectionJob, JobStatus
from collection_jobs.validation import check_key, check_limit, check_status
from docs.laws.beyond import Beyond
from docs.laws.table import ALL, to_column


class Breach(Beyond):
    @override
    async def list_after(
        self, status: JobStatus, after: tuple[datetime, str] | None = None, limit: int = 100
    ) -> list[CollectionJob]:
        if after is None:
            return await super().list_after(status, after, limit)
        check_status(status)
        limit = check_limit(limit)
        created_at, job_id = check_key("after", after)
        return await self.select(
            "WHERE status = ? AND created_at >= ? AND id > ? ORDER BY created_at, id LIMIT ?",
            *(status.value, to_column(created_at), job_id, min(limit, ALL)),
        )


FIX = (Beyond.list_after,)
