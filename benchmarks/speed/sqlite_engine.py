"""The candidates on SQLite, and their files."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.speed.frame import Candidate
from benchmarks.speed.sqlite_files import copy, make_ours, settle
from benchmarks.speed.sqlite_limit import open_blocking, open_recorded
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository
from collection_jobs.adapters.sqlite.settings import Synchronous

OURS = "collection_jobs"
BLOCKING, RECORDED = "blocking sqlite3", "bare driver"
BY_HAND, ORM, APSCHEDULER = "aiosqlite by hand", "SQLAlchemy ORM", "APScheduler 4"


async def candidates(
    stores: Path, directory: Path, size: int, synchronous: Synchronous, names: Sequence[str]
) -> list[Candidate]:
    """Copy a file for each of the candidates, with the jobs of a store of this size.

    The originals are made in ``stores`` where they are not there yet.
    """
    files = {
        name: copy(
            await _original(stores, size, _ORIGINALS[name]),
            directory / f"{synchronous}-{size}-{name}.db",
        )
        for name in names
    }
    found = [
        Candidate(
            OURS, lambda: SQLiteCollectionJobRepository(files[OURS], synchronous=synchronous)
        ),
        Candidate(BLOCKING, open_blocking(files[BLOCKING], synchronous), blocking=True),
        Candidate(RECORDED, open_recorded(files[RECORDED], synchronous), blocking=True),
    ]
    return found + [_other(name, files[name], synchronous) for name in names if name in OTHERS]


def _other(name: str, path: Path, synchronous: str) -> Candidate:
    # Imported here, since the quick mode does without these libraries.
    if name == BY_HAND:
        from benchmarks.speed.aiosqlite_by_hand import open_by_hand

        return Candidate(name, open_by_hand(path, synchronous))
    if name == ORM:
        from benchmarks.speed.orm import open_orm

        return Candidate(name, open_orm(_engine(path, synchronous)))
    from benchmarks.speed.apscheduler_store import open_apscheduler

    return Candidate(name, open_apscheduler(_engine(path, synchronous)))


OUR_OWN = (OURS, BLOCKING, RECORDED)
OTHERS = (BY_HAND, ORM, APSCHEDULER)
_ORIGINALS = {
    **dict.fromkeys((*OUR_OWN, BY_HAND), "ours"),
    ORM: "orm",
    APSCHEDULER: "schedules",
}


async def original(stores: Path, size: int) -> Path:
    """Return a file of the adapter's own schema; made where it is not there yet."""
    return await _original(stores, size, "ours")


async def _original(stores: Path, size: int, kind: str) -> Path:
    path = stores / f"{size}-{kind}.db"
    if path.exists():
        return path
    making = path.with_suffix(".making")
    if kind == "ours":
        await make_ours(making, size)
    elif kind == "orm":
        from benchmarks.speed.orm import create_tables

        await create_tables(_engine(making, "OFF"))
        _fill_orm(making, await original(stores, size))
    else:
        from benchmarks.speed.apscheduler_store import fill_sqlite

        await fill_sqlite(_engine(making, "OFF"), making, size)
    return making.rename(path)


def _engine(path: Path, synchronous: str) -> Any:
    """Return an engine of one connection: with more, SQLite's writers only wait for each other."""
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


# Its instants are text, and its children refer to the id.
_INSTANTS = ", ".join(
    f"strftime('%Y-%m-%d %H:%M:%S.000000', {name} / 1000000, 'unixepoch')"
    for name in ("range_start", "range_end", "created_at")
)
_FILL_ORM = (
    f"""INSERT INTO orm_jobs (id, source, timeframe, range_start, range_end, created_at, status,
        started_at, finished_at, error_message, revision)
    SELECT id, source, timeframe, {_INSTANTS}, status,
        strftime('%Y-%m-%d %H:%M:%S.000000', started_at / 1000000, 'unixepoch'),
        strftime('%Y-%m-%d %H:%M:%S.000000', finished_at / 1000000, 'unixepoch'),
        error_message, revision FROM ours.jobs ORDER BY id""",
    """INSERT INTO orm_symbols (job_id, symbol, position, candles, error)
    SELECT id, symbol, position, candles, error
    FROM ours.jobs JOIN ours.symbols ON job = key ORDER BY id, symbol""",
)


def _fill_orm(path: Path, original: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS ours", (str(original),))
        connection.execute("BEGIN")
        for statement in _FILL_ORM:
            connection.execute(statement)
        connection.execute("COMMIT")
        settle(connection)
