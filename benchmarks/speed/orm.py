"""SQLAlchemy 2's asynchronous ORM, through advanced-alchemy's repository, on any of its databases.

A session for each call, as its documentation has it for each request. What a mapped class can do
in one statement (a change of status, an outcome) is one statement here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from advanced_alchemy.base import DefaultBase
from advanced_alchemy.filters import LimitOffset, OrderBy
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from advanced_alchemy.types import DateTimeUTC
from sqlalchemy import ForeignKey, Index, String, Text, delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import Mapped, mapped_column, relationship

from benchmarks.speed.frame import Opener
from collection_jobs import CollectionJob, JobStats, JobStatus
from collection_jobs.fields import NO_SYMBOLS, NOTHING
from collection_jobs.job import restore_job


class Symbol(DefaultBase):
    """One symbol of a job, and what became of it."""

    __tablename__ = "orm_symbols"
    job_id: Mapped[str] = mapped_column(
        ForeignKey("orm_jobs.id", ondelete="CASCADE"), primary_key=True
    )
    symbol: Mapped[str] = mapped_column(String(255), primary_key=True)
    position: Mapped[int]
    candles: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(Text)


class Job(DefaultBase):
    """One job."""

    __tablename__ = "orm_jobs"
    __table_args__ = (
        Index("orm_jobs_by_age", "created_at", "id"),
        Index("orm_jobs_by_status", "status", "created_at", "id"),
    )
    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    source: Mapped[str] = mapped_column(String(255))
    timeframe: Mapped[str] = mapped_column(String(255))
    range_start: Mapped[datetime] = mapped_column(DateTimeUTC(timezone=True))
    range_end: Mapped[datetime] = mapped_column(DateTimeUTC(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTimeUTC(timezone=True))
    status: Mapped[str] = mapped_column(String(20))
    started_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True))
    error_message: Mapped[str | None] = mapped_column(Text)
    revision: Mapped[int] = mapped_column(default=1)
    symbols: Mapped[list[Symbol]] = relationship(
        lazy="selectin",
        order_by=Symbol.position,
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class Jobs(SQLAlchemyAsyncRepository[Job]):
    """The repository, as advanced-alchemy has them declared."""

    model_type = Job


class Store:
    """The methods on top of it."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        """Work on an engine's sessions."""
        self._sessions = sessions

    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        async with self._sessions() as session:
            row = await Jobs(session=session).get_one_or_none(id=job_id)
            return None if row is None else _entity(row)

    async def list_by_status(self, status: JobStatus, limit: int) -> list[CollectionJob]:
        return await self._listed(
            *(LimitOffset(limit, 0), OrderBy("created_at"), OrderBy("id")), status=status.value
        )

    async def list_after(
        self, status: JobStatus, key: tuple[datetime, str], limit: int
    ) -> list[CollectionJob]:
        return await self._listed(
            tuple_(Job.created_at, Job.id) > tuple_(*key),
            *(LimitOffset(limit, 0), OrderBy("created_at"), OrderBy("id")),
            status=status.value,
        )

    async def list_recent(self, limit: int) -> list[CollectionJob]:
        return await self._listed(
            LimitOffset(limit, 0), OrderBy("created_at", "desc"), OrderBy("id", "desc")
        )

    async def get_running_jobs(self) -> list[CollectionJob]:
        return await self._listed(
            *(OrderBy("created_at"), OrderBy("id")), status=JobStatus.RUNNING.value
        )

    async def _listed(self, *filters: Any, **equal: Any) -> list[CollectionJob]:
        async with self._sessions() as session:
            return [_entity(row) for row in await Jobs(session=session).get_many(*filters, **equal)]

    async def get_stats(self, job_id: str) -> JobStats | None:
        counts = select(
            func.count(),
            func.count(Symbol.candles),
            func.count(Symbol.error),
            func.coalesce(func.sum(Symbol.candles), 0),
        ).where(Symbol.job_id == job_id)
        async with self._sessions() as session:
            total, completed, failed, candles = (await session.execute(counts)).one()
        return JobStats(total, completed, failed, candles) if total else None

    async def save(self, job: CollectionJob) -> None:
        async with self._sessions() as session:
            await Jobs(session=session).upsert(_row(job), auto_commit=True, auto_refresh=False)

    async def save_many(self, jobs: Sequence[CollectionJob]) -> None:
        async with self._sessions() as session:
            rows = [_row(job) for job in jobs]
            await Jobs(session=session).add_many(rows, auto_commit=True)

    async def forget(self, ids: Sequence[str]) -> None:
        """Delete jobs, off the clock."""
        async with self._sessions() as session:
            for first in range(0, len(ids), 500):
                await session.execute(delete(Job).where(Job.id.in_(ids[first : first + 500])))
            await session.commit()

    async def delete(self, job_id: str) -> bool:
        async with self._sessions() as session:
            await Jobs(session=session).delete(job_id, auto_commit=True)
        return True

    async def update_status(self, job_id: str, status: JobStatus) -> bool:
        former = [old.value for old in JobStatus if old.can_become(status)]
        running = status is JobStatus.RUNNING
        change = (
            update(Job)
            .where(Job.id == job_id, Job.status.in_(former))
            .values(
                status=status.value,
                error_message=None,
                started_at=datetime.now(UTC) if running else None,
                finished_at=None,
                revision=Job.revision + 1,
            )
        )
        async with self._sessions() as session:
            result: Any = await session.execute(change)
            await session.commit()
        return bool(result.rowcount)

    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        await self._outcome(job_id, symbol, candles=None, error=error)

    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        await self._outcome(job_id, symbol, candles=candles, error=None)

    async def _outcome(self, job_id: str, symbol: str, **values: Any) -> None:
        which = Symbol.job_id == job_id, Symbol.symbol == symbol
        async with self._sessions() as session:
            result: Any = await session.execute(update(Symbol).where(*which).values(**values))
            if not result.rowcount:
                raise LookupError(job_id, symbol)
            bump = update(Job).where(Job.id == job_id).values(revision=Job.revision + 1)
            await session.execute(bump)
            await session.commit()


def _row(job: CollectionJob) -> Job:
    completed, failed = job.completed_symbols, job.failed_symbols
    return Job(
        id=job.id,
        source=job.source,
        timeframe=job.timeframe,
        range_start=job.start,
        range_end=job.end,
        created_at=job.created_at,
        status=job.status.value,
        started_at=job.started_at,
        finished_at=job.finished_at,
        error_message=job.error_message,
        revision=1,
        symbols=[
            Symbol(
                job_id=job.id,
                symbol=symbol,
                position=position,
                candles=completed.get(symbol),
                error=failed.get(symbol),
            )
            for position, symbol in enumerate(job.symbols)
        ],
    )


def _entity(row: Job) -> CollectionJob:
    symbols = row.symbols
    return restore_job(
        (
            *(row.id, row.source, tuple([it.symbol for it in symbols]), row.timeframe),
            *(row.range_start, row.range_end, row.created_at, JobStatus(row.status)),
            *(row.started_at, row.finished_at, row.error_message),
            MappingProxyType({it.symbol: it.candles for it in symbols if it.candles is not None}),
            MappingProxyType({it.symbol: it.error for it in symbols if it.error is not None}),
            # The jobs that are measured have neither metadata nor details of their symbols.
            *(NOTHING, NO_SYMBOLS, NOTHING, NOTHING, row.revision),
        )
    )


async def create_tables(engine: AsyncEngine) -> None:
    """Create the two tables, and dispose of the engine."""
    async with engine.begin() as connection:
        await connection.run_sync(DefaultBase.metadata.create_all)
    await engine.dispose()


def open_orm(engine: AsyncEngine) -> Opener:
    """Return an opener of Store; closing it disposes of the engine."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Store]:
        try:
            yield Store(async_sessionmaker(engine, expire_on_commit=False))
        finally:
            await engine.dispose()

    return opened
