"""Stores that lose a connection of a pool when a call is cancelled beside others, and only then."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from collection_jobs import JobStats
from tests.mutants.cancelling import CANCELLED, engine
from tests.mutants.pooled import Pooled
from tests.mutants.table import breaks


@breaks(CANCELLED, "CANCEL-1")
class LosesOneOfTen(Pooled):
    """Gives its connection back when counting is cancelled alone, and not beside others.

    Only at the last of six waits: what is cancelled before that is cleaned up.
    """

    size: ClassVar[int] = 10

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.counting = 0

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        self.counting += 1
        gives_back = False
        try:
            await self.pool.acquire()
            gives_back = True
            await engine()
            await engine()
            job = self._jobs.get(job_id)
            await asyncio.sleep(0)
            gives_back = self.counting == 1
            await asyncio.sleep(0)
            gives_back = True
        finally:
            self.counting -= 1
            if gives_back:
                self.pool.release()
        return None if job is None else JobStats.from_job(job)


@breaks(CANCELLED, "CANCEL-1")
class LosesOneOfALargePool(LosesOneOfTen):
    """Has as many connections as a service with many workers."""

    size: ClassVar[int] = 40


@breaks(CANCELLED, "CANCEL-1")
class LosesOneOfAHundred(LosesOneOfTen):
    """Has as many connections as PostgreSQL gives out by itself."""

    size: ClassVar[int] = 100
