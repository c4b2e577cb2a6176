"""The candidates in memory: the repository, and a plain dict."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from benchmarks.speed.frame import Candidate
from benchmarks.speed.jobs import stored_job
from collection_jobs import CollectionJob, InMemoryCollectionJobRepository, JobStats, JobStatus

OURS, DICT = "collection_jobs", "plain dict"


class PlainDict:
    """A dict of jobs by id and plain functions: no check, no coroutine, no index, no revision."""

    def __init__(self, jobs: Iterable[CollectionJob]) -> None:
        """Hold these."""
        self._jobs = {job.id: job for job in jobs}

    def save(self, job: CollectionJob) -> None:
        self._jobs[job.id] = job

    def save_many(self, jobs: Sequence[CollectionJob]) -> None:
        self._jobs.update({job.id: job for job in jobs})

    def forget(self, ids: Sequence[str]) -> None:
        """Delete jobs, off the clock."""
        for job_id in ids:
            del self._jobs[job_id]

    def get_by_id(self, job_id: str) -> CollectionJob | None:
        return self._jobs.get(job_id)

    def delete(self, job_id: str) -> bool:
        return self._jobs.pop(job_id, None) is not None

    def update_status(self, job_id: str, status: JobStatus) -> bool:
        job = self._jobs[job_id]
        if not job.status.can_become(status):
            return False
        self._jobs[job_id] = job.with_status(status)
        return True

    def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        self._jobs[job_id] = self._jobs[job_id].with_failed_symbol(symbol, error)

    def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        self._jobs[job_id] = self._jobs[job_id].with_completed_symbol(symbol, candles)

    def get_stats(self, job_id: str) -> JobStats | None:
        job = self._jobs.get(job_id)
        return None if job is None else JobStats.from_job(job)

    def list_by_status(self, status: JobStatus, limit: int) -> list[CollectionJob]:
        return self._sorted(status)[:limit]

    def list_after(
        self, status: JobStatus, key: tuple[datetime, str], limit: int
    ) -> list[CollectionJob]:
        return [job for job in self._sorted(status) if _key(job) > key][:limit]

    def list_recent(self, limit: int) -> list[CollectionJob]:
        return sorted(self._jobs.values(), key=_key, reverse=True)[:limit]

    def get_running_jobs(self) -> list[CollectionJob]:
        return self._sorted(JobStatus.RUNNING)

    def _sorted(self, status: JobStatus) -> list[CollectionJob]:
        return sorted((job for job in self._jobs.values() if job.status is status), key=_key)


def _key(job: CollectionJob) -> tuple[datetime, str]:
    return job.created_at, job.id


def candidates(size: int) -> list[Candidate]:
    """Both, with the jobs of a store of this size."""

    @asynccontextmanager
    async def ours() -> AsyncIterator[InMemoryCollectionJobRepository]:
        async with InMemoryCollectionJobRepository() as repository:
            for number in range(size):
                await repository.save(stored_job(number, size))
            yield repository

    @asynccontextmanager
    async def plain() -> AsyncIterator[PlainDict]:
        yield PlainDict(stored_job(number, size) for number in range(size))

    return [Candidate(OURS, ours), Candidate(DICT, plain, blocking=True)]
