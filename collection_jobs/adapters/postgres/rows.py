"""Between the entity and what PostgreSQL is told: rows to jobs, and jobs to arrays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from collection_jobs.errors import RepositoryError
from collection_jobs.fields import (
    FIELD_NAMES,
    FIELDS,
    NO_SYMBOLS,
    NOTHING,
    POSITIONS,
    Field,
    FieldKind,
)
from collection_jobs.job import CollectionJob, restore_job
from collection_jobs.restoring import compile_restorer
from collection_jobs.status import JobStatus
from collection_jobs.validation import shown

__all__ = [
    "COUNTERS",
    "JOB_COLUMNS",
    "LARGEST_TEXT_DOCUMENT",
    "MOST_OUTCOMES",
    "OUTCOME_COLUMNS",
    "PARAMETERS",
    "Outcomes",
    "array_literal",
    "columns_of",
    "decoders_of",
    "document_of",
    "has_large_metadata",
    "job_from_row",
    "jobs_from_rows",
    "mapping_from",
    "row_of",
    "sparse_columns_of",
    "status_of",
    "utc",
    "weight_of",
]

_STATUSES = {status.value: status for status in JobStatus}
_OF_SYMBOLS = (
    *("completed_symbols", "failed_symbols", "permanent_failures", "failure_counts", "cursors"),
)


class Outcomes(NamedTuple):
    """What is known of the symbols of a job, as it is gathered: the entity's fields of these names.

    Attributes:
        completed_symbols: Candles.
        failed_symbols: Errors.
        permanent_failures: Symbols.
        failure_counts: How many.
        cursors: Instants.
    """

    completed_symbols: dict[str, int]
    failed_symbols: dict[str, str]
    permanent_failures: set[str]
    failure_counts: dict[str, int]
    cursors: dict[str, datetime]

    @classmethod
    def none(cls) -> Outcomes:
        """Start with nothing."""
        return cls({}, {}, set(), {}, {})

    def fields(self) -> Iterator[tuple[str, Any]]:
        """Give each field's name and its value as the entity has it."""
        values: tuple[Any, ...] = self
        for name, value in zip(self._fields, values, strict=True):
            yield name, MappingProxyType(value) if isinstance(value, dict) else frozenset(value)


JOB_COLUMNS: Mapping[str, str] = {
    name: f"range_{name}" if name in ("start", "end") else name
    for name in FIELD_NAMES
    if name not in (*_OF_SYMBOLS, "revision")
}
"""The columns of ``jobs`` that hold a field each, by the fields' names; the revision left out."""

COUNTERS: Mapping[str, str] = {"completed": "integer", "failed": "integer", "candles": "text"}
"""The columns of ``jobs`` that count its outcomes, each with the type that it is given as: the sum
may be more than a bigint holds."""

OUTCOME_COLUMNS: Mapping[str, str] = {
    "candles": "bigint",
    "permanent": "boolean",
    "failures": "bigint",
    "until": "timestamptz",
    "error": "text",
}
"""The columns of ``outcomes`` that hold what is known of a symbol, and their types."""

MOST_OUTCOMES = 5_000
"""Outcomes of a job that are read within its row; one more shows that there are more."""
_FAILED, _METADATA = POSITIONS["failed_symbols"], POSITIONS["metadata"]
_LONG_ERROR = '" : null'
LARGEST_TEXT_DOCUMENT = 1_000_000
"""Characters of errors that are decoded at once: some milliseconds."""


def array_literal(texts: Iterable[str]) -> str:
    """Return some texts as PostgreSQL writes an array of them: one row holds one such literal."""
    quoted = '","'.join([text.replace("\\", "\\\\").replace('"', '\\"') for text in texts])
    return f'{{"{quoted}"}}'


def weight_of(rows: Iterable[Any]) -> int | None:
    """Count the characters of long texts in some rows; None if a job is to be read in parts.

    It is where its row does not hold all its outcomes or its metadata, which is null then, or too
    much to be decoded at once. An error that is left out is told by its document as it is written:
    where an error's text looks like one, the job is read in parts for nothing.
    """
    total = 0
    for row in rows:
        failed, metadata = row[_FAILED] or "", row[_METADATA]
        if metadata is None or len(metadata) > LARGEST_TEXT_DOCUMENT:
            return None
        total += len(failed) + len(metadata)
        if len(failed) > LARGEST_TEXT_DOCUMENT or _LONG_ERROR in failed:
            return None
    return total


def has_large_metadata(row: Sequence[Any]) -> bool:
    """Tell whether a row without outcomes leaves its metadata to be read in parts."""
    return row[_METADATA] is None


def job_from_row(
    row: Iterable[Any], outcomes: Outcomes | None = None, metadata: dict[str, str] | None = None
) -> CollectionJob:
    """Build the job in a row, as `jobs_from_rows` does.

    Args:
        row: What the statements read of a job.
        outcomes: What is known of the symbols if it was read apart.
        metadata: The metadata if it was read apart.
    """
    (job,) = jobs_from_rows((row,))
    if outcomes is None and metadata is None:
        return job
    values = list(_values_of(job))
    if outcomes is not None:
        for name, value in outcomes.fields():
            values[POSITIONS[name]] = value
    if metadata is not None:
        values[_METADATA] = MappingProxyType(metadata)
    return restore_job(values)


def row_of(job: CollectionJob, *, with_metadata: bool = True) -> list[Any]:
    """Give what `JOB_COLUMNS` and `COUNTERS` hold of a job, in their order, as `PARAMETERS`."""
    values = list(_column_values(job))
    if not with_metadata:
        values[_METADATA_COLUMN] = NOTHING
    for place, encode in _ENCODED:
        values[place] = encode(values[place])
    completed = job.completed_symbols
    candles = str(sum(completed.values())) if completed else "0"
    return [*values, len(completed), len(job.failed_symbols), candles]


# `decode` looks for what may stand before and after a document, where PostgreSQL writes nothing;
# that takes longer than a document of a few outcomes.
_from_json: Callable[[str], tuple[Any, int]] = json.JSONDecoder().raw_decode


def utc(instant: datetime) -> datetime:
    """Return an instant of asyncpg's in UTC: the year 9999's end is an infinity without one."""
    return instant if instant.tzinfo is UTC else instant.replace(tzinfo=UTC)


def columns_of(rows: Iterable[Iterable[Any]]) -> list[list[Any]]:
    """Turn rows into columns, which the statements take as arrays."""
    return [list(column) for column in zip(*rows, strict=True)]


def sparse_columns_of(rows: Iterable[Iterable[Any]]) -> list[list[Any]]:
    """Turn rows into columns, one without any value into an empty one.

    Where a statement takes several arrays together, what is missing at the end of one is null.
    """
    columns = columns_of(rows)
    return [[] if column[-1] is None and _is_empty(column) else column for column in columns]


def _is_empty(column: list[Any]) -> bool:
    return column.count(None) == len(column)


def mapping_from(document: str | None) -> Mapping[str, Any]:
    """Return the mapping in a JSON document, which may be missing, read-only."""
    if document is None or document == "{}":
        return NOTHING
    value = _from_json(document)[0]
    if type(value) is not dict:
        raise RepositoryError(f"a job's metadata is no JSON object: {shown(value)}")
    return MappingProxyType(cast("dict[str, Any]", value))


def _names_from(document: str | None) -> frozenset[str]:
    return NO_SYMBOLS if document is None else frozenset(_from_json(document)[0])


# PostgreSQL writes the first and the last instant as infinities here, too, as it was given them.
_INFINITE = {
    "-infinity": datetime.min.replace(tzinfo=UTC),
    "infinity": datetime.max.replace(tzinfo=UTC),
}


def _instant_from(text: str) -> datetime:
    return _INFINITE.get(text) or datetime.fromisoformat(text).replace(tzinfo=UTC)


def _instants_from(document: str | None) -> Mapping[str, datetime]:
    if document is None:
        return NOTHING
    values: dict[str, str] = _from_json(document)[0]
    return MappingProxyType({name: _instant_from(text) for name, text in values.items()})


def document_of(mapping: Mapping[str, str]) -> str:
    """Return a mapping as a JSON document."""
    return _to_json(dict(mapping)) if mapping else "{}"


status_of: Callable[[str], JobStatus] = _STATUSES.__getitem__
"""Give the status of a text."""


def _status_text(status: JobStatus) -> str:
    return status.value


_to_json: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_column_values = attrgetter(*JOB_COLUMNS)
_TYPES: Mapping[FieldKind, str] = {FieldKind.INSTANT: "timestamptz", FieldKind.INTEGER: "bigint"}
_METADATA_COLUMN = list(JOB_COLUMNS).index("metadata")
_KINDS = {field.name: field.kind for field in FIELDS}
PARAMETERS: tuple[str, ...] = (
    *(f"{_TYPES.get(_KINDS[name], 'text')}[]" for name in JOB_COLUMNS),
    *(f"{type_}[]" for type_ in COUNTERS.values()),
)
"""The type of the array that holds a column of many jobs; what has many values is one text."""

# How a field is given and read; those of other kinds are as they are.
_ENCODERS: Mapping[FieldKind, Callable[[Any], Any]] = {
    FieldKind.NAMES: array_literal,
    FieldKind.STATUS: _status_text,
    FieldKind.TEXTS: document_of,
}
_DECODERS: Mapping[FieldKind, Callable[[Any], Any]] = {
    FieldKind.NAMES: tuple,
    FieldKind.INSTANT: utc,
    FieldKind.STATUS: status_of,
    FieldKind.COUNTS: mapping_from,
    FieldKind.TEXTS: mapping_from,
    FieldKind.NAME_SET: _names_from,
    FieldKind.INSTANTS: _instants_from,
}
_ENCODED = tuple(
    (place, _ENCODERS[_KINDS[name]])
    for place, name in enumerate(JOB_COLUMNS)
    if _KINDS[name] in _ENCODERS
)


def decoders_of(names: Iterable[str]) -> tuple[Callable[[Any], Any] | None, ...]:
    """Give what reads each of some fields from its column, unless that is null; None: nothing."""
    return tuple(_DECODERS.get(_KINDS[name]) for name in names)


def _expression(field: Field) -> str:
    name, kind = f"its_{field.name}", field.kind
    if kind not in _DECODERS:
        return name
    decoding = f"decode_{field.name}({name})"
    if kind is FieldKind.INSTANT:  # asyncpg's, mostly, are right
        decoding = f"{name} if {name}.tzinfo is UTC else {decoding}"
    elif kind is FieldKind.COUNTS or field.name == "failed_symbols":  # the statement's own JSON
        return f"NOTHING if {name} is None else read_only(from_json({name})[0])"
    elif kind is FieldKind.TEXTS:
        return f"NOTHING if {name} is None or {name} == '{{}}' else {decoding}"
    return f"None if {name} is None else {decoding}" if field.optional else decoding


_values_of = attrgetter(*FIELD_NAMES)
jobs_from_rows: Callable[[Iterable[Any]], list[CollectionJob]] = compile_restorer(
    ", ".join(f"its_{name}" for name in FIELD_NAMES),
    {field.name: _expression(field) for field in FIELDS},
    {"UTC": UTC, "NOTHING": NOTHING, "read_only": MappingProxyType, "from_json": _from_json}
    | {f"decode_{it.name}": _DECODERS[it.kind] for it in FIELDS if it.kind in _DECODERS},
)
"""Build the jobs in rows of one value for each field, in the fields' order, as the statements read
them; the schema's constraints stand for the entity's."""
