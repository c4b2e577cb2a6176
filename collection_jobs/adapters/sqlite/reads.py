"""The reading statements, as functions of a connection; each is one snapshot.

Most of them give one row of JSON documents, as `rows.page` says. The text of a job may reach
gigabytes, though, and a document is decoded in one piece while no other thread runs: so a
connection refuses documents beyond a limit, and what is beyond it is read in parts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Generic, NamedTuple, TypeVar

from collection_jobs.adapters.sqlite.decoding import (
    Parts,
    Stored,
    decoded,
    in_order,
    job_from,
    jobs_from_page,
    parts_of_row,
    stored_from,
)
from collection_jobs.adapters.sqlite.errors import primary_code
from collection_jobs.adapters.sqlite.rows import (
    HEADER,
    HEADER_FIELDS,
    JOB_ROW,
    LARGEST_DOCUMENT,
    QUICK_HEADER,
    SYMBOLS_TEXT,
    OutcomeMaps,
    decode_json,
    encode_json,
    page,
)
from collection_jobs.job import CollectionJob
from collection_jobs.stats import JobStats

__all__ = [
    "BY_STATUS",
    "NAMES_NO_JOB",
    "RECENT",
    "STATS",
    "WITH_KEYS",
    "Form",
    "Keys",
    "Page",
    "TableRows",
    "all_of",
    "find",
    "find_stored",
    "find_whole",
    "find_within",
    "list_all",
    "list_few",
    "metadata_of",
    "read_page",
    "rows_of",
    "snapshot",
    "stats",
    "stats_from",
]

_T = TypeVar("_T")

_UNLIMITED = 2**31 - 1  # SQLite takes its own maximum instead, usually a billion
_FIRST_PART, _LARGEST_PART = 16, 100  # jobs
_ROWS_PER_PART = 1_000  # symbols, or entries of metadata
# A snapshot that stays keeps the log from beginning anew; a lack of memory may pass.
_MOST_COMMITS = 3
_FEW_ROWS = 16  # may be read one by one, if they are long

# Both statements walk an index in its order and stop at the limit: nothing is sorted.
BY_STATUS = """
    SELECT key FROM jobs WHERE status = ? AND (created_at, id) > (?, ?)
    ORDER BY created_at, id LIMIT ? OFFSET ?"""
RECENT = """
    SELECT key FROM jobs WHERE created_at >= ?
    ORDER BY created_at DESC, id DESC LIMIT ?"""

_FIND = f"SELECT {JOB_ROW} FROM jobs AS j WHERE j.id = ?"  # noqa: S608 - constant text
_HEADER_OF = f"SELECT j.key, {HEADER} FROM jobs AS j WHERE j."  # noqa: S608 - constant text


class TableRows(NamedTuple):
    """The rows that a job has in a table, in the order of their names, from a name on.

    Attributes:
        rows: The statement that reads them.
        document: The statement that reads them as one JSON document.
    """

    rows: str
    document: str

    @classmethod
    def of(cls, table: str, *columns: str) -> TableRows:
        """Read these columns of a table, of which the first is the name."""
        read, name = ", ".join(columns), columns[0]
        rows = f"SELECT {read} FROM {table} WHERE job = ? AND {name} > ? ORDER BY {name} LIMIT ?"  # noqa: S608 - constant text
        document = f"SELECT json_group_array(json_array({read})) FROM ({rows})"  # noqa: S608 - constant text
        return cls(rows, document)


_SYMBOLS = TableRows.of(
    *("symbols", "symbol", "position", "candles", "failures", "is_permanent", "cursor", "error")
)
_ENTRIES = TableRows.of("metadata", "name", "value")

STATS = "j.total, j.completed, j.failed, j.candles_high, j.candles_low"
"""What the row of `jobs` has of its stats, for `stats_from`."""

_METADATA = HEADER_FIELDS.index("metadata")
_STATS = f"SELECT {STATS} FROM jobs AS j WHERE j.id = ?"  # noqa: S608 - constant text

# Only an index that a damaged file has can do so.
NAMES_NO_JOB = "an index names a job that is not there"
"""The error of a key that is none."""

Page = tuple[str, str]
"""The two texts of `rows.page`."""

Keys = tuple[str, tuple[int | str, ...]]
"""A statement that selects the keys of jobs, in an order, and its parameters."""


def find(connection: sqlite3.Connection, job_id: str) -> CollectionJob | None:
    """One job, unless its texts are beyond the connection's limit."""
    for row in connection.execute(_FIND, (job_id,)).fetchall():
        return decoded(_job_of, row)
    return None


def _job_of(row: Sequence[Any]) -> CollectionJob:
    return job_from(parts_of_row(row))


def find_whole(connection: sqlite3.Connection, job_id: str) -> CollectionJob | None:
    """One job, however long."""
    with snapshot(connection):
        parts = _in_parts(connection, "id = ?", job_id)
    return None if parts is None else decoded(job_from, parts)


def find_within(connection: sqlite3.Connection, job_id: str) -> CollectionJob | None:
    """One job, however long, within a transaction."""
    parts = _find_parts(connection, job_id)
    return None if parts is None else decoded(job_from, parts)


def find_stored(connection: sqlite3.Connection, job_id: str) -> Stored | None:
    """Return what a save compares with, within its transaction."""
    parts = _find_parts(connection, job_id)
    return None if parts is None else decoded(stored_from, parts)


def _find_parts(connection: sqlite3.Connection, job_id: str) -> Parts | None:
    try:
        with _limited(connection):
            rows = connection.execute(_FIND, (job_id,)).fetchall()
    except sqlite3.DataError as error:
        if primary_code(error) != sqlite3.SQLITE_TOOBIG:
            raise
        return _in_parts(connection, "id = ?", job_id)
    return decoded(parts_of_row, rows[0]) if rows else None


def list_few(connection: sqlite3.Connection, keys: Keys) -> list[CollectionJob]:
    """Return the jobs whose keys a statement selects, in its order, in one statement."""
    statement, parameters = keys
    return JOBS.decode_page(read_page(connection, JOBS, f"({statement})", parameters))


def list_all(connection: sqlite3.Connection, keys: Keys) -> list[CollectionJob]:
    """Return any number of jobs, however long: within one transaction, some at a time."""
    statement, parameters = keys
    with snapshot(connection):
        ((selected,),) = connection.execute(
            f"SELECT json_group_array(key) FROM ({statement}) AS wanted",  # noqa: S608 - constant text
            parameters,
        ).fetchall()
        return all_of(connection, JOBS, decoded(decode_json, selected)[0])


def all_of(connection: sqlite3.Connection, form: Form[_T], wanted: Sequence[int]) -> list[_T]:
    """Return what is read of each of the jobs with these keys, within a transaction."""
    jobs: list[_T] = []
    count = _FIRST_PART
    while len(jobs) < len(wanted):
        part = wanted[len(jobs) : len(jobs) + count]
        try:
            with _limited(connection):
                documents = read_page(connection, form, WITH_KEYS, (encode_json(part),))
        except sqlite3.DataError as error:
            if len(part) > 1:
                count = len(part) // 2
                continue
            if primary_code(error) != sqlite3.SQLITE_TOOBIG:
                raise
            jobs.append(form.read_long(connection, *part))
            count = 1
            continue
        found = form.decode_page(documents)
        if len(found) < len(part):
            raise sqlite3.DatabaseError(NAMES_NO_JOB)
        jobs += found
        count = _next_count(len(part), max(map(len, documents)), _LARGEST_PART)
    return jobs


def _next_count(count: int, length: int, most: int) -> int:
    """How many to read next, for a document of about half the limit after one of this length."""
    return max(1, min(most, 2 * count, count * (LARGEST_DOCUMENT // 2) // max(1, length)))


def read_page(
    connection: sqlite3.Connection, form: Form[Any], keys: str, parameters: tuple[Any, ...]
) -> Page:
    """Return the page of the jobs with the keys of a subquery, in its order."""
    # CROSS JOIN keeps the order of the tables, and so that of the jobs, as they are written.
    ((headers, symbols),) = connection.execute(
        f"SELECT {form.page} "  # noqa: S608 - constant text
        f"FROM {keys} AS wanted CROSS JOIN jobs AS j ON j.key = wanted.key {form.joined}",
        parameters,
    ).fetchall()
    return headers, symbols or ""


def _in_parts(connection: sqlite3.Connection, where: str, value: int | str) -> Parts | None:
    """Return one job, read a part at a time within a transaction."""
    rows = connection.execute(_HEADER_OF + where, (value,)).fetchall()
    if not rows:
        return None
    key, *header = list[Any](rows[0])
    symbols = _Symbols()
    for part in rows_of(connection, _SYMBOLS, key):
        decoded(symbols.add, part)
    header[_METADATA] = metadata_of(connection, key)
    return Parts(header, decoded(in_order, symbols.positions), symbols.outcomes)


def metadata_of(connection: sqlite3.Connection, key: int) -> dict[str, str]:
    """Read the metadata of one job, a part at a time within a transaction."""
    metadata: dict[str, str] = {}
    for part in rows_of(connection, _ENTRIES, key):
        decoded(metadata.update, part)
    return metadata


class Form(NamedTuple, Generic[_T]):
    """What is read of a job.

    Attributes:
        page: Makes the two texts of a page of the rows ``j`` of `jobs`, as `rows.page` does.
        joined: Joins what that needs further.
        decode: Builds the results of a page.
        read_long: Reads one job with a key whose texts are beyond the limit, within a transaction.
    """

    page: str
    joined: str
    decode: Callable[[str, str], list[_T]]
    read_long: Callable[[sqlite3.Connection, int], _T]

    def decode_page(self, page: Page) -> list[_T]:
        """Build the results of a page, in its order."""
        return decoded(self._decode, page)

    def _decode(self, page: Page) -> list[_T]:
        return self.decode(*page)


def _read_long(connection: sqlite3.Connection, key: int) -> CollectionJob:
    parts = _in_parts(connection, "key = ?", key)
    if parts is None:
        raise sqlite3.DatabaseError(NAMES_NO_JOB)
    return decoded(job_from, parts)


JOBS = Form(page(QUICK_HEADER, SYMBOLS_TEXT), "", jobs_from_page, _read_long)
WITH_KEYS = "(SELECT value AS key FROM json_each(?))"
"""A subquery of the keys in a JSON array."""


class _Symbols:
    """The symbols of one job, and what is known of them."""

    def __init__(self) -> None:
        self.positions: dict[str, int] = {}
        self.outcomes: OutcomeMaps = ({}, {}, {})

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        completed, details, failed = self.outcomes
        for symbol, position, candles, failures, is_permanent, cursor, error in rows:
            self.positions[symbol] = position
            if failures is not None or is_permanent or cursor is not None:
                details[symbol] = failures, is_permanent, cursor
            if candles is not None:
                completed[symbol] = candles
            if error is not None:
                failed[symbol] = error


def rows_of(
    connection: sqlite3.Connection, table: TableRows, key: int
) -> Iterator[list[Sequence[Any]]]:
    """Read the rows of one job in a table, in the order of their names, a part at a time."""
    count, last = _ROWS_PER_PART, ""
    while True:
        try:
            with _limited(connection):
                ((document,),) = connection.execute(table.document, (key, last, count)).fetchall()
            part: list[Sequence[Any]] = decoded(decode_json, document)[0]
            length = len(document)
        except sqlite3.DataError as error:
            if primary_code(error) != sqlite3.SQLITE_TOOBIG:
                raise
            if count > _FEW_ROWS:
                count = max(_FEW_ROWS, count // 4)
                continue
            # Not as JSON, which may be six times as long.
            part = connection.execute(table.rows, (key, last, count)).fetchall()
            length = LARGEST_DOCUMENT
        yield part
        if len(part) < count:
            return
        if not decoded(_last_name, part) > last:
            raise sqlite3.DatabaseError("the rows of a job are out of order")
        last = _last_name(part)
        count = _next_count(len(part), length, _ROWS_PER_PART)


def _last_name(rows: Sequence[Sequence[Any]]) -> str:
    return str(rows[-1][0])


def stats(connection: sqlite3.Connection, job_id: str) -> JobStats | None:
    """Return the stats of one job."""
    for row in connection.execute(_STATS, (job_id,)).fetchall():
        return decoded(stats_from, row)
    return None


def stats_from(row: Sequence[int]) -> JobStats:
    """Build the stats that the columns of STATS hold."""
    total, completed, failed, high, low = row
    if min(completed, failed, high, low) < 0 or not 0 < total >= completed + failed:
        raise ValueError("a wrong count of outcomes")
    return JobStats(total, completed, failed, (high << 32) + low)


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Generator[None]:
    """Read several statements from one snapshot."""
    if connection.in_transaction:  # of a call that lacked the memory even to end it
        connection.execute("ROLLBACK")
    connection.execute("BEGIN")
    try:
        yield
    finally:
        for _ in range(_MOST_COMMITS):
            with suppress(MemoryError):
                connection.execute("COMMIT")
                break


@contextmanager
def _limited(connection: sqlite3.Connection) -> Generator[None]:
    """Let a statement fail with SQLITE_TOOBIG whose answer is longer than LARGEST_DOCUMENT."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_DOCUMENT)
    try:
        yield
    finally:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _UNLIMITED)
