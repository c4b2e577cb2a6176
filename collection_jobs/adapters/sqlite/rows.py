"""Between the entity and what SQLite stores: instants, outcomes, and jobs as JSON documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from collection_jobs.documents import from_micros, to_micros
from collection_jobs.fields import FIELDS, NO_SYMBOLS, NOTHING, POSITIONS, Field, FieldKind
from collection_jobs.job import CollectionJob, restore_job
from collection_jobs.status import JobStatus

__all__ = [
    "COUNT_COLUMNS",
    "HEADER",
    "JOB_DOCUMENT",
    "LARGEST_DOCUMENT",
    "MAX_INTEGER",
    "METADATA_DOCUMENT",
    "NO_DETAILS",
    "ROW_COLUMNS",
    "Details",
    "OutcomeRow",
    "Stored",
    "UndecodableError",
    "counts_of",
    "decode_columns",
    "decode_json",
    "decoded",
    "elements",
    "encode_json",
    "has_outcomes",
    "in_order",
    "job_from_document",
    "outcomes_of",
    "quick",
    "row_values",
    "stored_from",
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

_T = TypeVar("_T")

_STATUSES = {status.value: status for status in JobStatus}

LARGEST_DOCUMENT = 2**20
"""The most bytes of JSON that are decoded in one piece, some 5 ms in which no other thread runs:
SQLITE_LIMIT_LENGTH of a connection while it makes JOB_DOCUMENT."""
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


def elements(symbols: str, metadata: str, long_text: Callable[[str], str]) -> str:
    """Give an SQL expression for each field, in the fields' order, as JOB_DOCUMENT has them."""
    special = {"symbols": symbols, "metadata": metadata, "revision": "j.revision"}
    special |= {
        field.name: long_text(f"j.{ROW_COLUMNS[field.name]}")
        for field in _ROW_FIELDS
        if field.kind is FieldKind.TEXT
    }
    return ", ".join(
        special.get(field.name)
        or (f"j.{ROW_COLUMNS[field.name]}" if field.name in ROW_COLUMNS else "NULL")
        for field in FIELDS
    )


METADATA_DOCUMENT = f"""(SELECT json_group_object(name, {quick("value")}) FROM metadata
    WHERE job = j.key)"""  # noqa: S608 - constant text
"""The metadata of a job as a JSON object."""
HEADER = elements("NULL", "NULL", str)
"""What the row of `jobs` has of each field, in the fields' order; NULL for the others."""


def _symbols_document(details: str) -> str:
    return f"""(SELECT json_array(
        json_group_object(symbol, position),
        json_group_object(symbol, candles) FILTER (WHERE candles IS NOT NULL),
        {details},
        json_group_object(symbol, {quick("error")}) FILTER (WHERE error IS NOT NULL))
    FROM symbols WHERE job = j.key)"""  # noqa: S608 - constant text


_DETAILS = """json_group_object(symbol, json_array(failures, is_permanent, cursor))
        FILTER (WHERE failures IS NOT NULL OR is_permanent OR cursor IS NOT NULL)"""
_SYMBOLS_DOCUMENT = (
    f"CASE WHEN j.has_details THEN {_symbols_document(_DETAILS)} "
    f"ELSE {_symbols_document('json_object()')} END"
)
# A job, symbols and all, as one JSON array out of one statement: so it is one snapshot, and the
# thread gives up the interpreter lock once instead of once a row (with a busy event loop beside it,
# each time costs up to 5 ms: 300 rows took 2.5 s, one document of them 0.02 s). It is also faster
# than rows: 20 us instead of 30 for a job of ten symbols.
JOB_DOCUMENT = f"json_array({elements(_SYMBOLS_DOCUMENT, METADATA_DOCUMENT, quick)})"
"""One element for each field, in the fields' order; the outcomes stand with the symbols."""

# Its first element is the value. json.loads would also look for blanks around it: SQLite has none.
decode_json: Callable[[str], tuple[Any, int]] = json.JSONDecoder().raw_decode
encode_json: Callable[[Any], str] = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":")
).encode


class UndecodableError(Exception):
    """What is stored is no job: the file is damaged, or another program wrote to it."""


class Stored(NamedTuple):
    """What a save compares with.

    Attributes:
        revision: The stored revision.
        row: What the columns of `ROW_COLUMNS` hold, in their order.
        outcomes: The rows of `symbols`.
        metadata: The rows of `metadata`.
    """

    revision: int
    row: list[Any]
    outcomes: set[OutcomeRow]
    metadata: dict[str, str]


def decoded(decode: Callable[[Any], _T], document: Any) -> _T:
    """Decode what was read, in the one place where that may fail.

    A file's checksum is nobody's: a damaged page may hold anything, of which SQLite itself notices
    a part only.

    Raises:
        UndecodableError: It is not what this package writes.
    """
    try:
        return decode(document)
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise UndecodableError(f"{type(error).__name__}: {error}") from error


# Ranges begin and end where days and months do: few instants, which many jobs share.
_boundary = lru_cache(maxsize=1024)(from_micros)


def _status_text(status: JobStatus) -> str:
    return status.value


# How a field is held, where it is not None; those of other kinds are held as they are.
_ENCODERS: Mapping[FieldKind, Callable[[Any], Any]] = {
    FieldKind.INSTANT: to_micros,
    FieldKind.STATUS: _status_text,
}
_DECODERS: Mapping[FieldKind, Callable[[Any], Any]] = {
    FieldKind.INSTANT: from_micros,
    FieldKind.STATUS: _STATUSES.__getitem__,
    FieldKind.TEXTS: MappingProxyType,
}
_QUICKER: Mapping[str, Callable[[int], datetime]] = {"start": _boundary, "end": _boundary}
_ENCODED = tuple(
    (place, _ENCODERS[field.kind])
    for place, field in enumerate(_ROW_FIELDS)
    if field.kind in _ENCODERS
)


def _decoded_fields(*, optional: bool) -> tuple[tuple[int, Callable[[Any], Any]], ...]:
    return tuple(
        (POSITIONS[field.name], _QUICKER.get(field.name, _DECODERS[field.kind]))
        for field in FIELDS
        if field.kind in _DECODERS
        and field.optional is optional
        and field.name != "failed_symbols"  # it stands with the symbols
    )


_DECODED, _DECODED_UNLESS_NULL = _decoded_fields(optional=False), _decoded_fields(optional=True)
_row_values = attrgetter(*ROW_COLUMNS)

_START, _END, _SYMBOLS = POSITIONS["start"], POSITIONS["end"], POSITIONS["symbols"]
_REVISION = POSITIONS["revision"]
_ROW_PLACES = tuple(POSITIONS[name] for name in ROW_COLUMNS)
_COMPLETED, _FAILED = POSITIONS["completed_symbols"], POSITIONS["failed_symbols"]
_METADATA = POSITIONS["metadata"]
_PERMANENT, _FAILURES, _CURSORS = (
    POSITIONS["permanent_failures"],
    POSITIONS["failure_counts"],
    POSITIONS["cursors"],
)


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


def stored_from(document: Sequence[Any]) -> Stored:
    """Give what a save compares with, of JOB_DOCUMENT."""
    positions, completed, details, failed = document[_SYMBOLS]
    outcomes: set[OutcomeRow] = {
        (
            symbol,
            position,
            completed.get(symbol),
            *details.get(symbol, NO_DETAILS),
            failed.get(symbol),
        )
        for symbol, position in positions.items()
    }
    return Stored(
        document[_REVISION],
        [document[place] for place in _ROW_PLACES],
        outcomes,
        document[_METADATA],
    )


def job_from_document(document: list[Any]) -> CollectionJob:
    """Build the job that JOB_DOCUMENT describes; the schema's CHECKs stand for the entity's.

    Args:
        document: What was decoded; it is used up.
    """
    positions, completed, details, failed = document[_SYMBOLS]
    if completed and failed and not completed.keys().isdisjoint(failed):
        raise ValueError("a symbol with two outcomes")
    if details:
        _put_details(document, details, completed, failed)
    else:
        document[_PERMANENT], document[_FAILURES], document[_CURSORS] = NO_SYMBOLS, NOTHING, NOTHING
    decode_columns(document)
    document[_SYMBOLS] = in_order(positions)
    document[_COMPLETED] = MappingProxyType(completed)
    document[_FAILED] = MappingProxyType(failed)
    return restore_job(document)


def in_order(positions: Mapping[str, int]) -> tuple[str, ...]:
    """Give symbols in the order of their positions."""
    symbols: list[str] = [""] * len(positions)
    for symbol, position in positions.items():
        symbols[position] = symbol
    # A damaged file may hold what no CHECK let in: what costs next to nothing is looked at again.
    if not symbols or not all(symbols):
        raise ValueError("a position without a symbol")
    return tuple(symbols)


def decode_columns(document: list[Any]) -> None:
    """Put the values of the entity in place of those of the columns."""
    if document[_START] >= document[_END]:
        raise ValueError("an empty range")
    for place, decode in _DECODED:
        document[place] = decode(document[place])
    for place, decode in _DECODED_UNLESS_NULL:
        value = document[place]
        if value is not None:
            document[place] = decode(value)


def _put_details(
    document: list[Any],
    details: Mapping[str, Details],
    completed: Mapping[str, int],
    failed: Mapping[str, str],
) -> None:
    start, end = document[_START], document[_END]
    permanent: list[str] = []
    counts: dict[str, int] = {}
    cursors: dict[str, datetime] = {}
    for symbol, (failures, is_permanent, cursor) in details.items():
        if failures is not None:
            if failures < 1:
                raise ValueError("a count of failures below 1")
            counts[symbol] = failures
        if is_permanent:
            if is_permanent != 1 or symbol not in failed:
                raise ValueError("a permanent failure that is none")
            permanent.append(symbol)
        if cursor is not None:
            if symbol in completed or not start <= cursor <= end:
                raise ValueError("a cursor outside the range, or of a completed symbol")
            cursors[symbol] = from_micros(cursor)
    document[_PERMANENT] = frozenset(permanent) if permanent else NO_SYMBOLS
    document[_FAILURES] = MappingProxyType(counts) if counts else NOTHING
    document[_CURSORS] = MappingProxyType(cursors) if cursors else NOTHING
