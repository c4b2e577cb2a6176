"""The contract as a Protocol: the nine methods, checked structurally.

CollectionJobRepository is a separate class: neither it nor the ABC derives from the other. Its
methods are plain functions that return a coroutine, not ``async def``. For an ``async def``
adapter, a type checker treats both alike, but only this form accepts a method behind a decorator
that returns ``Callable[P, Coroutine[Any, Any, T]]``. A test ensures that both have the same names,
signatures and laws. What some engines can do beyond the nine is in `collection_jobs.capabilities`
and `collection_jobs.leasing`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

# Its isinstance() is some twenty times faster than that of typing.Protocol on Python 3.11.
from typing_extensions import Protocol, runtime_checkable

from collection_jobs.job import CollectionJob
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus

__all__ = ["CollectionJobRepository"]


@runtime_checkable
class CollectionJobRepository(Protocol):
    """The structural mirror of `ICollectionJobRepository`.

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
            TypeError: ``job`` is no CollectionJob; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

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
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``job_id`` is empty, longer than 255 characters, or has a NUL or a lone
                surrogate; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

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
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``job_id`` is empty, longer than 255 characters, or has a NUL or a lone
                surrogate; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

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
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``limit`` or ``offset`` is negative; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

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
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``limit`` is negative, or ``since`` is naive; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        Changes nothing, so a cancelled call has no effect and may be repeated.

        Laws: RECENT-1, RECENT-2.
        """
        ...

    @abstractmethod
    def get_running_jobs(self) -> Coroutine[Any, Any, list[CollectionJob]]:
        """List all RUNNING jobs, oldest first, without a limit.

        Returns:
            The jobs by ``created_at``, then by ``id``, as in `list_by_status`.

        Raises:
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

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
        `CollectionJob.with_status`, using the engine's clock, which is right to within a
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
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``job_id`` is empty, longer than 255 characters, or has a NUL or a lone
                surrogate; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        A cancelled call changed the status or nothing; read the job to find out.

        Laws: STATUS-1, STATUS-2, STATUS-3.
        """
        ...

    @abstractmethod
    def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> Coroutine[Any, Any, None]:
        """Record that one symbol of a job failed.

        The last outcome of a symbol counts: this one replaces an earlier failure or completion. The
        symbol's count in ``failure_counts`` grows by one, and the failure is not permanent.
        Concurrent calls, among themselves and with every other method, all take effect.

        Args:
            job_id: The job's id, compared exactly.
            symbol: One of the job's symbols.
            error: Why it failed: any text. Text of more than 65,535 bytes is truncated and ends in
                a line that says so.

        Raises:
            JobNotFoundError: There is no such job; nothing changed.
            UnknownSymbolError: The job does not collect this symbol; nothing changed.
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``job_id`` or ``symbol`` is empty, longer than 255 characters, or has a NUL
                or a lone surrogate; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        A cancelled call recorded the failure or nothing; repeating one counts again.

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
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``job_id`` is empty, longer than 255 characters, or has a NUL or a lone
                surrogate; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        Changes nothing, so a cancelled call has no effect and may be repeated.

        Laws: STATS-1.
        """
        ...
