"""Collection jobs in a table, through SQLAlchemy's async engine."""

from __future__ import annotations

from asyncio import Lock
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any, ClassVar, Self, TypeVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Integer,
    MetaData,
    RowMapping,
    Select,
    String,
    Table,
    Text,
    case,
    delete,
    event,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from typing_extensions import override

from collection_jobs import (
    CheckedRepository,
    CollectionJob,
    JobNotFoundError,
    JobStatus,
    RepositoryError,
    StaleJobError,
)
from collection_jobs.documents import from_micros, to_micros
from collection_jobs.openable import run_to_end

__all__ = ["SQLAlchemyCollectionJobRepository", "metadata"]

_T = TypeVar("_T")
_Work = Callable[[AsyncConnection], Awaitable[_T]]

_LAYOUT = 3
_TO_LAYOUT = {
    2: ("metadata",),
    3: ("permanent_failures", "failure_counts", "cursors"),
}
"""The columns of JSON that a layout added."""
_MOST = 2**63 - 1

# The contract compares ids exactly and sorts them by code point. SQLite does so by itself; where
# the database's own order is a language's, the column has to say otherwise.
_Name = String(255).with_variant(postgresql.VARCHAR(255, collation="C"), "postgresql")

metadata = MetaData()
"""The two tables; for Alembic, where the service may not create them by itself."""

# Instants are microseconds since 1970: what DateTime(timezone=True) keeps of one, and whether it
# gives back an aware one, differs from database to database.
_jobs = Table(
    "collection_jobs",
    metadata,
    Column("id", _Name, primary_key=True),
    Column("source", String(255), nullable=False),
    Column("symbols", JSON, nullable=False),
    Column("timeframe", String(255), nullable=False),
    Column("range_start", BigInteger, nullable=False),
    Column("range_end", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("error_message", Text),
    Column("completed_symbols", JSON, nullable=False),
    Column("failed_symbols", JSON, nullable=False),
    # NULL in the rows of former layouts
    *(Column(name, JSON) for added in _TO_LAYOUT.values() for name in added),
    Column("revision", BigInteger, nullable=False),
)
_oldest_first = (_jobs.c.created_at, _jobs.c.id)
Index("collection_jobs_by_status", _jobs.c.status, *_oldest_first)
Index("collection_jobs_by_age", *_oldest_first)

_store = Table(
    "collection_job_store",
    metadata,
    Column("only", Integer, primary_key=True, autoincrement=False),
    Column("layout", Integer, nullable=False),
    Column("last_deleted", BigInteger, nullable=False),
)
"""One row, with the greatest revision of a deleted job: no new job begins below it."""

# Whoever creates or deletes a job begins with this, and so waits for the others who do.
_LOCK = update(_store).values(last_deleted=_store.c.last_deleted)


class SQLAlchemyCollectionJobRepository(CheckedRepository):
    """A repository in any database that SQLAlchemy has an async driver for.

    A change of status is one UPDATE whose WHERE names the statuses that permit it. A change that
    depends on what is stored is a compare-and-swap of the revision, tried again until it fits: it
    needs no lock, and every database can do it. Transactions must be READ COMMITTED or, as those
    of SQLite, SERIALIZABLE by locking.
    """

    capabilities: ClassVar[frozenset[str]] = frozenset({"durable", "shared", "scales"})
    driver_errors = (SQLAlchemyError, OSError)

    def __init__(self, engine: AsyncEngine, *, dispose: bool = False) -> None:
        """Remember the engine; nothing is asked of it yet.

        Args:
            engine: The service's engine.
            dispose: Whether closing the repository disposes it.
        """
        self._engine = engine
        self._dispose = dispose
        # SQLite has one writer at a time. Those who poll for its lock are served in any order, and
        # on a busy machine one of them may be refused in the end; those who queue here take turns.
        queues = engine.dialect.name == "sqlite"
        self._turn: AbstractAsyncContextManager[object] = Lock() if queues else nullcontext()

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Build one with an engine of its own, from a URL such as ``sqlite+aiosqlite:///jobs.db``.

        Raises:
            ValueError: SQLAlchemy cannot read the URL, or its driver is not installed.
        """
        try:
            engine = create_async_engine(url)
        except (SQLAlchemyError, ImportError) as error:
            raise ValueError(str(error)) from error
        if engine.dialect.name == "sqlite":
            event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        return cls(engine, dispose=True)

    @override
    async def _open(self) -> None:
        """Create the tables where there are none, or bring them to this layout."""
        try:
            await self._create_tables()
        except SQLAlchemyError:  # another process may have created them at the same moment
            await self._create_tables()
        await self._run(_migrate)
        layout = await self._value(select(_store.c.layout))
        if layout != _LAYOUT:
            raise RepositoryError(f"the tables have layout {layout!r}, not {_LAYOUT}")

    @override
    async def _close(self) -> None:
        if self._dispose:
            await self._engine.dispose()

    async def _create_tables(self) -> None:
        async def create(connection: AsyncConnection) -> None:
            await connection.run_sync(metadata.create_all)
            if (await connection.execute(select(_store))).first() is None:
                row = {"only": 1, "layout": _LAYOUT, "last_deleted": 0}
                await connection.execute(insert(_store).values(row))

        await self._run(create)

    async def _run(self, work: _Work[_T], *, writes: bool = True) -> _T:
        """Do some work in a transaction, to its end even if the caller is cancelled.

        A driver that is interrupted in the middle of a transaction may leave it open, and with it
        the locks, until somebody collects the connection.
        """

        async def transaction() -> _T:
            turn = self._turn if writes else nullcontext()
            async with turn, self._engine.begin() as connection:
                return await work(connection)

        return await run_to_end(transaction())

    async def _changes(self, *where: ColumnElement[bool], **values: Any) -> bool:
        """Change a row and give it the next revision; whether one was as described."""
        values["revision"] = _jobs.c.revision + 1
        statement = update(_jobs).where(*where).values(values)

        async def change(connection: AsyncConnection) -> bool:
            return (await connection.execute(statement)).rowcount > 0

        return await self._run(change)

    async def _value(self, query: Select[Any]) -> Any:
        async def read(connection: AsyncConnection) -> Any:
            return (await connection.execute(query)).scalar_one_or_none()

        return await self._run(read, writes=False)

    async def _read(self, query: Select[Any]) -> list[CollectionJob]:
        async def read(connection: AsyncConnection) -> list[CollectionJob]:
            return [_job(row) for row in (await connection.execute(query)).mappings()]

        return await self._run(read, writes=False)

    @override
    async def _save(self, job: CollectionJob) -> None:
        columns, this = _columns(job), _jobs.c.id == job.id
        if job.revision is None:
            while not (await self._changes(this, **columns) or await self._create(columns)):
                pass  # it was created after the one, or deleted before the other
        elif abs(job.revision) > _MOST or not await self._changes(
            this, _jobs.c.revision == job.revision, **columns
        ):
            found = await self._value(select(_jobs.c.revision).where(this))
            raise StaleJobError(job.id, job.revision, found)

    async def _create(self, columns: dict[str, Any]) -> bool:
        """Insert a row; False if there is one of that id."""
        this = select(_jobs.c.id).where(_jobs.c.id == columns["id"])

        async def create(connection: AsyncConnection) -> bool:
            await connection.execute(_LOCK)
            if (await connection.execute(this)).first() is not None:
                return False
            last = (await connection.execute(select(_store.c.last_deleted))).scalar_one()
            await connection.execute(insert(_jobs).values(**columns, revision=last + 1))
            return True

        return await self._run(create)

    @override
    async def _get(self, job_id: str) -> CollectionJob | None:
        found = await self._read(select(_jobs).where(_jobs.c.id == job_id))
        return found[0] if found else None

    @override
    async def _delete(self, job_id: str) -> bool:
        this, last = _jobs.c.id == job_id, _store.c.last_deleted

        async def remove(connection: AsyncConnection) -> bool:
            await connection.execute(_LOCK)
            # Locked, so that no revision is given to it between here and the deletion. (SQLite
            # knows no FOR UPDATE: there, the first statement has locked it.)
            query = select(_jobs.c.revision).where(this).with_for_update()
            revision = (await connection.execute(query)).scalar_one_or_none()
            if revision is None:
                return False
            await connection.execute(delete(_jobs).where(this))
            greatest = case((last < revision, revision), else_=last)
            await connection.execute(update(_store).values(last_deleted=greatest))
            return True

        return await self._run(remove)

    @override
    async def _list_by_status(
        self, status: JobStatus, limit: int, offset: int
    ) -> list[CollectionJob]:
        query = select(_jobs).where(_jobs.c.status == status.value).order_by(*_oldest_first)
        return await self._read(query.limit(limit).offset(offset))

    @override
    async def _list_recent(self, limit: int, since: datetime | None) -> list[CollectionJob]:
        query = select(_jobs).order_by(*(column.desc() for column in _oldest_first))
        if since is not None:
            query = query.where(_jobs.c.created_at >= to_micros(since))
        return await self._read(query.limit(limit))

    @override
    async def _update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None,
        former: frozenset[JobStatus],
    ) -> bool:
        return await self._changes(
            _jobs.c.id == job_id,
            _jobs.c.status.in_([status.value for status in former]),
            status=status.value,
            error_message=error_message,
            **_instants(status, to_micros(datetime.now(UTC))),
        )

    @override
    async def _add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        while (job := await self._get(job_id)) is not None:
            unchanged = _jobs.c.revision == job.revision
            columns = _outcomes(job.with_failed_symbol(symbol, error))
            if await self._changes(_jobs.c.id == job_id, unchanged, **columns):
                return
        raise JobNotFoundError(job_id)


async def _migrate(connection: AsyncConnection) -> None:
    """Bring tables of former layouts to this one; of several that do so at once, one does."""
    for layout, added in _TO_LAYOUT.items():
        former = update(_store).where(_store.c.layout == layout - 1).values(layout=layout)
        if (await connection.execute(former)).rowcount:
            for name in added:
                await connection.execute(
                    text(f"ALTER TABLE collection_jobs ADD COLUMN {name} JSON")
                )


def _prepare_sqlite(connection: Any, record: object) -> None:
    # Readers and the writer do not wait for each other in this mode.
    connection.execute("PRAGMA journal_mode=WAL")


def _instants(status: JobStatus, now: int) -> dict[str, int | None]:
    """Tell what a change of status does to the instants."""
    if status is JobStatus.RUNNING:
        return {"started_at": now, "finished_at": None}
    if status is JobStatus.PENDING:
        return {"started_at": None, "finished_at": None}
    return {"finished_at": now}


def _columns(job: CollectionJob) -> dict[str, Any]:
    """Describe a job as a row, but for its revision."""
    return {
        "id": job.id,
        "source": job.source,
        "symbols": list(job.symbols),
        "timeframe": job.timeframe,
        "range_start": to_micros(job.start),
        "range_end": to_micros(job.end),
        "created_at": to_micros(job.created_at),
        "status": job.status.value,
        "started_at": None if job.started_at is None else to_micros(job.started_at),
        "finished_at": None if job.finished_at is None else to_micros(job.finished_at),
        "error_message": job.error_message,
        "metadata": dict(job.metadata),
        **_outcomes(job),
    }


def _outcomes(job: CollectionJob) -> dict[str, Any]:
    # Numbers as text: a number of JSON is exact up to 2**53 in some databases.
    completed, counts = job.completed_symbols.items(), job.failure_counts.items()
    return {
        "completed_symbols": {symbol: str(candles) for symbol, candles in completed},
        "failed_symbols": dict(job.failed_symbols),
        "permanent_failures": sorted(job.permanent_failures),
        "failure_counts": {symbol: str(count) for symbol, count in counts},
        "cursors": {symbol: str(to_micros(until)) for symbol, until in job.cursors.items()},
    }


def _job(row: RowMapping) -> CollectionJob:
    started_at, finished_at = row["started_at"], row["finished_at"]
    try:
        completed = row["completed_symbols"].items()
        counts: dict[str, str] = row["failure_counts"] or {}
        cursors: dict[str, str] = row["cursors"] or {}
        return CollectionJob(
            id=row["id"],
            source=row["source"],
            symbols=tuple(row["symbols"]),
            timeframe=row["timeframe"],
            start=from_micros(row["range_start"]),
            end=from_micros(row["range_end"]),
            created_at=from_micros(row["created_at"]),
            status=JobStatus(row["status"]),
            started_at=None if started_at is None else from_micros(started_at),
            finished_at=None if finished_at is None else from_micros(finished_at),
            error_message=row["error_message"],
            completed_symbols={symbol: int(candles) for symbol, candles in completed},
            failed_symbols=row["failed_symbols"],
            metadata=row["metadata"] or {},
            permanent_failures=frozenset(row["permanent_failures"] or ()),
            failure_counts={symbol: int(count) for symbol, count in counts.items()},
            cursors={symbol: from_micros(int(until)) for symbol, until in cursors.items()},
            revision=row["revision"],
        )
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise RepositoryError(f"the row of {row['id']!r} holds no job: {error}") from error
