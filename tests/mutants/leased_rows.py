"""A repository over a pretended engine, with leases in the rows: right, and what mutants change.

Every read and every write of a row is awaited, under one lock. A claim is two statements, as most
people write it: one finds the job, one takes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from typing_extensions import override

from collection_jobs import (
    CollectionJob,
    JobNotFoundError,
    JobStatus,
    Lease,
    LeaseLostError,
)
from tests.mutants.beyond_races import Whole
from tests.mutants.rows import age, now


@dataclass(frozen=True)
class Row:
    """The columns that a lease has in the row of its job."""

    worker: str
    token: int
    expires_at: datetime
    attempt: int


class Leased(Whole):
    """Jobs with leases, each method under the one lock: right."""

    def __init__(self, directory: Path | None = None) -> None:
        super().__init__()
        self.leases: dict[str, Row] = {}
        self.attempts: dict[str, int] = {}

    # The parts that mutants change

    def clock(self) -> datetime:
        """The engine's clock."""
        return now()

    def expiry(self, ttl: timedelta) -> datetime:
        """When a lease expires that is given out now."""
        return self.clock() + ttl

    def token(self, job: CollectionJob) -> int:
        """The token of a claim that has just been written."""
        assert job.revision is not None
        return job.revision

    def has_expired(self, row: Row | None) -> bool:
        return row is not None and row.expires_at <= self.clock()

    def is_free(self, job: CollectionJob) -> bool:
        if job.status is JobStatus.PENDING:
            return True
        return job.status is JobStatus.RUNNING and self.has_expired(self.leases.get(job.id))

    def matches(self, job: CollectionJob, source: str | None) -> bool:
        return source is None or job.source == source

    def first(self, free: list[CollectionJob]) -> CollectionJob:
        return min(free, key=age)

    def counts(self, job: CollectionJob, source: str | None) -> bool:
        """Whether a job is one of those that may be running at a time."""
        row = self.leases.get(job.id)
        return self.matches(job, source) and row is not None and not self.has_expired(row)

    def is_full(self, running: int, most: int) -> bool:
        return running >= most

    def is_current(self, lease: Lease) -> bool:
        row = self.leases.get(lease.job.id)
        return row is not None and row.token == lease.token

    def renewed(self, row: Row, ttl: timedelta) -> Row:
        return replace(row, expires_at=self.expiry(ttl))

    def started(self, job: CollectionJob) -> CollectionJob:
        """A job as a claim makes it."""
        pending = job.give_back() if job.status is JobStatus.RUNNING else job
        return pending.with_status(JobStatus.RUNNING, at=self.clock())

    def left(self, job: CollectionJob) -> None:
        """A job is not RUNNING any more."""
        self.leases.pop(job.id, None)

    # The engine

    @override
    def put(self, job: CollectionJob) -> None:
        super().put(job)
        if job.status is not JobStatus.RUNNING:
            self.left(job)

    @override
    async def remove(self, job_id: str) -> bool:
        there = await super().remove(job_id)
        self.leases.pop(job_id, None)
        self.attempts.pop(job_id, None)
        return there

    # The methods

    async def add(self, job: CollectionJob) -> bool:
        async with self.alone(job.id, "add"):
            return await self.insert(job)

    async def insert(self, job: CollectionJob) -> bool:
        if await self.read(job.id) is not None:
            return False
        await self.write(job)
        return True

    async def add_many(self, jobs: Iterable[CollectionJob]) -> list[bool]:
        wanted = list(jobs)
        async with self.alone("*", "add_many"):
            await asyncio.sleep(0)
            return [self.insert_now(job) for job in wanted]

    def insert_now(self, job: CollectionJob) -> bool:
        if job.id in self.rows:
            return False
        self.put(job)
        return True

    async def claim_next(
        self,
        worker: str,
        ttl: timedelta,
        *,
        source: str | None = None,
        most_running: int | None = None,
    ) -> Lease | None:
        async with self.alone("*", "claim_next"):
            if most_running is not None and await self.has_so_many(source, most_running):
                return None
            found = await self.next(source)
            return None if found is None else await self.take(found, worker, ttl)

    async def has_so_many(self, source: str | None, most: int) -> bool:
        running = [job for job in await self.scan() if self.counts(job, source)]
        return self.is_full(len(running), most)

    async def next(self, source: str | None) -> CollectionJob | None:
        jobs = await self.scan()
        free = [job for job in jobs if self.is_free(job) and self.matches(job, source)]
        return self.first(free) if free else None

    async def claim(self, job_id: str, worker: str, ttl: timedelta) -> Lease | None:
        async with self.alone(job_id, "claim"):
            job = await self.read(job_id)
            if job is None or not self.is_free(job):
                return None
            return await self.take(job, worker, ttl)

    async def take(self, job: CollectionJob, worker: str, ttl: timedelta) -> Lease:
        await self.write(self.started(job))
        stored = self.rows[job.id]
        attempt = self.attempts.get(job.id, 0) + 1
        self.attempts[job.id] = attempt
        self.leases[job.id] = Row(worker, self.token(stored), self.expiry(ttl), attempt)
        return self.lease_of(stored)

    def lease_of(self, job: CollectionJob) -> Lease:
        row = self.leases[job.id]
        return Lease(
            job=job,
            worker=row.worker,
            token=row.token,
            expires_at=row.expires_at,
            attempt=row.attempt,
        )

    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        async with self.alone(lease.job.id, "renew"):
            await self.fence(lease)
            self.leases[lease.job.id] = self.renewed(self.leases[lease.job.id], ttl)
            return self.lease_of(self.rows[lease.job.id])

    async def get_lease(self, job_id: str) -> Lease | None:
        job = await self.read(job_id)
        return None if job is None or job_id not in self.leases else self.lease_of(job)

    async def fence(self, lease: Lease | None) -> None:
        """Refuse a lease that was lost."""
        if lease is None:
            return
        await asyncio.sleep(0)
        if not self.is_current(lease):
            raise LeaseLostError(lease.job.id, lease.worker)

    @override
    async def update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None = None,
        *,
        lease: Lease | None = None,
    ) -> bool:
        async with self.alone(job_id, "update_status"):
            await self.fence(lease)
            job = await self.read(job_id)
            if job is None or not job.status.can_become(status):
                return False
            await self.write(job.with_status(status, error_message=error_message, at=self.clock()))
            if status is JobStatus.PENDING:
                self.attempts.pop(job_id, None)
            return True

    @override
    async def add_failed_symbol(
        self, job_id: str, symbol: str, error: str, *, lease: Lease | None = None
    ) -> None:
        async with self.alone(job_id, "add_failed_symbol"):
            await self.fence(lease)
            job = await self.read(job_id)
            if job is None:
                raise JobNotFoundError(job_id)
            await self.write(job.with_failed_symbol(symbol, error))

    @override
    async def add_completed_symbol(
        self, job_id: str, symbol: str, candles: int, *, lease: Lease | None = None
    ) -> None:
        async with self.alone(job_id, "add_completed_symbol"):
            await self.fence(lease)
            await self.complete(job_id, symbol, candles)


for _method in ("save_many", "list_after"):  # not what these are about
    setattr(Leased, _method, None)
