"""The outcomes are counted with one fast query; but a failed symbol is an outcome too.

Count separately those with candles and those with an error.
"""

from __future__ import annotations

from dataclasses import replace

from typing_extensions import override

from collection_jobs import JobStats
from docs.laws.table import Table


class Breach(Table):
    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        job = await self.get_by_id(job_id)
        if job is None:
            return None
        outcomes = {**job.completed_symbols, **job.failed_symbols}
        return replace(JobStats.from_job(job), completed=len(outcomes))


class Fix(Table):
    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        job = await self.get_by_id(job_id)
        return None if job is None else JobStats.from_job(job)
