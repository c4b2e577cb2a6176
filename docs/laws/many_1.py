"""Duplicates are dropped before a batch is sent, as multi-row upserts require, and the first of two
jobs with one id is kept.

Keep the last one, which is the result of saving them one after the other. A copy that carries a
revision is stale after another job with its id.
"""

from __future__ import annotations

from collections.abc import Iterable

from typing_extensions import override

from collection_jobs import CollectionJob
from collection_jobs.job import check_jobs
from docs.laws.beyond import Beyond


class Breach(Beyond):
    @override
    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        first: dict[str, CollectionJob] = {}
        for job in check_jobs(jobs):
            first.setdefault(job.id, job)
        await super().save_many(first.values())


FIX = (Beyond.save_many,)
