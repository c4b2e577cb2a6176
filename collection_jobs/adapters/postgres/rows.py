"""Between the entity and what PostgreSQL is told: rows to jobs, and jobs to arrays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from types import MappingProxyType
from typing import Any, TypeAlias, cast

from collection_jobs.errors import RepositoryError
from collection_jobs.fields import FIELD_NAMES, FIELDS, NOTHING, POSITIONS, FieldKind
from collection_jobs.job import CollectionJob, restore_job
from collection_jobs.status import JobStatus
from collection_jobs.validation import shown

__all__ = [
    "JOB_COLUMNS",
    "MOST_OUTCOMES",
    "PARAMETERS",
    "Outcomes",
    "array_literal",
    "columns_of",
    "has_large_metadata",
    "job_from_row",
    "row_of",
    "weight_of",
]

Outcomes: TypeAlias = tuple[dict[str, int], dict[str, str]]
_STATUSES = {status.value: status for status in JobStatus}

JOB_COLUMNS: Mapping[str, str] = {
    name: f"range_{name}" if name in ("start", "end") else name
    for name in FIELD_NAMES
    if name not in ("completed_symbols", "failed_symbols", "revision")
}
"""The columns of ``jobs`` that hold a field each, by the fields' names; the revision left out."""

MOST_OUTCOMES = 5_000
"""Outcomes of a job that are read within its row; one more shows that there are more."""
_COMPLETED, _FAILED = POSITIONS["completed_symbols"], POSITIONS["failed_symbols"]
_METADATA = POSITIONS["metadata"]
_LEAST_OF_MANY = 8 * MOST_OUTCOMES  # characters, of which each outcome takes nine or more
_LONG_ERROR = '" : null'
_OUTCOME = '" : '
_LARGEST_DOCUMENT = 1_000_000
"""Characters of errors that are decoded at once: some milliseconds."""


def array_literal(texts: Iterable[str]) -> str:
    """Return some texts as PostgreSQL writes an array of them: one row holds one such literal."""
    quoted = '","'.join([text.replace("\\", "\\\\").replace('"', '\\"') for text in texts])
    return f'{{"{quoted}"}}'


def weight_of(rows: Iterable[Any]) -> int | None:
    """Count the characters of long texts in some rows; None if a job is to be read in parts.

    It is where its row does not hold all its outcomes or its metadata, or too much to be decoded at
    once. Outcomes that are left out are told by their documents as they are written: where an
    error's text looks like one, the job is read in parts for nothing.
    """
    total = 0
    for row in rows:
        completed, failed, metadata = row[_COMPLETED] or "", row[_FAILED] or "", row[_METADATA]
        if metadata is None or len(metadata) > _LARGEST_DOCUMENT:
            return None
        total += len(failed) + len(metadata)
        if len(failed) > _LARGEST_DOCUMENT or _LONG_ERROR in failed:
            return None
        if len(completed) + len(failed) > _LEAST_OF_MANY and _are_many(completed, failed):
            return None
    return total


def _are_many(*documents: str) -> bool:
    return sum(document.count(_OUTCOME) for document in documents) > MOST_OUTCOMES


def has_large_metadata(row: Sequence[Any]) -> bool:
    """Tell whether a row leaves its metadata to be read in parts."""
    return row[_METADATA] is None


def job_from_row(
    row: Iterable[Any], outcomes: Outcomes | None = None, metadata: dict[str, str] | None = None
) -> CollectionJob:
    """Build the job in a row; the schema's constraints stand for the entity's.

    Args:
        row: What the statements read of a job: one value for each field, in the fields' order.
        outcomes: The completed and the failed symbols if they were read apart.
        metadata: The metadata if it was read apart.
    """
    values = [*row]
    for place, decode in _DECODED:
        values[place] = decode(values[place])
    for place, decode in _DECODED_UNLESS_NULL:
        value = values[place]
        if value is not None:
            values[place] = decode(value)
    if outcomes is not None:
        completed, failed = outcomes
        values[_COMPLETED], values[_FAILED] = MappingProxyType(completed), MappingProxyType(failed)
    if metadata is not None:
        values[_METADATA] = MappingProxyType(metadata)
    return restore_job(values)


def row_of(job: CollectionJob, *, with_metadata: bool = True) -> list[Any]:
    """Give what the columns of `JOB_COLUMNS` hold of a job, in their order, as `PARAMETERS`."""
    values = list(_column_values(job))
    if not with_metadata:
        values[_METADATA_COLUMN] = NOTHING
    for place, encode in _ENCODED:
        values[place] = encode(values[place])
    return values


# `decode` looks for what may stand before and after a document, where PostgreSQL writes nothing;
# that takes longer than a document of a few outcomes.
_from_json: Callable[[str], tuple[Any, int]] = json.JSONDecoder().raw_decode


def _in_utc(instant: datetime) -> datetime:
    """Return an instant of asyncpg's in UTC: the year 9999's end is an infinity without one."""
    return instant if instant.tzinfo is UTC else instant.replace(tzinfo=UTC)


def columns_of(rows: Iterable[Iterable[Any]]) -> list[list[Any]]:
    """Turn rows into columns, which the statements take as arrays."""
    return [list(column) for column in zip(*rows, strict=True)]


def _mapping(document: str | None) -> Mapping[str, Any]:
    if document is None or document == "{}":
        return NOTHING
    value = _from_json(document)[0]
    if type(value) is not dict:
        raise RepositoryError(f"a job's metadata is no JSON object: {shown(value)}")
    return MappingProxyType(cast("dict[str, Any]", value))


def _document(mapping: Mapping[str, str]) -> str:
    return _to_json(dict(mapping)) if mapping else "{}"


def _status_text(status: JobStatus) -> str:
    return status.value


_to_json: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_column_values = attrgetter(*JOB_COLUMNS)
_TYPES: Mapping[FieldKind, str] = {FieldKind.INSTANT: "timestamptz", FieldKind.INTEGER: "bigint"}
_METADATA_COLUMN = list(JOB_COLUMNS).index("metadata")
_KINDS = {field.name: field.kind for field in FIELDS}
PARAMETERS: tuple[str, ...] = tuple(f"{_TYPES.get(_KINDS[name], 'text')}[]" for name in JOB_COLUMNS)
"""The type of the array that holds a column of many jobs; what has many values is one text."""

# How a field is given and read; those of other kinds are as they are.
_ENCODERS: Mapping[FieldKind, Callable[[Any], Any]] = {
    FieldKind.NAMES: array_literal,
    FieldKind.STATUS: _status_text,
    FieldKind.TEXTS: _document,
}
_DECODERS: Mapping[FieldKind, Callable[[Any], Any]] = {
    FieldKind.NAMES: tuple,
    FieldKind.INSTANT: _in_utc,
    FieldKind.STATUS: _STATUSES.__getitem__,
    FieldKind.COUNTS: _mapping,
    FieldKind.TEXTS: _mapping,
}
_ENCODED = tuple(
    (place, _ENCODERS[_KINDS[name]])
    for place, name in enumerate(JOB_COLUMNS)
    if _KINDS[name] in _ENCODERS
)


def _decoded_fields(*, optional: bool) -> tuple[tuple[int, Callable[[Any], Any]], ...]:
    return tuple(
        (POSITIONS[field.name], _DECODERS[field.kind])
        for field in FIELDS
        if field.kind in _DECODERS and field.optional is optional
    )


_DECODED, _DECODED_UNLESS_NULL = _decoded_fields(optional=False), _decoded_fields(optional=True)
