"""Repositories that work by timers: races that show only when time passes while others work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from typing_extensions import override

from collection_jobs.errors import RepositoryError
from collection_jobs.job import CollectionJob
from collection_jobs.stats import JobStats
from tests.mutants.rows import Rows

TIMED_RACES: dict[type[Rows], frozenset[str]] = {}
"""Mutants, and the laws by which early timers convict them."""
TIMED_RIGHT: list[type[Rows]] = []


def breaks_when_time_passes(*laws: str) -> Callable[[type[Rows]], type[Rows]]:
    """Enter a mutant."""

    def enter(mutant: type[Rows]) -> type[Rows]:
        TIMED_RACES[mutant] = frozenset(laws)
        return mutant

    return enter


def is_right_at_any_time(design: type[Rows]) -> type[Rows]:
    """Enter a design that keeps every law."""
    TIMED_RIGHT.append(design)
    return design


class Lost(Exception):  # noqa: N818 - as lock services call it
    """The lease of who writes was given to another."""


class Leased(Rows):
    """Who changes a job holds a lease for 30 s, which then is given to the next one."""

    def __init__(self) -> None:
        super().__init__()
        self.token = 0
        self.holders: dict[asyncio.Task[object] | None, int] = {}
        self.free = asyncio.Condition()
        self.held = 0

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        async with self.free:
            await self.free.wait_for(lambda: not self.held)
            self.token += 1
            self.held = mine = self.token
        timer = asyncio.get_running_loop().call_later(30, self.expire, mine)
        self.holders[asyncio.current_task()] = mine
        try:
            yield
        except Lost as lost:
            raise RepositoryError("the lease has expired") from lost
        finally:
            timer.cancel()
            del self.holders[asyncio.current_task()]
            await self.give_up(mine)

    def expire(self, token: int) -> None:
        if self.held == token:
            self.held = 0
            self.waking = asyncio.ensure_future(self.wake())

    async def wake(self) -> None:
        async with self.free:
            self.free.notify_all()

    async def give_up(self, token: int) -> None:
        async with self.free:
            if self.held == token:
                self.held = 0
                self.free.notify_all()


@breaks_when_time_passes("ATOMIC-1", "DELETE-1", "FAILED-2", "SAVE-3", "STATUS-2")
class LeaseWithoutFencing(Leased):
    """A lease without a fence: who was slow writes, although another has the lease by now."""


@is_right_at_any_time
class FencedLease(Leased):
    """Each write shows the token of its lease, and one that has expired is refused."""

    def check_token(self) -> None:
        mine = self.holders.get(asyncio.current_task())
        if mine is not None and mine < self.token:
            raise Lost

    @override
    async def write(self, job: CollectionJob) -> None:
        await asyncio.sleep(0)
        self.check_token()
        self.put(job)

    @override
    async def remove(self, job_id: str) -> bool:
        await asyncio.sleep(0)
        self.check_token()
        return self.rows.pop(job_id, None) is not None


class Debounced(Rows):
    """Changes are collected in a buffer, which readers see, and written once in a while."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer: dict[str, CollectionJob | None] = {}
        self.timer: asyncio.TimerHandle | None = None

    def set_timer(self) -> None:
        if self.timer is None:
            self.timer = asyncio.get_running_loop().call_later(0.1, self.begin)

    def begin(self) -> None:
        self.timer = None
        self.flushing = asyncio.ensure_future(self.flush())

    async def flush(self) -> None:
        """Write what is in the buffer."""
        raise NotImplementedError

    @override
    async def read(self, job_id: str) -> CollectionJob | None:
        await asyncio.sleep(0)
        return self.buffer[job_id] if job_id in self.buffer else self.rows.get(job_id)

    @override
    async def scan(self) -> list[CollectionJob]:
        await asyncio.sleep(0)
        found = {**self.rows, **self.buffer}
        return [job for job in found.values() if job is not None]

    @override
    def put(self, job: CollectionJob) -> None:
        self.revision += 1
        self.buffer[job.id] = job.with_revision(self.revision)
        self.set_timer()

    @override
    async def remove(self, job_id: str) -> bool:
        found = await self.read(job_id)
        self.buffer[job_id] = None
        self.set_timer()
        return found is not None

    def apply(self, job_id: str, job: CollectionJob | None) -> None:
        if job is None:
            self.rows.pop(job_id, None)
        else:
            self.rows[job_id] = job


@breaks_when_time_passes(
    "DELETE-1", "FAILED-1", "FAILED-2", "SAVE-1", "SAVE-3", "STATUS-2", "STATUS-3"
)
class FlushLosesWhatComes(Debounced):
    """The flush empties the buffer when it is done: what came meanwhile is emptied with it."""

    @override
    async def flush(self) -> None:
        for job_id, job in list(self.buffer.items()):
            await asyncio.sleep(0)
            self.apply(job_id, job)
        self.buffer.clear()


@is_right_at_any_time
class FlushKeepsWhatComes(Debounced):
    """The flush takes away from the buffer only what it has written, as it has written it."""

    @override
    async def flush(self) -> None:
        for job_id, job in list(self.buffer.items()):
            await asyncio.sleep(0)
            self.apply(job_id, job)
            if self.buffer.get(job_id, self) is job:
                del self.buffer[job_id]


@breaks_when_time_passes("DELETE-1", "FAILED-2", "SAVE-3", "SAVE-4", "STATUS-2")
class ReleasesAnothersLock(Rows):
    """Who has waited five seconds for the lock gives up, and releases it: it is another's."""

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(5):
                await self.lock.acquire()
            yield
        except TimeoutError as late:
            raise RepositoryError("the store is busy") from late
        finally:
            if self.lock.locked():
                self.lock.release()


@is_right_at_any_time
class GivesUpTheWait(Rows):
    """Who has waited five seconds for the lock gives up, and tells so."""

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(5):
                await self.lock.acquire()
        except TimeoutError as late:
            raise RepositoryError("the store is busy") from late
        try:
            yield
        finally:
            self.lock.release()


class Cached(Rows):
    """A job is read from a cache; what was read once is read again each minute, behind the back."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[str, CollectionJob] = {}
        self.refreshed: set[asyncio.Task[None]] = set()

    @override
    def put(self, job: CollectionJob) -> None:
        super().put(job)
        self.cache.pop(job.id, None)

    @override
    async def remove(self, job_id: str) -> bool:
        await asyncio.sleep(0)
        self.cache.pop(job_id, None)
        return self.rows.pop(job_id, None) is not None

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        if job_id not in self.cache:
            job = await self.read(job_id)
            if job is None or self.rows.get(job_id) is not job:
                return job
            self.cache[job_id] = job
            asyncio.get_running_loop().call_later(60, self.expire, job_id)
        return self.cache.get(job_id)

    def expire(self, job_id: str) -> None:
        task = asyncio.ensure_future(self.refresh(job_id))
        self.refreshed.add(task)
        task.add_done_callback(self.refreshed.discard)

    async def refresh(self, job_id: str) -> None:
        """Read a job again."""
        raise NotImplementedError


@breaks_when_time_passes("ATOMIC-1", "DELETE-1", "FAILED-1", "SAVE-1", "STATUS-3")
class RefreshBringsBack(Cached):
    """The cache is refreshed with what the row was; it may have been deleted meanwhile."""

    @override
    async def refresh(self, job_id: str) -> None:
        job = self.rows.get(job_id)
        await asyncio.sleep(0)
        if job is not None:
            self.cache[job_id] = job


@is_right_at_any_time
class RefreshLooksAgain(Cached):
    """The cache is refreshed only with what is still the row."""

    @override
    async def refresh(self, job_id: str) -> None:
        job = await self.read(job_id)
        if job is not None and self.rows.get(job_id) is job:
            self.cache[job_id] = job


class ReadsUnderTheLock(Rows):
    """Who reads waits for whoever changes something, and sees no halves."""

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        async with self.alone(job_id, "get_by_id"):
            return await super().get_by_id(job_id)

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        job = await self.get_by_id(job_id)
        return None if job is None else JobStats.from_job(job)

    @override
    async def scan(self) -> list[CollectionJob]:
        async with self.alone("", "scan"):
            return await super().scan()


@breaks_when_time_passes("SAVE-4")
class LeavesHalfAChange(ReadsUnderTheLock):
    """A write that takes too long is given up between its two halves."""

    async def write_slowly(self, job: CollectionJob) -> None:
        stored = self.rows.get(job.id)
        await asyncio.sleep(0)
        if stored is not None:
            self.rows[job.id] = job.with_revision(stored.revision)
        await asyncio.sleep(0)
        self.put(job)

    @override
    async def write(self, job: CollectionJob) -> None:
        try:
            await asyncio.wait_for(self.write_slowly(job), 2)
        except TimeoutError as late:
            raise RepositoryError("the engine does not answer") from late


@is_right_at_any_time
class WritesAtOnce(ReadsUnderTheLock):
    """A write that takes too long is given up before it has begun, or is whole."""

    @override
    async def write(self, job: CollectionJob) -> None:
        try:
            async with asyncio.timeout(2):
                await super().write(job)
        except TimeoutError as late:
            raise RepositoryError("the engine does not answer") from late
