"""Whether a job is running is derived from its times: started, and not finished. A job that ran
once, failed and waits for a retry also counts as started, if a retry leaves that time in place; and
a job that was stored as RUNNING need not have a start time.

The status says which jobs are running.
"""

from __future__ import annotations

from typing_extensions import override

from collection_jobs import CollectionJob
from docs.laws.table import Table


class Breach(Table):
    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        return await self.select(
            "WHERE started_at IS NOT NULL AND finished_at IS NULL ORDER BY created_at, id"
        )


FIX = (Table.get_running_jobs,)
