"""A database of every version of the schema, as SQL: ``<version>.sql`` beside this file.

``python -m tests.adapters.schemas`` writes that of the current version, once. A dump of a version
that was released is never written again: it is what users have on their disks.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from collection_jobs import CollectionJob, JobStatus

FOLDER = Path(__file__).parent
_BORN = datetime(2024, 3, 1, 12, 0, 0, 1, tzinfo=UTC)

JOBS: tuple[CollectionJob, ...] = tuple(
    CollectionJob(
        id=f"{status.value} \u00e1 \U0001f600",
        source="binance",
        symbols=("BTC/USDT", "ETH/USDT", "it's", "\u00dc\u00df"),
        timeframe="1h",
        start=datetime.min.replace(tzinfo=UTC),
        end=datetime.max.replace(tzinfo=UTC),
        created_at=_BORN + timedelta(seconds=number),
        status=status,
        started_at=None if number == 0 else _BORN,
        finished_at=None if number < 2 else datetime(1969, 12, 31, tzinfo=UTC),
        error_message="two\nlines, 'quoted'" if status is JobStatus.FAILED else None,
        completed_symbols={"BTC/USDT": 2**63 - 1, "it's": number},
        failed_symbols={"ETH/USDT": "\u65e5\u672c; DROP TABLE jobs"},
        metadata={"ticket": f"it's {number}", "Ticket ": "", "\u00e9": "\U0001f600"},
        permanent_failures=frozenset({"ETH/USDT"} if number % 2 else ()),
        failure_counts={"ETH/USDT": number + 1, "it's": 2**63 - 1},
        cursors={"ETH/USDT": _BORN, "\u00dc\u00df": datetime.min.replace(tzinfo=UTC)},
    )
    for number, status in enumerate(JobStatus)
)
"""What a database holds: a job of every status, and the memory of a deleted one."""

_SINCE: dict[str, tuple[int, Any]] = {
    "metadata": (3, {}),
    "permanent_failures": (5, frozenset()),
    "failure_counts": (5, {}),
    "cursors": (5, {}),
}
"""The fields that came later: the first version that has them, and what those before it read as."""


def jobs_in(version: int) -> tuple[CollectionJob, ...]:
    """Give the jobs that a database of a version of the schema holds."""
    lacking = {name: default for name, (first, default) in _SINCE.items() if version < first}
    return tuple(replace(job, **lacking) for job in JOBS)


DELETED = JOBS[0]._changed(id="deleted")


def text(path: Path) -> str:
    """A database as SQL, which `restore` makes the same database of."""
    with closing(sqlite3.connect(path)) as connection:
        pragmas = [
            f"PRAGMA {name} = {connection.execute(f'PRAGMA {name}').fetchone()[0]};"
            for name in ("application_id", "user_version")
        ]
        return "\n".join([*pragmas, *connection.iterdump(), ""])


def restore(version: int, path: Path) -> None:
    """Make the database that was kept of a version."""
    script = (FOLDER / f"{version}.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def schema_in(path: Path) -> dict[str, str]:
    """The statements that made the tables, indexes and triggers of a database."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
        return {name: " ".join(sql.split()) for name, sql in rows.fetchall()}
