"""What the tests of the SQLite repository share."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from collection_jobs import CollectionJob
from collection_jobs.adapters.sqlite import migrations, schema

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def a_job(job_id: str = "job", **changes: Any) -> CollectionJob:
    values: dict[str, Any] = {
        "id": job_id,
        "source": "binance",
        "symbols": ("BTC/USDT", "ETH/USDT", "ADA/USDT"),
        "timeframe": "1m",
        "start": NOON,
        "end": NOON + timedelta(days=1),
        "created_at": NOON,
    }
    return CollectionJob(**values | changes)


@contextmanager
def plain_connection(path: Path) -> Generator[sqlite3.Connection]:
    """Another program's connection to the same file."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
        yield connection


class _Halting(tuple[str, ...]):
    """Statements between the first and the second of which something else is done."""

    def __new__(cls, statements: Iterable[str], do: Callable[[], None]) -> Self:
        made = super().__new__(cls, statements)
        made.do = do
        return made

    do: Callable[[], None]

    def __iter__(self) -> Iterator[str]:
        first, *others = super().__iter__()
        yield first
        self.do()
        yield from others


STEP = (
    "CREATE TABLE migrated (n INTEGER NOT NULL) STRICT",
    "INSERT INTO migrated VALUES (1)",
    "ALTER TABLE jobs ADD COLUMN note TEXT",
    "UPDATE jobs SET note = 'kept'",
)
"""A step that cannot be taken twice."""


def know_another_version(in_the_middle: Callable[[], None] = lambda: None) -> None:
    """Make this process one of the next release, which knows a version more.

    Not undone: it is for a process of its own, or for a test that restores what it changes.
    """
    migrations.STEPS[schema.SQLITE_SCHEMA_VERSION] = _Halting(STEP, in_the_middle)
    schema.SQLITE_SCHEMA_VERSION += 1


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
