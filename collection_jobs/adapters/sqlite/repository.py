"""SQLiteCollectionJobRepository: the nine methods, and SQLite's optional Protocols."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from datetime import datetime, timedelta
from sqlite3 import Connection
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar, TypeVarTuple

from typing_extensions import override

from collection_jobs.adapters.sqlite import finding, leases, reads, writes
from collection_jobs.adapters.sqlite.conditions import BEFORE_ALL
from collection_jobs.adapters.sqlite.engine import SQLiteEngine
from collection_jobs.adapters.sqlite.errors import sqlite_not_open
from collection_jobs.adapters.sqlite.rows import MAX_INTEGER
from collection_jobs.adapters.sqlite.schema import FIRST_INSTANT
from collection_jobs.adapters.sqlite.settings import SQLiteSettings, Synchronous
from collection_jobs.documents import from_micros, to_micros
from collection_jobs.errors import RepositoryError
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

__all__ = ["SQLiteCollectionJobRepository"]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

# The longest listing that is tried on the event loop's thread: the contract's default limit.
_SHORT = 100


def _key(after: tuple[datetime, str] | None) -> tuple[int, str]:
    if after is None:
        return BEFORE_ALL
    created_at, job_id = check_key("after", after)
    return to_micros(created_at), job_id


class SQLiteCollectionJobRepository(ICollectionJobRepository):
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

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: Synchronous = "FULL",
        busy_timeout: float = 5.0,
        create: bool = True,
    ) -> None:
        """Remember what to open; open nothing yet.

        Args:
            path: The file; its directory must exist, and be on a local disk.
            synchronous: "FULL", or "NORMAL" if a power cut may lose the last writes.
            busy_timeout: Seconds that a call waits for another connection's lock.
            create: Whether opening creates a store that does not exist; if False, it refuses.

        Raises:
            TypeError: A value has the wrong type.
            ValueError: A value is wrong; instead of ``:memory:``, use
                InMemoryCollectionJobRepository.
        """
        self._settings = SQLiteSettings.of(path, synchronous, busy_timeout, create)
        self._engine: SQLiteEngine | None = None
        self._many_running = False

    @classmethod
    def from_url(cls, url: str, *, create: bool = True) -> Self:
        """Build one from a URL, as :func:`collection_jobs.open_repository` does.

        Args:
            url: ``sqlite:///relative.db`` or ``sqlite:////absolute/path.db``, percent-encoded, with
                the options ``synchronous`` and ``busy_timeout`` as its query.
            create: Whether opening creates a store that does not exist; if False, it refuses.

        Raises:
            ValueError: The URL has another form, or an option has a wrong value.
        """
        settings = SQLiteSettings.from_url(url)
        return cls(
            settings.path,
            synchronous=settings.synchronous,
            busy_timeout=settings.busy_timeout,
            create=create,
        )

    async def __aenter__(self) -> Self:
        """Open the file. A cancelled call closes what it opened before it raises.

        Raises:
            RepositoryError: The repository is already open; the directory is missing; the file is
                not a regular file, has several hard links, is not an SQLite database, belongs to
                another application, has a newer version of the schema, or is locked; there is no
                store and ``create`` is False; or the process was forked while the file was open. A
                file that is refused is left unchanged. A file of an older version is migrated in
                one transaction, and refused if it has a job that this version cannot hold.
        """
        if self._engine is not None:
            self._engine.owner.check()
            raise RepositoryError(f"the repository on {self._settings.path!r} is open already")
        self._engine = engine = SQLiteEngine(self._settings)
        try:
            await engine.open()
        except BaseException:
            self._engine = None
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the repository."""
        await self.close()

    def __del__(self) -> None:
        """End the threads of a repository that nobody closed."""
        engine: SQLiteEngine | None = getattr(self, "_engine", None)  # absent when __init__ raised
        if engine is not None:
            engine.stop()

    async def close(self) -> None:
        """Close the repository once the calls in progress are answered; repeating it does nothing.

        A cancelled call also closes it before it raises.

        Raises:
            RepositoryError: The caller is in another process, thread or event loop; it stays open.
        """
        engine = self._engine
        if engine is not None:
            engine.owner.check()
            self._engine = None
            await engine.close()

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
            few = (JobStatus.RUNNING.value, *BEFORE_ALL, _SHORT + 1, 0)
            jobs = await self._opened().read_jobs(
                reads.list_few, (reads.BY_STATUS, few), reads.list_all
            )
            if len(jobs) <= _SHORT:
                return jobs
        jobs = await self._list_by_status(JobStatus.RUNNING, BEFORE_ALL, MAX_INTEGER, 0)
        self._many_running = len(jobs) > _SHORT
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

    async def add_failure(
        self,
        job_id: str,
        symbol: str,
        error: str,
        *,
        permanent: bool = False,
        lease: Lease | None = None,
    ) -> None:
        """Record that one symbol of a job failed, and whether a retry can mend it.

        As add_failed_symbol, which records a failure that is not permanent. A cancelled call
        recorded the failure or nothing; repeating one counts again.

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
            RepositoryError: SQLite failed.
        """
        job_id = check_name("job_id", job_id)
        await self._write(
            writes.add_failure,
            job_id,
            check_name("symbol", symbol),
            check_text("error", error),
            check_bool("permanent", permanent),
            None if lease is None else check_lease(lease, job_id),
        )

    async def set_cursor(
        self, job_id: str, symbol: str, until: datetime, *, lease: Lease | None = None
    ) -> None:
        """Record up to where one symbol of a job was collected; of a completed one nothing changes.

        A cancelled call set the cursor or nothing. May be repeated.

        Args:
            job_id: The job's id, compared exactly.
            symbol: One of the job's symbols.
            until: The first instant that is still to be collected, from the job's ``start`` to its
                ``end``; aware.
            lease: The caller's lease of this job; None records it whoever holds the job.

        Raises:
            LeaseLostError: The lease is not current; nothing changed.
            JobNotFoundError: There is no such job, and no lease was given; nothing changed.
            UnknownSymbolError: The job does not collect this symbol; nothing changed.
            ValueError: ``until`` lies outside the range of the stored job; nothing changed.
            RepositoryError: SQLite failed.
        """
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        until = check_datetime("until", until)
        outside = await self._write(
            writes.set_cursor,
            job_id,
            symbol,
            to_micros(until),
            None if lease is None else check_lease(lease, job_id),
        )
        if outside is not None:
            start, end = (from_micros(instant).isoformat() for instant in outside)
            raise ValueError(f"until must lie within {start} to {end}: {until.isoformat()}")

    async def find(
        self, query: JobQuery, limit: int = 100, after: tuple[datetime, str] | None = None
    ) -> list[JobSummary]:
        """List summaries of the jobs that meet every condition of a query, oldest first.

        They are read without the outcomes. A page costs the same however many jobs are stored, and
        however many match, where the query has one of the conditions ``statuses``, ``source``,
        ``symbol`` and ``with_failures``, or ``statuses`` and ``source``, or none. With several
        conditions it costs a few times what the best of them alone would: the jobs that meet that
        one are looked at in order until enough of them meet the others, or, for
        ``finished_before`` and ``metadata``, all of them where that is less.

        Args:
            query: The conditions.
            limit: The maximum number of summaries to return; 0 returns an empty list.
            after: The ``(created_at, id)`` of the last job of the previous page, which may have
                been deleted since; None starts with the oldest.

        Returns:
            The summaries by ``created_at``, then by ``id`` in code-point order.

        Raises:
            RepositoryError: SQLite failed.
        """
        query = check_query(query)
        limit = min(check_limit(limit), MAX_INTEGER)
        search = finding.Search(query, limit, _key(after))
        engine = self._opened()
        if not limit:
            return []
        if limit > _SHORT:
            return await engine.read_long(finding.find_all, search)
        return await engine.read_jobs(finding.find_few, search, finding.find_all)

    async def count(self, query: JobQuery) -> Mapping[JobStatus, int]:
        """Count the jobs that meet every condition of a query, by their status.

        The cost grows with the jobs that meet the condition of the query that the fewest meet.

        Args:
            query: The conditions.

        Returns:
            For every status how many such jobs have it; 0 where there are none.

        Raises:
            RepositoryError: SQLite failed.
        """
        return await self._opened().read(finding.count, check_query(query))

    async def delete_finished(
        self,
        before: datetime,
        *,
        statuses: Collection[JobStatus] = (JobStatus.COMPLETED, JobStatus.CANCELLED),
        limit: int = 1000,
    ) -> int:
        """Delete jobs that ended before an instant, those first that ended first, with outcomes.

        A cancelled call deleted all of its jobs or none. May be repeated.

        Args:
            before: Delete jobs whose ``finished_at`` is before this instant; aware.
            statuses: Delete jobs of these statuses, which must be final: COMPLETED and CANCELLED.
            limit: The maximum number of jobs to delete; 0 deletes none. Other writes wait
                meanwhile.

        Returns:
            How many jobs this call deleted.

        Raises:
            RepositoryError: SQLite failed; nothing changed.
        """
        before = check_datetime("before", before)
        final = sorted(check_final_statuses(statuses))
        limit = min(check_limit(limit), MAX_INTEGER)
        engine = self._opened()
        if not final or not limit:
            return 0
        return await engine.write(writes.delete_finished, to_micros(before), final, limit)

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
        return await self._list_by_status(check_status(status), _key(after), check_limit(limit), 0)

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

    async def claim_next(
        self,
        worker: str,
        ttl: timedelta,
        *,
        source: str | None = None,
        most_running: int | None = None,
    ) -> Lease | None:
        """Claim the oldest job that is PENDING, or RUNNING under a lease that has expired.

        The clock is the machine's. A cancelled call claimed a job or none; the lease of a claim
        that nobody heard of expires.

        Args:
            worker: Who claims, as an id.
            ttl: For how long, 50 milliseconds to 7 days.
            source: Take only jobs of this source; None takes those of any.
            most_running: Take no job while so many jobs of ``source`` (of all, if it is None) are
                RUNNING under leases that have not expired; 1 or more. None sets no limit.

        Returns:
            The lease, or None if there is no such job.

        Raises:
            RepositoryError: SQLite failed.
        """
        return await self._write(
            leases.claim_next,
            check_name("worker", worker),
            check_ttl(ttl),
            None if source is None else check_name("source", source),
            None if most_running is None else check_positive("most_running", most_running),
        )

    async def claim(self, job_id: str, worker: str, ttl: timedelta) -> Lease | None:
        """Claim one job, if it is PENDING, or RUNNING under a lease that has expired.

        A cancelled call claimed the job or nothing.

        Args:
            job_id: The job's id, compared exactly.
            worker: Who claims, as an id.
            ttl: For how long, 50 milliseconds to 7 days.

        Returns:
            The lease, or None if the job is unknown or not to be had; then nothing changed.

        Raises:
            RepositoryError: SQLite failed.
        """
        return await self._write(
            leases.claim,
            check_name("job_id", job_id),
            check_name("worker", worker),
            check_ttl(ttl),
        )

    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        """Move the expiry of a current lease to ``ttl`` from now, also if it has expired.

        A cancelled call moved the expiry or nothing. May be repeated.

        Args:
            lease: The lease, as it was claimed or last renewed.
            ttl: For how long, 50 milliseconds to 7 days; it may be less than was left.

        Returns:
            The lease with its new expiry, the same token, and the job as it is stored now.

        Raises:
            LeaseLostError: The lease is not current; nothing changed.
            RepositoryError: SQLite failed.
        """
        return await self._write(leases.renew, check_lease(lease), check_ttl(ttl))

    async def get_lease(self, job_id: str) -> Lease | None:
        """Read the current lease of a job, whether or not it has expired.

        Args:
            job_id: The job's id, compared exactly.

        Returns:
            The lease; None if the job is unknown, or not RUNNING under a lease.

        Raises:
            RepositoryError: SQLite failed.
        """
        key = check_name("job_id", job_id)
        return await self._opened().read(leases.find_lease, key, leases.find_lease_whole)

    # None of these is a coroutine, and a caller's checks of its arguments come before them.

    def _opened(self) -> SQLiteEngine:
        engine = self._engine
        if engine is None:
            raise sqlite_not_open(self._settings)
        engine.owner.check()
        return engine

    def _write(
        self, work: Callable[[Connection, *_Ts], _T], *args: *_Ts
    ) -> Coroutine[Any, Any, _T]:
        return self._opened().write(work, *args)

    def _list_by_status(
        self, status: JobStatus, after: tuple[int, str], limit: int, offset: int
    ) -> Coroutine[Any, Any, list[CollectionJob]]:
        counts = min(limit, MAX_INTEGER), min(offset, MAX_INTEGER)
        return self._list(limit, (reads.BY_STATUS, (status.value, *after, *counts)))

    def _list(self, limit: int, keys: reads.Keys) -> Coroutine[Any, Any, list[CollectionJob]]:
        if limit > _SHORT:
            return self._opened().read_long(reads.list_all, keys)
        return self._opened().read_jobs(reads.list_few, keys, reads.list_all)
