"""The contract as Protocols: the nine methods, and what an engine may be able to do beyond them.

CollectionJobRepository is a separate class: neither it nor the ABC derives from the other. Its
methods are plain functions that return a coroutine, not ``async def``. For an ``async def``
adapter, a type checker treats both alike, but only this form accepts a method behind a decorator
that returns ``Callable[P, Coroutine[Any, Any, T]]``. A test ensures that both have the same names,
signatures and laws.

A Protocol that combines some of these must also derive from ``typing_extensions.Protocol``: on
Python 3.11, one that derives from ``typing.Protocol`` makes ``isinstance`` of its bases raise
TypeError.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Coroutine, Iterable
from datetime import datetime, timedelta
from typing import Any

# Its isinstance() is some twenty times faster than that of typing.Protocol on Python 3.11.
from typing_extensions import Protocol, runtime_checkable

from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus

__all__ = [
    "AddsJobs",
    "CollectionJobRepository",
    "LeasesJobs",
    "PagesByKey",
    "RecordsCompletedSymbols",
    "SavesMany",
]


@runtime_checkable
class CollectionJobRepository(Protocol):
    """The structural mirror of :class:`~collection_jobs.repository.ICollectionJobRepository`.

    Any object with these nine methods is one. They are documented here as they are there, because
    an editor shows the docstring of what `open_repository` returns, which is this Protocol.
    ``isinstance`` checks only the methods' names: a type checker compares the signatures, and the
    conformance kit tests the behaviour. ATOMIC-1, CANCEL-1, INPUT-1 and ERROR-1 apply to every
    method; TIME-1 to adapters of a server; DURABLE-1 and SCALE-1 to adapters that declare them.
    """

    @abstractmethod
    def save(self, job: CollectionJob) -> Coroutine[Any, Any, None]:
        """Store a job whole: create it, or replace the stored job of the same id.

        A job whose ``revision`` is None is stored unconditionally. A job that was read from the
        store, or a changed copy of it, is stored only while the store still has that revision. The
        job passed in keeps its revision; read the job again to get the new one.

        Args:
            job: The job to store, with every outcome.

        Raises:
            StaleJobError: The job carries a revision, and the store has another one, or no longer
                has the job. Nothing changed; saving the same copy again fails again.
            RepositoryError: The engine failed.

        A cancelled call stored the whole job or nothing. Repeating a save without a revision has no
        further effect; repeating one with a revision raises ``StaleJobError`` if the first took
        effect.

        Laws: SAVE-1, SAVE-2, SAVE-3, SAVE-4, SAVE-5.
        """
        ...

    @abstractmethod
    def get_by_id(self, job_id: str) -> Coroutine[Any, Any, CollectionJob | None]:
        """Read one job.

        Args:
            job_id: The job's id, compared exactly.

        Returns:
            The job as last written, with the revision that the store gave it, or None for an
            unknown id. It shares no mutable state with the store.

        Raises:
            RepositoryError: The engine failed.

        Changes nothing, so a cancelled call has no effect and may be repeated.

        Laws: GET-1, GET-2.
        """
        ...

    @abstractmethod
    def delete(self, job_id: str) -> Coroutine[Any, Any, bool]:
        """Remove one job and its outcomes.

        Args:
            job_id: The job's id, compared exactly.

        Returns:
            True if this call removed the job, False if there was none. The id can be used again;
            nothing of the former job comes back.

        Raises:
            RepositoryError: The engine failed.

        A cancelled call removed the whole job or nothing. May be repeated.

        Laws: DELETE-1, DELETE-2.
        """
        ...

    @abstractmethod
    def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> Coroutine[Any, Any, list[CollectionJob]]:
        """List the jobs with one status, oldest first.

        Args:
            status: The status.
            limit: The maximum number of jobs to return; 0 returns an empty list.
            offset: How many jobs to skip first.

        Returns:
            Exactly the jobs with that status, by ``created_at``, then by ``id`` in code-point
            order. Pages of a store that does not change join up to the whole, no job twice.

        Raises:
            RepositoryError: The engine failed.

        Changes nothing, so a cancelled call has no effect and may be repeated.

        Laws: LIST-1, LIST-2.
        """
        ...

    @abstractmethod
    def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> Coroutine[Any, Any, list[CollectionJob]]:
        """List the jobs of any status, newest first.

        Args:
            limit: The maximum number of jobs to return; 0 returns an empty list.
            since: Omit jobs created before this instant; aware. None omits nothing.

        Returns:
            The jobs by ``created_at`` descending, then by ``id`` descending.

        Raises:
            RepositoryError: The engine failed.

        Changes nothing, so a cancelled call has no effect and may be repeated.

        Laws: RECENT-1, RECENT-2.
        """
        ...

    @abstractmethod
    def get_running_jobs(self) -> Coroutine[Any, Any, list[CollectionJob]]:
        """List all RUNNING jobs, oldest first, without a limit.

        Returns:
            The jobs by ``created_at``, then by ``id``, as in :meth:`list_by_status`.

        Raises:
            RepositoryError: The engine failed.

        Changes nothing, so a cancelled call has no effect and may be repeated.

        Laws: RUNNING-1.
        """
        ...

    @abstractmethod
    def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> Coroutine[Any, Any, bool]:
        """Change a job's status, if the lifecycle permits it from the job's current status.

        Of any number of concurrent calls for the same change, from any number of processes,
        exactly one returns True: a worker claims a job with ``update_status(id, RUNNING)``.

        The change sets and clears ``started_at`` and ``finished_at`` as described in
        :meth:`CollectionJob.with_status`, using the engine's clock, which is right to within a
        minute. Outcomes are kept.

        Args:
            job_id: The job's id, compared exactly.
            status: The new status.
            error_message: The job's new error message, or None for none; text of more than 65,535
                bytes is truncated and ends in a line that says so.

        Returns:
            True if this call changed the status; False if the job is unknown or the lifecycle
            forbids the change, and then nothing changed.

        Raises:
            RepositoryError: The engine failed.

        A cancelled call changed the status or nothing; read the job to find out.

        Laws: STATUS-1, STATUS-2, STATUS-3.
        """
        ...

    @abstractmethod
    def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> Coroutine[Any, Any, None]:
        """Record that one symbol of a job failed.

        The last outcome of a symbol counts: this one replaces an earlier failure or completion.
        Concurrent calls, among themselves and with every other method, all take effect.

        Args:
            job_id: The job's id, compared exactly.
            symbol: One of the job's symbols.
            error: Why it failed: any text. Text of more than 65,535 bytes is truncated and ends in
                a line that says so.

        Raises:
            JobNotFoundError: There is no such job; nothing changed.
            UnknownSymbolError: The job does not collect this symbol; nothing changed.
            RepositoryError: The engine failed.

        A cancelled call recorded the failure or nothing. May be repeated.

        Laws: FAILED-1, FAILED-2, FAILED-3.
        """
        ...

    @abstractmethod
    def get_stats(self, job_id: str) -> Coroutine[Any, Any, JobStats | None]:
        """Aggregate the outcomes of one job.

        Args:
            job_id: The job's id, compared exactly.

        Returns:
            The stats of the job as stored at one instant, or None for an unknown id.

        Raises:
            RepositoryError: The engine failed.

        Changes nothing, so a cancelled call has no effect and may be repeated.

        Laws: STATS-1.
        """
        ...


@runtime_checkable
class RecordsCompletedSymbols(Protocol):
    """A repository that records a completed symbol without saving the whole job.

    ATOMIC-1, CANCEL-1, INPUT-1, ERROR-1, DURABLE-1 and SCALE-1 apply to this method as to the nine,
    and to the methods of the other optional Protocols.
    """

    @abstractmethod
    def add_completed_symbol(
        self, job_id: str, symbol: str, candles: int
    ) -> Coroutine[Any, Any, None]:
        """Record that one symbol of a job was collected: the counterpart of ``add_failed_symbol``.

        The last outcome of a symbol counts. Concurrent calls all take effect. A cancelled call
        recorded the outcome or nothing. May be repeated.

        Args:
            job_id: The job's id, compared exactly.
            symbol: One of the job's symbols.
            candles: The number of candles collected, 0 or more, and below 2**63.

        Raises:
            JobNotFoundError: There is no such job; nothing changed.
            UnknownSymbolError: The job does not collect this symbol; nothing changed.

        Laws: COMPLETED-1, COMPLETED-2, COMPLETED-3.
        """
        ...


@runtime_checkable
class SavesMany(Protocol):
    """A repository that saves several jobs at one instant."""

    @abstractmethod
    def save_many(self, jobs: Iterable[CollectionJob]) -> Coroutine[Any, Any, None]:
        """Save each of the jobs, in order, as ``save`` does; or, on any error, none.

        An id may occur more than once. The second job is then saved over the first: of jobs without
        a revision the last counts, and a second copy of one revision is stale. An empty iterable
        changes nothing. A cancelled call saved all or none. May be repeated if no job carries a
        revision.

        Args:
            jobs: The jobs, each as for ``save``; iterated once, before the engine is touched.

        Raises:
            StaleJobError: A job carries a revision that is not the stored one; nothing changed.

        Laws: MANY-1, MANY-2, MANY-3.
        """
        ...


@runtime_checkable
class PagesByKey(Protocol):
    """A repository in which deep pages cost as much as the first ones."""

    @abstractmethod
    def list_after(
        self, status: JobStatus, after: tuple[datetime, str] | None = None, limit: int = 100
    ) -> Coroutine[Any, Any, list[CollectionJob]]:
        """List the jobs with one status after a key; a deep page costs as much as the first.

        Args:
            status: The status.
            after: The ``(created_at, id)`` of the last job of the previous page, which may have
                been deleted since, or any other key; None starts with the oldest.
            limit: The maximum number of jobs to return, however large; 0 returns an empty list.

        Returns:
            The jobs in the order of ``list_by_status``. If jobs are added or removed between two
            pages, each job that is there throughout is shown once.

        Laws: KEY-1, KEY-2, KEY-3.
        """
        ...


@runtime_checkable
class AddsJobs(Protocol):
    """A repository that creates a job and never replaces one: what a planner needs."""

    @abstractmethod
    def add(self, job: CollectionJob) -> Coroutine[Any, Any, bool]:
        """Create a job, unless there is one of its id.

        Of any number of concurrent calls for one id, from any number of processes, exactly one
        returns True. A cancelled call created the job or nothing. May be repeated: a second call
        returns False.

        Args:
            job: The job to store, with every outcome. Its ``revision`` has no meaning here.

        Returns:
            True if this call created the job, with its first revision; False if there is a job of
            that id, whatever it holds, and then nothing changed.

        Laws: ADD-1, ADD-2.
        """
        ...

    @abstractmethod
    def add_many(self, jobs: Iterable[CollectionJob]) -> Coroutine[Any, Any, list[bool]]:
        """Add each of the jobs, in order, as ``add`` does, all at one instant.

        An id may occur more than once; the first creates the job. An empty iterable changes
        nothing. A cancelled call added all that were new, or none. May be repeated.

        Args:
            jobs: The jobs, each as for ``add``; iterated once, before the engine is touched.

        Returns:
            For each job, in order, whether it was created.

        Laws: ADD-1, ADD-2, ADD-3.
        """
        ...


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
            RepositoryError: The engine failed.

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
            RepositoryError: The engine failed.

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
            RepositoryError: The engine failed.

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
            RepositoryError: The engine failed.

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

        Raises:
            LeaseLostError: The lease is not current; nothing changed.
            ValueError: The lease is of another job.
            RepositoryError: The engine failed.

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
            JobNotFoundError: There is no such job, and no lease was given.
            UnknownSymbolError: The job does not collect this symbol; nothing changed.
            ValueError: The lease is of another job.
            RepositoryError: The engine failed.

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
            JobNotFoundError: There is no such job, and no lease was given.
            UnknownSymbolError: The job does not collect this symbol; nothing changed.
            ValueError: The lease is of another job.
            RepositoryError: The engine failed.

        Laws: LEASE-3, COMPLETED-1, COMPLETED-2, COMPLETED-3.
        """
        ...
