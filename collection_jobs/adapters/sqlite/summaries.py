"""Summaries of jobs: what `find` shows of each, read without its outcomes."""

from __future__ import annotations

import sqlite3
from typing import Any

from collection_jobs.adapters.sqlite.reads import (
    STATS,
    Form,
    TableRows,
    metadata_of,
    rows_of,
    stats_from,
)
from collection_jobs.adapters.sqlite.rows import (
    METADATA_DOCUMENT,
    decode_columns,
    decoded,
    elements,
    in_order,
    quick,
)
from collection_jobs.documents import from_micros
from collection_jobs.fields import FIELD_NAMES, POSITIONS
from collection_jobs.query import JobSummary

__all__ = ["SUMMARIES"]

_OF_JOB = tuple(name for name in JobSummary.__slots__ if name in POSITIONS)
_SYMBOLS, _METADATA = POSITIONS["symbols"], POSITIONS["metadata"]
_FIELDS = len(FIELD_NAMES)

_NAMES = TableRows.of("symbols", "symbol", "position")
_NAMES_DOCUMENT = "(SELECT json_group_object(symbol, position) FROM symbols WHERE job = j.key)"
# The lease of a job that is not RUNNING would be a damage, see leases.
_BEHIND = f"{STATS}, l.worker, l.expires_at"
_LEASE = "LEFT JOIN leases AS l ON l.job = j.key"
_DOCUMENT = f"json_array({elements(_NAMES_DOCUMENT, METADATA_DOCUMENT, quick)}, {_BEHIND})"
_HEADER = f"""
    SELECT j.key, {elements("NULL", "NULL", str)}, {_BEHIND}
    FROM jobs AS j {_LEASE} WHERE j."""  # noqa: S608 - constant text


def _summary_from(document: list[Any]) -> JobSummary:
    """Build the summary that the document describes, which is used up."""
    *stats, worker, expires_at = document[_FIELDS:]
    decode_columns(document)
    symbols = in_order(document[_SYMBOLS])
    document[_SYMBOLS] = symbols
    values = {name: document[POSITIONS[name]] for name in _OF_JOB}
    counted = stats_from(stats)
    if counted.total != len(symbols):
        raise ValueError("a wrong count of symbols")
    return JobSummary(
        **values,
        stats=counted,
        worker=worker,
        expires_at=None if expires_at is None else from_micros(expires_at),
    )


def _in_parts(connection: sqlite3.Connection, where: str, value: int) -> list[Any] | None:
    """Read what the document of one job holds, a part at a time within a transaction."""
    rows = connection.execute(_HEADER + where, (value,)).fetchall()
    if not rows:
        return None
    key, *document = list[Any](rows[0])
    positions: dict[str, int] = {}
    for part in rows_of(connection, _NAMES, key):
        decoded(positions.update, part)
    document[_SYMBOLS] = positions
    document[_METADATA] = metadata_of(connection, key)
    return document


SUMMARIES = Form(_DOCUMENT, _LEASE, _summary_from, _in_parts)
