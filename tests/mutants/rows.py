"""A repository over a pretended engine: every read and every write of a row is awaited.

It is right, under one lock; the mutants and the other right designs change one thing of it each.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Self

from typing_extensions import override

from collection_jobs.errors import JobNotFoundError, StaleJobError
from collection_jobs.job import CollectionJob
from collection_jobs.repository import ICollectionJobRepository
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus


class Rows(ICollectionJobRepository):
    """Jobs as rows of an engine that answers after a while."""

    def __init__(self) -> None:
        self.rows: dict[str, CollectionJob] = {}
        self.revision = 0
        self.lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    # The engine

    async def read(self, job_id: str) -> CollectionJob | None:
        await asyncio.sleep(0)
        return self.rows.get(job_id)

    async def write(self, job: CollectionJob) -> None:
        await asyncio.sleep(0)
        self.put(job)

    def put(self, job: CollectionJob) -> None:
        self.revision += 1
        self.rows[job.id] = job.with_revision(self.revision)

    async def remove(self, job_id: str) -> bool:
        await asyncio.sleep(0)
        return self.rows.pop(job_id, None) is not None

    async def scan(self) -> list[CollectionJob]:
        await asyncio.sleep(0)
        return list(self.rows.values())

    # The parts that mutants change

    @asynccontextmanager
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        """Keep the others away while a method changes a job."""
        async with self.lock:
            yield

    def check_fresh(self, job: CollectionJob, stored: CollectionJob | None) -> None:
        if job.revision is not None:
            found = None if stored is None else stored.revision
            if found != job.revision:
                raise StaleJobError(job.id, job.revision, found)

    # The nine methods

    @override
    async def save(self, job: CollectionJob) -> None:
        async with self.alone(job.id, "save"):
            if job.revision is not None:
                self.check_fresh(job, await self.read(job.id))
            await self.write(job)

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        return await self.read(job_id)

    @override
    async def delete(self, job_id: str) -> bool:
        async with self.alone(job_id, "delete"):
            return await self.remove(job_id)

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        found = [job for job in await self.scan() if job.status is status]
        return sorted(found, key=age)[offset : offset + limit]

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        found = [job for job in await self.scan() if since is None or job.created_at >= since]
        return sorted(found, key=age, reverse=True)[:limit]

    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        return sorted((job for job in await self.scan() if running(job)), key=age)

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        async with self.alone(job_id, "update_status"):
            job = await self.read(job_id)
            if job is None or not job.status.can_become(status):
                return False
            await self.write(job.with_status(status, error_message=error_message, at=now()))
            return True

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        async with self.alone(job_id, "add_failed_symbol"):
            job = await self.read(job_id)
            if job is None:
                raise JobNotFoundError(job_id)
            await self.write(job.with_failed_symbol(symbol, error))

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        job = await self.read(job_id)
        return None if job is None else JobStats.from_job(job)


class Unlocked(Rows):
    """Nobody is kept away: the base of those that have, or seem to have, another remedy."""

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        yield


class LockPerJob(Rows):
    """Every job has a lock of its own, made when it is first asked for: right."""

    def __init__(self) -> None:
        super().__init__()
        self.locks: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        async with self.locks.setdefault(job_id, asyncio.Lock()):
            yield


class Conflict(Exception):  # noqa: N818 - as databases call it
    """Another changed the row between the read and the write."""


class Optimistic(Unlocked):
    """A write compares the revision that was read, and the whole is tried again: right."""

    def has_changed(self, job: CollectionJob) -> bool:
        stored = self.rows.get(job.id)
        return job.revision is not None and (stored is None or stored.revision != job.revision)

    @override
    async def write(self, job: CollectionJob) -> None:
        await asyncio.sleep(0)
        if self.has_changed(job):
            raise Conflict
        self.put(job)

    @override
    async def save(self, job: CollectionJob) -> None:
        while True:
            with suppress(Conflict):
                return await super().save(job)

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        while True:
            with suppress(Conflict):
                return await super().update_status(job_id, status, error_message)

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        while True:
            with suppress(Conflict):
                return await super().add_failed_symbol(job_id, symbol, error)


def now() -> datetime:
    return datetime.now(UTC)


def age(job: CollectionJob) -> tuple[datetime, str]:
    return job.created_at, job.id


def running(job: CollectionJob) -> bool:
    return job.status is JobStatus.RUNNING
