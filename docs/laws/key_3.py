"""Pages by key, implemented with pages by offset: all jobs are listed, and those up to the key are
discarded. The result is correct, and the last page costs as much as all pages together.

An index on (status, created_at, id) starts at the key.
"""

from __future__ import annotations

from datetime import datetime
from itertools import count
from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import CollectionJob, JobStatus
from collection_jobs.validation import check_key, check_limit, check_status
from docs.laws.beyond import Beyond


class Breach(Beyond):
    @override
    async def list_after(
        self, status: JobStatus, after: tuple[datetime, str] | None = None, limit: int = 100
    ) -> list[CollectionJob]:
        if after is None:
            return await super().list_after(status, after, limit)
        check_status(status)
        limit = check_limit(limit)
        key = check_key("after", after)

        def work(connection: Connection) -> list[CollectionJob]:
            found: list[CollectionJob] = []
            rest = "WHERE status = ? ORDER BY created_at, id LIMIT 100 OFFSET ?"
            for offset in count(0, 100):
                page = self.listed(connection, rest, status.value, offset)
                found += [job for job in page if (job.created_at, job.id) > key]
                if len(page) < 100 or len(found) >= limit:
                    return found[:limit]
            return found

        return await self.transaction(work)


FIX = (Beyond.list_after,)
