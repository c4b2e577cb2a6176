"""The SQLite files that the candidates work on, filled by the bare driver."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.speed.jobs import CANDLES, ERROR, SYMBOLS, stored_job
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository
from collection_jobs.adapters.sqlite.rows import to_micros

_INSERT_JOB = "INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)"
_INSERT_SYMBOL = (
    "INSERT INTO symbols (job, symbol, position, candles, error) VALUES (?, ?, ?, ?, ?)"
)


async def make_ours(path: Path, size: int) -> None:
    """Make a file of the adapter's own schema, with the jobs of a store of this size."""
    async with SQLiteCollectionJobRepository(path):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.executemany(_INSERT_JOB, _jobs(size))
        connection.executemany(_INSERT_SYMBOL, _symbols(size))
        connection.execute("COMMIT")
        settle(connection)


def settle(connection: sqlite3.Connection) -> None:
    """Bring everything into the file, and let the planner know what is in it."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def copy(path: Path, name: str) -> Path:
    """A copy for one candidate, beside the original."""
    return Path(shutil.copy(path, path.with_name(f"{name}.db")))


def _jobs(size: int) -> Iterator[tuple[Any, ...]]:
    for number in range(size):
        job = stored_job(number, size)
        yield (
            *(number, job.id, job.source, job.timeframe, to_micros(job.start), to_micros(job.end)),
            *(to_micros(job.created_at), job.status.value),
            job.started_at and to_micros(job.started_at),
            job.finished_at and to_micros(job.finished_at),
            job.error_message,
        )


def _symbols(size: int) -> Iterator[tuple[int, str, int, int | None, str | None]]:
    outcomes = ((CANDLES, None), (CANDLES, None), (None, ERROR), (None, None), (None, None))
    for number in range(size):
        for position, symbol in enumerate(SYMBOLS):
            yield (number, symbol, position, *outcomes[position])
