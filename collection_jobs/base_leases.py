"""CheckedLeasesJobs: a CheckedRepository whose jobs workers claim, and write under leases."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime, timedelta

from typing_extensions import override

from collection_jobs.base import FORMER_STATUSES, MOST_JOBS, CheckedRepository
from collection_jobs.base_capabilities import (
    CheckedCompletedSymbols,
    CheckedRecordsCursors,
    CheckedRecordsFailures,
)
from collection_jobs.lease import Lease, check_lease, check_ttl
from collection_jobs.status import JobStatus
from collection_jobs.validation import (
    check_bool,
    check_candles,
    check_datetime,
    check_name,
    check_optional_text,
    check_positive,
    check_status,
    check_text,
)

__all__ = [
    "CheckedLeasesJobs",
    "CheckedRecordsCursorsUnderLease",
    "CheckedRecordsFailuresUnderLease",
]


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
                job_id, status, error_message, FORMER_STATUSES[status], lease=lease
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


class CheckedRecordsFailuresUnderLease(CheckedRecordsFailures):
    """Gives a `CheckedLeasesJobs` the method of `RecordsFailuresUnderLease`, with one hook."""

    @override
    async def add_failure(
        self,
        job_id: str,
        symbol: str,
        error: str,
        *,
        permanent: bool = False,
        lease: Lease | None = None,
    ) -> None:
        """Record a failure under a lease, see `RecordsFailuresUnderLease`."""
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        error = check_text("error", error)
        permanent = check_bool("permanent", permanent)
        lease = None if lease is None else check_lease(lease, job_id)
        with self._call():
            await self._add_failure(job_id, symbol, error, permanent, lease=lease)

    @override
    @abstractmethod
    async def _add_failure(
        self,
        job_id: str,
        symbol: str,
        error: str,
        permanent: bool,
        *,
        lease: Lease | None = None,
    ) -> None:
        """Record a failure as `CheckedRecordsFailures._add_failure`.

        Raises:
            LeaseLostError: ``lease`` is not None and not current.
        """


class CheckedRecordsCursorsUnderLease(CheckedRecordsCursors):
    """Gives a `CheckedLeasesJobs` the method of `RecordsCursorsUnderLease`, with one hook."""

    @override
    async def set_cursor(
        self, job_id: str, symbol: str, until: datetime, *, lease: Lease | None = None
    ) -> None:
        """Record up to where a symbol was collected, see `RecordsCursorsUnderLease`."""
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        until = check_datetime("until", until)
        lease = None if lease is None else check_lease(lease, job_id)
        with self._call():
            await self._set_cursor(job_id, symbol, until, lease=lease)

    @override
    @abstractmethod
    async def _set_cursor(
        self, job_id: str, symbol: str, until: datetime, *, lease: Lease | None = None
    ) -> None:
        """Set a cursor as `CheckedRecordsCursors._set_cursor`.

        Raises:
            LeaseLostError: ``lease`` is not None and not current.
        """
