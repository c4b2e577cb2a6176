"""`created_before` is one end of a range, and BETWEEN includes both ends: whoever asks for one day
after another sees the jobs of midnight twice.

A range of time is half-open: `>= created_from AND < created_before`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from typing_extensions import override

from collection_jobs import CollectionJob, JobStatus
from collection_jobs.query import JobQuery, check_query
from docs.laws.found import Found
from docs.laws.table import ALL


class Breach(Found):
    @override
    def matches(self, query: JobQuery, job: CollectionJob) -> bool:
        if query.created_before == job.created_at:
            query = replace(query, created_before=None)
        return super().matches(query, job)

    @override
    async def count(self, query: JobQuery) -> Mapping[JobStatus, int]:
        query = check_query(query)
        counts = dict.fromkeys(JobStatus, 0)
        jobs = await self.select("ORDER BY created_at, id LIMIT ?", ALL)
        for job in filter(query.matches, jobs):
            counts[job.status] += 1
        return counts


FIX = (Found.matches,)
