"""Between the entity and what SQLite stores: instants, outcomes, and jobs as JSON documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from collection_jobs.documents import from_micros, to_micros
from collection_jobs.job import CollectionJob, restore_job
from collection_jobs.status import JobStatus

__all__ = [
    "HEADER",
    "JOB_DOCUMENT",
    "LARGEST_DOCUMENT",
    "MAX_INTEGER",
    "Outcome",
    "Stored",
    "UndecodableError",
    "decoded",
    "from_json",
    "from_micros",
    "job_from",
    "jobs_from",
    "outcomes_of",
    "stored_from",
    "to_json",
    "to_micros",
]

MAX_INTEGER = 2**63 - 1
"""The greatest INTEGER of SQLite."""

Outcome = tuple[str, int, int | None, str | None]
"""One row of `symbols` but its job: symbol, position, candles, error."""

_T = TypeVar("_T")

_STATUSES = {status.value: status for status in JobStatus}

LARGEST_DOCUMENT = 2**20
"""The most bytes of JSON that are decoded in one piece, some 5 ms in which no other thread runs:
SQLITE_LIMIT_LENGTH of a connection while it makes JOB_DOCUMENT."""
_LONGEST_QUICK = 4_096  # characters

HEADER = """j.id, j.source, j.timeframe, j.range_start, j.range_end, j.created_at, j.status,
    j.started_at, j.finished_at, j.error_message, j.revision"""


def _quick(text: str) -> str:
    """A text; where it is a long one, a blob beyond the connection's limit.

    So a statement ends at the first long text, and not when it has put megabytes of them together.
    """
    return (
        f"CASE WHEN length({text}) > {_LONGEST_QUICK} "
        f"THEN zeroblob({2 * LARGEST_DOCUMENT}) ELSE {text} END"
    )


# A job, symbols and all, as one JSON array out of one statement: so it is one snapshot, and the
# thread gives up the interpreter lock once instead of once a row (with a busy event loop beside it,
# each time costs up to 5 ms: 300 rows took 2.5 s, one document of them 0.02 s). It is also faster
# than rows: 20 us instead of 30 for a job of ten symbols.
JOB_DOCUMENT = f"""json_array({HEADER.replace("j.error_message", _quick("j.error_message"))},
    (SELECT json_array(
        json_group_array(symbol),
        json_group_array(position),
        json_group_object(symbol, candles) FILTER (WHERE candles IS NOT NULL),
        json_group_object(symbol, {_quick("error")}) FILTER (WHERE error IS NOT NULL))
     FROM symbols WHERE job = j.key))"""  # noqa: S608 - constant text

# Its first element is the value. json.loads would also look for blanks around it: SQLite has none.
from_json: Callable[[str], tuple[Any, int]] = json.JSONDecoder().raw_decode
to_json: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class UndecodableError(Exception):
    """What is stored is no job: the file is damaged, or another program wrote to it."""


class Stored(NamedTuple):
    """What a save compares with.

    Attributes:
        revision: The stored revision.
        created_at: In microseconds since 1970.
        status: The status, as stored.
        outcomes: The rows of `symbols`.
    """

    revision: int
    created_at: int
    status: str
    outcomes: set[Outcome]


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


def _optional_from_micros(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def outcomes_of(job: CollectionJob) -> Iterator[Outcome]:
    """The rows of `symbols` that a job should have."""
    completed, failed = job.completed_symbols, job.failed_symbols
    for position, symbol in enumerate(job.symbols):
        yield symbol, position, completed.get(symbol), failed.get(symbol)


def stored_from(document: list[Any]) -> Stored:
    """What a save compares with, of JOB_DOCUMENT."""
    _, _, _, _, _, created_at, status, _, _, _, revision, symbols = document
    names, positions, completed, failed = symbols
    outcomes = {
        (symbol, position, completed.get(symbol), failed.get(symbol))
        for symbol, position in zip(names, positions, strict=True)
    }
    return Stored(revision, created_at, status, outcomes)


def jobs_from(documents: str) -> list[CollectionJob]:
    """The jobs in a JSON array of what JOB_DOCUMENT describes."""
    return [job_from(document) for document in from_json(documents)[0]]


def job_from(document: Iterable[Any]) -> CollectionJob:
    """The job that JOB_DOCUMENT describes; the schema's CHECKs stand for the entity's."""
    (
        job_id, source, timeframe, start, end, created_at, status,
        started_at, finished_at, error_message, revision,
        (names, positions, completed, failed),
    ) = document  # fmt: skip
    symbols: list[str] = [""] * len(names)
    for position, name in zip(positions, names, strict=True):
        symbols[position] = name
    # A damaged file may hold what no CHECK let in: what costs next to nothing is looked at again.
    if not symbols or not all(symbols):
        raise ValueError("a position without a symbol")
    if start >= end or (completed and failed and not completed.keys().isdisjoint(failed)):
        raise ValueError("an empty range, or a symbol with two outcomes")
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
