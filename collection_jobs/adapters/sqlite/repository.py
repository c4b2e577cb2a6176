"""SQLiteCollectionJobRepository: the nine methods, and SQLite's optional Protocols."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from datetime import datetime
from typing import Any, ClassVar

from typing_extensions import override

from collection_jobs.adapters.sqlite import reads, writes
from collection_jobs.adapters.sqlite.claims import Claims
from collection_jobs.adapters.sqlite.conditions import BEFORE_ALL
from collection_jobs.adapters.sqlite.opened import SHORT
from collection_jobs.adapters.sqlite.queries import Queries, key_of
from collection_jobs.adapters.sqlite.recording import SymbolRecords
from collection_jobs.adapters.sqlite.rows import MAX_INTEGER
from collection_jobs.adapters.sqlite.schema import FIRST_INSTANT
from collection_jobs.documents import to_micros
from collection_jobs.job import CollectionJob, check_job, check_jobs
from collection_jobs.lease import Lease, check_lease
from collection_jobs.repository import ICollectionJobRepository
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus
from collection_jobs.validation import (
    check_candles,
    check_datetime,
    check_limit,
    check_name,
    check_offset,
    check_optional_text,
    check_status,
    check_text,
)

__all__ = ["SQLiteCollectionJobRepository"]


class SQLiteCollectionJobRepository(SymbolRecords, Claims, Queries, ICollectionJobRepository):
    """A repository in one SQLite file, for any number of processes on one machine.

    ``async with SQLiteCollectionJobRepository("jobs.db") as repository:`` opens it, creating the
    file if it does not exist, and closes it at the end. It can then be opened again. A process may
    have any number of repositories on one file, and none affects another.

    It belongs to the process, thread and event loop that opened it; a call from any other raises
    RepositoryError. Each of them opens its own. A process that was forked while the file was open
    cannot open it at all, because SQLite's locks do not survive a fork: fork first, or start
    processes with "spawn".

    It works with SQLite 3.38 and later. If several processes write, prefer 3.51.3 or later: older
    versions have a rare race between processes that can damage the file
    (https://sqlite.org/wal.html, "The WAL-Reset Bug"). Within one process, the repository avoids
    it.

    Durable (DURABLE-1): a write is answered after its commit is on the disk. With
    ``synchronous="NORMAL"``, it is answered once the operating system has it. It then survives the
    death of the process at any moment, but a power cut or a crash of the system may lose the last
    acknowledged writes (never the file's integrity). That saves one wait for the disk per
    transaction.

    Between each commit and its answer, and once a second for callers that only read, it checks by
    device and inode that the file, its log (``-wal``) and the log's index (``-shm``) are still the
    ones at the path. If one was deleted, renamed, replaced or emptied, the writes of that commit
    and every later call raise RepositoryError until the repository is opened again. So an
    acknowledged write was in the file at the path at that time. It does not detect a file that
    another program overwrites in place, as ``cp`` does: copy with SQLite's own backup, or while
    nothing has the file open. Other code of the process must open the file only through SQLite:
    ``open(path)`` and ``close()`` release all locks that the process has on it
    (https://sqlite.org/howtocorrupt.html).

    It scales (SCALE-1), and recording an outcome costs the same in a job of ten symbols and of ten
    thousand. A job of any size is read and written in parts, none of which keeps other threads
    waiting for more than a few milliseconds.

    Writes that wait at the same time share one transaction on a thread of the repository's own, so
    many callers are served faster than one. A write that is cancelled while it waits does not
    happen. If it is cancelled after its transaction began, the call waits for the commit, so a
    later read observes the outcome. Short reads run immediately, on the event loop's thread, for at
    most a few milliseconds. Reads that turn out longer, listings with a limit above 100 and
    ``get_running_jobs`` run on a second thread. A caller that only reads still yields to other
    tasks, after about 60 jobs. Up to 64 MB of a large store are cached in memory.

    Leases expire by the machine's clock, which all processes on the file share. A claim costs the
    same however many jobs are stored, run or have expired; each lease that expires costs the next
    ``claim_next`` about a third of a claim, once.

    Any method raises RepositoryClosedError while the repository is not open, and RepositoryError
    when SQLite fails, for example because another connection held the file's lock for longer than
    ``busy_timeout``, or because the file is damaged. After an error the repository remains usable.
    Only if a transaction can be neither committed nor rolled back, for lack of memory, every call
    raises RepositoryError until the repository is opened again.
    """

    capabilities: ClassVar[frozenset[str]] = frozenset({"durable", "shared", "scales"})
    """What it declares: DURABLE-1 and SCALE-1 hold, and every law among several processes."""
    _many_running = False

    @override
    async def save(self, job: CollectionJob) -> None:
        await self._write(writes.save, check_job(job))

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        key = check_name("job_id", job_id)
        return await self._opened().read(reads.find, key, reads.find_whole)

    @override
    async def delete(self, job_id: str) -> bool:
        return await self._write(writes.delete, check_name("job_id", job_id))

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        return await self._list_by_status(
            check_status(status), BEFORE_ALL, check_limit(limit), check_offset(offset)
        )

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        limit = check_limit(limit)
        first = FIRST_INSTANT if since is None else to_micros(check_datetime("since", since))
        return await self._list(limit, (reads.RECENT, (first, min(limit, MAX_INTEGER))))

    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        # Mostly they are few: so it asks for these first, unless it last found many.
        if not self._many_running:
            few = (JobStatus.RUNNING.value, *BEFORE_ALL, SHORT + 1, 0)
            jobs = await self._opened().read_jobs(
                reads.list_few, (reads.BY_STATUS, few), reads.list_all
            )
            if len(jobs) <= SHORT:
                return jobs
        jobs = await self._list_by_status(JobStatus.RUNNING, BEFORE_ALL, MAX_INTEGER, 0)
        self._many_running = len(jobs) > SHORT
        return jobs

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
        return await self._write(
            writes.update_status,
            job_id,
            check_status(status),
            check_optional_text("error_message", error_message),
            None if lease is None else check_lease(lease, job_id),
        )

    @override
    async def add_failed_symbol(
        self, job_id: str, symbol: str, error: str, *, lease: Lease | None = None
    ) -> None:
        job_id = check_name("job_id", job_id)
        await self._write(
            writes.add_failure,
            job_id,
            check_name("symbol", symbol),
            check_text("error", error),
            False,
            None if lease is None else check_lease(lease, job_id),
        )

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        key = check_name("job_id", job_id)
        return await self._opened().read(reads.stats, key)

    async def add_completed_symbol(
        self, job_id: str, symbol: str, candles: int, *, lease: Lease | None = None
    ) -> None:
        """Record that one symbol of a job was collected; the counterpart of add_failed_symbol.

        The last outcome of a symbol counts. Concurrent calls all take effect. A cancelled call
        recorded the outcome or nothing. May be repeated.

        Args:
            job_id: The job's id, compared exactly.
            symbol: One of the job's symbols.
            candles: The number of candles collected, 0 or more, and below 2**63.
            lease: The caller's lease of this job; None records it whoever holds the job.

        Raises:
            LeaseLostError: The lease is not current; nothing changed.
            JobNotFoundError: There is no such job, and no lease was given; nothing changed.
            UnknownSymbolError: The job does not collect this symbol; nothing changed.
            RepositoryError: SQLite failed.
        """
        job_id = check_name("job_id", job_id)
        await self._write(
            writes.add_completion,
            job_id,
            check_name("symbol", symbol),
            check_candles(candles),
            None if lease is None else check_lease(lease, job_id),
        )

    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        """Save each of the jobs, in order, or none of them.

        A cancelled call saved all or none.

        Args:
            jobs: The jobs, each as for save.

        Raises:
            StaleJobError: A job carries a revision that is not the stored one; nothing changed.
            RepositoryError: SQLite failed; nothing changed.
        """
        await self._write(writes.save_many, check_jobs(jobs))

    async def list_after(
        self, status: JobStatus, after: tuple[datetime, str] | None = None, limit: int = 100
    ) -> list[CollectionJob]:
        """List the jobs with one status after a key; a deep page costs as much as the first.

        Args:
            status: The status.
            after: The ``(created_at, id)`` of the last job of the previous page, which may have
                been deleted since; None starts with the oldest.
            limit: The maximum number of jobs to return; 0 returns an empty list.

        Returns:
            The jobs by ``created_at``, then by ``id`` in code-point order, as in list_by_status.

        Raises:
            RepositoryError: SQLite failed.
        """
        return await self._list_by_status(
            check_status(status), key_of(after), check_limit(limit), 0
        )

    async def add(self, job: CollectionJob) -> bool:
        """Create a job, unless there is one of its id.

        A cancelled call created the job or nothing. May be repeated.

        Args:
            job: The job to store; its ``revision`` has no meaning here.

        Returns:
            Whether this call created the job; if not, nothing changed.

        Raises:
            RepositoryError: SQLite failed.
        """
        return await self._write(writes.add, check_job(job))

    async def add_many(self, jobs: Iterable[CollectionJob]) -> list[bool]:
        """Add each of the jobs, in order, at one instant.

        A cancelled call added all that were new, or none. May be repeated.

        Args:
            jobs: The jobs, each as for add.

        Returns:
            For each job, in order, whether it was created.

        Raises:
            RepositoryError: SQLite failed; nothing changed.
        """
        return await self._write(writes.add_many, check_jobs(jobs))

    def _list_by_status(
        self, status: JobStatus, after: tuple[int, str], limit: int, offset: int
    ) -> Coroutine[Any, Any, list[CollectionJob]]:
        counts = min(limit, MAX_INTEGER), min(offset, MAX_INTEGER)
        return self._list(limit, (reads.BY_STATUS, (status.value, *after, *counts)))

    def _list(self, limit: int, keys: reads.Keys) -> Coroutine[Any, Any, list[CollectionJob]]:
        if limit > SHORT:
            return self._opened().read_long(reads.list_all, keys)
        return self._opened().read_jobs(reads.list_few, keys, reads.list_all)
