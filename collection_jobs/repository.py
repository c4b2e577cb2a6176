"""ICollectionJobRepository: the contract of a store of collection jobs, as an abstract base class.

The laws are numbered (SAVE-1, GET-1, ...); `docs/contract.md` has the sentence of each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime

from collection_jobs.job import CollectionJob
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus

__all__ = ["ICollectionJobRepository"]


class ICollectionJobRepository(ABC):
    """A store of collection jobs: nine coroutines, the same for every engine.

    Derive an adapter from this class, or simply give it the same methods: the Protocol
    `CollectionJobRepository` describes them structurally.

    The following holds for every method, with any number of callers, tasks or processes:

    * Each call takes effect at one instant between its call and its return. A listing shows each
      job as it was at some instant of the call, none twice, and none missing that matched
      throughout (ATOMIC-1).
    * A call that is cancelled at any point, opening and closing included, took effect wholly or not
      at all; the repository remains usable and holds nothing for it (CANCEL-1).
    * No call waits for ever for a server that does not answer. It ends within the adapter's
      documented time-out with a ``RepositoryError``, which for a write says whether it may have
      happened; the same applies to a cancelled call (TIME-1).
    * An argument of a wrong type raises ``TypeError``; one with a wrong value (an empty or
      over-long id, one with a NUL or a lone surrogate, a negative ``limit`` or ``offset``, a naive
      ``since``) raises a ``ValueError`` that shows it. Both are raised before the engine is touched
      (INPUT-1).
    * A failure of the engine raises a ``RepositoryError`` whose ``__cause__`` is the driver's
      error; a repository that is not open raises ``RepositoryClosedError`` (ERROR-1).

    An adapter may declare further promises in a class attribute ``capabilities`` (a frozenset of
    names), and must then keep them:

    * ``"durable"``: acknowledged changes survive the death of the process at any moment, and a
      change in progress is there wholly or not at all (DURABLE-1).
    * ``"scales"``: the cost of every method but ``get_running_jobs`` does not grow in proportion to
      the number of jobs stored (SCALE-1).

    Adapters may differ in how they store a job in the engine, by how much a revision grows, and
    which of several concurrent calls takes effect first.
    """

    @abstractmethod
    async def save(self, job: CollectionJob) -> None:
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

    @abstractmethod
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
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

    @abstractmethod
    async def delete(self, job_id: str) -> bool:
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

    @abstractmethod
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
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

    @abstractmethod
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
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

    @abstractmethod
    async def get_running_jobs(self) -> list[CollectionJob]:
        """List all RUNNING jobs, oldest first, without a limit.

        Returns:
            The jobs by ``created_at``, then by ``id``, as in `list_by_status`.

        Raises:
            RepositoryError: The engine failed, or did not answer in time; RepositoryClosedError if
                the repository is not open.

        Changes nothing, so a cancelled call has no effect and may be repeated.

        Laws: RUNNING-1.
        """

    @abstractmethod
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
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

    @abstractmethod
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
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

    @abstractmethod
    async def get_stats(self, job_id: str) -> JobStats | None:
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
