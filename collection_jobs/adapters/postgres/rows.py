"""Between the entity and what PostgreSQL is told: rows to jobs, and jobs to arrays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, TypeAlias

from collection_jobs.job import CollectionJob, restore_job
from collection_jobs.status import JobStatus

__all__ = [
    "FIELDS",
    "MOST_OUTCOMES",
    "Outcomes",
    "array_literal",
    "columns_of",
    "job_from",
    "weight_of",
]

Outcomes: TypeAlias = tuple[dict[str, int], dict[str, str]]
_STATUSES = {status.value: status for status in JobStatus}
_NOTHING: Mapping[str, Any] = MappingProxyType({})

FIELDS = 14
"""Columns of a row of ``statements.JOB``."""
MOST_OUTCOMES = 5_000
"""Outcomes of a job that are read within its row; one more shows that there are more."""
_COMPLETED, _FAILED = 11, 12
_LEAST_OF_MANY = 8 * MOST_OUTCOMES  # characters, of which each outcome takes nine or more
_LONG_ERROR = '" : null'
_OUTCOME = '" : '
_LARGEST_DOCUMENT = 1_000_000
"""Characters of errors that are decoded at once: some milliseconds."""


def array_literal(texts: Iterable[str]) -> str:
    """Some texts as PostgreSQL writes an array of them: one row holds one such literal."""
    quoted = '","'.join([text.replace("\\", "\\\\").replace('"', '\\"') for text in texts])
    return f'{{"{quoted}"}}'


def weight_of(rows: Iterable[Any]) -> int | None:
    """How many characters of errors some rows have; None if a job is to be read in parts.

    It is where its row does not hold all its outcomes, or too much to be decoded at once. Such a
    row is told by its documents as they are written: where an error's text looks like one, the job
    is read in parts for nothing.
    """
    total = 0
    for row in rows:
        completed, failed = row[_COMPLETED] or "", row[_FAILED] or ""
        total += len(failed)
        if len(failed) > _LARGEST_DOCUMENT or _LONG_ERROR in failed:
            return None
        if len(completed) + len(failed) > _LEAST_OF_MANY and _are_many(completed, failed):
            return None
    return total


def _are_many(*documents: str) -> bool:
    return sum(document.count(_OUTCOME) for document in documents) > MOST_OUTCOMES


def job_from(row: Iterable[Any], outcomes: Outcomes | None = None) -> CollectionJob:
    """The job in a row of ``statements.JOB``; the schema's constraints stand for the entity's.

    Args:
        row: The row.
        outcomes: The completed and the failed symbols if they were read apart.
    """
    (
        job_id, source, symbols, timeframe, start, end, created_at, status,
        started_at, finished_at, error_message, completed, failed, revision,
    ) = row  # fmt: skip
    if outcomes is None:
        done: Mapping[str, int] = (
            _NOTHING if completed is None else MappingProxyType(_from_json(completed)[0])
        )
        errors: Mapping[str, str] = (
            _NOTHING if failed is None else MappingProxyType(_from_json(failed)[0])
        )
    else:
        done, errors = MappingProxyType(outcomes[0]), MappingProxyType(outcomes[1])
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
            done,
            errors,
            revision,
        )
    )


# `decode` looks for what may stand before and after a document, where PostgreSQL writes nothing;
# that takes longer than a document of a few outcomes.
_from_json: Callable[[str], tuple[dict[str, Any], int]] = json.JSONDecoder().raw_decode


def _in_utc(instant: datetime) -> datetime:
    """An instant as asyncpg gives it: the year 9999's end is an infinity, without a timezone."""
    return instant if instant.tzinfo is UTC else instant.replace(tzinfo=UTC)


def columns_of(rows: Iterable[Iterable[Any]]) -> list[list[Any]]:
    """Turn rows into columns, which the statements take as arrays."""
    return [list(column) for column in zip(*rows, strict=True)]
