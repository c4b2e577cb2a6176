"""The newest fifty jobs are requested, so all jobs are read, sorted and truncated. It is fast with
the hundred jobs of the tests, and takes the service down a year later.

Let an index provide the order, and let the engine stop at the limit.
"""

from __future__ import annotations

from datetime import datetime

from typing_extensions import override

from collection_jobs import CollectionJob
from collection_jobs.validation import check_datetime, check_limit
from docs.laws.table import Table


class Breach(Table):
    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        limit = check_limit(limit)
        first = None if since is None else check_datetime("since", since)
        jobs = [job for job in await self.select("") if not first or job.created_at >= first]
        return sorted(jobs, key=lambda job: (job.created_at, job.id), reverse=True)[:limit]


FIX = (Table.list_recent,)
