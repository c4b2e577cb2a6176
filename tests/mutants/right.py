"""Repositories without a race, of designs that differ as much as right ones do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from random import Random
from typing import cast

from typing_extensions import override

from collection_jobs.adapters.memory import InMemoryCollectionJobRepository
from collection_jobs.conformance.spec.calls import Call
from collection_jobs.errors import JobNotFoundError
from collection_jobs.job import CollectionJob
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus
from tests.mutants.patterns import PATTERNS
from tests.mutants.rows import LockPerJob, Optimistic, Rows, Unlocked, now


class CopyOnWrite(Rows):
    """Readers see a snapshot that a change replaces whole; listings wait as often as they like."""

    @override
    def put(self, job: CollectionJob) -> None:
        self.revision += 1
        self.rows = {**self.rows, job.id: job.with_revision(self.revision)}

    @override
    async def remove(self, job_id: str) -> bool:
        await asyncio.sleep(0)
        left = {key: job for key, job in self.rows.items() if key != job_id}
        removed, self.rows = len(left) < len(self.rows), left
        return removed

    @override
    async def scan(self) -> list[CollectionJob]:
        found: list[CollectionJob] = []
        for job in self.rows.values():
            await asyncio.sleep(0)
            found.append(job)
        return found


class SpinLock(Rows):
    """Who finds the store busy looks again, and again; that is no livelock."""

    busy = False

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        while self.busy:  # noqa: ASYNC110 - that it asks again and again is the point
            await asyncio.sleep(0)
        self.busy = True
        try:
            yield
        finally:
            self.busy = False


class WriteAheadLog(Rows):
    """A change is logged, then applied, and acknowledged when it is."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []

    @override
    async def write(self, job: CollectionJob) -> None:
        self.log.append(job.id)
        await asyncio.sleep(0)
        self.put(job)
        await asyncio.sleep(0)
        self.log.append("done")


class ListsJobByJob(Rows):
    """A listing takes the ids first and then each job as it is by then, which ATOMIC-1 permits."""

    @override
    async def scan(self) -> list[CollectionJob]:
        found: list[CollectionJob] = []
        for job_id in list(self.rows):
            job = await self.read(job_id)
            if job is not None:
                found.append(job)
        return found


class PassesOverDeleted(Unlocked):
    """add_failed_symbol on a job deleted meanwhile does nothing: it took effect before that."""

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        if await self.read(job_id) is None:
            raise JobNotFoundError(job_id)
        await asyncio.sleep(0)
        job = self.rows.get(job_id)
        if job is not None:
            self.put(job.with_failed_symbol(symbol, error))

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        await asyncio.sleep(0)
        job = self.rows.get(job_id)
        if job is None or not job.status.can_become(status):
            return False
        self.put(job.with_status(status, error_message=error_message, at=now()))
        await asyncio.sleep(0)
        return True

    @override
    async def save(self, job: CollectionJob) -> None:
        await asyncio.sleep(0)
        self.check_fresh(job, self.rows.get(job.id))
        self.put(job)


class CacheByRevision(Rows):
    """A cached job is shown only while the row still has its revision."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[str, CollectionJob] = {}

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        await asyncio.sleep(0)
        stored, cached = self.rows.get(job_id), self.cache.get(job_id)
        if stored is None or (cached is not None and cached.revision == stored.revision):
            return cached if stored is not None else None
        job = await self.read(job_id)
        if job is not None:
            self.cache[job_id] = job
        return job


class WaitsWithCare(Rows):
    """Every read goes through a task, a shield, a time limit and a task group."""

    @override
    async def read(self, job_id: str) -> CollectionJob | None:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(super().read(job_id))
        async with asyncio.timeout(5):
            return await asyncio.wait_for(asyncio.shield(task), 5)


class _Delegating:
    """Makes every call on an in-memory repository, in a way of its own."""

    def __init__(self) -> None:
        self.inner = InMemoryCollectionJobRepository()

    async def __aenter__(self) -> CollectionJobRepository:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.inner.close()

    async def pass_on(self, call: Call) -> object:
        """Make the call."""
        return await getattr(self.inner, call.method)(*call.arguments)

    async def save(self, job: CollectionJob) -> None:
        await self.pass_on(Call("save", (job,)))

    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        found = await self.pass_on(Call("get_by_id", (job_id,)))
        return found if isinstance(found, CollectionJob) else None

    async def delete(self, job_id: str) -> bool:
        return bool(await self.pass_on(Call("delete", (job_id,))))

    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        return await self.listing(Call("list_by_status", (status, limit, offset)))

    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        return await self.listing(Call("list_recent", (limit, since)))

    async def get_running_jobs(self) -> list[CollectionJob]:
        return await self.listing(Call("get_running_jobs"))

    async def listing(self, call: Call) -> list[CollectionJob]:
        found = await self.pass_on(call)
        assert isinstance(found, list)
        return cast("list[CollectionJob]", found)

    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        return bool(await self.pass_on(Call("update_status", (job_id, status, error_message))))

    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        await self.pass_on(Call("add_failed_symbol", (job_id, symbol, error)))

    async def get_stats(self, job_id: str) -> JobStats | None:
        found = await self.pass_on(Call("get_stats", (job_id,)))
        return found if isinstance(found, JobStats) else None


class Actor(_Delegating):
    """One task does all the work, in the order in which it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: asyncio.Queue[tuple[Call, asyncio.Future[object]]] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None

    async def work(self) -> None:
        while True:
            call, answer = await self.queue.get()
            await asyncio.sleep(0)
            try:
                result = await super().pass_on(call)
            except Exception as error:  # noqa: BLE001 - an actor hands every error to who asked
                if not answer.done():  # who asked may have been cancelled
                    answer.set_exception(error)
            else:
                if not answer.done():
                    answer.set_result(result)

    @override
    async def pass_on(self, call: Call) -> object:
        loop = asyncio.get_running_loop()
        if self.task is None:
            self.task = loop.create_task(self.work())
        answer: asyncio.Future[object] = loop.create_future()
        await self.queue.put((call, answer))
        return await answer


class InAThread(_Delegating):
    """Every call runs whole in a thread, one at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = asyncio.Lock()

    @override
    async def pass_on(self, call: Call) -> object:
        async with self.lock:
            return await asyncio.to_thread(_run_at_once, self, call)


def _run_at_once(repository: _Delegating, call: Call) -> object:
    """Run a coroutine that never waits."""
    try:
        _Delegating.pass_on(repository, call).send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the in-memory repository does not wait")


class WaitsAnywhere(_Delegating):
    """Waits before and after the one step in which it does everything."""

    def __init__(self) -> None:
        super().__init__()
        self.random = Random(7)  # noqa: S311 - harmless delays need no secrecy

    @override
    async def pass_on(self, call: Call) -> object:
        for _ in range(self.random.randrange(3)):
            await asyncio.sleep(0)
        try:
            return await super().pass_on(call)
        finally:
            await asyncio.sleep(self.random.choice([0, 0.01]))


RIGHT: tuple[Callable[[], object], ...] = (
    InMemoryCollectionJobRepository,
    Rows,
    LockPerJob,
    Optimistic,
    CopyOnWrite,
    SpinLock,
    WriteAheadLog,
    ListsJobByJob,
    PassesOverDeleted,
    CacheByRevision,
    WaitsWithCare,
    Actor,
    InAThread,
    WaitsAnywhere,
    *PATTERNS,
)
