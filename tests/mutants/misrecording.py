"""Stores that record a change, a revision or an error wrongly, after some calls."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from collection_jobs import CollectionJob, JobStats, JobStatus
from collection_jobs.errors import JobNotFoundError, StaleJobError, UnknownSymbolError
from tests.mutants.beyond_races import Whole
from tests.mutants.leased_rows import Leased
from tests.mutants.stores import Memory
from tests.mutants.tried import LARGE, ONE, changed, tried


@tried(ONE, "SAVE-5", "SAVE-4", "SAVE-3")
class TruncateRestarts(Memory):
    """Counts from the beginning when its table has become empty, as TRUNCATE does."""

    @override
    async def delete(self, job_id: str) -> bool:
        deleted = await super().delete(job_id)
        if deleted and not self._jobs:
            self._revision = 0
        return deleted


@tried(LARGE, "SAVE-5", "SAVE-4", "SAVE-3")
class CountsFromTheGreatest(Memory):
    """Gives a new job the greatest revision of those that are stored, and one."""

    @override
    async def delete(self, job_id: str) -> bool:
        deleted = await super().delete(job_id)
        if deleted and len(self._jobs) > 200:
            self._revision = max((job.revision or 0 for job in self._jobs.values()), default=0)
        return deleted


@tried(LARGE, "GET-1", "DURABLE-1", "SAVE-2")
class ForgetsTheEldest(Memory):
    """Writes a cache back every 1,500 changes, and drops the job that was changed longest ago."""

    changes = 0

    @override
    def _put(self, job: CollectionJob) -> None:
        super()._put(job)
        self.changes += 1
        if self.changes % 1_500 == 0:
            eldest = min(self._jobs.values(), key=lambda job: job.revision or 0)
            self._index.move(self._jobs.pop(eldest.id), None)


@tried(LARGE, "DELETE-1", "DELETE-2")
class CompactsWithoutTombstones(Memory):
    """Compacts its log every 1,000 changes: what was deleted first is there again."""

    changes = 0
    first: CollectionJob | None = None

    @override
    async def delete(self, job_id: str) -> bool:
        job = await self.get_by_id(job_id)
        self.first = self.first or job
        return await super().delete(job_id)

    @override
    def _put(self, job: CollectionJob) -> None:
        super()._put(job)
        self.changes += 1
        if self.changes % 1_000 == 0 and self.first and self.first.id not in self._jobs:
            super()._put(self.first)


@tried(ONE, "SAVE-4", "SAVE-5", "SAVE-3")
class RevisionsOfTheClock(Memory):
    """Takes the milliseconds of the clock for a revision."""

    @override
    def _put(self, job: CollectionJob) -> None:
        self._revision = max(self._revision, time.time_ns() // 1_000_000) - 1
        super()._put(job)


@tried(LARGE, "SAVE-4", "SAVE-3", "SAVE-5")
class RevisionsRunDry(Memory):
    """Takes revisions from the database a thousand at a time, and takes each block twice."""

    @override
    def _put(self, job: CollectionJob) -> None:
        if self._revision and self._revision % 2000 == 1999:
            self._revision -= 999
        super()._put(job)


@tried(ONE, "SAVE-3")
class SwapsTheRevisions(Memory):
    """Tells the expected revision as the found one."""

    @override
    async def save(self, job: CollectionJob) -> None:
        try:
            await super().save(job)
        except StaleJobError as error:
            raise StaleJobError(job.id, error.found or 0, error.expected) from None


@tried(ONE, "FAILED-3")
class NamesTheSymbol(Memory):
    """Says that the job of the symbol's name is not known."""

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        try:
            await super().add_failed_symbol(job_id, symbol, error)
        except JobNotFoundError:
            raise JobNotFoundError(symbol) from None


@tried(ONE, "FAILED-3")
class LooksAtTheSymbolOnly(Memory):
    """Takes a symbol that any job has for one that this job has."""

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        try:
            await super().add_failed_symbol(job_id, symbol, error)
        except UnknownSymbolError:
            if not any(symbol in job.symbols for job in self._jobs.values()):
                raise


@tried(ONE, "STATS-1")
class CountersDrift(Memory):
    """Adds one to a counter for each failure, also for one that replaces another."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.failures: dict[str, int] = {}

    @override
    async def save(self, job: CollectionJob) -> None:
        await super().save(job)
        self.failures[job.id] = len(job.failed_symbols)

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        await super().add_failed_symbol(job_id, symbol, error)
        self.failures[job_id] += 1

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        stats = await super().get_stats(job_id)
        if stats is None:
            return None
        failed = min(self.failures[job_id], stats.total - stats.completed)
        return JobStats(
            total=stats.total,
            completed=stats.completed,
            failed=failed,
            total_candles=stats.total_candles,
        )


@tried(ONE, "FAILED-1", "STATS-1", "SAVE-1")
class CandlesStay(Memory):
    """Counts the candles of a symbol that failed after it had been collected."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.candles: dict[str, int] = {}

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        job = self._jobs.get(job_id)
        await super().add_failed_symbol(job_id, symbol, error)
        if job is not None:
            lost = job.completed_symbols.get(symbol, 0)
            self.candles[job_id] = self.candles.get(job_id, 0) + lost

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        stats = await super().get_stats(job_id)
        if stats is None:
            return None
        return JobStats(
            total=stats.total,
            completed=stats.completed,
            failed=stats.failed,
            total_candles=stats.total_candles + self.candles.get(job_id, 0),
        )


@tried(ONE, "STATUS-3")
class RemembersTheFirstStart(Memory):
    """Keeps the time of the first start in a column that only the first start sets."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.first: dict[str, datetime] = {}

    @override
    def _put(self, job: CollectionJob) -> None:
        if job.started_at is not None:
            first = self.first.setdefault(job.id, job.started_at)
            if job.status is JobStatus.RUNNING and first <= job.started_at:
                job = changed(job, started_at=first)
        super()._put(job)


@tried(ONE, "DELETE-2", "SAVE-2", "SAVE-1", "STATS-1", "FAILED-1", "STATUS-3")
class OutcomesOfTheDeleted(Memory):
    """Leaves the errors of a deleted job to the next of its id that has a failure."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.left: dict[str, CollectionJob] = {}

    @override
    async def delete(self, job_id: str) -> bool:
        job = self._jobs.get(job_id)
        if job is not None and job.failed_symbols:
            self.left[job_id] = job
        return await super().delete(job_id)

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        await super().add_failed_symbol(job_id, symbol, error)
        former = self.left.pop(job_id, None)
        job = self._jobs[job_id]
        if former is not None:
            again = {
                k: v
                for k, v in former.failed_symbols.items()
                if k in job.symbols and k not in job.completed_symbols
            }
            self._jobs[job_id] = changed(job, failed_symbols={**again, **job.failed_symbols})


@tried(ONE, "STATUS-1", "STATUS-3")
class RetriesOnce(Memory):
    """Refuses a second retry."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.retries: dict[str, int] = {}

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        job = self._jobs.get(job_id)
        if job is not None and job.status is JobStatus.FAILED and status is JobStatus.PENDING:
            self.retries[job_id] = self.retries.get(job_id, 0) + 1
            if self.retries[job_id] > 1:
                return False
        return await super().update_status(job_id, status, error_message)


@tried(
    ONE,
    "GET-1",
    "SAVE-1",
    "SAVE-2",
    "SAVE-3",
    "SAVE-4",
    "SAVE-5",
    "LIST-1",
    "RECENT-1",
    "RUNNING-1",
    "STATS-1",
    "STATUS-1",
    "DELETE-1",
    "DELETE-2",
    "FAILED-1",
    "FAILED-3",
)
class OneCacheForAll(Memory):
    """Has a cache that belongs to its class, and so to every store of the process."""

    cache: ClassVar[dict[str, CollectionJob]] = {}

    @override
    def _put(self, job: CollectionJob) -> None:
        super()._put(job)
        self.cache[job.id] = self._jobs[job.id]

    @override
    async def delete(self, job_id: str) -> bool:
        self.cache.pop(job_id, None)
        return await super().delete(job_id)

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        return await super().get_by_id(job_id) or self.cache.get(job_id)


@tried(ONE, "RUNNING-1", "LIST-1", "STATUS-1")
class RunningByEvents(Memory):
    """Keeps the set of those that run by the changes of status, and forgets what is saved."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.ended: set[str] = set()

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        done = await super().update_status(job_id, status, error_message)
        if done and status in (JobStatus.COMPLETED, JobStatus.CANCELLED):
            self.ended.add(job_id)
        return done

    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        return [job for job in await super().get_running_jobs() if job.id not in self.ended]


@tried(LARGE, "GET-1", "SAVE-1", "FAILED-1", "STATUS-1", "STATUS-3", "DELETE-1", "SAVE-2")
class LogOfTwoHundred(Memory):
    """Keeps the changes of a job as events, and the last two hundred of them."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.events: dict[str, int] = {}

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        await super().add_failed_symbol(job_id, symbol, error)
        self.events[job_id] = self.events.get(job_id, 0) + 1
        if self.events[job_id] > 200:
            job = self._jobs[job_id]
            first = next(iter(job.failed_symbols))
            kept = {k: v for k, v in job.failed_symbols.items() if k != first}
            self._jobs[job_id] = changed(job, failed_symbols=kept)


@tried(ONE, "LEASE-3", "MANY-1")
class SavesManyBesideLeases(Leased):
    """Saves many with a statement of its own, which knows nothing of leases."""

    @override
    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        wanted = list(jobs)
        leases = dict(self.leases)
        await Whole.save_many(self, wanted)
        self.leases.update({job.id: leases[job.id] for job in wanted if job.id in leases})
