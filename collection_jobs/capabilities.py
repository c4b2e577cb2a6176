"""The optional Protocols: what an engine may be able to do beyond the nine methods.

An adapter has one by having its methods. A Protocol that combines some of these must also derive
from ``typing_extensions.Protocol``: on Python 3.11, one that derives from ``typing.Protocol`` makes
``isinstance`` of its bases raise TypeError.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Coroutine, Iterable, Mapping
from datetime import datetime
from typing import Any

from typing_extensions import Protocol, runtime_checkable

from collection_jobs.job import CollectionJob
from collection_jobs.query import JobQuery, JobSummary
from collection_jobs.status import JobStatus

__all__ = [
    "AddsJobs",
    "FindsJobs",
    "PagesByKey",
    "Purges",
    "RecordsCompletedSymbols",
    "RecordsCursors",
    "RecordsFailures",
    "SavesMany",
]


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
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``job_id`` or ``symbol`` is empty, longer than 255 characters, or has a NUL
                or a lone surrogate, or ``candles`` is out of range; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

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
            TypeError: ``jobs`` is no iterable of CollectionJob; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

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

        Raises:
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``limit`` is negative, or the instant of ``after`` is naive; the engine was
                not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        Changes nothing, so a cancelled call has no effect and may be repeated.

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

        Raises:
            TypeError: ``job`` is no CollectionJob; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

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

        Raises:
            TypeError: ``jobs`` is no iterable of CollectionJob; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        Laws: ADD-1, ADD-2, ADD-3.
        """
        ...


@runtime_checkable
class RecordsFailures(Protocol):
    """A repository that records whether a retry can mend a failure."""

    @abstractmethod
    def add_failure(
        self, job_id: str, symbol: str, error: str, *, permanent: bool = False
    ) -> Coroutine[Any, Any, None]:
        """Record that one symbol of a job failed, and whether a retry can mend it.

        As `CollectionJobRepository.add_failed_symbol`, which records a failure that is not
        permanent: the failure replaces an earlier outcome, and is counted. The symbol is in
        ``permanent_failures`` while its last outcome is a permanent failure. Concurrent calls all
        count. A cancelled call recorded the failure or nothing; repeating one counts again.

        Args:
            job_id: The job's id, compared exactly.
            symbol: One of the job's symbols.
            error: Why it failed: any text. Text of more than 65,535 bytes is truncated and ends in
                a line that says so.
            permanent: Whether no retry can mend it, as when the source does not know the symbol.

        Raises:
            JobNotFoundError: There is no such job; nothing changed.
            UnknownSymbolError: The job does not collect this symbol; nothing changed.
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``job_id`` or ``symbol`` is empty, longer than 255 characters, or has a NUL
                or a lone surrogate; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        Laws: FAILURE-1, FAILURE-2.
        """
        ...


@runtime_checkable
class RecordsCursors(Protocol):
    """A repository that records how far a symbol was collected, for whoever goes on with it."""

    @abstractmethod
    def set_cursor(self, job_id: str, symbol: str, until: datetime) -> Coroutine[Any, Any, None]:
        """Record up to where one symbol of a job was collected.

        The cursor as last set counts, until the symbol completes; a failure keeps it. Of a symbol
        that has completed nothing changes. A cancelled call set the cursor or nothing. May be
        repeated.

        Args:
            job_id: The job's id, compared exactly.
            symbol: One of the job's symbols.
            until: The first instant that is still to be collected, from the job's ``start`` to its
                ``end``; aware.

        Raises:
            JobNotFoundError: There is no such job; nothing changed.
            UnknownSymbolError: The job does not collect this symbol; nothing changed.
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``until`` lies outside the range of the stored job, and nothing changed; or
                it is naive, or ``job_id`` or ``symbol`` is empty, longer than 255 characters, or
                has a NUL or a lone surrogate, and the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        Laws: CURSOR-1.
        """
        ...


@runtime_checkable
class FindsJobs(Protocol):
    """A repository that finds and counts jobs by several conditions, without their outcomes."""

    @abstractmethod
    def find(
        self, query: JobQuery, limit: int = 100, after: tuple[datetime, str] | None = None
    ) -> Coroutine[Any, Any, list[JobSummary]]:
        """List summaries of the jobs that meet every condition of a query, oldest first.

        Args:
            query: The conditions.
            limit: The maximum number of summaries to return, however large; 0 returns an empty
                list.
            after: The ``(created_at, id)`` of the last job of the previous page, which may have
                been deleted since, or any other key; None starts with the oldest.

        Returns:
            The summaries in the order of ``list_by_status``, by ``created_at``, then by ``id``.
            Each shows its job, its stats and its lease as they were at one instant of the call.

        Raises:
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``limit`` is negative, or the instant of ``after`` is naive; the engine was
                not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        Changes nothing, so a cancelled call has no effect and may be repeated.

        Laws: FIND-1, FIND-2.
        """
        ...

    @abstractmethod
    def count(self, query: JobQuery) -> Coroutine[Any, Any, Mapping[JobStatus, int]]:
        """Count the jobs that meet every condition of a query, by their status.

        Args:
            query: The conditions.

        Returns:
            For every status, in the order of `JobStatus`, how many such jobs have it, at one
            instant; 0 where there are none.

        Raises:
            TypeError: An argument is of a wrong type; the engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        Changes nothing, so a cancelled call has no effect and may be repeated.

        Laws: FIND-3.
        """
        ...


@runtime_checkable
class Purges(Protocol):
    """A repository that deletes many finished jobs at once."""

    @abstractmethod
    def delete_finished(
        self,
        before: datetime,
        *,
        statuses: Collection[JobStatus] = (JobStatus.COMPLETED, JobStatus.CANCELLED),
        limit: int = 1000,
    ) -> Coroutine[Any, Any, int]:
        """Delete jobs that ended before an instant, those first that ended first, with outcomes.

        To delete all of them, call it until it returns less than ``limit``; between the calls
        others have their turn. A cancelled call deleted all of its jobs or none. May be repeated.

        Args:
            before: Delete jobs whose ``finished_at`` is before this instant; aware.
            statuses: Delete jobs of these statuses, which must be final: COMPLETED and CANCELLED.
                A FAILED job may be retried, and is never deleted here.
            limit: The maximum number of jobs to delete; 0 deletes none.

        Returns:
            How many jobs this call deleted.

        Raises:
            TypeError: An argument is of a wrong type; the engine was not touched.
            ValueError: ``before`` is naive, a status is not final, or ``limit`` is negative; the
                engine was not touched.
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        Laws: PURGE-1, DELETE-1, DELETE-2, SAVE-5.
        """
        ...
