"""How SQLite holds a job, and the SQL expressions that read it; `decoding` is the way back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any

from collection_jobs.documents import to_micros
from collection_jobs.fields import FIELDS, Field, FieldKind
from collection_jobs.job import CollectionJob
from collection_jobs.status import JobStatus

__all__ = [
    "COUNT_COLUMNS",
    "HEADER",
    "HEADER_FIELDS",
    "JOB_ROW",
    "LARGEST_DOCUMENT",
    "MAX_INTEGER",
    "NAMES_TEXT",
    "NO_DETAILS",
    "QUICK_HEADER",
    "ROW_COLUMNS",
    "SYMBOLS_TEXT",
    "Details",
    "OutcomeMaps",
    "OutcomeRow",
    "counts_of",
    "decode_json",
    "encode_json",
    "has_outcomes",
    "outcomes_of",
    "page",
    "row_values",
]

MAX_INTEGER = 2**63 - 1
"""The greatest INTEGER of SQLite."""

OutcomeRow = tuple[str, int, int | None, int | None, int, int | None, str | None]
"""One row of `symbols` but its job: symbol, position, candles, failures, is_permanent, cursor,
error."""

Details = tuple[int | None, int, int | None]
"""What stands beside the outcome of a symbol: failures, is_permanent, cursor."""

NO_DETAILS: Details = (None, 0, None)
"""What stands beside most outcomes."""

OutcomeMaps = tuple[dict[str, int], dict[str, Details], dict[str, str]]
"""What is known of the symbols of a job: candles, details and errors of those that have them."""

LARGEST_DOCUMENT = 2**20
"""The most bytes of JSON that are decoded in one piece, some 5 ms in which no other thread runs:
SQLITE_LIMIT_LENGTH of a connection while it reads jobs."""
_LONGEST_QUICK = 4_096  # characters

_OF_MANY = (
    *(FieldKind.NAMES, FieldKind.COUNTS, FieldKind.TEXTS),
    *(FieldKind.NAME_SET, FieldKind.INSTANTS),
)
# A field is a column of `jobs`, unless it is one of many values.
_ROW_FIELDS = tuple(
    field for field in FIELDS if field.kind not in _OF_MANY and field.name != "revision"
)


def _column(field: Field) -> str:
    return f"range_{field.name}" if field.name in ("start", "end") else field.name


ROW_COLUMNS: Mapping[str, str] = {field.name: _column(field) for field in _ROW_FIELDS}
"""The columns of `jobs` that hold a field each, by the fields' names; the revision left out."""


COUNT_COLUMNS = (*("has_details", "total", "completed", "failed", "candles_high", "candles_low"),)
"""The columns of `jobs` that say of the symbols in short what their rows hold."""


def quick(text: str) -> str:
    """Return a text; where it is a long one, a blob beyond the connection's limit.

    So a statement ends at the first long text, and not when it has put megabytes of them together.
    """
    return (
        f"CASE WHEN length({text}) > {_LONGEST_QUICK} "
        f"THEN zeroblob({2 * LARGEST_DOCUMENT}) ELSE {text} END"
    )


# Most jobs have none: to see that takes half as long as to make an empty object.
_METADATA = f"""CASE WHEN EXISTS (SELECT 1 FROM metadata WHERE job = j.key) THEN
    (SELECT json_group_object(name, {quick("value")}) FROM metadata WHERE job = j.key) END"""  # noqa: S608 - constant text


def header(metadata: str, long_text: Callable[[str], str]) -> str:
    """Give the SQL expressions of `HEADER_FIELDS`, in their order."""
    special = {"revision": "j.revision", "metadata": metadata}
    special |= {
        field.name: long_text(f"j.{ROW_COLUMNS[field.name]}")
        for field in _ROW_FIELDS
        if field.kind is FieldKind.TEXT
    }
    return ", ".join(special.get(name) or f"j.{ROW_COLUMNS[name]}" for name in HEADER_FIELDS)


HEADER_FIELDS: tuple[str, ...] = (*ROW_COLUMNS, "revision", "metadata")
"""The fields of a job's header: what is read of it beside its symbols."""
HEADER = header("NULL", str)
"""The header without the metadata, its texts however long."""
QUICK_HEADER = header(_METADATA, quick)
"""The header; a long text is a blob beyond the connection's limit."""

NAMES_TEXT = "(SELECT json_group_object(symbol, position) FROM symbols WHERE job = j.key)"
"""The symbols of a job with their positions."""


def _symbols_text(details: str) -> str:
    return f"""(SELECT json_group_object(symbol, position) || char(10) || json_array(
        json_group_object(symbol, candles) FILTER (WHERE candles IS NOT NULL),
        {details},
        json_group_object(symbol, {quick("error")}) FILTER (WHERE error IS NOT NULL))
    FROM symbols WHERE job = j.key)"""  # noqa: S608 - constant text


_DETAILS = """json_group_object(symbol, json_array(failures, is_permanent, cursor))
        FILTER (WHERE failures IS NOT NULL OR is_permanent OR cursor IS NOT NULL)"""
# JSON has no line break, so lines can be told apart without being decoded: many jobs have the same
# symbols, which are decoded once.
SYMBOLS_TEXT = (
    f"CASE WHEN j.has_details THEN {_symbols_text(_DETAILS)} "
    f"ELSE {_symbols_text('json_object()')} END"
)
"""The symbols of a job in two lines: their positions, and what is known of them (`OutcomeMaps`)."""

JOB_ROW = f"{QUICK_HEADER}, {SYMBOLS_TEXT}"
"""A job in one row of a single statement, for `parts_of_row`."""


def page(header: str, symbols: str) -> str:
    """Give the SQL expressions of many jobs in one row: their headers, and a text of each.

    One row out of one statement is one snapshot, and the thread gives up the interpreter lock once
    instead of once a row: with a busy event loop beside it, each time costs up to 5 ms (300 rows
    took 2.5 s, one document of them 0.02 s).
    """
    return f"json_group_array(json_array({header})), group_concat({symbols}, char(10))"


# Its first element is the value. json.loads would also look for blanks around it: SQLite has none.
decode_json: Callable[[str], tuple[Any, int]] = json.JSONDecoder().raw_decode
encode_json: Callable[[Any], str] = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":")
).encode


def _status_text(status: JobStatus) -> str:
    return status.value


# How a field is held, where it is not None; those of other kinds are held as they are.
_ENCODERS: Mapping[FieldKind, Callable[[Any], Any]] = {
    FieldKind.INSTANT: to_micros,
    FieldKind.STATUS: _status_text,
}
_ENCODED = tuple(
    (place, _ENCODERS[field.kind])
    for place, field in enumerate(_ROW_FIELDS)
    if field.kind in _ENCODERS
)


_row_values = attrgetter(*ROW_COLUMNS)


def row_values(job: CollectionJob) -> list[Any]:
    """Give what the columns of `ROW_COLUMNS` hold of a job, in their order."""
    values = list(_row_values(job))
    for place, encode in _ENCODED:
        value = values[place]
        if value is not None:
            values[place] = encode(value)
    return values


def outcomes_of(job: CollectionJob) -> Iterator[OutcomeRow]:
    """Give the rows of `symbols` that a job should have."""
    completed, failed, details = job.completed_symbols, job.failed_symbols, _details_of(job)
    for position, symbol in enumerate(job.symbols):
        failures, is_permanent, cursor = details.get(symbol, NO_DETAILS)
        yield (
            *(symbol, position, completed.get(symbol)),
            *(failures, is_permanent, cursor, failed.get(symbol)),
        )


def _details_of(job: CollectionJob) -> Mapping[str, Details]:
    """Give failures, is_permanent and cursor of the symbols that have any of them."""
    counts, permanent, cursors = job.failure_counts, job.permanent_failures, job.cursors
    return {
        symbol: (
            counts.get(symbol),
            int(symbol in permanent),
            to_micros(cursors[symbol]) if symbol in cursors else None,
        )
        for symbol in counts.keys() | permanent | cursors.keys()
    }


def counts_of(job: CollectionJob) -> tuple[int, ...]:
    """Give what the columns of `COUNT_COLUMNS` hold of a job, in their order."""
    candles = job.completed_symbols.values()
    return (
        int(bool(job.failure_counts or job.cursors or job.permanent_failures)),
        len(job.symbols),
        len(candles),
        len(job.failed_symbols),
        sum([one >> 32 for one in candles]),
        sum([one & 0xFFFFFFFF for one in candles]),
    )


def has_outcomes(job: CollectionJob) -> bool:
    """Return whether more is to be stored of the symbols than their names."""
    return bool(
        job.completed_symbols or job.failed_symbols or job.failure_counts or job.cursors
    )  # whoever is permanent has failed
