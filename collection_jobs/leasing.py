"""The Protocols of leases: workers on many machines claim jobs, and write under their claims."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any

from typing_extensions import Protocol, runtime_checkable

from collection_jobs.capabilities import RecordsCompletedSymbols, RecordsCursors, RecordsFailures
from collection_jobs.lease import Lease
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.status import JobStatus

__all__ = ["LeasesJobs", "RecordsCursorsUnderLease", "RecordsFailuresUnderLease"]


@runtime_checkable
class LeasesJobs(CollectionJobRepository, RecordsCompletedSymbols, Protocol):
    """A repository from which workers on many machines claim jobs for some time.

    A worker claims a job, renews its lease while it works, and hands the lease to every change that
    it makes. If it dies, its lease expires and another worker claims the job. If it was only slow,
    its next change raises `LeaseLostError` and changes nothing: the token decides, not the clock.

    A lease is *current* until the job is claimed again, leaves RUNNING, or is deleted, whoever does
    that. It is not part of the job: a claim is a change of the job, renewing is none, so a copy
    that was read before a renewal is not stale. ``save`` has the job's revision as its fence, and
    takes no lease; a save that leaves the job RUNNING leaves its lease.

    The clock is the engine's: the server's where there is one, else the machine's.
    """

    @abstractmethod
    def claim_next(
        self,
        worker: str,
        ttl: timedelta,
        *,
        source: str | None = None,
        most_running: int | None = None,
    ) -> Coroutine[Any, Any, Lease | None]:
        """Claim the oldest job that waits for a worker, or whose worker's lease has expired.

        The oldest, by ``created_at`` and ``id``, of the jobs that are PENDING, or RUNNING under a
        lease that has expired, becomes RUNNING as ``update_status`` does it. A job that became
        RUNNING without a lease is never taken. Of concurrent calls each gets another job. A
        cancelled call claimed a job or none; the lease of a claim that nobody heard of expires.

        Args:
            worker: Who claims, as an id.
            ttl: For how long, 50 milliseconds to 7 days.
            source: Take only jobs of this source; None takes those of any.
            most_running: Take no job while so many jobs of ``source`` (of all, if it is None) are
                RUNNING under leases that have not expired; 1 or more. None sets no limit.

        Returns:
            The lease, or None if there is no such job.

        Raises:
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``worker`` or ``source`` is empty, longer than 255 characters, or has a NUL
                or a lone surrogate, ``ttl`` is outside its range, or ``most_running`` is less than
                1; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        Laws: LEASE-1, LEASE-2, LEASE-5, LEASE-6.
        """
        ...

    @abstractmethod
    def claim(self, job_id: str, worker: str, ttl: timedelta) -> Coroutine[Any, Any, Lease | None]:
        """Claim one job, if it is PENDING, or RUNNING under a lease that has expired.

        Args:
            job_id: The job's id, compared exactly.
            worker: Who claims, as an id.
            ttl: For how long, 50 milliseconds to 7 days.

        Returns:
            The lease, or None if the job is unknown or not to be had; then nothing changed.

        Raises:
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``job_id`` or ``worker`` is empty, longer than 255 characters, or has a NUL
                or a lone surrogate, or ``ttl`` is outside its range; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        A cancelled call claimed the job or nothing.

        Laws: LEASE-1, LEASE-2, LEASE-5.
        """
        ...

    @abstractmethod
    def renew(self, lease: Lease, ttl: timedelta) -> Coroutine[Any, Any, Lease]:
        """Move the expiry of a current lease to ``ttl`` from now, also if it has expired.

        Args:
            lease: The lease, as it was claimed or last renewed.
            ttl: For how long, 50 milliseconds to 7 days; it may be less than was left.

        Returns:
            The lease with its new expiry, the same token, and the job as it is stored now. The
            job's revision is not changed.

        Raises:
            LeaseLostError: The lease is not current; nothing changed.
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``ttl`` is outside its range; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        A cancelled call moved the expiry or nothing. May be repeated.

        Laws: LEASE-3, LEASE-4.
        """
        ...

    @abstractmethod
    def get_lease(self, job_id: str) -> Coroutine[Any, Any, Lease | None]:
        """Read the current lease of a job, whether or not it has expired.

        Args:
            job_id: The job's id, compared exactly.

        Returns:
            The lease, with the job as it is stored; None if the job is unknown, or not RUNNING
            under a lease.

        Raises:
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``job_id`` is empty, longer than 255 characters, or has a NUL or a lone
                surrogate; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        Changes nothing, so a cancelled call has no effect and may be repeated.

        Laws: LEASE-3, LEASE-4, LEASE-5.
        """
        ...

    @abstractmethod
    def update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None = None,
        *,
        lease: Lease | None = None,
    ) -> Coroutine[Any, Any, bool]:
        """Change a job's status, as `CollectionJobRepository.update_status`, under a lease.

        A change that leaves RUNNING ends the lease. Without ``lease``, an operator cancels or gives
        back a job whoever holds it.

        Args:
            job_id: The job's id, compared exactly.
            status: The new status.
            error_message: The job's new error message, or None for none.
            lease: The caller's lease of this job; None changes it whoever holds it.

        Returns:
            True if this call changed the status; False if the lifecycle forbids the change, or the
            job is unknown and no lease was given, and then nothing changed.

        Raises:
            LeaseLostError: The lease is not current; nothing changed.
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``job_id`` is empty, longer than 255 characters, or has a NUL or a lone
                surrogate, or the lease is of another job; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        A cancelled call changed the status or nothing; read the job to find out.

        Laws: LEASE-3, STATUS-1, STATUS-2, STATUS-3.
        """
        ...

    @abstractmethod
    def add_failed_symbol(
        self, job_id: str, symbol: str, error: str, *, lease: Lease | None = None
    ) -> Coroutine[Any, Any, None]:
        """Record a failure, as `CollectionJobRepository.add_failed_symbol`, under a lease.

        Args:
            job_id: The job's id, compared exactly.
            symbol: One of the job's symbols.
            error: Why it failed: any text.
            lease: The caller's lease of this job; None records it whoever holds the job.

        Raises:
            LeaseLostError: The lease is not current; nothing changed.
            JobNotFoundError: There is no such job, and no lease was given; nothing changed.
            UnknownSymbolError: The job does not collect this symbol; nothing changed.
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``job_id`` or ``symbol`` is empty, longer than 255 characters, or has a NUL
                or a lone surrogate, or the lease is of another job; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        A cancelled call recorded the failure or nothing; repeating one counts again.

        Laws: LEASE-3, FAILED-1, FAILED-2, FAILED-3.
        """
        ...

    @abstractmethod
    def add_completed_symbol(
        self, job_id: str, symbol: str, candles: int, *, lease: Lease | None = None
    ) -> Coroutine[Any, Any, None]:
        """Record a completion, as `RecordsCompletedSymbols.add_completed_symbol`, under a lease.

        Args:
            job_id: The job's id, compared exactly.
            symbol: One of the job's symbols.
            candles: The number of candles collected, 0 or more, and below 2**63.
            lease: The caller's lease of this job; None records it whoever holds the job.

        Raises:
            LeaseLostError: The lease is not current; nothing changed.
            JobNotFoundError: There is no such job, and no lease was given; nothing changed.
            UnknownSymbolError: The job does not collect this symbol; nothing changed.
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``job_id`` or ``symbol`` is empty, longer than 255 characters, or has a NUL
                or a lone surrogate, ``candles`` is out of range, or the lease is of another job;
                the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        A cancelled call recorded the outcome or nothing. May be repeated.

        Laws: LEASE-3, COMPLETED-1, COMPLETED-2, COMPLETED-3.
        """
        ...


@runtime_checkable
class RecordsFailuresUnderLease(LeasesJobs, RecordsFailures, Protocol):
    """A repository with leases that records permanent failures: then under a lease, too."""

    @abstractmethod
    def add_failure(
        self,
        job_id: str,
        symbol: str,
        error: str,
        *,
        permanent: bool = False,
        lease: Lease | None = None,
    ) -> Coroutine[Any, Any, None]:
        """Record a failure, as `RecordsFailures.add_failure`, under a lease.

        Args:
            job_id: The job's id, compared exactly.
            symbol: One of the job's symbols.
            error: Why it failed: any text.
            permanent: Whether no retry can mend it.
            lease: The caller's lease of this job; None records it whoever holds the job.

        Raises:
            LeaseLostError: The lease is not current; nothing changed.
            JobNotFoundError: There is no such job, and no lease was given; nothing changed.
            UnknownSymbolError: The job does not collect this symbol; nothing changed.
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``job_id`` or ``symbol`` is empty, longer than 255 characters, or has a NUL
                or a lone surrogate, or the lease is of another job; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        A cancelled call recorded the failure or nothing; repeating one counts again.

        Laws: LEASE-3, FAILURE-1, FAILURE-2.
        """
        ...


@runtime_checkable
class RecordsCursorsUnderLease(LeasesJobs, RecordsCursors, Protocol):
    """A repository with leases that records cursors: then under a lease, too."""

    @abstractmethod
    def set_cursor(
        self, job_id: str, symbol: str, until: datetime, *, lease: Lease | None = None
    ) -> Coroutine[Any, Any, None]:
        """Record up to where a symbol was collected, as `RecordsCursors.set_cursor`, under a lease.

        Args:
            job_id: The job's id, compared exactly.
            symbol: One of the job's symbols.
            until: The first instant that is still to be collected; aware.
            lease: The caller's lease of this job; None records it whoever holds the job.

        Raises:
            LeaseLostError: The lease is not current; nothing changed.
            JobNotFoundError: There is no such job, and no lease was given; nothing changed.
            UnknownSymbolError: The job does not collect this symbol; nothing changed.
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``until`` lies outside the range of the stored job, and nothing changed; or
                it is naive, ``job_id`` or ``symbol`` is empty, longer than 255 characters, or has a
                NUL or a lone surrogate, or the lease is of another job, and the engine was not
                touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        A cancelled call set the cursor or nothing. May be repeated.

        Laws: LEASE-3, CURSOR-1.
        """
        ...
