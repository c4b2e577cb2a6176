"""Repositories with one race each in what they add and lease, and right designs of other kinds.

Each changes one thing of `Leased`, which is right under its one lock; its docstring is the race.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

from typing_extensions import override

from collection_jobs import CollectionJob, JobNotFoundError, JobStatus, Lease
from tests.mutants.leased_rows import Leased

RACES: dict[type[Leased], frozenset[str]] = {}


def race(*laws: str) -> Callable[[type[Leased]], type[Leased]]:
    """Enter a mutant, with exactly the laws that convict it under some schedule."""

    def enter(mutant: type[Leased]) -> type[Leased]:
        RACES[mutant] = frozenset(laws)
        return mutant

    return enter


@race("ATOMIC-1", "DELETE-1", "LEASE-1", "LEASE-2", "LEASE-6")
class SelectsThenUpdates(Leased):
    """SELECT the next job, then UPDATE it, each by itself: several workers take the same one."""

    @override
    async def claim_next(
        self,
        worker: str,
        ttl: timedelta,
        *,
        source: str | None = None,
        most_running: int | None = None,
    ) -> Lease | None:
        if most_running is not None and await self.has_so_many(source, most_running):
            return None
        found = await self.next(source)
        if found is None:
            return None
        async with self.alone(found.id, "claim_next"):
            return await self.take(self.rows.get(found.id, found), worker, ttl)


@race("LEASE-1", "LEASE-2", "LEASE-6")
class GivesUpWhenBeaten(Leased):
    """SELECT, then UPDATE ... WHERE status = 'pending': no row, no job, though others wait."""

    @override
    async def claim_next(
        self,
        worker: str,
        ttl: timedelta,
        *,
        source: str | None = None,
        most_running: int | None = None,
    ) -> Lease | None:
        if most_running is not None and await self.has_so_many(source, most_running):
            return None
        found = await self.next(source)
        return None if found is None else await self.claim(found.id, worker, ttl)


@race("LEASE-6")
class CountsOutside(Leased):
    """Counts those that are running before the transaction: all count, then all claim."""

    @override
    async def claim_next(
        self,
        worker: str,
        ttl: timedelta,
        *,
        source: str | None = None,
        most_running: int | None = None,
    ) -> Lease | None:
        if most_running is not None and await self.has_so_many(source, most_running):
            return None
        return await super().claim_next(worker, ttl, source=source)


@race("ATOMIC-1", "DELETE-1", "FAILED-2", "LEASE-2")
class ClaimsWithoutALock(Leased):
    """claim(id) reads the row and writes it, and another claims it in between."""

    @override
    async def claim(self, job_id: str, worker: str, ttl: timedelta) -> Lease | None:
        job = await self.read(job_id)
        if job is None or not self.is_free(job):
            return None
        return await self.take(job, worker, ttl)


@race("LEASE-3")
class FencesOutside(Leased):
    """Looks at the lease, and then waits for the lock, while the job is given to another."""

    @override
    async def update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None = None,
        *,
        lease: Lease | None = None,
    ) -> bool:
        await self.fence(lease)
        return await super().update_status(job_id, status, error_message)


@race("LEASE-3")
class RenewsWhatIsGone(Leased):
    """Reads the row of the lease, and writes it back whole when another has it already."""

    @override
    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        await self.fence(lease)
        row = self.leases[lease.job.id]
        await asyncio.sleep(0)
        self.leases[lease.job.id] = self.renewed(row, ttl)
        stored = self.rows.get(lease.job.id, lease.job)
        return replace(lease, job=stored, expires_at=self.leases[lease.job.id].expires_at)


@race("ADD-2", "ATOMIC-1")
class LooksThenInserts(Leased):
    """SELECT, then INSERT OR REPLACE: two planners both make the job."""

    @override
    async def add(self, job: CollectionJob) -> bool:
        return await self.insert(job)


@race("ADD-3")
class AddsManyInTurn(Leased):
    """Adds one row after another, and readers see some of them."""

    @override
    async def add_many(self, jobs: Iterable[CollectionJob]) -> list[bool]:
        wanted = list(jobs)
        async with self.alone("*", "add_many"):
            return [await self.insert(job) for job in wanted]


@race("ATOMIC-1", "COMPLETED-2")
class CompletesBesideALease(Leased):
    """Under a lease nobody else writes, or so it is thought: no lock is taken."""

    @override
    async def add_completed_symbol(
        self, job_id: str, symbol: str, candles: int, *, lease: Lease | None = None
    ) -> None:
        await self.fence(lease)
        job = await self.read(job_id)
        if job is None:
            raise JobNotFoundError(job_id)
        await self.write(job.with_completed_symbol(symbol, candles))
