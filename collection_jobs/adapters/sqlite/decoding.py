"""From what SQLite gives of a job to the entity: `rows` has the expressions that read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from collection_jobs.adapters.sqlite.rows import (
    HEADER_FIELDS,
    NO_DETAILS,
    ROW_COLUMNS,
    Details,
    OutcomeMaps,
    OutcomeRow,
    decode_json,
)
from collection_jobs.documents import from_micros
from collection_jobs.fields import FIELDS, NO_SYMBOLS, NOTHING, FieldKind
from collection_jobs.job import CollectionJob
from collection_jobs.restoring import compile_restorer
from collection_jobs.status import JobStatus

__all__ = [
    "CHECK_RANGE",
    "DECODERS",
    "HEADER_EXPRESSIONS",
    "HEADER_NAMES",
    "Parts",
    "Stored",
    "UndecodableError",
    "decoded",
    "in_order",
    "job_from",
    "jobs_from_page",
    "parts_of_row",
    "stored_from",
    "symbol_lines",
    "symbols_in",
]

_T = TypeVar("_T")


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


class Parts(NamedTuple):
    """What was read of one job.

    Attributes:
        header: The values of `HEADER_FIELDS`, as they are stored; the metadata as a dict, or None.
        symbols: The symbols, in their order.
        outcomes: What is known of them.
    """

    header: Sequence[Any]
    symbols: tuple[str, ...]
    outcomes: OutcomeMaps


def parts_of_row(row: Sequence[Any]) -> Parts:
    """Take apart what JOB_ROW gives, of which more may follow."""
    header = list(row[:_OF_HEADER])
    metadata = header[_METADATA]
    if metadata is not None:
        header[_METADATA] = decode_json(metadata)[0]
    positions, outcomes = row[_OF_HEADER].split("\n")
    return Parts(header, symbols_in(positions), decode_json(outcomes)[0])


def stored_from(parts: Parts) -> Stored:
    """Give what a save compares with."""
    header = parts.header
    completed, details, failed = parts.outcomes
    outcomes: set[OutcomeRow] = {
        (
            symbol,
            position,
            completed.get(symbol),
            *details.get(symbol, NO_DETAILS),
            failed.get(symbol),
        )
        for position, symbol in enumerate(parts.symbols)
    }
    return Stored(
        header[_REVISION], list(header[: len(ROW_COLUMNS)]), outcomes, header[_METADATA] or {}
    )


def job_from(parts: Parts) -> CollectionJob:
    """Build one job; the schema's CHECKs stand for the entity's."""
    (job,) = _restore((parts,))
    return job


def jobs_from_page(headers: str, symbols: str) -> list[CollectionJob]:
    """Build the jobs of a page of QUICK_HEADER and SYMBOLS_TEXT."""
    lines = symbol_lines(symbols)
    outcomes = decode_json(f"[{','.join(lines[1::2])}]")[0]
    return _restore(
        zip(decode_json(headers)[0], map(symbols_in, lines[::2]), outcomes, strict=True)
    )


def symbol_lines(symbols: str) -> list[str]:
    """Take apart the symbols of a page; one without jobs has none."""
    return symbols.split("\n") if symbols else []


def symbols_in(positions: str) -> tuple[str, ...]:
    """Give the symbols of a text of their positions, in their order."""
    return _known_symbols(positions) if len(positions) <= _LONGEST_KNOWN else _symbols(positions)


def _symbols(positions: str) -> tuple[str, ...]:
    return in_order(decode_json(positions)[0])


# A plan makes many jobs of the same symbols: they share one tuple. Some 8 MB at most.
_LONGEST_KNOWN = 8_192  # characters
_known_symbols = lru_cache(maxsize=256)(_symbols)


def in_order(positions: Mapping[str, int]) -> tuple[str, ...]:
    """Give symbols in the order of their positions."""
    symbols: list[str] = [""] * len(positions)
    for symbol, position in positions.items():
        symbols[position] = symbol
    # A damaged file may hold what no CHECK let in: what costs next to nothing is looked at again.
    if not symbols or not all(symbols):
        raise ValueError("a position without a symbol")
    return tuple(symbols)


# Ranges begin and end where days and months do: few instants, which many jobs share.
_boundary = lru_cache(maxsize=1024)(from_micros)
# How a field is read, where it is not None; those of other kinds are as they are.
_OF_KIND: Mapping[FieldKind, Callable[[Any], Any]] = {
    FieldKind.INSTANT: from_micros,
    FieldKind.STATUS: {status.value: status for status in JobStatus}.__getitem__,
    FieldKind.TEXTS: MappingProxyType,
}
_OF_FIELD: Mapping[str, Callable[[int], datetime]] = {"start": _boundary, "end": _boundary}
_KINDS = {field.name: field.kind for field in FIELDS}
_OPTIONAL = {field.name for field in FIELDS if field.optional}

DECODERS: Mapping[str, object] = {"NOTHING": NOTHING} | {
    f"decode_{name}": _OF_FIELD.get(name, _OF_KIND[_KINDS[name]])
    for name in HEADER_FIELDS
    if _KINDS[name] in _OF_KIND
}
"""What HEADER_EXPRESSIONS use besides HEADER_NAMES."""


def _expression(name: str) -> str:
    if _KINDS[name] not in _OF_KIND:
        return f"its_{name}"
    decoding = f"decode_{name}(its_{name})"
    if _KINDS[name] is FieldKind.TEXTS:
        return f"{decoding} if its_{name} else NOTHING"
    return f"None if its_{name} is None else {decoding}" if name in _OPTIONAL else decoding


HEADER_NAMES: str = ", ".join(f"its_{name}" for name in HEADER_FIELDS)
"""What a header is assigned to."""
HEADER_EXPRESSIONS: Mapping[str, str] = {name: _expression(name) for name in HEADER_FIELDS}
"""The values of the entity that a header holds, by the names of the fields."""
CHECK_RANGE = "if its_start >= its_end: raise ValueError('an empty range')"
"""A statement that refuses what the entity would refuse of a header."""

_REVISION, _METADATA = HEADER_FIELDS.index("revision"), HEADER_FIELDS.index("metadata")
_OF_HEADER = len(HEADER_FIELDS)


def _details_from(
    start: int,
    end: int,
    completed: Mapping[str, int],
    details: Mapping[str, Details],
    failed: Mapping[str, str],
) -> tuple[frozenset[str], Mapping[str, int], Mapping[str, datetime]]:
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
    return (
        frozenset(permanent) if permanent else NO_SYMBOLS,
        MappingProxyType(counts) if counts else NOTHING,
        MappingProxyType(cursors) if cursors else NOTHING,
    )


def _check_disjoint(completed: Mapping[str, int], failed: Mapping[str, str]) -> None:
    if not completed.keys().isdisjoint(failed):
        raise ValueError("a symbol with two outcomes")


_CHECK_OUTCOMES = "completed and failed and check_disjoint(completed, failed)"
_GET_DETAILS = (
    "permanent, counts, cursors = "
    "details_from(its_start, its_end, completed, details, failed) if details else no_details"
)
_restore = compile_restorer(
    f"({HEADER_NAMES}), symbols, (completed, details, failed)",
    {
        **HEADER_EXPRESSIONS,
        "symbols": "symbols",
        "completed_symbols": "read_only(completed) if completed else NOTHING",
        "failed_symbols": "read_only(failed) if failed else NOTHING",
        "permanent_failures": "permanent",
        "failure_counts": "counts",
        "cursors": "cursors",
    },
    {
        **DECODERS,
        "read_only": MappingProxyType,
        "check_disjoint": _check_disjoint,
        "details_from": _details_from,
        "no_details": (NO_SYMBOLS, NOTHING, NOTHING),
    },
    first=(CHECK_RANGE, _CHECK_OUTCOMES, _GET_DETAILS),
)
