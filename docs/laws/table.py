"""Table: a complete adapter on one SQLite file, from which every breach on the page of laws
derives.

It satisfies every law, and is written to be read: one connection, and one short transaction per
call. The repository of the package (`collection_jobs.adapters.sqlite`) is faster, and longer.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sqlite3 import Connection
from typing import Any, ClassVar, Self, TypeVar

from typing_extensions import override

from collection_jobs import (
    CollectionJob,
    ICollectionJobRepository,
    JobNotFoundError,
    JobStats,
    JobStatus,
    RepositoryClosedError,
    RepositoryError,
    StaleJobError,
    UnknownSymbolError,
)
from collection_jobs.job import check_job
from collection_jobs.validation import (
    check_datetime,
    check_limit,
    check_name,
    check_offset,
    check_optional_text,
    check_status,
    check_text,
)

T = TypeVar("T")

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    source TEXT, symbols TEXT, timeframe TEXT, start INTEGER, "end" INTEGER, created_at INTEGER,
    status TEXT, started_at INTEGER, finished_at INTEGER, error_message TEXT, metadata TEXT,
    revision INTEGER);
CREATE INDEX IF NOT EXISTS jobs_by_age ON jobs (created_at, id);
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status, created_at, id);
CREATE TABLE IF NOT EXISTS outcomes (
    job_id TEXT, symbol TEXT, candles TEXT, error TEXT, permanent INTEGER, failures TEXT,
    cursor INTEGER, PRIMARY KEY (job_id, symbol));
CREATE TABLE IF NOT EXISTS revisions (last INTEGER);
INSERT INTO revisions SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM revisions);
"""
COLUMNS = (
    'id, source, symbols, timeframe, start, "end", created_at, status, started_at, finished_at,'
    " error_message, metadata, revision"
)
OUTCOME = "symbol, candles, error, permanent, failures, cursor"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
ALL = 2**63 - 1


class Table(ICollectionJobRepository):
    """Jobs as rows of one table, and what is known of their symbols as rows of another."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"durable", "scales"})

    def __init__(self, directory: Path) -> None:
        self.path = directory / "jobs.db"
        self.connection: Connection | None = None

    async def __aenter__(self) -> Self:
        with mapped_errors():
            connection = sqlite3.connect(self.path, isolation_level=None)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
            except sqlite3.Error:
                connection.close()
                raise
        self.connection = connection
        return self

    async def __aexit__(self, *error: object) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    async def transaction(self, work: Callable[[Connection], T]) -> T:
        """Do some work, wholly or not at all; others have their turn first."""
        await asyncio.sleep(0)
        if self.connection is None:
            raise RepositoryClosedError(f"the repository on {self.path} is not open")
        with mapped_errors():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(self.connection)
            except BaseException:
                self.connection.execute("ROLLBACK")
                raise
            self.connection.execute("COMMIT")
            return result

    # The nine methods

    @override
    async def save(self, job: CollectionJob) -> None:
        check_job(job)

        def work(connection: Connection) -> None:
            found = self.revision_of(connection, job.id)
            if job.revision is not None and job.revision != found:
                raise StaleJobError(job.id, job.revision, found)
            self.write(connection, job)

        await self.transaction(work)

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        job_id = check_name("job_id", job_id)
        return await self.transaction(lambda connection: self.stored(connection, job_id))

    @override
    async def delete(self, job_id: str) -> bool:
        job_id = check_name("job_id", job_id)

        def work(connection: Connection) -> bool:
            connection.execute("DELETE FROM outcomes WHERE job_id = ?", (job_id,))
            return connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,)).rowcount == 1

        return await self.transaction(work)

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        check_status(status)
        limit = check_limit(limit)
        offset = check_offset(offset)
        return await self.select(
            "WHERE status = ? ORDER BY created_at, id LIMIT ? OFFSET ?",
            *(status.value, min(limit, ALL), min(offset, ALL)),
        )

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        limit = check_limit(limit)
        first = -ALL if since is None else to_column(check_datetime("since", since))
        return await self.select(
            "WHERE created_at >= ? ORDER BY created_at DESC, id DESC LIMIT ?",
            *(first, min(limit, ALL)),
        )

    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        return await self.select("WHERE status = 'running' ORDER BY created_at, id")

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        job_id = check_name("job_id", job_id)
        check_status(status)
        error_message = check_optional_text("error_message", error_message)

        def work(connection: Connection) -> bool:
            job = self.stored(connection, job_id)
            if job is None or not job.status.can_become(status):
                return False
            self.write(connection, job.with_status(status, error_message=error_message))
            return True

        return await self.transaction(work)

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        error = check_text("error", error)

        def work(connection: Connection) -> None:
            job = self.stored(connection, job_id)
            if job is None:
                raise JobNotFoundError(job_id)
            if symbol not in job.symbols:
                raise UnknownSymbolError(job_id, symbol)
            self.write(connection, job.with_failed_symbol(symbol, error))

        await self.transaction(work)

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        job = await self.get_by_id(job_id)
        return None if job is None else JobStats.from_job(job)

    # Rows, within a transaction

    async def select(self, rest: str, *values: object) -> list[CollectionJob]:
        """Read the jobs that the rest of a SELECT names."""
        return await self.transaction(lambda connection: self.listed(connection, rest, *values))

    def listed(self, connection: Connection, rest: str, *values: object) -> list[CollectionJob]:
        rows = connection.execute(f"SELECT {COLUMNS} FROM jobs {rest}", values)  # noqa: S608 - constant text
        return [self.job_of(connection, row) for row in rows.fetchall()]

    def stored(self, connection: Connection, job_id: str) -> CollectionJob | None:
        return next(iter(self.listed(connection, "WHERE id = ?", job_id)), None)

    def revision_of(self, connection: Connection, job_id: str) -> int | None:
        job = self.stored(connection, job_id)
        return None if job is None else job.revision

    def next_revision(self, connection: Connection, job: CollectionJob) -> int:
        """Count one more change of the store."""
        connection.execute("UPDATE revisions SET last = last + 1")
        ((last,),) = connection.execute("SELECT last FROM revisions").fetchall()
        return int(last)

    def write(self, connection: Connection, job: CollectionJob) -> None:
        """Write a job whole, under the next revision."""
        row = (
            *(job.id, job.source, json.dumps(job.symbols), job.timeframe),
            *(to_column(job.start), to_column(job.end), to_column(job.created_at)),
            *(job.status.value, to_column(job.started_at), to_column(job.finished_at)),
            *(job.error_message, json.dumps(dict(job.metadata))),
            self.next_revision(connection, job),
        )
        connection.execute("DELETE FROM jobs WHERE id = ?", (job.id,))
        connection.execute(
            f"INSERT INTO jobs ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constant text
            row,
        )
        self.write_outcomes(connection, job)

    def write_outcomes(self, connection: Connection, job: CollectionJob) -> None:
        """Replace the outcomes of a job."""
        connection.execute("DELETE FROM outcomes WHERE job_id = ?", (job.id,))
        known = {*job.completed_symbols, *job.failed_symbols, *job.failure_counts, *job.cursors}
        rows = [(job.id, *outcome_of(job, symbol)) for symbol in sorted(known)]
        connection.executemany("INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def job_of(self, connection: Connection, row: Row) -> CollectionJob:
        """Read the job that a row and its outcomes hold."""
        return job_from(row, self.outcomes_of(connection, row[0]))

    def outcomes_of(self, connection: Connection, job_id: object) -> list[Outcome]:
        query = f"SELECT {OUTCOME} FROM outcomes WHERE job_id = ?"  # noqa: S608 - constant text
        return connection.execute(query, (job_id,)).fetchall()


Row = tuple[Any, ...]
"""The values of COLUMNS: SQLite may hold anything in them."""
Outcome = tuple[str, str | None, str | None, int, str | None, int | None]
"""A symbol; its candles or its error; whether that is permanent; its failures; its cursor."""


def outcome_of(job: CollectionJob, symbol: str) -> Outcome:
    """Return what is known of a symbol."""
    # As text: a count may be larger than the 64 bits of an SQLite INTEGER.
    candles, failures = job.completed_symbols.get(symbol), job.failure_counts.get(symbol)
    return (
        symbol,
        None if candles is None else str(candles),
        job.failed_symbols.get(symbol),
        symbol in job.permanent_failures,
        None if failures is None else str(failures),
        to_column(job.cursors.get(symbol)),
    )


def job_from(row: Row, outcomes: list[Outcome]) -> CollectionJob:
    """Build a job from its row and the rows of its outcomes."""
    (job_id, source, symbols, timeframe, start, end, created_at) = row[:7]
    (status, started_at, finished_at, error_message, metadata, revision) = row[7:]
    try:
        return CollectionJob(
            id=job_id,
            source=source,
            symbols=tuple(json.loads(symbols)),
            timeframe=timeframe,
            start=from_column(start),
            end=from_column(end),
            created_at=from_column(created_at),
            status=JobStatus(status),
            started_at=None if started_at is None else from_column(started_at),
            finished_at=None if finished_at is None else from_column(finished_at),
            error_message=error_message,
            completed_symbols={s: int(n) for s, n, *_ in outcomes if n is not None},
            failed_symbols={s: why for s, _, why, *_ in outcomes if why is not None},
            metadata=json.loads(metadata),
            permanent_failures=frozenset(s for s, _, _, permanent, *_ in outcomes if permanent),
            failure_counts={s: int(n) for s, *_, n, _ in outcomes if n is not None},
            cursors={s: from_column(at) for s, *_, at in outcomes if at is not None},
            revision=revision,
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise RepositoryError(f"the row of the job {job_id!r} is damaged: {error}") from error


def to_column(at: datetime | None) -> int | None:
    """Count the microseconds since 1970, exactly: floats would round them."""
    return None if at is None else (at - EPOCH) // MICROSECOND


def from_column(micros: int) -> datetime:
    """Read what to_column wrote."""
    return EPOCH + micros * MICROSECOND


@contextmanager
def mapped_errors() -> Generator[None]:
    """Raise SQLite's errors as the contract's."""
    try:
        yield
    except sqlite3.Error as error:
        raise RepositoryError(f"SQLite failed: {error}") from error
