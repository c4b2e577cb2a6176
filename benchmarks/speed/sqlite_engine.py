"""The candidates on SQLite, and their files."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.speed.frame import Candidate
from benchmarks.speed.jobs import CANDLES, ERROR, SYMBOLS, stored_job
from benchmarks.speed.sqlite_files import copy, make_ours, settle
from benchmarks.speed.sqlite_limit import open_blocking, open_recorded
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository
from collection_jobs.adapters.sqlite.settings import Synchronous

OURS = "collection_jobs"
BLOCKING, RECORDED = "blocking sqlite3", "bare driver"
BY_HAND, ORM, APSCHEDULER = "aiosqlite by hand", "SQLAlchemy ORM", "APScheduler 4"


async def candidates(
    directory: Path, size: int, synchronous: Synchronous, *, others: bool
) -> list[Candidate]:
    """Make a file for each candidate, with the jobs of a store of this size."""
    original = directory / f"{size}.db"
    if not original.exists():
        await make_ours(original, size)
    names = ["ours", "blocking", "recorded", *(["by_hand"] if others else [])]
    files = {name: copy(original, f"{synchronous}-{size}-{name}") for name in names}
    found = [
        Candidate(
            OURS, lambda: SQLiteCollectionJobRepository(files["ours"], synchronous=synchronous)
        ),
        Candidate(BLOCKING, open_blocking(files["blocking"], synchronous), blocking=True),
        Candidate(RECORDED, open_recorded(files["recorded"], synchronous), blocking=True),
    ]
    if others:
        found += await _others(directory, files["by_hand"], size, synchronous)
    return found


async def _others(
    directory: Path, by_hand: Path, size: int, synchronous: Synchronous
) -> list[Candidate]:
    # Imported here, since the quick mode does without them.
    from benchmarks.speed.aiosqlite_by_hand import open_by_hand
    from benchmarks.speed.apscheduler_store import fill_sqlite, open_apscheduler
    from benchmarks.speed.orm import create_tables, open_orm

    orm = directory / f"{synchronous}-{size}-orm.db"
    schedules = directory / f"{synchronous}-{size}-schedules.db"
    engine = _engine(orm, synchronous)
    await create_tables(engine)
    await engine.dispose()
    _fill_orm(orm, size)
    await fill_sqlite(_engine(schedules, synchronous), schedules, size)
    return [
        Candidate(BY_HAND, open_by_hand(by_hand, synchronous)),
        Candidate(ORM, open_orm(_engine(orm, synchronous))),
        Candidate(APSCHEDULER, open_apscheduler(_engine(schedules, synchronous))),
    ]


def _engine(path: Path, synchronous: str) -> Any:
    """An engine of one connection: with more, SQLite's writers only wait for each other."""
    from sqlalchemy import event
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}", pool_size=1, max_overflow=0, pool_timeout=600
    )

    def configure(connection: Any, _: object) -> None:
        for pragma in (
            "journal_mode = WAL",
            f"synchronous = {synchronous}",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    event.listen(engine.sync_engine, "connect", configure)
    return engine


def _fill_orm(path: Path, size: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.executemany(
            f"INSERT INTO orm_jobs (id, source, timeframe, range_start, range_end, created_at,"
            f" status, started_at, finished_at, error_message, revision)"
            f" VALUES ({', '.join('?' * 10)}, 1)",
            _orm_jobs(size),
        )
        connection.executemany(
            "INSERT INTO orm_symbols (job_id, symbol, position, candles, error)"
            " VALUES (?, ?, ?, ?, ?)",
            _orm_symbols(size),
        )
        connection.execute("COMMIT")
        settle(connection)


def _orm_jobs(size: int) -> Iterator[tuple[Any, ...]]:
    spelt: Callable[[Any], str | None] = lambda it: it and it.strftime("%Y-%m-%d %H:%M:%S.%f")  # noqa: E731 - a word
    for number in range(size):
        job = stored_job(number, size)
        yield (
            *(job.id, job.source, job.timeframe, spelt(job.start), spelt(job.end)),
            *(spelt(job.created_at), job.status.value, spelt(job.started_at)),
            *(spelt(job.finished_at), job.error_message),
        )


def _orm_symbols(size: int) -> Iterator[tuple[Any, ...]]:
    outcomes = ((CANDLES, None), (CANDLES, None), (None, ERROR), (None, None), (None, None))
    for number in range(size):
        job_id = stored_job(number, size).id
        for position, symbol in enumerate(SYMBOLS):
            yield (job_id, symbol, position, *outcomes[position])
