"""SQLite files with many jobs in them, and what work on them costs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from collection_jobs.adapters.sqlite.schema import connect_to_write
from collection_jobs.adapters.sqlite.settings import SQLiteSettings

_T = TypeVar("_T")

# Of each five jobs one has each status; every 200th is of a rare source, the others of two. All
# collect BTC, one in a hundred PERCENT, 20 of any number RARE; those that failed collect GONE,
# which no others do. A third has a failure.
_JOBS = """
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :jobs)
    INSERT INTO jobs (key, id, source, timeframe, range_start, range_end, created_at, status,
        finished_at, revision, total, failed, has_failures)
    SELECT i + 1, 'job ' || (i * 7919 % :jobs),
        CASE WHEN i % 200 = 7 THEN 'rare' ELSE 's' || (i % 2) END, '1m', 0, 10, i / :tied,
        CASE i % 5 WHEN 0 THEN 'pending' WHEN 1 THEN 'completed' WHEN 2 THEN 'failed'
            WHEN 3 THEN 'cancelled' ELSE 'running' END,
        CASE WHEN i % 5 IN (1, 2, 3) THEN i END, 1, 2, i % 3 = 2, i % 3 = 2
    FROM n"""
_FIRST_SYMBOLS = """
    INSERT INTO symbols (job, symbol, position, created_at, error)
    SELECT key, 'BTC', 0, created_at, CASE WHEN key % 3 = 0 THEN 'boom' END FROM jobs"""
_OTHER_SYMBOLS = """
    INSERT INTO symbols (job, symbol, position, created_at)
    SELECT key, CASE WHEN key % (SELECT count(*) / 20 FROM jobs) = 3 THEN 'RARE'
            WHEN key % 100 = 0 THEN 'PERCENT' WHEN status = 'failed' THEN 'GONE' ELSE 'ETH' END,
        1, created_at FROM jobs"""
_METADATA = """
    INSERT INTO metadata SELECT key, 'asset', 'crypto' FROM jobs
    UNION ALL SELECT key, 'ticket', 'T' || key FROM jobs"""


def filled(path: Path, jobs: int, *, tied: int = 1) -> sqlite3.Connection:
    """Make a file of so many jobs, of which as many as ``tied`` were created at each instant."""
    connection = connect_to_write(SQLiteSettings.of(path, "NORMAL", 5.0, True))
    connection.execute("BEGIN")
    connection.execute(_JOBS, {"jobs": jobs, "tied": tied})
    for statement in (_FIRST_SYMBOLS, _OTHER_SYMBOLS, _METADATA):
        connection.execute(statement)
    connection.execute("COMMIT")
    return connection


def steps(connection: sqlite3.Connection, work: Callable[[], _T]) -> tuple[int, _T]:
    """How many steps of SQLite's machine some work takes, and what it returns."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    connection.set_progress_handler(step, 1)
    try:
        done = work()
    finally:
        connection.set_progress_handler(None, 1)
    return count, done


def counts_are_right(connection: sqlite3.Connection) -> None:
    """What the triggers keep of the symbols is what a look at every row finds."""
    wrong: list[Any] = connection.execute(
        """
        SELECT id, total, completed, failed, candles_high, candles_low, has_failures, has_details
        FROM jobs WHERE (total, completed, failed, candles_high, candles_low, has_failures) IS NOT (
            SELECT count(*), count(candles), count(error), ifnull(sum(candles >> 32), 0),
                ifnull(sum(candles & 0xffffffff), 0), count(error) > 0
            FROM symbols WHERE job = key)
        OR has_details < (SELECT max(is_permanent OR failures IS NOT NULL OR cursor IS NOT NULL)
            FROM symbols WHERE job = key)"""
    ).fetchall()
    assert wrong == []
    strays = connection.execute(
        "SELECT count(*) FROM symbols LEFT JOIN jobs ON key = job AND"
        " jobs.created_at = symbols.created_at WHERE key IS NULL"
    ).fetchone()
    assert strays == (0,)
