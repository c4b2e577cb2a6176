"""Repositories with one race each: reads and writes with nothing between, and locks that are none.

Each changes one thing of `Rows`, which is right; its docstring is the race.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from typing_extensions import override

from collection_jobs.errors import JobNotFoundError
from collection_jobs.job import CollectionJob
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus
from tests.mutants.race_table import race
from tests.mutants.rows import (
    LockPerJob,
    Rows,
    Unlocked,
    now,
)

# Read, modify, write


@race(
    "FAILED-2",
    "DELETE-1",
    "SAVE-3",
    kind="the JSON column of a row, changed in Python (Django's F() is the cure)",
)
class LostUpdate(Rows):
    """add_failed_symbol reads, changes and writes without a lock."""

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        job = await self.read(job_id)
        if job is None:
            raise JobNotFoundError(job_id)
        await self.write(job.with_failed_symbol(symbol, error))


@race(
    "STATUS-2",
    "ATOMIC-1",
    "DELETE-1",
    "FAILED-2",
    kind="workers that claim the same trial or task (Optuna, home-made job queues)",
)
class CheckThenClaim(Rows):
    """update_status looks before it takes the lock, and does not look again."""

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        job = await self.read(job_id)
        if job is None or not job.status.can_become(status):
            return False
        async with self.alone(job_id, "update_status"):
            await self.write(job.with_status(status, error_message=error_message, at=now()))
            return True


@race(
    "FAILED-2",
    "ATOMIC-1",
    "DELETE-1",
    "SAVE-3",
    "STATUS-2",
    kind="a handler that is moved to threads call by call",
)
class ReadAndWriteInThreads(Unlocked):
    """Reads and writes are each handed to a thread, and nothing holds them together."""

    @override
    async def read(self, job_id: str) -> CollectionJob | None:
        return await asyncio.to_thread(self.rows.get, job_id)

    @override
    async def write(self, job: CollectionJob) -> None:
        await asyncio.to_thread(self.put, job)


@race("FAILED-2", "ATOMIC-1", "DELETE-1", kind="a JSON file that is read and rewritten whole")
class WholeFile(LockPerJob):
    """Every change rewrites all the rows, under the lock of the one job that it changes."""

    @override
    async def write(self, job: CollectionJob) -> None:
        self.revision += 1
        rows = {**self.rows, job.id: job.with_revision(self.revision)}
        await asyncio.sleep(0)
        self.rows = rows


@race("FAILED-2", "DELETE-1", kind="a service object that keeps the current item in an attribute")
class SharedScratch(Rows):
    """add_failed_symbol keeps the job in an attribute while it waits."""

    scratch: CollectionJob | None = None

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        self.scratch = self.rows.get(job_id)
        if self.scratch is None:
            raise JobNotFoundError(job_id)
        async with self.alone(job_id, "add_failed_symbol"):
            await self.write(self.scratch.with_failed_symbol(symbol, error))


# Locks that are none


@race(
    "FAILED-2",
    "ATOMIC-1",
    "DELETE-1",
    "SAVE-3",
    kind="a lock per method of a class, each guarding the same data",
)
class LockPerMethod(LockPerJob):
    """Every method has its own lock."""

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        async with super().alone(method, method):
            yield


@race(
    "FAILED-2",
    "ATOMIC-1",
    "DELETE-1",
    "SAVE-3",
    kind="a lock key built of too many parts (Redis lock names)",
)
class LockPerIdAndMethod(LockPerJob):
    """Every method has its own lock for each job."""

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        async with super().alone(f"{job_id} {method}", method):
            yield


@race(
    "FAILED-2",
    "ATOMIC-1",
    "DELETE-1",
    "SAVE-3",
    "STATUS-2",
    kind="a lock kept in a registry that has to be asked for it first",
    preemptions=2,
)
class LazyLock(LockPerJob):
    """The lock of a job is kept while it is in use; the next one is made after a look-up."""

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        if job_id not in self.locks:
            await asyncio.sleep(0)
            self.locks[job_id] = asyncio.Lock()
        lock = self.locks[job_id]
        async with lock:
            yield
        if self.locks.get(job_id) is lock and not lock.locked():
            del self.locks[job_id]


@race(
    "FAILED-2",
    "ATOMIC-1",
    "DELETE-1",
    "SAVE-3",
    "STATUS-2",
    kind="a pool of connections that replaced a single one",
)
class TwoAtATime(Rows):
    """A semaphore lets two in."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = asyncio.Semaphore(2)

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        async with self.slots:
            yield


@race(
    "FAILED-2",
    "ATOMIC-1",
    "DELETE-1",
    "SAVE-3",
    "STATUS-2",
    kind="a reentrant lock that does not look who holds it",
)
class AnybodysReentrantLock(Rows):
    """Whoever finds the lock held walks in, as if it held it itself."""

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        if self.lock.locked():
            yield
        else:
            async with self.lock:
                yield


@race(
    "FAILED-2",
    "ATOMIC-1",
    "DELETE-1",
    "SAVE-3",
    "STATUS-2",
    kind="a lease that runs out while its holder works (Redlock)",
)
class LeaseRunsOut(Rows):
    """Who waits too long for the lock goes on without it."""

    @override
    async def read(self, job_id: str) -> CollectionJob | None:
        await asyncio.sleep(0.02)
        return self.rows.get(job_id)

    @override
    async def write(self, job: CollectionJob) -> None:
        await asyncio.sleep(0.02)
        self.put(job)

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(0.01):
                await self.lock.acquire()
        except TimeoutError:
            yield
            return
        try:
            yield
        finally:
            self.lock.release()


@race(
    "FAILED-2",
    "ATOMIC-1",
    "DELETE-1",
    "STATUS-2",
    kind="an early return that was given its own clean-up",
    hides=True,
    stage="failed",
)
class ReleasedOnOnePath(Rows):
    """Only a retry (FAILED to PENDING) lets go of the lock before it writes."""

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        if status is not JobStatus.PENDING:
            return await super().update_status(job_id, status, error_message)
        async with self.alone(job_id, "update_status"):
            job = await self.read(job_id)
            if job is None or not job.status.can_become(status):
                return False
        await self.write(job.with_status(status, error_message=error_message, at=now()))
        return True


@race("SAVE-3", kind="an ETag that is compared before the transaction begins")
class ConditionOutsideTheLock(Rows):
    """save compares the revision before it takes the lock."""

    @override
    async def save(self, job: CollectionJob) -> None:
        if job.revision is not None:
            self.check_fresh(job, await self.read(job.id))
        async with self.alone(job.id, "save"):
            await self.write(job)


# Deadlocks


@race("ATOMIC-1", kind="two locks taken in two orders", hides=True)
class LockOrder(Rows):
    """A deletion takes the lock of the index first, everybody else that of the rows."""

    def __init__(self) -> None:
        super().__init__()
        self.index = asyncio.Lock()

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        first, second = self.lock, self.index
        if method == "delete":
            first, second = second, first
        async with first:
            await asyncio.sleep(0)
            async with second:
                yield


@race(
    "ATOMIC-1",
    kind="a condition built on asyncio.Event: the wake-up comes before the wait",
    preemptions=2,
)
class LostWakeUp(Rows):
    """Who finds the store busy clears the event that may just have been set, and waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.busy = False
        self.freed = asyncio.Event()

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        while self.busy:
            await asyncio.sleep(0)
            self.freed.clear()
            await self.freed.wait()
        self.busy = True
        try:
            yield
        finally:
            self.busy = False
            self.freed.set()


# Reads made together


@race("STATS-1", kind="single flight in front of a cache, without a look at what was written since")
class JoinsAReadUnderWay(Rows):
    """Who asks for stats that another one is asking for is given the same answer."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way: dict[str, asyncio.Task[JobStats | None]] = {}

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        if job_id not in self.under_way:
            self.under_way[job_id] = asyncio.create_task(self.stats_read(job_id))
        return await asyncio.shield(self.under_way[job_id])

    async def stats_read(self, job_id: str) -> JobStats | None:
        """Read the row, and send the answer."""
        try:
            stats = await super().get_stats(job_id)
            await asyncio.sleep(0)
        finally:
            del self.under_way[job_id]
        return stats
