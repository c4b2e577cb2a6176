"""InMemoryCollectionJobRepository: dicts and sorted keys, for tests and small tools."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import islice, takewhile
from types import TracebackType
from typing import ClassVar, Self

from typing_extensions import override

from collection_jobs.adapters.sorted_keys import Key, SortedKeys
from collection_jobs.errors import JobNotFoundError, RepositoryClosedError, StaleJobError
from collection_jobs.job import CollectionJob, check_job, check_jobs
from collection_jobs.repository import ICollectionJobRepository
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus
from collection_jobs.validation import (
    check_candles,
    check_datetime,
    check_key,
    check_limit,
    check_name,
    check_offset,
    check_optional_text,
    check_status,
    check_text,
)

__all__ = ["InMemoryCollectionJobRepository"]


def _check_current(job: CollectionJob, found: int | None) -> None:
    """Refuse a copy whose revision is not the stored one."""
    if job.revision is not None and job.revision != found:
        raise StaleJobError(job.id, job.revision, found)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class InMemoryCollectionJobRepository(ICollectionJobRepository):
    """A repository in the memory of one process.

    It is open from the start, so a test can simply create one; ``async with`` closes it at the end.
    Indexes keep the cost of every listing independent of the number of jobs stored (SCALE-1). No
    method awaits between reading and writing, so calls are atomic among the tasks of one event
    loop; it is not meant for several threads. Nothing is durable.
    """

    capabilities: ClassVar[frozenset[str]] = frozenset({"scales"})

    def __init__(self, *, clock: Callable[[], datetime] = _utc_now) -> None:
        """Start empty.

        Args:
            clock: Returns the time that update_status records, aware; a test may pass its own.
        """
        self._clock = clock
        self._jobs: dict[str, CollectionJob] = {}
        self._by_age = SortedKeys()
        self._by_status = {status: SortedKeys() for status in JobStatus}
        self._revision = 0
        self._closed = False

    async def __aenter__(self) -> Self:
        """Return the repository itself."""
        self._check_open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the repository and release its jobs."""
        await self.close()

    async def close(self) -> None:
        """Close the repository: its jobs are gone. Closing it again does nothing."""
        self._closed = True
        self._jobs.clear()
        self._by_age = SortedKeys()
        self._by_status = {status: SortedKeys() for status in JobStatus}

    @override
    async def save(self, job: CollectionJob) -> None:
        check_job(job)
        self._check_open()
        _check_current(job, self._revision_of(job.id))
        self._put(job)

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        job_id = check_name("job_id", job_id)
        self._check_open()
        return self._jobs.get(job_id)

    @override
    async def delete(self, job_id: str) -> bool:
        job_id = check_name("job_id", job_id)
        self._check_open()
        job = self._jobs.pop(job_id, None)
        if job is None:
            return False
        self._unindex(job)
        return True

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        check_status(status)
        limit = check_limit(limit)
        offset = check_offset(offset)
        self._check_open()
        return self._read(self._by_status[status].ascending(offset), limit)

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        limit = check_limit(limit)
        first = None if since is None else check_datetime("since", since)
        self._check_open()
        keys = self._by_age.descending()
        if first is None:
            return self._read(keys, limit)
        return self._read(takewhile(lambda key: key[0] >= first, keys), limit)

    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        self._check_open()
        return self._read(self._by_status[JobStatus.RUNNING].ascending(), len(self._jobs))

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        job_id = check_name("job_id", job_id)
        check_status(status)
        error_message = check_optional_text("error_message", error_message)
        self._check_open()
        job = self._jobs.get(job_id)
        if job is None or not job.status.can_become(status):
            return False
        self._put(job.with_status(status, error_message=error_message, at=self._clock()))
        return True

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        error = check_text("error", error)
        self._check_open()
        self._put(self._existing(job_id).with_failed_symbol(symbol, error))

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        job_id = check_name("job_id", job_id)
        self._check_open()
        job = self._jobs.get(job_id)
        return None if job is None else JobStats.from_job(job)

    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        """Record that one symbol was collected, see RecordsCompletedSymbols."""
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        candles = check_candles(candles)
        self._check_open()
        self._put(self._existing(job_id).with_completed_symbol(symbol, candles))

    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        """Save all of the jobs or none, see SavesMany."""
        checked = check_jobs(jobs)
        self._check_open()
        # What each job would find if those before it were saved: revisions, not jobs.
        met = {job.id: self._revision_of(job.id) for job in checked}
        for number, job in enumerate(checked, self._revision + 1):
            _check_current(job, met[job.id])
            met[job.id] = number
        for job in checked:
            self._put(job)

    async def list_after(
        self, status: JobStatus, after: tuple[datetime, str] | None = None, limit: int = 100
    ) -> list[CollectionJob]:
        """List the jobs with one status after a key, see PagesByKey."""
        check_status(status)
        key = None if after is None else check_key("after", after)
        limit = check_limit(limit)
        self._check_open()
        keys = self._by_status[status]
        return self._read(keys.ascending() if key is None else keys.after(key), limit)

    def _existing(self, job_id: str) -> CollectionJob:
        job = self._jobs.get(job_id)
        if job is None:
            raise JobNotFoundError(job_id)
        return job

    def _revision_of(self, job_id: str) -> int | None:
        job = self._jobs.get(job_id)
        return None if job is None else job.revision

    def _check_open(self) -> None:
        if self._closed:
            raise RepositoryClosedError("the in-memory repository is closed: build a new one")

    def _put(self, job: CollectionJob) -> None:
        """Store a job under the next revision; reindex it where its keys changed."""
        former = self._jobs.get(job.id)
        self._revision += 1
        self._jobs[job.id] = job.with_revision(self._revision)
        if former is not None:
            if former.created_at == job.created_at and former.status is job.status:
                return
            self._unindex(former)
        key = (job.created_at, job.id)
        self._by_age.add(key)
        self._by_status[job.status].add(key)

    def _unindex(self, job: CollectionJob) -> None:
        key = (job.created_at, job.id)
        self._by_age.remove(key)
        self._by_status[job.status].remove(key)

    def _read(self, keys: Iterable[Key], limit: int) -> list[CollectionJob]:
        # No listing is longer than the store, and islice takes no number beyond sys.maxsize.
        return [self._jobs[job_id] for _, job_id in islice(keys, min(limit, len(self._jobs)))]
