"""The reading statements, as functions of a connection; each is one snapshot.

Most of them make one JSON document, as `rows.JOB_DOCUMENT` says. The text of a job may reach
gigabytes, though, and a document is decoded in one piece while no other thread runs: so a
connection refuses documents beyond a limit, and what is beyond it is read in parts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Generic, NamedTuple, TypeVar

from collection_jobs.adapters.sqlite.errors import primary_code
from collection_jobs.adapters.sqlite.rows import (
    HEADER,
    JOB_DOCUMENT,
    LARGEST_DOCUMENT,
    Details,
    Stored,
    decode_json,
    decoded,
    encode_json,
    job_from_document,
    stored_from,
)
from collection_jobs.fields import POSITIONS
from collection_jobs.job import CollectionJob
from collection_jobs.stats import JobStats

__all__ = [
    "BY_STATUS",
    "RECENT",
    "STATS",
    "WITH_KEYS",
    "Form",
    "Keys",
    "TableRows",
    "all_of",
    "documents_of",
    "find",
    "find_stored",
    "find_whole",
    "find_within",
    "list_all",
    "list_few",
    "metadata_of",
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

_FIND = f"SELECT {JOB_DOCUMENT} FROM jobs AS j WHERE j.id = ?"  # noqa: S608 - constant text
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

_STATS = f"SELECT {STATS} FROM jobs AS j WHERE j.id = ?"  # noqa: S608 - constant text

Keys = tuple[str, tuple[int | str, ...]]
"""A statement that selects the keys of jobs, in an order, and its parameters."""


def find(connection: sqlite3.Connection, job_id: str) -> CollectionJob | None:
    """One job, unless its document is beyond the connection's limit."""
    for (document,) in connection.execute(_FIND, (job_id,)).fetchall():
        return decoded(_job_of, document)
    return None


def _job_of(document: str) -> CollectionJob:
    return job_from_document(decode_json(document)[0])


def find_whole(connection: sqlite3.Connection, job_id: str) -> CollectionJob | None:
    """One job, however long."""
    with snapshot(connection):
        document = _in_parts(connection, "id = ?", job_id)
    return None if document is None else decoded(job_from_document, document)


def find_within(connection: sqlite3.Connection, job_id: str) -> CollectionJob | None:
    """One job, however long, within a transaction."""
    document = _find_document(connection, job_id)
    return None if document is None else decoded(job_from_document, document)


def find_stored(connection: sqlite3.Connection, job_id: str) -> Stored | None:
    """Return what a save compares with, within its transaction."""
    document = _find_document(connection, job_id)
    return None if document is None else decoded(stored_from, document)


def _find_document(connection: sqlite3.Connection, job_id: str) -> list[Any] | None:
    try:
        with _limited(connection):
            rows = connection.execute(_FIND, (job_id,)).fetchall()
    except sqlite3.DataError as error:
        return _in_parts_if_too_long(error, connection, "id = ?", job_id)
    return decoded(_document_of, rows[0][0]) if rows else None


def _document_of(document: str) -> list[Any]:
    found: list[Any] = decode_json(document)[0]
    return found


def list_few(connection: sqlite3.Connection, keys: Keys) -> list[CollectionJob]:
    """Return the jobs whose keys a statement selects, in its order, in one statement."""
    statement, parameters = keys
    return JOBS.decode_all(documents_of(connection, JOBS, f"({statement})", parameters))


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
                documents = documents_of(connection, form, WITH_KEYS, (encode_json(part),))
        except sqlite3.DataError as error:
            if len(part) > 1:
                count = len(part) // 2
                continue
            if primary_code(error) != sqlite3.SQLITE_TOOBIG:
                raise
            jobs.append(decoded(form.decode, form.in_parts(connection, "key = ?", *part)))
            count = 1
            continue
        found = form.decode_all(documents)
        if len(found) < len(part):
            # Only an index that a damaged file has can name a job that is not there.
            raise sqlite3.DatabaseError("an index names a job that is not there")
        jobs += found
        count = _next_count(len(part), len(documents), _LARGEST_PART)
    return jobs


def _next_count(count: int, length: int, most: int) -> int:
    """How many to read next, for a document of about half the limit after one of this length."""
    return max(1, min(most, 2 * count, count * (LARGEST_DOCUMENT // 2) // max(1, length)))


def documents_of(
    connection: sqlite3.Connection, form: Form[Any], keys: str, parameters: tuple[Any, ...]
) -> str:
    """Return the documents of the jobs with the keys of a subquery, in its order."""
    # CROSS JOIN keeps the order of the tables, and so that of the jobs, as they are written.
    ((documents,),) = connection.execute(
        f"SELECT json_group_array({form.document}) "  # noqa: S608 - constant text
        f"FROM {keys} AS wanted CROSS JOIN jobs AS j ON j.key = wanted.key {form.joined}",
        parameters,
    ).fetchall()
    return str(documents)


def _in_parts_if_too_long(
    error: sqlite3.DataError, connection: sqlite3.Connection, where: str, value: int | str
) -> list[Any] | None:
    if primary_code(error) != sqlite3.SQLITE_TOOBIG:
        raise error
    return _in_parts(connection, where, value)


def _in_parts(connection: sqlite3.Connection, where: str, value: int | str) -> list[Any] | None:
    """Return what JOB_DOCUMENT says of one job, read a part at a time within a transaction."""
    rows = connection.execute(_HEADER_OF + where, (value,)).fetchall()
    if not rows:
        return None
    key, *header = list[Any](rows[0])
    symbols = _Symbols()
    for part in rows_of(connection, _SYMBOLS, key):
        decoded(symbols.add, part)
    header[POSITIONS["metadata"]] = metadata_of(connection, key)
    header[POSITIONS["symbols"]] = symbols.as_document()
    return header


def metadata_of(connection: sqlite3.Connection, key: int) -> dict[str, str]:
    """Read the metadata of one job, a part at a time within a transaction."""
    metadata: dict[str, str] = {}
    for part in rows_of(connection, _ENTRIES, key):
        decoded(metadata.update, part)
    return metadata


class Form(NamedTuple, Generic[_T]):
    """What is read of a job.

    Attributes:
        document: Makes a JSON document of the row ``j`` of `jobs`.
        joined: Joins what that needs further.
        decode: Builds the result of what the document holds, which it uses up.
        in_parts: Reads what a document beyond the limit would hold.
    """

    document: str
    joined: str
    decode: Callable[[Any], _T]
    in_parts: Callable[[sqlite3.Connection, str, int], list[Any] | None]

    def decode_all(self, documents: str) -> list[_T]:
        """Build the results of a JSON array of documents."""
        return decoded(self._decode_all, documents)

    def _decode_all(self, documents: str) -> list[_T]:
        return [self.decode(document) for document in decode_json(documents)[0]]


JOBS = Form(JOB_DOCUMENT, "", job_from_document, _in_parts)
WITH_KEYS = "(SELECT value AS key FROM json_each(?))"
"""A subquery of the keys in a JSON array."""


class _Symbols:
    """The symbols of one job, as JOB_DOCUMENT has them."""

    def __init__(self) -> None:
        self.positions: dict[str, int] = {}
        self.completed: dict[str, int] = {}
        self.details: dict[str, Details] = {}
        self.failed: dict[str, str] = {}

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        for symbol, position, candles, failures, is_permanent, cursor, error in rows:
            self.positions[symbol] = position
            if failures is not None or is_permanent or cursor is not None:
                self.details[symbol] = failures, is_permanent, cursor
            if candles is not None:
                self.completed[symbol] = candles
            if error is not None:
                self.failed[symbol] = error

    def as_document(self) -> list[Any]:
        return [self.positions, self.completed, self.details, self.failed]


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
