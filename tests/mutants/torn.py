"""Repositories with one race each: what is seen half-done, comes back, looks the same, is stale.

Each changes one thing of `Rows`, which is right; its docstring is the race.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime

from typing_extensions import override

from collection_jobs.job import CollectionJob
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus
from tests.mutants.race_table import race
from tests.mutants.rows import (
    Conflict,
    LockPerJob,
    Optimistic,
    Rows,
    Unlocked,
    age,
    now,
    running,
)

# Writes that can be seen half-done


@race("ATOMIC-1", kind="two UPDATE statements without a transaction")
class TornWrite(Rows):
    """update_status writes the status first and the times after it."""

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        async with self.alone(job_id, "update_status"):
            job = await self.read(job_id)
            if job is None or not job.status.can_become(status):
                return False
            await self.write(replace(job, status=status))
            await self.write(job.with_status(status, error_message=error_message, at=now()))
            return True


@race(
    "SAVE-4",
    "ATOMIC-1",
    "DELETE-1",
    "FAILED-2",
    "SAVE-3",
    "STATUS-2",
    kind="a version column that is computed in Python (SELECT MAX(id) + 1)",
    stage="running",
)
class RevisionReadTooEarly(Unlocked):
    """The next revision is taken before the write is awaited, and counted only after it."""

    @override
    async def write(self, job: CollectionJob) -> None:
        revision = self.revision + 1
        await asyncio.sleep(0)
        self.revision = revision
        self.rows[job.id] = job.with_revision(revision)


@race("LIST-1", kind="a secondary index that is written after the row (Redis sets)")
class IndexAfterTheRow(Rows):
    """The index by status is brought up to date a while after the row; listings go by it."""

    def __init__(self) -> None:
        super().__init__()
        self.index: dict[str, JobStatus] = {}

    @override
    async def write(self, job: CollectionJob) -> None:
        await super().write(job)
        await asyncio.sleep(0)
        self.index[job.id] = job.status

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        await asyncio.sleep(0)
        ids = [job_id for job_id, indexed in self.index.items() if indexed is status]
        found = [self.rows[job_id] for job_id in ids if job_id in self.rows]
        return sorted(found, key=age)[offset : offset + limit]


@race(
    *("SAVE-1", "SAVE-2", "SAVE-3", "STATUS-1", "STATUS-3", "FAILED-1", "DELETE-1"),
    *("STATS-1", "LIST-1", "RECENT-1", "RUNNING-1"),
    kind="a buffer that is flushed by a background task (logging, metrics)",
)
class AcknowledgedEarly(Rows):
    """A write is queued and acknowledged; a task applies it when it comes to it."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: set[asyncio.Task[None]] = set()

    @override
    async def write(self, job: CollectionJob) -> None:
        task = asyncio.get_running_loop().create_task(super().write(job))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        await asyncio.sleep(0)


# Deletion


@race("DELETE-1", "SAVE-3", kind="if exists: delete; return True")
class DeletedTwice(Rows):
    """delete looks, waits and removes, and trusts in what it saw."""

    @override
    async def delete(self, job_id: str) -> bool:
        if await self.read(job_id) is None:
            return False
        await self.remove(job_id)
        return True


@race("DELETE-1", "SAVE-3", kind="an upsert that brings back a row deleted meanwhile", hides=True)
class Resurrection(Optimistic):
    """A change compares the revision before it writes, and takes a missing row for a new one."""

    @override
    def has_changed(self, job: CollectionJob) -> bool:
        return job.id in self.rows and super().has_changed(job)


@race("ATOMIC-1", kind="rows of a child table that are deleted after their parent", hides=True)
class OutcomesDeletedLater(Rows):
    """delete removes the job, and what belongs to it in another table a while after."""

    @override
    async def delete(self, job_id: str) -> bool:
        async with self.alone(job_id, "delete"):
            removed = await self.remove(job_id)
        await asyncio.sleep(0)
        job = self.rows.get(job_id)
        if removed and job is not None:
            self.rows[job_id] = replace(job, completed_symbols={}, failed_symbols={})
        return removed


@race(
    "DELETE-2",
    kind="a child table that a foreign key does not clear at once",
    hides=True,
    stage="running",
)
class OutcomesComeBack(Rows):
    """delete removes the job first; who saves it anew meanwhile inherits the old outcomes."""

    def __init__(self) -> None:
        super().__init__()
        self.orphans: dict[str, CollectionJob] = {}

    @override
    async def delete(self, job_id: str) -> bool:
        async with self.alone(job_id, "delete"):
            job = self.rows.get(job_id)
            removed = await self.remove(job_id)
        if removed and job is not None:
            self.orphans[job_id] = job
            await asyncio.sleep(0)
            del self.orphans[job_id]
        return removed

    @override
    def put(self, job: CollectionJob) -> None:
        orphan = self.orphans.get(job.id)
        if orphan is not None:
            job = replace(job, completed_symbols={}, failed_symbols=orphan.failed_symbols)
        super().put(job)


@race("ERROR-1", kind="a listing of ids whose rows are then fetched one by one", stage="running")
class RowGone(Rows):
    """get_running_jobs fetches row by row, and expects each to be there."""

    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        ids = [job.id for job in await self.scan() if running(job)]
        found = [await self.read(job_id) for job_id in ids]
        return sorted((job for job in found if job is None or running(job)), key=age)  # type: ignore[misc] # pyright: ignore[reportArgumentType] # the bug


# Versions compared the wrong way


@race(
    "FAILED-2",
    "ATOMIC-1",
    "SAVE-3",
    kind="a compare-and-swap on a digest that forgets a field (ABA)",
    hides=True,
)
class LooksTheSame(Optimistic):
    """Whether a row changed is told by its status and the number of its outcomes."""

    @override
    def has_changed(self, job: CollectionJob) -> bool:
        stored = self.rows.get(job.id)
        if job.revision is None:
            return False
        return stored is None or _digest(stored) != _digest(job)

    @override
    async def write(self, job: CollectionJob) -> None:
        before = self.rows.get(job.id)
        await asyncio.sleep(0)
        after = self.rows.get(job.id)
        if job.revision is not None and _digest(before) != _digest(after):
            raise Conflict
        self.put(job)


def _digest(job: CollectionJob | None) -> object:
    return None if job is None else (job.status, len(job.failed_symbols), job.timeframe)


# Reads


@race(
    "ATOMIC-1",
    kind="a cache filled by a read that a write has overtaken (cache-aside)",
    stage="absent",
)
class StaleCache(Rows):
    """A read fills the cache after it waited; a write empties it before."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[str, CollectionJob | None] = {}

    @override
    async def write(self, job: CollectionJob) -> None:
        await super().write(job)
        self.cache.pop(job.id, None)

    @override
    async def remove(self, job_id: str) -> bool:
        removed = await super().remove(job_id)
        self.cache.pop(job_id, None)
        return removed

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        if job_id not in self.cache:
            job = await self.read(job_id)
            await asyncio.sleep(0)
            self.cache[job_id] = job
        return self.cache[job_id]


@race("ATOMIC-1", kind="read repair: a read that writes back what it saw (Cassandra)", hides=True)
class ReadRepair(Rows):
    """get_stats writes the row back that it read, to refresh its place in a cache."""

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        job = await self.read(job_id)
        await asyncio.sleep(0)
        if job is None:
            return None
        if job_id in self.rows:
            self.rows[job_id] = job
        return JobStats.from_job(job)


@race("STATS-1", kind="two SELECT COUNT(*) without a transaction", hides=True, stage="running")
class StatsInTwoReads(Rows):
    """get_stats counts the completed and the failed symbols one after the other."""

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        first, second = await self.read(job_id), await self.read(job_id)
        if first is None or second is None:
            return None
        return replace(JobStats.from_job(second), failed=len(first.failed_symbols))


@race("ATOMIC-1", kind="a listing assembled of one query per status")
class ListingInTwoHalves(Rows):
    """list_recent reads the jobs that are at rest, then those that are running."""

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        found = [job for job in await self.scan() if not running(job)]
        found += [job for job in await self.scan() if running(job)]
        found = [job for job in found if since is None or job.created_at >= since]
        return sorted(found, key=age, reverse=True)[:limit]


@race("ERROR-1", kind="for row in self._rows.values(): await ... (dictionary changed size)")
class IteratesWhileOthersWrite(Rows):
    """A listing goes through the dict of the rows and waits at each."""

    @override
    async def scan(self) -> list[CollectionJob]:
        found: list[CollectionJob] = []
        for job in self.rows.values():
            await asyncio.sleep(0)
            found.append(job)
        return found


@race("ERROR-1", kind="get_or_create without a transaction (Django)", hides=True, stage="absent")
class InsertOrUpdate(Rows):
    """save looks whether the row is there, and then inserts; the engine refuses a duplicate."""

    @override
    async def save(self, job: CollectionJob) -> None:
        if job.revision is not None or await self.read(job.id) is not None:
            await super().save(job)
            return
        await asyncio.sleep(0)
        if job.id in self.rows:
            raise KeyError(f"duplicate key {job.id!r}")
        self.put(job)


# One caller who looks after a run sees each of these, and then its pair is not explored further.
@race(
    "DELETE-1",
    "FAILED-1",
    "LIST-1",
    "RECENT-1",
    "RUNNING-1",
    "SAVE-1",
    "SAVE-3",
    "STATS-1",
    "STATUS-1",
    "STATUS-3",
    kind="an actor that answers before it has done the work",
)
class ActorAnswersEarly(Rows):
    """Changes go through a queue, in order; the answer is given when one is taken from it."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: asyncio.Queue[tuple[asyncio.Future[None], CollectionJob]] = asyncio.Queue()
        self.actor: asyncio.Task[None] | None = None

    async def work(self) -> None:
        while True:
            taken, job = await self.queue.get()
            taken.set_result(None)
            await asyncio.sleep(0)
            self.put(job)

    @override
    async def write(self, job: CollectionJob) -> None:
        if self.actor is None:
            self.actor = asyncio.get_running_loop().create_task(self.work())
        taken = asyncio.get_running_loop().create_future()
        await self.queue.put((taken, job))
        await taken


# Races that no two calls show


@race(
    "FAILED-2",
    "DELETE-1",
    "SAVE-3",
    "STATUS-2",
    kind="a lock that is dropped while others wait for it",
    pairs=False,
)
class LockForgotten(LockPerJob):
    """The lock of a job is thrown away after use, while another may wait for it."""

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        async with self.locks.setdefault(job_id, asyncio.Lock()):
            yield
        self.locks.pop(job_id, None)


@race("FAILED-2", kind="a retry with a limit, and a warning nobody reads", pairs=False)
class GivesUp(Optimistic):
    """add_failed_symbol is tried twice, and then passed over in silence."""

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        for _ in range(2):
            with suppress(Conflict):
                return await Unlocked.add_failed_symbol(self, job_id, symbol, error)
        return None


@race("ATOMIC-1", kind="concurrent reads shared among their callers (singleflight)", pairs=False)
class SharedRead(Rows):
    """Who reads a job while another reads it gets what that one gets."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way: dict[str, asyncio.Task[CollectionJob | None]] = {}

    async def fetch(self, job_id: str) -> CollectionJob | None:
        job = self.rows.get(job_id)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del self.under_way[job_id]
        return job

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        if job_id not in self.under_way:
            loop = asyncio.get_running_loop()
            self.under_way[job_id] = loop.create_task(self.fetch(job_id))
        return await self.under_way[job_id]
