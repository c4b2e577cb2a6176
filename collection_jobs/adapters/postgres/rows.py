"""Between the entity and what PostgreSQL is told: rows to jobs, and jobs to arrays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from collection_jobs.job import CollectionJob, restore_job
from collection_jobs.status import JobStatus

__all__ = ["array_literal", "is_large", "job_from", "job_of", "size"]

_STATUSES = {status.value: status for status in JobStatus}
_NOTHING: Mapping[str, Any] = MappingProxyType({})

_COMPLETED, _FAILED, _IS_LARGE = 11, 12, 14  # in a row of ``statements.JOB``
_LARGEST_DOCUMENT = 1_000_000
"""Characters of outcomes that are decoded at once: some milliseconds."""


def array_literal(texts: Iterable[str]) -> str:
    """Some texts as PostgreSQL writes an array of them: one row holds one such literal."""
    quoted = '","'.join([text.replace("\\", "\\\\").replace('"', '\\"') for text in texts])
    return f'{{"{quoted}"}}'


def size(row: Any) -> int:
    """How many characters of outcomes a row has."""
    return len(row[_COMPLETED] or "") + len(row[_FAILED] or "")


def is_large(row: Any) -> bool:
    """Whether a job is to be read in parts: its row does not hold all its outcomes, or too many."""
    return bool(row[_IS_LARGE]) or size(row) > _LARGEST_DOCUMENT


def job_from(row: Any) -> CollectionJob:
    """The job in a row of ``statements.JOB``; the schema's constraints stand for the entity's."""
    completed, failed = row[_COMPLETED], row[_FAILED]
    return job_of(
        row,
        _NOTHING if completed is None else MappingProxyType(_from_json(completed)[0]),
        _NOTHING if failed is None else MappingProxyType(_from_json(failed)[0]),
    )


def job_of(
    row: Iterable[Any], completed: Mapping[str, int], failed: Mapping[str, str]
) -> CollectionJob:
    """The job in such a row, with outcomes that were read apart, in read-only mappings."""
    (
        job_id, source, symbols, timeframe, start, end, created_at, status,
        started_at, finished_at, error_message, _, _, revision, *_,
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
            completed,
            failed,
            revision,
        )
    )


# `decode` looks for what may stand before and after a document, where PostgreSQL writes nothing;
# that takes longer than a document of a few outcomes.
_from_json: Callable[[str], tuple[dict[str, Any], int]] = json.JSONDecoder().raw_decode


def _in_utc(instant: datetime) -> datetime:
    """An instant as asyncpg gives it: the year 9999's end is an infinity, without a timezone."""
    return instant if instant.tzinfo is UTC else instant.replace(tzinfo=UTC)
