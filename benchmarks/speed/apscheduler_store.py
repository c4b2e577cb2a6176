"""APScheduler 4's data store, for the operations that it has: add, get and remove a schedule."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from logging import getLogger
from pathlib import Path
from typing import Any

from apscheduler import ConflictPolicy, Schedule
from apscheduler.datastores.sqlalchemy import SQLAlchemyDataStore
from apscheduler.eventbrokers.local import LocalEventBroker
from apscheduler.triggers.date import DateTrigger
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.speed.frame import Opener
from benchmarks.speed.jobs import created_at, job_id, new_job
from benchmarks.speed.sqlite_files import settle
from collection_jobs import CollectionJob

_LOGGER = getLogger(__name__)


class Store:
    """Three of the methods: a job as the keyword arguments of a schedule."""

    def __init__(self, store: SQLAlchemyDataStore) -> None:
        """Work on this."""
        self._store = store

    async def save(self, job: CollectionJob) -> None:
        await self._store.add_schedule(_schedule(job), ConflictPolicy.replace)

    async def get_by_id(self, job_id: str) -> Any:
        found = await self._store.get_schedules({job_id})
        return found[0] if found else None

    async def delete(self, job_id: str) -> None:
        await self._store.remove_schedules([job_id])


def _schedule(job: CollectionJob) -> Schedule:
    return Schedule(
        id=job.id,
        task_id="collect",
        trigger=DateTrigger(job.created_at),
        kwargs={
            "source": job.source,
            "symbols": job.symbols,
            "timeframe": job.timeframe,
            "start": job.start,
            "end": job.end,
        },
        job_executor="async",
        next_fire_time=job.created_at,
    )


@asynccontextmanager
async def started(engine: AsyncEngine) -> AsyncIterator[SQLAlchemyDataStore]:
    """Give a data store that works; it creates its tables where there are none."""
    store = SQLAlchemyDataStore(engine)
    async with AsyncExitStack() as stack:
        broker = LocalEventBroker()
        await broker.start(stack, _LOGGER)
        await store.start(stack, broker, _LOGGER)
        try:
            yield store
        finally:
            await engine.dispose()


async def fill_sqlite(engine: AsyncEngine, path: Path, size: int) -> None:
    """Make a file with as many schedules: copies of one, since only the ids matter here."""
    async with started(engine) as store:
        await Store(store).save(new_job(0))
    with closing(sqlite3.connect(path)) as connection:
        (row,) = connection.execute("SELECT * FROM schedules").fetchall()
        names = [column[1] for column in connection.execute("PRAGMA table_info(schedules)")]
        place, due = names.index("id"), names.index("next_fire_time")
        connection.execute("DELETE FROM schedules")
        connection.executemany(
            f"INSERT INTO schedules VALUES ({', '.join('?' * len(row))})",
            (_copied(row, {place: job_id(n), due: _micros(n)}) for n in range(size)),
        )
        connection.commit()
        settle(connection)


def _micros(number: int) -> int:
    return int(created_at(number).timestamp() * 1_000_000)


def _copied(row: tuple[Any, ...], changes: dict[int, Any]) -> tuple[Any, ...]:
    return tuple(changes.get(place, value) for place, value in enumerate(row))


def open_apscheduler(engine: AsyncEngine) -> Opener:
    """Return an opener of Store."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Store]:
        async with started(engine) as store:
            yield Store(store)

    return opened
