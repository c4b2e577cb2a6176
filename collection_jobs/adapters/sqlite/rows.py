"""Between the entity and what SQLite stores: instants, candles, and jobs as JSON documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from collection_jobs.documents import from_micros, to_micros
from collection_jobs.job import CollectionJob, restore_job
from collection_jobs.status import JobStatus

__all__ = [
    "JOB_DOCUMENT",
    "MAX_INTEGER",
    "Outcome",
    "from_json",
    "from_micros",
    "job_from",
    "outcomes_from",
    "outcomes_of",
    "stored_candles",
    "to_json",
    "to_micros",
]

MAX_INTEGER = 2**63 - 1
"""The greatest INTEGER of SQLite."""

Outcome = tuple[str, int, int | str | None, str | None]
"""One row of `symbols` but its job: symbol, position, candles as stored, error."""

_STATUSES = {status.value: status for status in JobStatus}

# A job, symbols and all, as one JSON array out of one statement: so it is one snapshot, and the
# thread gives up the interpreter lock once instead of once a row (with a busy event loop beside it,
# each time costs up to 5 ms: 300 rows took 2.5 s, one document of them 0.02 s). It is also faster
# than rows: 20 us instead of 30 for a job of ten symbols.
JOB_DOCUMENT = """json_array(
    j.id, j.source, j.timeframe, j.range_start, j.range_end, j.created_at, j.status,
    j.started_at, j.finished_at, j.error_message, j.revision,
    (SELECT json_array(
        json_group_array(symbol),
        json_group_array(position),
        json_group_object(symbol, candles) FILTER (WHERE candles IS NOT NULL),
        json_group_object(symbol, error) FILTER (WHERE error IS NOT NULL))
     FROM symbols WHERE job = j.key))"""

# Its first element is the value. json.loads would also look for blanks around it: SQLite has none.
from_json: Callable[[str], tuple[Any, int]] = json.JSONDecoder().raw_decode
to_json: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


# Ranges begin and end where days and months do: few instants, which many jobs share.
_boundary = lru_cache(maxsize=1024)(from_micros)


def _optional_from_micros(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def stored_candles(candles: int) -> int | str:
    """A number of candles as the column holds it."""
    return candles if candles <= MAX_INTEGER else hex(candles)


def outcomes_of(job: CollectionJob) -> Iterator[Outcome]:
    """The rows of `symbols` that a job should have."""
    completed, failed = job.completed_symbols, job.failed_symbols
    for position, symbol in enumerate(job.symbols):
        candles = completed.get(symbol)
        yield (
            symbol,
            position,
            None if candles is None else stored_candles(candles),
            failed.get(symbol),
        )


def outcomes_from(document: list[Any]) -> Iterator[Outcome]:
    """The rows of `symbols` that a job's document was made of."""
    names, positions, completed, failed = document[11]
    for symbol, position in zip(names, positions, strict=True):
        yield symbol, position, completed.get(symbol), failed.get(symbol)


def job_from(document: list[Any]) -> CollectionJob:
    """The job that JOB_DOCUMENT describes; the schema's CHECKs stand for the entity's."""
    (
        job_id, source, timeframe, start, end, created_at, status,
        started_at, finished_at, error_message, revision,
        (names, positions, completed, failed),
    ) = document  # fmt: skip
    for symbol, candles in completed.items():
        if candles.__class__ is str:
            completed[symbol] = int(candles, 16)
    symbols = names[:]
    for position, name in zip(positions, names, strict=True):
        symbols[position] = name
    return restore_job(
        (
            job_id,
            source,
            tuple(symbols),
            timeframe,
            _boundary(start),
            _boundary(end),
            from_micros(created_at),
            _STATUSES[status],
            _optional_from_micros(started_at),
            _optional_from_micros(finished_at),
            error_message,
            MappingProxyType(completed),
            MappingProxyType(failed),
            revision,
        )
    )
