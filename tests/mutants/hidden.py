"""Repositories in which two calls leave something behind that no read shows, only a third change.

Each changes one thing of a right design; its docstring is what is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from typing_extensions import override

from collection_jobs.job import CollectionJob
from collection_jobs.status import JobStatus
from tests.mutants.race_table import race
from tests.mutants.rows import LockPerJob, Rows, age, now


@race("ATOMIC-1", kind="a lock that an early return does not release", hides=True)
class KeepsItsLock(Rows):
    """A claim that waited for the lock, and then is refused, keeps it."""

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        waited = self.lock.locked()
        await self.lock.acquire()
        job = await self.read(job_id)
        may = job is not None and job.status.can_become(status)
        if job is not None and may:
            await self.write(job.with_status(status, error_message=error_message, at=now()))
        if may or not waited:
            self.lock.release()
        return may


@race("ATOMIC-1", kind="a set of claims under way, from which a loser is not removed", hides=True)
class RemembersTheLoser(Rows):
    """A claim that another was faster than stays in the set of those who claim the job."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: set[str] = set()

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        if job_id in self.lost:
            return False
        before = self.rows.get(job_id)
        changed = await super().update_status(job_id, status, error_message)
        after = self.rows.get(job_id)
        if not changed and before and after and before.status is not after.status:
            self.lost.add(job_id)
        return changed


@race(
    "ATOMIC-1",
    "FAILED-2",
    kind="a tombstone that is never cleared (a queue of deletions)",
    hides=True,
)
class KeepsATombstone(LockPerJob):
    """A deletion that waited for others leaves a mark, and what is saved after it is dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.dead: set[str] = set()

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        waits = self.locks.setdefault(job_id, asyncio.Lock()).locked()
        async with super().alone(job_id, method):
            yield
        if waits and method == "delete":
            self.dead.add(job_id)

    @override
    async def write(self, job: CollectionJob) -> None:
        if job.id not in self.dead:
            await super().write(job)


@race("ATOMIC-1", kind="a buffer whose flush is skipped once it was contended", hides=True)
class StopsRecording(Rows):
    """Outcomes that two callers recorded at once are kept; the next one of the job is not."""

    def __init__(self) -> None:
        super().__init__()
        self.recording = 0
        self.contended: set[str] = set()

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        if job_id in self.contended and not self.recording:
            await self.read(job_id)
            self.contended.discard(job_id)
            return
        self.recording += 1
        try:
            await super().add_failed_symbol(job_id, symbol, error)
        finally:
            self.recording -= 1
            if self.recording:
                self.contended.add(job_id)


# What shows among many jobs only


class ReadsPages(Rows):
    """A listing reads pages of 100 rows by OFFSET, one after another."""

    page = 100

    @override
    async def scan(self) -> list[CollectionJob]:
        found: list[CollectionJob] = []
        while True:
            await asyncio.sleep(0)
            page = self.rest(sorted(self.rows.values(), key=age), found)[: self.page]
            found += page
            if len(page) < self.page:
                return found

    def rest(self, rows: list[CollectionJob], found: list[CollectionJob]) -> list[CollectionJob]:
        """The rows behind those that were found."""
        return rows[len(found) :]


class ReadsPagesByKey(ReadsPages):
    """A listing reads pages of 100 rows, each from the last key of the one before: right."""

    @override
    def rest(self, rows: list[CollectionJob], found: list[CollectionJob]) -> list[CollectionJob]:
        return [job for job in rows if not found or age(job) > age(found[-1])]


class KeepsFewLocks(LockPerJob):
    """Keeps the locks of the 128 jobs that were used last, in use or not."""

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        lock = self.locks.setdefault(job_id, asyncio.Lock())
        self.locks[job_id] = self.locks.pop(job_id)  # as the one that was used last
        if len(self.locks) > 128:
            del self.locks[next(iter(self.locks))]
        async with lock:
            yield


class KeepsLocksInUse(LockPerJob):
    """Keeps the locks of the 128 jobs that were used last, and those that are in use: right."""

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, int] = {}

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        self.users[job_id] = self.users.get(job_id, 0) + 1
        lock = self.locks.setdefault(job_id, asyncio.Lock())
        self.locks[job_id] = self.locks.pop(job_id)  # as the one that was used last
        try:
            async with lock:
                yield
        finally:
            self.users[job_id] -= 1
            idle = (one for one in self.locks if not self.users.get(one))
            if len(self.locks) > 128 and (oldest := next(idle, None)) is not None:
                del self.locks[oldest]
