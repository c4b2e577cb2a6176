"""What the tests of the SQLite repository share."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from collection_jobs import CollectionJob

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


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
