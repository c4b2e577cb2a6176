"""The SQLite files that the candidates work on, filled by the bare driver."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.speed.jobs import OUTCOMES, stored_job
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository
from collection_jobs.adapters.sqlite.rows import (
    COUNT_COLUMNS,
    ROW_COLUMNS,
    counts_of,
    row_values,
)

_COLUMNS = ("key", *ROW_COLUMNS.values(), *COUNT_COLUMNS, "has_failures", "revision")
_INSERT_JOB = f"""
    INSERT INTO jobs ({", ".join(_COLUMNS)}) VALUES ({", ".join("?" * len(_COLUMNS))})"""
_INSERT_SYMBOLS = """
    INSERT INTO symbols (job, symbol, position, created_at, candles, error)
    SELECT jobs.key, value ->> 0, symbols.key, created_at, value ->> 1, value ->> 2
    FROM jobs, json_each(?) AS symbols"""


async def make_ours(path: Path, size: int) -> None:
    """Make a file of the adapter's own schema, with the jobs of a store of this size."""
    async with SQLiteCollectionJobRepository(path):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.executemany(_INSERT_JOB, _jobs(size))
        connection.execute(_INSERT_SYMBOLS, (json.dumps(OUTCOMES),))
        connection.execute("COMMIT")
        settle(connection)


def settle(connection: sqlite3.Connection) -> None:
    """Bring everything from the log into the file."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def copy(original: Path, path: Path) -> Path:
    """Copy an original for one candidate."""
    return Path(shutil.copy(original, path))


def _jobs(size: int) -> Iterator[tuple[Any, ...]]:
    for number in range(size):
        job = stored_job(number, size)
        yield number, *row_values(job), *counts_of(job), bool(job.failed_symbols), 1
