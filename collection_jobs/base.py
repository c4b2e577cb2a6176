"""CheckedRepository: the short way to an adapter, whose author writes only the engine's part.

The public methods are here. Each one normalizes its arguments, checks that the repository is open
and that the caller may use it, and calls a protected coroutine, a *hook*, which the adapter
implements. `collection_jobs.openable` handles opening, closing, and the driver's errors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import datetime, timedelta

from typing_extensions import override

from collection_jobs.job import CollectionJob, check_job, check_jobs
from collection_jobs.lease import Lease, check_lease, check_ttl
from collection_jobs.openable import Openable
from collection_jobs.repository import ICollectionJobRepository
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus
from collection_jobs.validation import (
    check_candles,
    check_key,
    check_limit,
    check_name,
    check_offset,
    check_optional_datetime,
    check_optional_text,
    check_positive,
    check_status,
    check_text,
)

__all__ = [
    "MOST_JOBS",
    "CheckedAddsJobs",
    "CheckedCompletedSymbols",
    "CheckedLeasesJobs",
    "CheckedPagesByKey",
    "CheckedRepository",
    "CheckedSavesMany",
]

MOST_JOBS = 2**53 - 1
"""The greatest limit and offset that a hook is given, which every engine's numbers hold exactly."""

_FORMER = {
    status: frozenset(former for former in JobStatus if former.can_become(status))
    for status in JobStatus
}


class CheckedRepository(Openable, ICollectionJobRepository):
    """The contract's nine methods, implemented with seven hooks.

    An adapter implements ``_save``, ``_get``, ``_delete``, ``_list_by_status``, ``_list_recent``,
    ``_update_status`` and ``_add_failed_symbol``, and ``_open`` and ``_close`` if there is
    something to open. A hook is called only

    * with normalized arguments (INPUT-1): plain values, datetimes in UTC, text within the bounds;
    * while the repository is open, from the process, thread and event loop that opened it.

    If a hook raises one of ``driver_errors``, the caller gets a ``RepositoryError`` (ERROR-1).

    The hooks have to satisfy all other laws. Cancelling a call cancels its hook, which must then
    take effect wholly or not at all; `collection_jobs.openable.run_to_end` helps if the engine does
    not guarantee that.

    To offer what an engine can do beyond the nine, also derive from `CheckedCompletedSymbols`,
    `CheckedSavesMany`, `CheckedPagesByKey`, `CheckedAddsJobs` or `CheckedLeasesJobs`. An adapter
    may just as well derive from `ICollectionJobRepository`, or from nothing: the checks take about
    a microsecond of each call, which is little compared with a disk or a network, and much compared
    with a dict. The adapters of this package derive from the ABC, for speed.
    """

    @override
    async def save(self, job: CollectionJob) -> None:
        job = check_job(job)
        with self._call():
            await self._save(job)

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        job_id = check_name("job_id", job_id)
        with self._call():
            return await self._get(job_id)

    @override
    async def delete(self, job_id: str) -> bool:
        job_id = check_name("job_id", job_id)
        with self._call():
            return await self._delete(job_id)

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        status = check_status(status)
        limit = min(check_limit(limit), MOST_JOBS)
        offset = min(check_offset(offset), MOST_JOBS)
        with self._call():
            return await self._list_by_status(status, limit, offset) if limit else []

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        limit = min(check_limit(limit), MOST_JOBS)
        since = check_optional_datetime("since", since)
        with self._call():
            return await self._list_recent(limit, since) if limit else []

    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        with self._call():
            return await self._get_running_jobs()

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        job_id = check_name("job_id", job_id)
        status = check_status(status)
        error_message = check_optional_text("error_message", error_message)
        with self._call():
            return await self._update_status(job_id, status, error_message, _FORMER[status])

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        error = check_text("error", error)
        with self._call():
            await self._add_failed_symbol(job_id, symbol, error)

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        job_id = check_name("job_id", job_id)
        with self._call():
            return await self._get_stats(job_id)

    @abstractmethod
    async def _save(self, job: CollectionJob) -> None:
        """Store a job whole, under a revision that its id never had: create it, or replace it.

        Raises:
            StaleJobError: ``job.revision`` is not None, and is not that of the stored job.
        """

    @abstractmethod
    async def _get(self, job_id: str) -> CollectionJob | None:
        """Read one job as last written, with its revision; None for an unknown id."""

    @abstractmethod
    async def _delete(self, job_id: str) -> bool:
        """Remove one job and its outcomes; return whether this call did.

        The store must never use the revisions of the job again.
        """

    @abstractmethod
    async def _list_by_status(
        self, status: JobStatus, limit: int, offset: int
    ) -> list[CollectionJob]:
        """List the jobs with one status by ``created_at``, then by ``id`` in code-point order.

        Args:
            status: The status.
            limit: The maximum number of jobs to return: 1 to ``MOST_JOBS``, which means all.
            offset: How many jobs to skip first: 0 to ``MOST_JOBS``.
        """

    @abstractmethod
    async def _list_recent(self, limit: int, since: datetime | None) -> list[CollectionJob]:
        """List the jobs by ``created_at`` descending, then by ``id`` descending.

        Args:
            limit: The maximum number of jobs to return: 1 to ``MOST_JOBS``, which means all.
            since: Omit jobs created before this instant, in UTC; None omits nothing.
        """

    async def _get_running_jobs(self) -> list[CollectionJob]:
        """List all RUNNING jobs; the default uses ``_list_by_status``."""
        return await self._list_by_status(JobStatus.RUNNING, MOST_JOBS, 0)

    @abstractmethod
    async def _update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None,
        former: frozenset[JobStatus],
    ) -> bool:
        """Change the status if it is one of ``former``; return whether this call did.

        The check and the change are one step of the engine: ``UPDATE ... WHERE status IN
        (former)``. `CollectionJob.with_status` defines what else the change sets and clears.

        Args:
            job_id: The job's id.
            status: The new status.
            error_message: The job's new error message, or None for none.
            former: The statuses from which the lifecycle permits the change; never empty.
        """

    @abstractmethod
    async def _add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        """Record a failure in place of the symbol's earlier outcome; lose no concurrent call.

        Raises:
            JobNotFoundError: There is no such job.
            UnknownSymbolError: The job does not collect this symbol.
        """

    async def _get_stats(self, job_id: str) -> JobStats | None:
        """Aggregate the outcomes of one job; the default uses ``_get``."""
        job = await self._get(job_id)
        return None if job is None else JobStats.from_job(job)


class CheckedCompletedSymbols(Openable, ABC):
    """Gives a `CheckedRepository` the method of `RecordsCompletedSymbols`, with one hook."""

    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        """Record that one symbol was collected, see `RecordsCompletedSymbols`."""
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        candles = check_candles(candles)
        with self._call():
            await self._add_completed_symbol(job_id, symbol, candles)

    @abstractmethod
    async def _add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        """Record a completion in place of the symbol's earlier outcome, as ``_add_failed_symbol``.

        Raises:
            JobNotFoundError: There is no such job.
            UnknownSymbolError: The job does not collect this symbol.
        """


class CheckedSavesMany(Openable, ABC):
    """Gives a `CheckedRepository` the method of `SavesMany`, with one hook."""

    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        """Save all of the jobs or none, see `SavesMany`."""
        checked = check_jobs(jobs)
        with self._call():
            if checked:
                await self._save_many(checked)

    @abstractmethod
    async def _save_many(self, jobs: list[CollectionJob]) -> None:
        """Save each of the jobs in order, as ``_save`` does, at one instant; or none.

        Args:
            jobs: At least one; an id may occur more than once.

        Raises:
            StaleJobError: A job carries a revision that is not the stored one when it is saved.
        """


class CheckedPagesByKey(Openable, ABC):
    """Gives a `CheckedRepository` the method of `PagesByKey`, with one hook."""

    async def list_after(
        self, status: JobStatus, after: tuple[datetime, str] | None = None, limit: int = 100
    ) -> list[CollectionJob]:
        """List the jobs with one status after a key, see `PagesByKey`."""
        status = check_status(status)
        after = None if after is None else check_key("after", after)
        limit = min(check_limit(limit), MOST_JOBS)
        with self._call():
            return await self._list_after(status, after, limit) if limit else []

    @abstractmethod
    async def _list_after(
        self, status: JobStatus, after: tuple[datetime, str] | None, limit: int
    ) -> list[CollectionJob]:
        """List the jobs with one status after a key, in the order of ``_list_by_status``.

        Args:
            status: The status.
            after: The ``created_at``, in UTC, and the ``id`` after which to start, which need not
                be those of a stored job; None starts with the oldest.
            limit: The maximum number of jobs to return: 1 to ``MOST_JOBS``, which means all.
        """


class CheckedAddsJobs(Openable, ABC):
    """Gives a `CheckedRepository` the methods of `AddsJobs`, with one hook."""

    async def add(self, job: CollectionJob) -> bool:
        """Create a job, unless there is one of its id, see `AddsJobs`."""
        job = check_job(job)
        with self._call():
            return await self._add(job)

    async def add_many(self, jobs: Iterable[CollectionJob]) -> list[bool]:
        """Add each of the jobs, all at one instant, see `AddsJobs`."""
        checked = check_jobs(jobs)
        with self._call():
            return await self._add_many(checked) if checked else []

    async def _add(self, job: CollectionJob) -> bool:
        """Create a job, unless there is one of its id; the default uses ``_add_many``."""
        (added,) = await self._add_many([job])
        return added

    @abstractmethod
    async def _add_many(self, jobs: list[CollectionJob]) -> list[bool]:
        """Create each of the jobs whose id is unknown, in order, at one instant.

        The jobs' revisions have no meaning here. Return for each whether it was created.

        Args:
            jobs: At least one; an id may occur more than once, and its first job is created.
        """


class CheckedLeasesJobs(CheckedRepository, CheckedCompletedSymbols):
    """A `CheckedRepository` with the methods of `LeasesJobs`.

    An adapter also implements ``_claim_next``, ``_claim``, ``_renew`` and ``_get_lease``, and takes
    ``lease`` in the three hooks that change a job. Where it is not None, the check that the lease
    is current and the change are one step of the engine: ``UPDATE ... WHERE token = ...``. The
    lease is of the job that the call names.
    """

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
        status = check_status(status)
        error_message = check_optional_text("error_message", error_message)
        lease = None if lease is None else check_lease(lease, job_id)
        with self._call():
            return await self._update_status(
                job_id, status, error_message, _FORMER[status], lease=lease
            )

    @override
    async def add_failed_symbol(
        self, job_id: str, symbol: str, error: str, *, lease: Lease | None = None
    ) -> None:
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        error = check_text("error", error)
        lease = None if lease is None else check_lease(lease, job_id)
        with self._call():
            await self._add_failed_symbol(job_id, symbol, error, lease=lease)

    @override
    async def add_completed_symbol(
        self, job_id: str, symbol: str, candles: int, *, lease: Lease | None = None
    ) -> None:
        """Record that one symbol was collected, see `LeasesJobs`."""
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        candles = check_candles(candles)
        lease = None if lease is None else check_lease(lease, job_id)
        with self._call():
            await self._add_completed_symbol(job_id, symbol, candles, lease=lease)

    async def claim_next(
        self,
        worker: str,
        ttl: timedelta,
        *,
        source: str | None = None,
        most_running: int | None = None,
    ) -> Lease | None:
        """Claim the oldest job that waits for a worker, see `LeasesJobs`."""
        worker = check_name("worker", worker)
        ttl = check_ttl(ttl)
        source = None if source is None else check_name("source", source)
        if most_running is not None:
            most_running = min(check_positive("most_running", most_running), MOST_JOBS)
        with self._call():
            return await self._claim_next(worker, ttl, source, most_running)

    async def claim(self, job_id: str, worker: str, ttl: timedelta) -> Lease | None:
        """Claim one job, if it waits for a worker, see `LeasesJobs`."""
        job_id = check_name("job_id", job_id)
        worker = check_name("worker", worker)
        ttl = check_ttl(ttl)
        with self._call():
            return await self._claim(job_id, worker, ttl)

    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        """Move the expiry of a current lease, see `LeasesJobs`."""
        lease = check_lease(lease)
        ttl = check_ttl(ttl)
        with self._call():
            return await self._renew(lease, ttl)

    async def get_lease(self, job_id: str) -> Lease | None:
        """Read the current lease of a job, see `LeasesJobs`."""
        job_id = check_name("job_id", job_id)
        with self._call():
            return await self._get_lease(job_id)

    @override
    @abstractmethod
    async def _update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None,
        former: frozenset[JobStatus],
        *,
        lease: Lease | None = None,
    ) -> bool:
        """Change the status as `CheckedRepository._update_status`; leaving RUNNING ends the lease.

        A change to PENDING lets the attempts be counted anew.

        Raises:
            LeaseLostError: ``lease`` is not None and not current.
        """

    @override
    @abstractmethod
    async def _add_failed_symbol(
        self, job_id: str, symbol: str, error: str, *, lease: Lease | None = None
    ) -> None:
        """Record a failure as `CheckedRepository._add_failed_symbol`.

        Raises:
            LeaseLostError: ``lease`` is not None and not current.
        """

    @override
    @abstractmethod
    async def _add_completed_symbol(
        self, job_id: str, symbol: str, candles: int, *, lease: Lease | None = None
    ) -> None:
        """Record a completion as `CheckedCompletedSymbols._add_completed_symbol`.

        Raises:
            LeaseLostError: ``lease`` is not None and not current.
        """

    @abstractmethod
    async def _claim_next(
        self, worker: str, ttl: timedelta, source: str | None, most_running: int | None
    ) -> Lease | None:
        """Claim the oldest job that is PENDING, or RUNNING under a lease that has expired.

        Finding, counting and claiming are one step of the engine. The job becomes RUNNING, with
        ``started_at`` now, and its new revision is the lease's token.

        Args:
            worker: Who claims.
            ttl: For how long, 50 milliseconds to 7 days.
            source: Take only jobs of this source; None takes those of any.
            most_running: Take no job while so many jobs of ``source`` (of all, if it is None) are
                RUNNING under leases that have not expired: 1 to ``MOST_JOBS``; None is no limit.
        """

    @abstractmethod
    async def _claim(self, job_id: str, worker: str, ttl: timedelta) -> Lease | None:
        """Claim one job, if it is PENDING, or RUNNING under a lease that has expired."""

    @abstractmethod
    async def _renew(self, lease: Lease, ttl: timedelta) -> Lease:
        """Move the expiry of a current lease, expired or not; keep the job's revision.

        Raises:
            LeaseLostError: The lease is not current.
        """

    @abstractmethod
    async def _get_lease(self, job_id: str) -> Lease | None:
        """Read the current lease of a job, expired or not; None if there is none."""
