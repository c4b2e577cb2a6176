"""InMemoryCollectionJobRepository: dicts and sorted keys, for tests and small tools."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from types import TracebackType
from typing import ClassVar, Self

from typing_extensions import override

from collection_jobs.adapters.job_index import JobIndex
from collection_jobs.adapters.lease_table import LeaseTable
from collection_jobs.adapters.sorted_keys import Key
from collection_jobs.errors import JobNotFoundError, RepositoryClosedError, StaleJobError
from collection_jobs.job import CollectionJob, check_job, check_jobs
from collection_jobs.lease import Lease, check_lease, check_ttl
from collection_jobs.query import JobQuery, JobSummary, check_final_statuses, check_query
from collection_jobs.repository import ICollectionJobRepository
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus
from collection_jobs.validation import (
    check_bool,
    check_candles,
    check_datetime,
    check_key,
    check_limit,
    check_name,
    check_offset,
    check_optional_text,
    check_positive,
    check_status,
    check_text,
)

__all__ = ["InMemoryCollectionJobRepository"]


def _check_current(job: CollectionJob, found: int | None) -> None:
    """Refuse a copy whose revision is not the stored one."""
    if job.revision is not None and job.revision != found:
        raise StaleJobError(job.id, job.revision, found)


def _place(job: CollectionJob) -> tuple[object, ...]:
    """Return what of a job the indexes and the leases go by."""
    return job.created_at, job.status, job.source, job.symbols, job.finished_at


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
    """What it declares: SCALE-1 holds."""

    def __init__(self, *, clock: Callable[[], datetime] = _utc_now) -> None:
        """Start empty.

        Args:
            clock: Returns the time that update_status records and by which leases expire, aware; a
                test may pass its own.
        """
        self._clock = clock
        self._jobs: dict[str, CollectionJob] = {}
        self._index = JobIndex()
        self._leases = LeaseTable()
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
        self._index = JobIndex()
        self._leases = LeaseTable()

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
        return self._delete(job_id)

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        check_status(status)
        limit = check_limit(limit)
        offset = check_offset(offset)
        self._check_open()
        return self._read(self._index.of_status(status).ascending(offset), limit)

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        limit = check_limit(limit)
        first = None if since is None else check_datetime("since", since)
        self._check_open()
        keys = self._index.by_age().descending()
        if first is None:
            return self._read(keys, limit)
        return self._read(takewhile(lambda key: key[0] >= first, keys), limit)

    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        self._check_open()
        keys = self._index.of_status(JobStatus.RUNNING)
        return self._read(keys.ascending(), len(keys))

    @override
    async def update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None = None,
        *,
        lease: Lease | None = None,
    ) -> bool:
        job_id = check_name("job_id", job_id)
        check_status(status)
        error_message = check_optional_text("error_message", error_message)
        self._check_lease(lease, job_id)
        job = self._jobs.get(job_id)
        if job is None or not job.status.can_become(status):
            return False
        self._put(job.with_status(status, error_message=error_message, at=self._clock()))
        if status is JobStatus.PENDING:
            self._leases.given_back(job_id)
        return True

    @override
    async def add_failed_symbol(
        self, job_id: str, symbol: str, error: str, *, lease: Lease | None = None
    ) -> None:
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        error = check_text("error", error)
        self._check_lease(lease, job_id)
        self._put(self._existing(job_id).with_failed_symbol(symbol, error))

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        job_id = check_name("job_id", job_id)
        self._check_open()
        job = self._jobs.get(job_id)
        return None if job is None else JobStats.from_job(job)

    async def add_completed_symbol(
        self, job_id: str, symbol: str, candles: int, *, lease: Lease | None = None
    ) -> None:
        """Record that one symbol was collected, see RecordsCompletedSymbols and LeasesJobs."""
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        candles = check_candles(candles)
        self._check_lease(lease, job_id)
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
        keys = self._index.of_status(status)
        return self._read(keys.ascending() if key is None else keys.after(key), limit)

    async def add(self, job: CollectionJob) -> bool:
        """Create a job, unless there is one of its id, see AddsJobs."""
        check_job(job)
        self._check_open()
        return self._add(job)

    async def add_many(self, jobs: Iterable[CollectionJob]) -> list[bool]:
        """Add each of the jobs, see AddsJobs."""
        checked = check_jobs(jobs)
        self._check_open()
        return [self._add(job) for job in checked]

    async def add_failure(
        self,
        job_id: str,
        symbol: str,
        error: str,
        *,
        permanent: bool = False,
        lease: Lease | None = None,
    ) -> None:
        """Record a failure, and whether a retry can mend it, see RecordsFailures."""
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        error = check_text("error", error)
        permanent = check_bool("permanent", permanent)
        self._check_lease(lease, job_id)
        self._put(self._existing(job_id).with_failed_symbol(symbol, error, permanent=permanent))

    async def set_cursor(
        self, job_id: str, symbol: str, until: datetime, *, lease: Lease | None = None
    ) -> None:
        """Record up to where a symbol was collected, see RecordsCursors."""
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        until = check_datetime("until", until)
        self._check_lease(lease, job_id)
        former = self._existing(job_id)
        job = former.with_cursor(symbol, until)
        if job is not former:
            self._put(job)

    async def find(
        self, query: JobQuery, limit: int = 100, after: tuple[datetime, str] | None = None
    ) -> list[JobSummary]:
        """List summaries of the jobs that match, oldest first, see FindsJobs."""
        check_query(query)
        limit = check_limit(limit)
        key = None if after is None else check_key("after", after)
        self._check_open()
        jobs = islice(self._matching(query, key), min(limit, len(self._jobs)))
        return [self._summary(job) for job in jobs]

    async def count(self, query: JobQuery) -> Mapping[JobStatus, int]:
        """Count the jobs that match, by their status, see FindsJobs."""
        check_query(query)
        self._check_open()
        if query == JobQuery():
            return self._index.counts()
        counts = dict.fromkeys(JobStatus, 0)
        for job in self._matching(query):
            counts[job.status] += 1
        return counts

    async def delete_finished(
        self,
        before: datetime,
        *,
        statuses: Collection[JobStatus] = (JobStatus.COMPLETED, JobStatus.CANCELLED),
        limit: int = 1000,
    ) -> int:
        """Delete jobs that ended before an instant, see Purges."""
        before = check_datetime("before", before)
        final = check_final_statuses(statuses)
        limit = check_limit(limit)
        self._check_open()
        ended = takewhile(lambda key: key[0] < before, self._index.ended(final))
        ids = [job_id for _, job_id in islice(ended, min(limit, len(self._jobs)))]
        return sum(map(self._delete, ids))

    async def claim_next(
        self,
        worker: str,
        ttl: timedelta,
        *,
        source: str | None = None,
        most_running: int | None = None,
    ) -> Lease | None:
        """Claim the oldest job that waits for a worker, see LeasesJobs."""
        worker = check_name("worker", worker)
        ttl = check_ttl(ttl)
        source = None if source is None else check_name("source", source)
        most = None if most_running is None else check_positive("most_running", most_running)
        self._check_open()
        now = self._expire_leases()
        if most is not None and self._leases.running(source) >= most:
            return None
        job_id = self._leases.next_claimable(source)
        return None if job_id is None else self._claim(self._jobs[job_id], worker, ttl, now)

    async def claim(self, job_id: str, worker: str, ttl: timedelta) -> Lease | None:
        """Claim one job, if it waits for a worker, see LeasesJobs."""
        job_id = check_name("job_id", job_id)
        worker = check_name("worker", worker)
        ttl = check_ttl(ttl)
        self._check_open()
        now = self._expire_leases()
        job = self._jobs.get(job_id)
        if job is None or not self._leases.is_claimable(job):
            return None
        return self._claim(job, worker, ttl, now)

    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        """Move the expiry of a current lease, see LeasesJobs."""
        check_lease(lease)
        ttl = check_ttl(ttl)
        self._check_open()
        now = self._expire_leases()
        self._leases.check_current(lease)
        return self._leases.renewed(self._jobs[lease.job.id], now + ttl)

    async def get_lease(self, job_id: str) -> Lease | None:
        """Read the current lease of a job, see LeasesJobs."""
        job_id = check_name("job_id", job_id)
        self._check_open()
        return self._leases.lease_of(self._jobs[job_id]) if self._leases.has(job_id) else None

    def _add(self, job: CollectionJob) -> bool:
        if job.id in self._jobs:
            return False
        self._put(job)
        return True

    def _claim(self, job: CollectionJob, worker: str, ttl: timedelta, now: datetime) -> Lease:
        """Make a job RUNNING, whose former lease, if it has one, has expired."""
        if job.status is JobStatus.RUNNING:
            job = job.give_back()
        self._put(job.with_status(JobStatus.RUNNING, at=now))
        return self._leases.claimed(self._jobs[job.id], worker, self._revision, now + ttl)

    def _expire_leases(self) -> datetime:
        now = check_datetime("the clock", self._clock())
        self._leases.expire(now, self._jobs)
        return now

    def _check_lease(self, lease: Lease | None, job_id: str) -> None:
        """Refuse a closed repository, and a lease that is of another job or was lost."""
        if lease is not None:
            check_lease(lease, job_id)
        self._check_open()
        if lease is not None:
            self._leases.check_current(lease)

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
        if former is not None and _place(former) == _place(job):
            return
        self._leases.job_changed(former, self._jobs[job.id])
        self._index.move(former, job)

    def _delete(self, job_id: str) -> bool:
        job = self._jobs.pop(job_id, None)
        if job is None:
            return False
        self._index.move(job, None)
        self._leases.job_changed(job, None)
        return True

    def _matching(self, query: JobQuery, after: Key | None = None) -> Iterator[CollectionJob]:
        for _, job_id in self._index.candidates(query, after):
            job = self._jobs[job_id]
            if query.matches(job):
                yield job

    def _summary(self, job: CollectionJob) -> JobSummary:
        lease = self._leases.lease_of(job) if self._leases.has(job.id) else None
        return JobSummary.from_job(job, lease)

    def _read(self, keys: Iterable[Key], limit: int) -> list[CollectionJob]:
        # No listing is longer than the store, and islice takes no number beyond sys.maxsize.
        return [self._jobs[job_id] for _, job_id in islice(keys, min(limit, len(self._jobs)))]
