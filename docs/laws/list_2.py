"""The offset is interpreted as the number of a page. With the offsets 0, 100, 200 that a caller
passes, the second page starts at job 10,000.

An offset counts jobs.
"""

from __future__ import annotations

from typing_extensions import override

from collection_jobs import CollectionJob, JobStatus
from collection_jobs.validation import check_limit, check_offset
from docs.laws.table import Table


class Breach(Table):
    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        limit = check_limit(limit)
        offset = check_offset(offset)
        return await super().list_by_status(status, limit, offset * limit)


FIX = (Table.list_by_status,)
