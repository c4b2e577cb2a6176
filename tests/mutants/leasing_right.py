"""Stores that lease in unusual ways, and keep every law: none of them may be convicted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

from typing_extensions import override

from collection_jobs import CollectionJob, JobStatus, Lease
from tests.mutants.leased_rows import Leased, Row
from tests.mutants.rows import age

RIGHT: list[type[Leased]] = [Leased]


def is_right(store: type[Leased]) -> type[Leased]:
    """Enter a store that must be acquitted."""
    RIGHT.append(store)
    return store


@is_right
class CountsTokensApart(Leased):
    """Tokens come from a sequence of their own, which nobody else uses."""

    sequence = count(1_000, 17)

    @override
    def token(self, job: CollectionJob) -> int:
        return next(self.sequence)


@is_right
class CountsTokensById(Leased):
    """Each id has a counter of its own, which is kept when the job is deleted."""

    def __init__(self, directory: object = None) -> None:
        super().__init__()
        self.counters: dict[str, int] = {}

    @override
    def token(self, job: CollectionJob) -> int:
        self.counters[job.id] = self.counters.get(job.id, 0) + 1
        return self.counters[job.id]


@is_right
class TokensFromTheClock(Leased):
    """A token is the time of the claim in nanoseconds, or one more than the last."""

    last = 0

    @override
    def token(self, job: CollectionJob) -> int:
        self.last = max(self.last + 1, int(self.clock().timestamp() * 1e9))
        return self.last


@is_right
class Reaps(Leased):
    """Moves what has expired to a list of its own whenever a claim comes by, and claims from it."""

    def __init__(self, directory: object = None) -> None:
        super().__init__()
        self.expired: set[str] = set()

    def reap(self) -> None:
        for job_id, row in self.leases.items():
            if row.expires_at <= self.clock():
                self.expired.add(job_id)
        self.expired &= self.leases.keys()

    @override
    def is_free(self, job: CollectionJob) -> bool:
        self.reap()
        return job.status is JobStatus.PENDING or job.id in self.expired

    @override
    def has_expired(self, row: Row | None) -> bool:
        self.reap()
        return any(self.leases[job_id] is row for job_id in self.expired)

    @override
    async def take(self, job: CollectionJob, worker: str, ttl: timedelta) -> Lease:
        self.expired.discard(job.id)
        return await super().take(job, worker, ttl)

    @override
    def renewed(self, row: Row, ttl: timedelta) -> Row:
        self.expired = {job_id for job_id in self.expired if self.leases[job_id] is not row}
        return super().renewed(row, ttl)


@is_right
class CountsInMilliseconds(Leased):
    """An engine whose times have three places; it rounds up what it writes."""

    @override
    def expiry(self, ttl: timedelta) -> datetime:
        exact = super().expiry(ttl)
        return exact + timedelta(microseconds=-exact.microsecond % 1_000)


@is_right
class OtherClock(Leased):
    """A server whose clock is forty seconds ahead of everybody's, in all that it writes."""

    @override
    def clock(self) -> datetime:
        return super().clock() + timedelta(seconds=40)


@is_right
class LocksEachJob(Leased):
    """Each job has a lock; a claim of the next passes over what others have locked."""

    def __init__(self, directory: object = None) -> None:
        super().__init__()
        self.locks: dict[str, asyncio.Lock] = {}

    def lock_of(self, job_id: str) -> asyncio.Lock:
        return self.locks.setdefault(job_id, asyncio.Lock())

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        async with self.lock_of(job_id):
            yield

    @override
    async def claim_next(
        self,
        worker: str,
        ttl: timedelta,
        *,
        source: str | None = None,
        most_running: int | None = None,
    ) -> Lease | None:
        if most_running is None:
            return await self.skipping(worker, ttl, source)
        async with self.alone("claims with a limit", "claim_next"):  # one after another
            if await self.has_so_many(source, most_running):
                return None
            return await self.skipping(worker, ttl, source)

    async def skipping(self, worker: str, ttl: timedelta, source: str | None) -> Lease | None:
        for job in sorted(await self.scan(), key=age):
            if self.lock_of(job.id).locked() or not self.matches(job, source):
                continue
            async with self.lock_of(job.id):
                stored = await self.read(job.id)
                if stored is not None and self.is_free(stored):
                    return await self.take(stored, worker, ttl)
        return None

    @override
    async def insert(self, job: CollectionJob) -> bool:
        await asyncio.sleep(0)
        return self.insert_now(job)


@is_right
class ComparesAndSwaps(Leased):
    """No lock for claims: the row is taken if it is as it was read, or all is tried again."""

    @override
    async def claim_next(
        self,
        worker: str,
        ttl: timedelta,
        *,
        source: str | None = None,
        most_running: int | None = None,
    ) -> Lease | None:
        if most_running is not None:
            return await super().claim_next(worker, ttl, source=source, most_running=most_running)
        while (found := await self.next(source)) is not None:
            async with self.alone(found.id, "swap"):
                if self.rows.get(found.id) is found:
                    return await self.take(found, worker, ttl)
        return None


@is_right
class NumbersWorkers(Leased):
    """Keeps the names of workers in a table of their own, and their numbers in the rows."""

    def __init__(self, directory: object = None) -> None:
        super().__init__()
        self.names: list[str] = []

    def number_of(self, worker: str) -> str:
        if worker not in self.names:
            self.names.append(worker)
        return str(self.names.index(worker))

    @override
    async def take(self, job: CollectionJob, worker: str, ttl: timedelta) -> Lease:
        return await super().take(job, self.number_of(worker), ttl)

    @override
    def lease_of(self, job: CollectionJob) -> Lease:
        lease = super().lease_of(job)
        return replace(lease, worker=self.names[int(lease.worker)])
