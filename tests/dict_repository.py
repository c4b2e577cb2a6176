"""DictRepository: a short adapter over CheckedRepository, in which a test may hold every hook."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from typing_extensions import override

from collection_jobs import (
    CheckedAddsJobs,
    CheckedCompletedSymbols,
    CheckedLeasesJobs,
    CheckedPagesByKey,
    CheckedRepository,
    CheckedSavesMany,
    CollectionJob,
    JobNotFoundError,
    JobStatus,
    Lease,
    LeaseLostError,
    StaleJobError,
)

__all__ = ["DictRepository", "DictRepositoryWithAll", "DictRepositoryWithLeases", "EngineError"]


class EngineError(Exception):
    """What the engine raises."""


class DictRepository(CheckedRepository):
    """Jobs in a dict.

    Attributes:
        called: The hooks that were called, each with its arguments.
        hold: Awaited within each hook, where it is not None.
        fail: Raised by each hook, where it is not None.
    """

    driver_errors: ClassVar[tuple[type[Exception], ...]] = (EngineError, LookupError)

    def __init__(self) -> None:
        self.called: list[tuple[object, ...]] = []
        self.hold: asyncio.Event | None = None
        self.held = asyncio.Event()
        self.fail: Exception | None = None
        self.jobs: dict[str, CollectionJob] = {}
        self._changes = 0

    async def reach(self, hook: str, *arguments: object) -> None:
        self.called.append((hook, *arguments))
        if self.hold is not None:
            self.held.set()
            await self.hold.wait()
        if self.fail is not None:
            raise self.fail

    @override
    async def _open(self) -> None:
        await self.reach("_open")

    @override
    async def _close(self) -> None:
        await self.reach("_close")

    @override
    async def _save(self, job: CollectionJob) -> None:
        await self.reach("_save", job)
        stored = self.jobs.get(job.id)
        found = None if stored is None else stored.revision
        if job.revision is not None and job.revision != found:
            raise StaleJobError(job.id, job.revision, found)
        self._put(job)

    @override
    async def _get(self, job_id: str) -> CollectionJob | None:
        await self.reach("_get", job_id)
        return self.jobs.get(job_id)

    @override
    async def _delete(self, job_id: str) -> bool:
        await self.reach("_delete", job_id)
        return self.jobs.pop(job_id, None) is not None

    @override
    async def _list_by_status(
        self, status: JobStatus, limit: int, offset: int
    ) -> list[CollectionJob]:
        await self.reach("_list_by_status", status, limit, offset)
        return self.sorted(lambda job: job.status is status)[offset : offset + limit]

    @override
    async def _list_recent(self, limit: int, since: datetime | None) -> list[CollectionJob]:
        await self.reach("_list_recent", limit, since)
        return self.sorted(lambda job: since is None or job.created_at >= since)[::-1][:limit]

    @override
    async def _update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None,
        former: frozenset[JobStatus],
    ) -> bool:
        await self.reach("_update_status", job_id, status, error_message, former)
        job = self.jobs.get(job_id)
        if job is None or job.status not in former:
            return False
        self._put(job.with_status(status, error_message=error_message, at=self.now()))
        return True

    @override
    async def _add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        await self.reach("_add_failed_symbol", job_id, symbol, error)
        self._put(self.existing(job_id).with_failed_symbol(symbol, error))

    def now(self) -> datetime:
        return datetime.now(UTC)

    def existing(self, job_id: str) -> CollectionJob:
        job = self.jobs.get(job_id)
        if job is None:
            raise JobNotFoundError(job_id)
        return job

    def sorted(self, wanted: Callable[[CollectionJob], bool]) -> list[CollectionJob]:
        jobs = filter(wanted, self.jobs.values())
        return sorted(jobs, key=lambda job: (job.created_at, job.id))

    def _put(self, job: CollectionJob) -> None:
        self._changes += 1
        self.jobs[job.id] = job.with_revision(self._changes)


class DictRepositoryWithAll(
    DictRepository, CheckedCompletedSymbols, CheckedSavesMany, CheckedPagesByKey
):
    """With what lies beyond the nine methods, too."""

    @override
    async def _add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        await self.reach("_add_completed_symbol", job_id, symbol, candles)
        self._put(self.existing(job_id).with_completed_symbol(symbol, candles))

    @override
    async def _save_many(self, jobs: list[CollectionJob]) -> None:
        await self.reach("_save_many", *jobs)
        before = dict(self.jobs)
        try:
            for job in jobs:
                await self._save(job)
        except StaleJobError:
            self.jobs = before
            raise

    @override
    async def _list_after(
        self, status: JobStatus, after: tuple[datetime, str] | None, limit: int
    ) -> list[CollectionJob]:
        await self.reach("_list_after", status, after, limit)
        return self.sorted(
            lambda job: job.status is status and (after is None or (job.created_at, job.id) > after)
        )[:limit]


class DictRepositoryWithLeases(DictRepositoryWithAll, CheckedAddsJobs, CheckedLeasesJobs):
    """With leases, as naive as can be: every question looks at every job.

    Attributes:
        leases: The leases that were given out last, by the jobs' ids; the jobs in them are as they
            were then.
        attempts: How many leases each job had.
        clock: Returns the time; None is the machine's.
    """

    def __init__(self, clock: Callable[[], datetime] | None = None) -> None:
        super().__init__()
        self.leases: dict[str, Lease] = {}
        self.attempts: dict[str, int] = {}
        self.clock = clock

    @override
    def now(self) -> datetime:
        return super().now() if self.clock is None else self.clock()

    @override
    async def _delete(self, job_id: str) -> bool:
        self.attempts.pop(job_id, None)
        self.leases.pop(job_id, None)
        return await super()._delete(job_id)

    @override
    async def _update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None,
        former: frozenset[JobStatus],
        *,
        lease: Lease | None = None,
    ) -> bool:
        self.check_current(lease)
        changed = await super()._update_status(job_id, status, error_message, former)
        if changed and status is JobStatus.PENDING:
            self.attempts.pop(job_id, None)
        return changed

    @override
    async def _add_failed_symbol(
        self, job_id: str, symbol: str, error: str, *, lease: Lease | None = None
    ) -> None:
        self.check_current(lease)
        await super()._add_failed_symbol(job_id, symbol, error)

    @override
    async def _add_completed_symbol(
        self, job_id: str, symbol: str, candles: int, *, lease: Lease | None = None
    ) -> None:
        self.check_current(lease)
        await super()._add_completed_symbol(job_id, symbol, candles)

    @override
    async def _add_many(self, jobs: list[CollectionJob]) -> list[bool]:
        await self.reach("_add_many", *jobs)
        added: list[bool] = []
        for job in jobs:
            added.append(job.id not in self.jobs)
            if added[-1]:
                self._put(job)
        return added

    @override
    async def _claim_next(
        self, worker: str, ttl: timedelta, source: str | None, most_running: int | None
    ) -> Lease | None:
        await self.reach("_claim_next", worker, ttl, source, most_running)
        mine = self.sorted(lambda job: source in (None, job.source))
        held = [job for job in mine if self.is_held(job)]
        if most_running is not None and len(held) >= most_running:
            return None
        return next((self.lease(job, worker, ttl) for job in mine if self.waits(job)), None)

    @override
    async def _claim(self, job_id: str, worker: str, ttl: timedelta) -> Lease | None:
        await self.reach("_claim", job_id, worker, ttl)
        job = self.jobs.get(job_id)
        return None if job is None or not self.waits(job) else self.lease(job, worker, ttl)

    @override
    async def _renew(self, lease: Lease, ttl: timedelta) -> Lease:
        await self.reach("_renew", lease, ttl)
        self.check_current(lease)
        known = self.leases[lease.job.id]
        renewed = replace(known, expires_at=self.now() + ttl, job=self.jobs[lease.job.id])
        self.leases[lease.job.id] = renewed
        return renewed

    @override
    async def _get_lease(self, job_id: str) -> Lease | None:
        await self.reach("_get_lease", job_id)
        lease = self.leases.get(job_id)
        return None if lease is None else replace(lease, job=self.jobs[job_id])

    def waits(self, job: CollectionJob) -> bool:
        if job.status is JobStatus.PENDING:
            return True
        return job.id in self.leases and not self.is_held(job)

    def is_held(self, job: CollectionJob) -> bool:
        return job.id in self.leases and self.leases[job.id].expires_at > self.now()

    def lease(self, job: CollectionJob, worker: str, ttl: timedelta) -> Lease:
        now = self.now()
        pending = job.give_back() if job.status is JobStatus.RUNNING else job
        self._put(pending.with_status(JobStatus.RUNNING, at=now))
        running = self.jobs[job.id]
        self.attempts[job.id] = self.attempts.get(job.id, 0) + 1
        self.leases[job.id] = Lease(
            job=running,
            worker=worker,
            token=running.revision or 0,
            expires_at=now + ttl,
            attempt=self.attempts[job.id],
        )
        return self.leases[job.id]

    def check_current(self, lease: Lease | None) -> None:
        if lease is not None:
            known = self.leases.get(lease.job.id)
            if known is None or known.token != lease.token:
                raise LeaseLostError(lease.job.id, lease.worker)

    @override
    def _put(self, job: CollectionJob) -> None:
        super()._put(job)
        if job.status is not JobStatus.RUNNING:
            self.leases.pop(job.id, None)
