"""Between the entity and what PostgreSQL is told: rows to jobs, and jobs to arrays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from collection_jobs.job import CollectionJob, restore_job
from collection_jobs.status import JobStatus

__all__ = ["array_literal", "candles_as_text", "job_from", "parsed_int"]

_STATUSES = {status.value: status for status in JobStatus}
_NOTHING: Mapping[str, Any] = MappingProxyType({})

# Python refuses to read or to write a number of more than 4,300 digits, except as a Decimal.
_SURELY_SHORT = 1 << 4_096


def candles_as_text(candles: int) -> str:
    """A number of candles as the digits that a numeric is read from."""
    return str(candles) if candles < _SURELY_SHORT else format(Decimal(candles), "f")


def parsed_int(digits: str) -> int:
    """The reverse of candles_as_text."""
    return int(Decimal(digits))


def array_literal(texts: Iterable[str]) -> str:
    """Some texts as PostgreSQL writes an array of them: one row holds one such literal."""
    quoted = '","'.join([text.replace("\\", "\\\\").replace('"', '\\"') for text in texts])
    return f'{{"{quoted}"}}'


def job_from(row: Iterable[Any]) -> CollectionJob:
    """The job in a row of ``statements.JOB``; the schema's constraints stand for the entity's."""
    (
        job_id, source, symbols, timeframe, start, end, created_at, status,
        started_at, finished_at, error_message, completed, failed, revision,
    ) = row  # fmt: skip
    return restore_job(
        (
            job_id,
            source,
            tuple(symbols),
            timeframe,
            _in_utc(start),
            _in_utc(end),
            _in_utc(created_at),
            _STATUSES[status],
            None if started_at is None else _in_utc(started_at),
            None if finished_at is None else _in_utc(finished_at),
            error_message,
            _NOTHING if completed is None else MappingProxyType(_completed(completed)),
            _NOTHING if failed is None else MappingProxyType(_from_json(failed)[0]),
            revision,
        )
    )


# `decode` looks for what may stand before and after a document, where PostgreSQL writes nothing;
# that takes longer than a document of a few outcomes.
_from_json: Callable[[str], tuple[dict[str, Any], int]] = json.JSONDecoder().raw_decode
_from_json_of_any_length: Callable[[str], dict[str, Any]] = json.JSONDecoder(
    parse_int=parsed_int
).decode


def _in_utc(instant: datetime) -> datetime:
    """An instant as asyncpg gives it: the year 9999's end is an infinity, without a timezone."""
    return instant if instant.tzinfo is UTC else instant.replace(tzinfo=UTC)


def _completed(document: str) -> dict[str, Any]:
    try:
        return _from_json(document)[0]
    except ValueError:
        return _from_json_of_any_length(document)
