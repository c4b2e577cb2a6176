"""Summaries of jobs: what `find` shows of each, read without its outcomes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from collection_jobs.adapters.sqlite.decoding import (
    CHECK_RANGE,
    DECODERS,
    HEADER_EXPRESSIONS,
    HEADER_NAMES,
    decoded,
    in_order,
    symbol_lines,
    symbols_in,
)
from collection_jobs.adapters.sqlite.reads import (
    NAMES_NO_JOB,
    STATS,
    Form,
    TableRows,
    metadata_of,
    rows_of,
    stats_from,
)
from collection_jobs.adapters.sqlite.rows import (
    HEADER,
    HEADER_FIELDS,
    NAMES_TEXT,
    QUICK_HEADER,
    decode_json,
    page,
)
from collection_jobs.documents import from_micros
from collection_jobs.query import JobSummary
from collection_jobs.restoring import compile_rows
from collection_jobs.stats import JobStats

__all__ = ["SUMMARIES"]

_OF_JOB = tuple(name for name in JobSummary.__slots__ if name in HEADER_FIELDS)
_METADATA = HEADER_FIELDS.index("metadata")

_NAMES = TableRows.of("symbols", "symbol", "position")
# The lease of a job that is not RUNNING would be a damage, see leases.
_BEHIND = f"{STATS}, l.worker, l.expires_at"
_LEASE = "LEFT JOIN leases AS l ON l.job = j.key"
_LONG = f"""
    SELECT {HEADER}, {_BEHIND}
    FROM jobs AS j {_LEASE} WHERE j.key = ?"""  # noqa: S608 - constant text


def _from_page(headers: str, symbols: str) -> list[JobSummary]:
    return _build(zip(decode_json(headers)[0], map(symbols_in, symbol_lines(symbols)), strict=True))


def _stats_of(symbols: tuple[str, ...], *columns: int) -> JobStats:
    counted = stats_from(columns)
    if counted.total != len(symbols):
        raise ValueError("a wrong count of symbols")
    return counted


_build = compile_rows(
    f"({HEADER_NAMES}, *stats, worker, expires_at), symbols",
    (
        CHECK_RANGE,
        f"""built.append(JobSummary(
            {", ".join(f"{name}={HEADER_EXPRESSIONS[name]}" for name in _OF_JOB)},
            symbols=symbols, stats=stats_of(symbols, *stats), worker=worker,
            expires_at=None if expires_at is None else from_micros(expires_at)))""",
    ),
    {**DECODERS, "JobSummary": JobSummary, "stats_of": _stats_of, "from_micros": from_micros},
)


def _read_long(connection: sqlite3.Connection, key: int) -> JobSummary:
    """Read one job, a part at a time within a transaction."""
    for row in connection.execute(_LONG, (key,)).fetchall():
        header = list(row)
        positions: dict[str, int] = {}
        for part in rows_of(connection, _NAMES, key):
            decoded(positions.update, part)
        header[_METADATA] = metadata_of(connection, key)
        return decoded(_summary_of, (header, positions))
    raise sqlite3.DatabaseError(NAMES_NO_JOB)


def _summary_of(read: tuple[Sequence[Any], dict[str, int]]) -> JobSummary:
    header, positions = read
    summary: JobSummary
    (summary,) = _build([(header, in_order(positions))])
    return summary


SUMMARIES = Form(page(f"{QUICK_HEADER}, {_BEHIND}", NAMES_TEXT), _LEASE, _from_page, _read_long)
