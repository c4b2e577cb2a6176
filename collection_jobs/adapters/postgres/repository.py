"""PostgresCollectionJobRepository: the nine methods, and PostgreSQL's optional Protocols."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import ClassVar, Self

from typing_extensions import override

from collection_jobs.adapters.postgres import adds, finds, leases, reads, records, saves, writes
from collection_jobs.adapters.postgres.engine import PostgresEngine
from collection_jobs.adapters.postgres.errors import postgres_not_open
from collection_jobs.adapters.postgres.lease_requests import (
    ClaimJob,
    ClaimNextJob,
    FencedChange,
    FencedCursor,
    FencedOutcome,
    RenewLease,
)
from collection_jobs.adapters.postgres.parts import Cursors
from collection_jobs.adapters.postgres.requests import (
    ChangeStatus,
    DeleteJob,
    RecordOutcome,
    SaveJobs,
    SetCursor,
    job_weight,
)
from collection_jobs.adapters.postgres.settings import DEFAULT_SCHEMA, PostgresSettings
from collection_jobs.adapters.postgres.statements import Statements
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

__all__ = ["PostgresCollectionJobRepository"]

_FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)
_BEFORE_ALL = (_FIRST_INSTANT, "")
_MAX_COUNT = 2**63 - 1


class PostgresCollectionJobRepository(ICollectionJobRepository):
    """A repository in one schema of a PostgreSQL database, for any number of machines.

    ``async with PostgresCollectionJobRepository("postgresql://user@host/db") as repository:`` opens
    it, creating the schema if it does not exist, and closes it at the end. It can then be opened
    again. It belongs to the process, thread and event loop that opened it: a call from any other
    raises RepositoryError, and nothing is done. Each of them opens its own repository on the same
    database.

    It works with PostgreSQL 13 and later; the database must use UTF-8. PgBouncer works in its
    session mode, and in its transaction mode with ``statement_cache=0``.

    Durable (DURABLE-1): a write is answered after its commit, which is as durable as the server's
    settings make it (``synchronous_commit``, ``fsync``). It scales (SCALE-1), and needs no single
    writer: processes wait for each other only while they write the same job.

    A call that arrives alone is sent immediately, on an open connection with prepared statements.
    Calls that wait at the same time are combined into one statement, so many callers are served
    many times faster than one. Calls on the same job keep their order. A write that is cancelled
    while it waits does not happen; if it is cancelled after it was sent, the call waits for the
    answer.

    Every call ends within ``command_timeout`` (TIME-1), including a cancelled one and ``close``;
    opening may take ``connect_timeout`` longer. The connection is then dropped. A write that was
    sent but not answered may have happened, and raises a RepositoryError that says so. When a
    connection is lost, a read, or a write that was not yet sent, is repeated on another connection
    while there is time.

    A call waits up to ``lock_timeout`` for a job that another transaction has locked, without
    delaying others. Any method raises RepositoryClosedError while the repository is not open, and
    RepositoryError when PostgreSQL fails. After an error the repository remains usable, even after
    the schema has been dropped and created again.

    No message, and not the repr of this object, contains the password.
    """

    capabilities: ClassVar[frozenset[str]] = frozenset({"durable", "shared", "scales"})
    """What it declares: DURABLE-1 and SCALE-1 hold, and every law among several processes."""

    def __init__(
        self,
        dsn: str,
        *,
        schema: str = DEFAULT_SCHEMA,
        connections: int = 4,
        connect_timeout: float = 10.0,
        command_timeout: float = 30.0,
        lock_timeout: float = 5.0,
        statement_cache: int = 100,
        create: bool = True,
    ) -> None:
        """Remember what to open; open nothing yet.

        Args:
            dsn: ``postgresql://user:password@host:port/database``, with libpq's options as its
                query, such as ``host=/var/run/postgresql`` for a socket, or ``sslmode=require``.
                What it leaves out comes from libpq's environment variables and password file.
            schema: The schema that contains the tables; it is created if it does not exist.
            connections: The maximum number of open connections; they are opened as needed.
            connect_timeout: Seconds to wait for a connection, including while the server restarts.
            command_timeout: Seconds within which every call ends, whatever the server does.
            lock_timeout: Seconds that a call waits for another transaction's lock.
            statement_cache: The maximum number of prepared statements per connection. Use 0 for
                poolers that share sessions among transactions: nothing then outlives a transaction,
                and a call takes three round trips instead of one.
            create: Whether opening creates a store that does not exist; if False, it refuses.

        Raises:
            TypeError: A value has the wrong type.
            ValueError: A value is out of range or malformed.
        """
        self._settings = PostgresSettings(
            dsn,
            schema=schema,
            connections=connections,
            connect_timeout=connect_timeout,
            command_timeout=command_timeout,
            lock_timeout=lock_timeout,
            statement_cache=statement_cache,
            create=create,
        )
        self._engine: PostgresEngine | None = None
        statements = Statements.on(self._settings.schema)
        cursors = Cursors(statements.read_outcomes, statements.read_metadata)
        self._locked = statements.locked
        self._get = reads.Get(statements.get, statements.get_in_parts, cursors)
        self._stats = reads.Stats(statements.stats)
        self._by_status = reads.List(statements.list, statements.list_in_parts, cursors)
        self._recent = reads.List(statements.recent, statements.recent_in_parts, cursors)
        self._save_together = saves.SaveTogether(statements)
        self._save_in_parts = saves.SaveInParts(statements)
        self._delete = writes.DeleteJobs(statements.delete)
        self._change_status = writes.ChangeStatuses(statements.update_status)
        self._add_together = adds.AddJobs(statements)
        self._add_many = adds.AddManyJobs(statements)
        self._leases = leases.LeaseKinds(self._settings.schema, cursors)
        self._records = records.RecordKinds(self._settings.schema)
        self._find = finds.Finds(self._settings.schema, cursors.metadata)
        self._count = finds.Counts(self._settings.schema)
        self._purge = finds.DeleteFinished(self._settings.schema)

    @classmethod
    def from_url(cls, url: str, *, create: bool = True) -> Self:
        """Build one from a URL, as :func:`collection_jobs.open_repository` does.

        Args:
            url: The ``dsn``, with the other arguments as further options of its query.
            create: Whether opening creates a store that does not exist; if False, it refuses.

        Raises:
            ValueError: The URL has another form, an unknown option, or an option with a wrong
                value.
        """
        settings = PostgresSettings.from_url(url)
        return cls(
            settings.dsn,
            schema=settings.schema,
            connections=settings.connections,
            connect_timeout=settings.connect_timeout,
            command_timeout=settings.command_timeout,
            lock_timeout=settings.lock_timeout,
            statement_cache=settings.statement_cache,
            create=create,
        )

    def __repr__(self) -> str:
        """Return the store's URL, without its password."""
        return f"<{type(self).__name__} {self._settings.name}>"

    async def __aenter__(self) -> Self:
        """Connect; create or migrate the schema. A cancelled call leaves nothing open.

        Ends within ``connect_timeout`` and ``command_timeout`` together.

        Raises:
            RepositoryError: The repository is already open; the server cannot be reached, refuses
                the connection or does not answer; a pooler shares sessions and ``statement_cache``
                is not 0; or the schema has another application's tables, a newer version, an older
                one that cannot be migrated, or no tables and ``create`` is False.
        """
        if self._engine is not None:
            self._engine.owner.check()
            raise RepositoryError(f"the repository is open already: {self._settings.name}")
        self._engine = engine = PostgresEngine(self._settings, self._locked)
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

    async def close(self) -> None:
        """Close the repository once the calls in progress are answered; repeating it does nothing.

        It takes at most ``command_timeout``. A cancelled call still closes the repository, but does
        not wait for it.

        Raises:
            RepositoryError: Another process, thread or event loop opened it; it stays open.
        """
        engine = self._engine
        if engine is not None:
            engine.owner.check()
            self._engine = None
            await engine.close()

    @override
    async def save(self, job: CollectionJob) -> None:
        weight = job_weight(check_job(job))
        await self._save(SaveJobs((job,), (job.id,), weight))

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        key = check_name("job_id", job_id)
        job: CollectionJob | None = await self._opened().read(self._get, key)
        return job

    @override
    async def delete(self, job_id: str) -> bool:
        key = check_name("job_id", job_id)
        return await self._opened().write(self._delete, DeleteJob(key))

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        return await self._list(
            check_status(status), _BEFORE_ALL, check_limit(limit), check_offset(offset)
        )

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        limit = check_limit(limit)
        first = _FIRST_INSTANT if since is None else check_datetime("since", since)
        jobs: list[CollectionJob] = await self._opened().read(
            self._recent, (first, min(limit, _MAX_COUNT))
        )
        return jobs

    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        return await self._list(JobStatus.RUNNING, _BEFORE_ALL, _MAX_COUNT, 0)

    @override
    async def update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None = None,
        *,
        lease: Lease | None = None,
    ) -> bool:
        key = check_name("job_id", job_id)
        text = check_optional_text("error_message", error_message)
        change = ChangeStatus(key, check_status(status).value, text)
        if lease is None:
            return await self._opened().write(self._change_status, change)
        fenced = FencedChange(change, check_lease(lease, key))
        return await self._opened().write(self._leases.change_status, fenced)

    @override
    async def add_failed_symbol(
        self, job_id: str, symbol: str, error: str, *, lease: Lease | None = None
    ) -> None:
        key = check_name("job_id", job_id)
        outcome = RecordOutcome(key, check_name("symbol", symbol), None, check_text("error", error))
        await self._record(outcome, lease)

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        key = check_name("job_id", job_id)
        stats: JobStats | None = await self._opened().read(self._stats, key)
        return stats

    async def add_completed_symbol(
        self, job_id: str, symbol: str, candles: int, *, lease: Lease | None = None
    ) -> None:
        """Record that one symbol of a job was collected, see LeasesJobs.

        The last outcome of a symbol counts. Concurrent calls all take effect. A cancelled call
        recorded the outcome or nothing. May be repeated.
        """
        key = check_name("job_id", job_id)
        outcome = RecordOutcome(key, check_name("symbol", symbol), check_candles(candles), None)
        await self._record(outcome, lease)

    async def add_failure(
        self,
        job_id: str,
        symbol: str,
        error: str,
        *,
        permanent: bool = False,
        lease: Lease | None = None,
    ) -> None:
        """Record a failure, and whether a retry can mend it, see RecordsFailuresUnderLease.

        A count of failures that is 2**63 - 1 stays so.
        """
        key = check_name("job_id", job_id)
        symbol, error = check_name("symbol", symbol), check_text("error", error)
        is_permanent = check_bool("permanent", permanent)
        await self._record(RecordOutcome(key, symbol, None, error, is_permanent), lease)

    async def set_cursor(
        self, job_id: str, symbol: str, until: datetime, *, lease: Lease | None = None
    ) -> None:
        """Record up to where a symbol was collected, see RecordsCursorsUnderLease."""
        key = check_name("job_id", job_id)
        cursor = SetCursor(key, check_name("symbol", symbol), check_datetime("until", until))
        if lease is None:
            await self._opened().write(self._records.cursor, cursor)
        else:
            fenced = FencedCursor(cursor, check_lease(lease, key))
            await self._opened().write(self._records.fenced_cursor, fenced)

    async def find(
        self, query: JobQuery, limit: int = 100, after: tuple[datetime, str] | None = None
    ) -> list[JobSummary]:
        """List summaries of the jobs that meet every condition, oldest first, see FindsJobs.

        No outcome is read. By symbol, source, status or age a page costs the same however many jobs
        are stored and match; other conditions cost the jobs that they pass over.
        """
        checked, most = check_query(query), min(check_limit(limit), _MAX_COUNT)
        search = finds.search_of(checked, None if after is None else check_key("after", after))
        engine = self._opened()
        if search is None:
            return []
        found: list[JobSummary] = await engine.read(self._find, (search, most))
        return found

    async def count(self, query: JobQuery) -> Mapping[JobStatus, int]:
        """Count the jobs that meet every condition, by their status, see FindsJobs."""
        search = finds.search_of(check_query(query))
        engine = self._opened()
        found: dict[str, int] = {} if search is None else await engine.read(self._count, search)
        return {status: found.get(status.value, 0) for status in JobStatus}

    async def delete_finished(
        self,
        before: datetime,
        *,
        statuses: Collection[JobStatus] = (JobStatus.COMPLETED, JobStatus.CANCELLED),
        limit: int = 1000,
    ) -> int:
        """Delete jobs that ended before an instant, those first that ended first, see Purges.

        A job that another transaction has locked is waited for up to ``lock_timeout``, while no
        other job is held; then it is passed over. Concurrent calls wait for each other.
        """
        instant = check_datetime("before", before)
        final = [status.value for status in sorted(check_final_statuses(statuses))]
        purge = finds.Purge(instant, final, min(check_limit(limit), _MAX_COUNT))
        return await self._opened().write(self._purge, purge)

    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        """Save each of the jobs, in order, or none of them, see SavesMany.

        A cancelled call saved all or none.
        """
        await self._save(SaveJobs.of(check_jobs(jobs)))

    async def list_after(
        self, status: JobStatus, after: tuple[datetime, str] | None = None, limit: int = 100
    ) -> list[CollectionJob]:
        """List the jobs with one status after a key, see PagesByKey."""
        key = _BEFORE_ALL if after is None else check_key("after", after)
        return await self._list(check_status(status), key, check_limit(limit), 0)

    async def add(self, job: CollectionJob) -> bool:
        """Create a job, unless there is one of its id, see AddsJobs."""
        weight = job_weight(check_job(job))
        (added,) = await self._add(SaveJobs((job,), (job.id,), weight))
        return added

    async def add_many(self, jobs: Iterable[CollectionJob]) -> list[bool]:
        """Add each of the jobs, all at one instant, see AddsJobs."""
        return await self._add(SaveJobs.of(check_jobs(jobs)))

    async def claim_next(
        self,
        worker: str,
        ttl: timedelta,
        *,
        source: str | None = None,
        most_running: int | None = None,
    ) -> Lease | None:
        """Claim the oldest job that waits for a worker, see LeasesJobs.

        A job that another transaction has locked is waited for up to ``lock_timeout``; then the
        next one is claimed. The clock is the server's.
        """
        worker = check_name("worker", worker)
        ttl = check_ttl(ttl)
        source = None if source is None else check_name("source", source)
        if most_running is None:
            kind = self._leases.claim_next(source, None)
            return await self._opened().write(kind, ClaimNextJob(worker, ttl, None))
        most = min(check_positive("most_running", most_running), _MAX_COUNT)
        limit = f"\0{'' if source is None else source}"
        return await self._opened().write(
            self._leases.claim_next(source, most), ClaimNextJob(worker, ttl, limit)
        )

    async def claim(self, job_id: str, worker: str, ttl: timedelta) -> Lease | None:
        """Claim one job, if it waits for a worker, see LeasesJobs; the clock is the server's."""
        key = check_name("job_id", job_id)
        request = ClaimJob(key, check_name("worker", worker), check_ttl(ttl))
        return await self._opened().write(self._leases.claim, request)

    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        """Move the expiry of a current lease, see LeasesJobs; the clock is the server's."""
        request = RenewLease(check_lease(lease), check_ttl(ttl))
        return await self._opened().write(self._leases.renew, request)

    async def get_lease(self, job_id: str) -> Lease | None:
        """Read the current lease of a job, see LeasesJobs."""
        key = check_name("job_id", job_id)
        lease: Lease | None = await self._opened().read(self._leases.get, key)
        return lease

    async def _record(self, outcome: RecordOutcome, lease: Lease | None) -> None:
        if lease is None:
            await self._opened().write(self._records.outcome, outcome)
        else:
            fenced = FencedOutcome(outcome, check_lease(lease, outcome.job_id))
            await self._opened().write(self._records.fenced_outcome, fenced)

    async def _add(self, request: SaveJobs) -> list[bool]:
        if len(request.jobs) == 1 and saves.fits_one_statement(request):
            return await self._opened().write(self._add_together, request)
        return await self._opened().write(self._add_many, request)

    async def _list(
        self, status: JobStatus, after: tuple[datetime, str], limit: int, offset: int
    ) -> list[CollectionJob]:
        key = (status.value, *after, min(limit, _MAX_COUNT), min(offset, _MAX_COUNT))
        jobs: list[CollectionJob] = await self._opened().read(self._by_status, key)
        return jobs

    async def _save(self, request: SaveJobs) -> None:
        if saves.fits_one_statement(request):
            await self._opened().write(self._save_together, request)
        else:
            await self._opened().write(self._save_in_parts, request)

    # A caller's checks of its arguments come before these.

    def _opened(self) -> PostgresEngine:
        if self._engine is None:
            raise postgres_not_open(self._settings)
        self._engine.owner.check()
        return self._engine
