"""DictRepository: a short adapter over CheckedRepository, in which a test may hold every hook."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from typing_extensions import override

from collection_jobs import (
    CheckedCompletedSymbols,
    CheckedPagesByKey,
    CheckedRepository,
    CheckedSavesMany,
    CollectionJob,
    JobNotFoundError,
    JobStatus,
    StaleJobError,
)

__all__ = ["DictRepository", "DictRepositoryWithAll", "EngineError"]


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
        self._put(job.with_status(status, error_message=error_message))
        return True

    @override
    async def _add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        await self.reach("_add_failed_symbol", job_id, symbol, error)
        self._put(self.existing(job_id).with_failed_symbol(symbol, error))

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
