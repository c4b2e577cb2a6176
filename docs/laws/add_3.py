"""One `add` after another, each in a transaction of its own. A reader in between sees a part of the
plan, and a process that dies in between leaves a part of it.

Add all of them in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable

from typing_extensions import override

from collection_jobs import CollectionJob
from collection_jobs.job import check_jobs
from docs.laws.leased import Leased


class Breach(Leased):
    @override
    async def add_many(self, jobs: Iterable[CollectionJob]) -> list[bool]:
        return [await self.add(job) for job in check_jobs(jobs)]


FIX = (Leased.add_many, Leased.insert)
