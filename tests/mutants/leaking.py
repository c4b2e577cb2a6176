"""Stores that keep what they took when a call is cancelled: one of a pool, a method's own lock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from collection_jobs import CollectionJob, JobStats
from tests.mutants.cancelling import CANCELLED, engine
from tests.mutants.pooled import Pooled
from tests.mutants.stores import TableStore
from tests.mutants.table import breaks
from tests.mutants.unleased import InMemory


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


@breaks(CANCELLED, "CANCEL-1")
class LosesOneOfTheReaders(InMemory):
    """Listings have twenty readers, and a call that is cancelled in one does not give it back."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.readers = asyncio.Semaphore(20)

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        await self.readers.acquire()
        try:
            await asyncio.sleep(0)
        except Exception:
            self.readers.release()
            raise
        self.readers.release()
        return await super().list_recent(limit, since)


@breaks(CANCELLED, "CANCEL-1")
class KeepsTheLockOfABatch(InMemory):
    """The lock of save_many is given back after an Exception, which a cancellation is none of."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.batch = asyncio.Lock()

    @override
    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        await self.batch.acquire()
        try:
            await asyncio.sleep(0)
            await super().save_many(jobs)
        except Exception:
            self.batch.release()
            raise
        self.batch.release()


@breaks(CANCELLED, "CANCEL-1")
class SavesAHundredAtATime(InMemory):
    """Lets others have their turn after each hundred jobs: so long the rest is not there."""

    def __init__(self, directory: Path) -> None:
        super().__init__()

    @override
    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        given = list(jobs)
        for first in range(0, len(given), 100):
            if first:
                await asyncio.sleep(0)
            await super().save_many(given[first : first + 100])


@breaks(CANCELLED, "CANCEL-1")
class SavesOnWhenCancelled(TableStore):
    """Shields a save: the caller hears of the cancellation at once, and the save goes on."""

    @override
    async def save(self, job: CollectionJob) -> None:
        saving = asyncio.ensure_future(self.later(job))
        # Who was cancelled does not ask for the error.
        saving.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(saving)

    async def later(self, job: CollectionJob) -> None:
        await asyncio.sleep(0.002)
        await super().save(job)


@breaks(CANCELLED, "CANCEL-1")
class StaysOpenWhenClosingIsCancelled(TableStore):
    """Waits for calls in flight before it closes; a cancellation in there leaves the file open."""

    @override
    async def close(self) -> None:
        await asyncio.sleep(0)
        await super().close()
