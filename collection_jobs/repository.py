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

    Derive an adapter from this class, or just give yours the same methods: the Protocol
    :class:`~collection_jobs.protocol.CollectionJobRepository` describes them structurally.

    What holds for every method, with any number of callers, tasks or processes:

    * Each call takes effect at one instant between its call and its return. A listing shows each
      job as it was at some instant of the call, none twice, and none missing that matched
      throughout (ATOMIC-1).
    * A call that is cancelled, at whatever point, opening and closing included, took effect wholly
      or not at all; the repository works on and holds nothing for it (CANCEL-1).
    * No call waits for ever for a server that does not answer: within the adapter's documented
      time-out it ends with a ``RepositoryError``, which says of a write if it may have happened;
      so does a cancelled one (TIME-1).
    * An argument of a wrong type is a ``TypeError``, one of a wrong value (an empty or over-long
      id, one with a NUL or a lone surrogate, a negative ``limit`` or ``offset``, a naive
      ``since``) a ``ValueError`` that shows it, and both come before the engine is touched
      (INPUT-1).
    * A failure of the engine is a ``RepositoryError`` whose ``__cause__`` is the driver's error; a
      repository that is not open raises ``RepositoryClosedError`` (ERROR-1).

    What an adapter may declare, in a class attribute ``capabilities`` (a frozenset of names), and
    then keeps:

    * ``"durable"``: what was acknowledged survives the death of the process at any moment, and what
      was under way is there wholly or not at all (DURABLE-1).
    * ``"scales"``: the cost of every method but ``get_running_jobs`` does not grow in proportion to
      the number of jobs stored (SCALE-1).

    What adapters may do differently: how a job is laid out in the engine, by how much a revision
    grows, and which of several concurrent calls comes first.
    """

    @abstractmethod
    async def save(self, job: CollectionJob) -> None:
        """Store a job whole: create it, or replace the stored job of the same id.

        A job whose ``revision`` is None is stored unconditionally. A job that was read from the
        store, or a changed copy of it, is stored only while the store still has that revision. The
        given job keeps the revision that it has; read the job again to learn the new one.

        Args:
            job: The job to store, with every outcome.

        Raises:
            StaleJobError: The job carries a revision, and the store has another one or no such
                job any more. Nothing changed; saving the same copy again fails again.
            RepositoryError: The engine failed.

        A cancelled call stored the whole job or nothing. Repeating a save without a revision is
        harmless; repeating one with a revision is stale if the first took effect.

        Laws: SAVE-1, SAVE-2, SAVE-3, SAVE-4, SAVE-5.
        """

    @abstractmethod
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        """Read one job.

        Args:
            job_id: The job's id, compared exactly.

        Returns:
            The job as last written, with the revision that the store gave it, or None for an
            unknown id. It is the caller's own: nothing done with it changes the store.

        Raises:
            RepositoryError: The engine failed.

        Changes nothing, so a cancelled call leaves nothing and may be repeated.

        Laws: GET-1, GET-2.
        """

    @abstractmethod
    async def delete(self, job_id: str) -> bool:
        """Remove one job and its outcomes.

        Args:
            job_id: The job's id, compared exactly.

        Returns:
            True when this call removed the job, False when there was none. The id can be used
            again; nothing of the former job comes back.

        Raises:
            RepositoryError: The engine failed.

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
            limit: The most jobs to return; 0 is an empty list.
            offset: How many jobs to pass over first.

        Returns:
            Exactly the jobs with that status, by ``created_at``, then by ``id`` in code-point
            order. Pages of a store that does not change join up to the whole, no job twice.

        Raises:
            RepositoryError: The engine failed.

        Changes nothing, so a cancelled call leaves nothing and may be repeated.

        Laws: LIST-1, LIST-2.
        """

    @abstractmethod
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        """List the jobs of any status, newest first.

        Args:
            limit: The most jobs to return; 0 is an empty list.
            since: Leave out the jobs created before this instant; aware. None leaves out nothing.

        Returns:
            The jobs by ``created_at`` descending, then by ``id`` descending.

        Raises:
            RepositoryError: The engine failed.

        Changes nothing, so a cancelled call leaves nothing and may be repeated.

        Laws: RECENT-1, RECENT-2.
        """

    @abstractmethod
    async def get_running_jobs(self) -> list[CollectionJob]:
        """List all RUNNING jobs, oldest first, without a limit.

        Returns:
            The jobs by ``created_at``, then by ``id``, as in :meth:`list_by_status`.

        Raises:
            RepositoryError: The engine failed.

        Changes nothing, so a cancelled call leaves nothing and may be repeated.

        Laws: RUNNING-1.
        """

    @abstractmethod
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        """Change a job's status, if the lifecycle permits it from the status that the job has.

        Of any number of concurrent calls for the same change, from any number of processes,
        exactly one returns True: a worker claims a job with ``update_status(id, RUNNING)``.

        The change sets and clears ``started_at`` and ``finished_at`` as
        :meth:`CollectionJob.with_status` says, by the engine's clock, which is
        right to within a minute. Outcomes survive it.

        Args:
            job_id: The job's id, compared exactly.
            status: The new status.
            error_message: What the job remembers of this change, None included; of more than
                65,535 bytes the beginning, and a line that says so.

        Returns:
            True when this call changed the status; False when the job is unknown or the
            lifecycle forbids the change, and then nothing changed.

        Raises:
            RepositoryError: The engine failed.

        A cancelled call changed the status or left everything as it was; read the job to know.

        Laws: STATUS-1, STATUS-2, STATUS-3.
        """

    @abstractmethod
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        """Record that one symbol of a job failed.

        The last outcome of a symbol counts: this one replaces a former failure or completion.
        Concurrent calls, among themselves and with every other method, all take effect.

        Args:
            job_id: The job's id, compared exactly.
            symbol: One of the job's symbols.
            error: Why it failed: any text. Of more than 65,535 bytes the beginning is kept, and
                a line that says so.

        Raises:
            JobNotFoundError: There is no such job; nothing changed.
            UnknownSymbolError: The job does not collect this symbol; nothing changed.
            RepositoryError: The engine failed.

        A cancelled call recorded the failure or nothing. May be repeated.

        Laws: FAILED-1, FAILED-2, FAILED-3.
        """

    @abstractmethod
    async def get_stats(self, job_id: str) -> JobStats | None:
        """Aggregate the outcomes of one job.

        Args:
            job_id: The job's id, compared exactly.

        Returns:
            The stats of the job as it is stored at one instant, or None for an unknown id.

        Raises:
            RepositoryError: The engine failed.

        Changes nothing, so a cancelled call leaves nothing and may be repeated.

        Laws: STATS-1.
        """
