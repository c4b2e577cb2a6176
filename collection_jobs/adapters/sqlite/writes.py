"""The writes, as functions of a connection within a transaction.

A write that raises one of the package's errors has changed nothing: what could refuse it is looked
at first. After any other error its transaction must be rolled back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

from collection_jobs.adapters.sqlite.leases import check_current, now_micros
from collection_jobs.adapters.sqlite.reads import find_stored
from collection_jobs.adapters.sqlite.rows import (
    COUNT_COLUMNS,
    MAX_INTEGER,
    NO_DETAILS,
    ROW_COLUMNS,
    OutcomeRow,
    counts_of,
    encode_json,
    has_outcomes,
    outcomes_of,
    row_values,
)
from collection_jobs.errors import (
    CollectionJobError,
    JobNotFoundError,
    StaleJobError,
    UnknownSymbolError,
)
from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease
from collection_jobs.status import TRANSITIONS, JobStatus

__all__ = [
    "add",
    "add_completion",
    "add_failure",
    "add_many",
    "delete",
    "delete_finished",
    "is_one_statement",
    "save",
    "save_many",
    "set_cursor",
    "update_status",
]

# No parameter has a number: Python 3.12.0 to 3.12.3 take that for a name, and warn of each
# (https://github.com/python/cpython/issues/117995).
_INSERTED = (*ROW_COLUMNS.values(), *COUNT_COLUMNS)
_INSERT_JOB = f"""
    INSERT INTO jobs ({", ".join(_INSERTED)}, has_failures, revision)
    SELECT {", ".join("?" * len(_INSERTED))}, ? > 0, last_deleted_revision + 1
    FROM store WHERE true ON CONFLICT (id) DO NOTHING"""  # noqa: S608 - constant text


def _replacing(*fields: str) -> tuple[str, Callable[[Sequence[Any]], tuple[Any, ...]]]:
    """Give the statement that sets these fields of a job, and what picks its parameters."""
    places = {name: place for place, name in enumerate(ROW_COLUMNS)}
    columns = ", ".join(f"{ROW_COLUMNS[name]} = ?" for name in fields)
    statement = f"UPDATE jobs SET {columns}, revision = revision + 1 WHERE id = ?"  # noqa: S608 - constant text
    return statement, itemgetter(*(places[name] for name in (*fields, "id")))


# The indexes on these columns are rewritten when they are set, even to what they were; and what a
# lease and the symbols keep of their job follows them.
_INDEXED = ("source", "created_at", "status", "finished_at")
_INDEXED_PLACES = tuple(tuple(ROW_COLUMNS).index(name) for name in _INDEXED)
_REST = tuple(name for name in ROW_COLUMNS if name not in ("id", *_INDEXED))
_REPLACE_JOB = _replacing(*_REST)
_REPLACE_AND_MOVE_JOB = _replacing(*_REST, *_INDEXED)
_SET_COUNTS = f"""
    UPDATE jobs SET {", ".join(f"{name} = ?" for name in COUNT_COLUMNS)}
    WHERE id = ?"""  # noqa: S608 - constant text

# The rows go in as JSON arrays, many in one statement, not one by one: see rows.page.
_INSERT_SYMBOLS = """
    INSERT INTO symbols (job, symbol, position, created_at)
    SELECT jobs.key, names.value, names.key + ?, created_at
    FROM jobs, json_each(?) AS names WHERE jobs.id = ?"""
_REPLACE_SYMBOL = """
    ON CONFLICT (job, symbol) DO UPDATE
    SET position = excluded.position, candles = excluded.candles, failures = excluded.failures,
        is_permanent = excluded.is_permanent, cursor = excluded.cursor, error = excluded.error"""


def _puts(*columns: str) -> tuple[str, str]:
    """Give the statements that put rows of `symbols`, many in a JSON array or a single one."""
    insert = f"INSERT INTO symbols (job, created_at, {', '.join(columns)})"
    of_each = ", ".join(f"value ->> {place}" for place in range(len(columns)))
    of_one = ", ".join("?" * len(columns))
    many = f"{insert} SELECT jobs.key, created_at, {of_each} FROM jobs, json_each(?)"  # noqa: S608 - constant text
    one = f"{insert} SELECT key, created_at, {of_one} FROM jobs"  # noqa: S608 - constant text
    replaced = f" WHERE jobs.id = ? {_REPLACE_SYMBOL}"
    return many + replaced, one + replaced


# Most rows have no more than an outcome, and each value that is got out of JSON takes its time.
_PUT_PLAIN = _puts("symbol", "position", "candles", "error")
_PUT_DETAILED = _puts(
    *("symbol", "position", "candles", "failures", "is_permanent", "cursor", "error")
)
_DELETE_SYMBOLS = """
    DELETE FROM symbols WHERE job = (SELECT key FROM jobs WHERE id = ?)
    AND symbol IN (SELECT value FROM json_each(?))"""
_REPLACE_ENTRY = "ON CONFLICT (job, name) DO UPDATE SET value = excluded.value"
_PUT_ENTRIES = f"""
    INSERT INTO metadata (job, name, value) SELECT jobs.key, value ->> 0, value ->> 1
    FROM jobs, json_each(?) WHERE jobs.id = ? {_REPLACE_ENTRY}"""  # noqa: S608 - constant text
_PUT_ENTRY = f"""
    INSERT INTO metadata (job, name, value)
    SELECT jobs.key, ?, ? FROM jobs WHERE jobs.id = ? {_REPLACE_ENTRY}"""  # noqa: S608 - constant text
_DELETE_ENTRIES = """
    DELETE FROM metadata WHERE job = (SELECT key FROM jobs WHERE id = ?)
    AND name IN (SELECT value FROM json_each(?))"""

# What is encoded in one piece, while no other thread runs, takes some milliseconds at most.
_NAMES_PER_PART = 5_000
_LENGTH_PER_PART = 2**17  # characters, for each of which JSON may take six bytes
_USUAL_LENGTH = 50  # of the rest of a row
# From this many characters on, a row goes alone and not as JSON.
_LONG_TEXT = 2**13

# A trigger makes the revision of the job greater, and counts the outcome.
_OF_SYMBOL = "WHERE job = (SELECT key FROM jobs WHERE id = ?) AND symbol = ?"
_COMPLETE = f"""
    UPDATE symbols SET candles = ?, is_permanent = 0, cursor = NULL, error = NULL
    {_OF_SYMBOL}"""  # noqa: S608 - constant text
# A count that is full stays what it is.
_FAIL = f"""
    UPDATE symbols SET candles = NULL, error = ?, is_permanent = ?,
        failures = min(ifnull(failures, 0), {MAX_INTEGER - 1}) + 1
    {_OF_SYMBOL}"""  # noqa: S608 - constant text
_RANGE = """
    SELECT key, range_start, range_end, candles IS NOT NULL
    FROM jobs CROSS JOIN symbols ON job = key WHERE jobs.id = ? AND symbol = ?"""
_SET_CURSOR = "UPDATE symbols SET cursor = ? WHERE job = ? AND symbol = ?"
_EXISTS = "SELECT 1 FROM jobs WHERE id = ?"
# The foreign keys would do the first by themselves, and take twice as long.
_DELETE = (
    "DELETE FROM symbols WHERE job = (SELECT key FROM jobs WHERE id = ?)",
    "DELETE FROM jobs WHERE id = ?",
)
_DELETE_MANY = (
    "DELETE FROM symbols WHERE job IN (SELECT value FROM json_each(?))",
    "DELETE FROM jobs WHERE key IN (SELECT value FROM json_each(?))",
)
# Each status in the order of its index, merged, so that no more is read than is deleted.
_ENDED = """
    SELECT key, finished_at, id FROM jobs INDEXED BY jobs_by_end
    WHERE status = '{status}' AND finished_at < ?"""
_FIRST_ENDED = """
    SELECT json_group_array(key) FROM ({ended} ORDER BY finished_at, id LIMIT ?)"""


def _change_of_status(status: JobStatus) -> str:
    # The former status is part of the statement that changes it, so of many callers one wins.
    former = ", ".join(f"'{old.value}'" for old in JobStatus if old.can_become(status))
    instants = {
        JobStatus.RUNNING: "started_at = ?, finished_at = NULL",
        JobStatus.PENDING: "started_at = NULL, finished_at = NULL, attempts = 0",
    }.get(status, "finished_at = ?")
    return (
        f"UPDATE jobs SET status = '{status.value}', error_message = ?, {instants}, "  # noqa: S608 - constant text
        f"revision = revision + 1 WHERE id = ? AND status IN ({former})"
    )


_UPDATE_STATUS = {status: _change_of_status(status) for status in TRANSITIONS}


def save(connection: sqlite3.Connection, job: CollectionJob) -> None:
    """Create or replace a job."""
    columns = row_values(job)
    if job.revision is None and _insert(connection, job, columns):
        return
    stored = find_stored(connection, job.id)
    found = None if stored is None else stored.revision
    # Compared here and not in SQL, since a revision that a caller gives may exceed 64 bits.
    if job.revision is not None and job.revision != found:
        raise StaleJobError(job.id, job.revision, found)
    if stored is None:  # without a revision, the insertion has just met it
        raise sqlite3.DatabaseError("the table store has lost its row")
    stays = all(stored.row[place] == columns[place] for place in _INDEXED_PLACES)
    replace, values = _REPLACE_JOB if stays else _REPLACE_AND_MOVE_JOB
    connection.execute(replace, values(columns))
    _replace_outcomes(connection, job, stored.outcomes)
    connection.execute(_SET_COUNTS, (*counts_of(job), job.id))
    if stored.metadata != job.metadata:
        _replace_metadata(connection, job, stored.metadata)


def _insert(connection: sqlite3.Connection, job: CollectionJob, columns: list[Any]) -> bool:
    """Create a job, unless there is one of its id."""
    counts = counts_of(job)
    if not connection.execute(_INSERT_JOB, (*columns, *counts, len(job.failed_symbols))).rowcount:
        return False
    if has_outcomes(job):
        _put_outcomes(connection, job.id, outcomes_of(job))
    else:
        for first in range(0, len(job.symbols), _NAMES_PER_PART):
            names = job.symbols[first : first + _NAMES_PER_PART]
            connection.execute(_INSERT_SYMBOLS, (first, encode_json(names), job.id))
    if job.metadata:
        _put(connection, job.id, job.metadata.items(), _PUT_ENTRIES, _PUT_ENTRY)
    return True


def _replace_outcomes(
    connection: sqlite3.Connection, job: CollectionJob, stored: set[OutcomeRow]
) -> None:
    """Write only the rows that differ."""
    wanted = set(outcomes_of(job))
    vanished = {row[0] for row in stored - wanted}.difference(job.symbols)
    _remove(connection, job.id, vanished, _DELETE_SYMBOLS)
    _put_outcomes(connection, job.id, wanted - stored)


def _put_outcomes(connection: sqlite3.Connection, job_id: str, rows: Iterable[OutcomeRow]) -> None:
    plain: list[tuple[Any, ...]] = []
    detailed: list[OutcomeRow] = []
    for row in rows:
        if row[3:6] == NO_DETAILS:
            plain.append((*row[:3], row[6]))
        else:
            detailed.append(row)
    _put(connection, job_id, plain, *_PUT_PLAIN)
    _put(connection, job_id, detailed, *_PUT_DETAILED)


def _replace_metadata(
    connection: sqlite3.Connection, job: CollectionJob, stored: dict[str, str]
) -> None:
    """Write only the rows that differ."""
    _remove(connection, job.id, stored.keys() - job.metadata.keys(), _DELETE_ENTRIES)
    changed = job.metadata.items() - stored.items()
    _put(connection, job.id, changed, _PUT_ENTRIES, _PUT_ENTRY)


def _remove(
    connection: sqlite3.Connection, job_id: str, vanished: Iterable[str], statement: str
) -> None:
    names = list(vanished)
    for first in range(0, len(names), _NAMES_PER_PART):
        connection.execute(statement, (job_id, encode_json(names[first : first + _NAMES_PER_PART])))


def _put(
    connection: sqlite3.Connection,
    job_id: str,
    rows: Iterable[tuple[Any, ...]],
    put_many: str,
    put_one: str,
) -> None:
    """Write rows that may end in a text, as many at once as take a moment to encode."""
    part: list[tuple[Any, ...]] = []
    length = 0
    for row in rows:
        text = len(row[-1] or "")
        if text > _LONG_TEXT:
            connection.execute(put_one, (*row, job_id))
            continue
        part.append(row)
        length += text + _USUAL_LENGTH
        if length >= _LENGTH_PER_PART:
            connection.execute(put_many, (encode_json(part), job_id))
            part, length = [], 0
    if part:
        connection.execute(put_many, (encode_json(part), job_id))


def save_many(connection: sqlite3.Connection, jobs: Sequence[CollectionJob]) -> None:
    """Save each of the jobs, or none."""
    connection.execute("SAVEPOINT many")
    try:
        for job in jobs:
            save(connection, job)
    except CollectionJobError:
        connection.execute("ROLLBACK TO many")
        connection.execute("RELEASE many")
        raise
    connection.execute("RELEASE many")


def add(connection: sqlite3.Connection, job: CollectionJob) -> bool:
    """Create a job, unless there is one of its id; return whether this call did."""
    return _insert(connection, job, row_values(job))


def add_many(connection: sqlite3.Connection, jobs: Sequence[CollectionJob]) -> list[bool]:
    """Add each of the jobs; return for each whether it was created."""
    return [add(connection, job) for job in jobs]


def delete(connection: sqlite3.Connection, job_id: str) -> bool:
    """Remove a job; its metadata and its lease go by foreign keys."""
    _, deleted = [connection.execute(one, (job_id,)).rowcount for one in _DELETE]
    return deleted > 0


def delete_finished(
    connection: sqlite3.Connection, before: int, statuses: Sequence[JobStatus], limit: int
) -> int:
    """Remove the jobs of final statuses that ended first; return how many."""
    ended = " UNION ALL ".join(_ENDED.format(status=status.value) for status in statuses)
    given = (*[before] * len(statuses), limit)
    ((keys,),) = connection.execute(_FIRST_ENDED.format(ended=ended), given).fetchall()
    _, deleted = [connection.execute(one, (keys,)).rowcount for one in _DELETE_MANY]
    return deleted


def update_status(
    connection: sqlite3.Connection,
    job_id: str,
    status: JobStatus,
    error_message: str | None,
    lease: Lease | None = None,
) -> bool:
    """Change the status if the lifecycle permits it from the stored one."""
    if lease is not None:
        check_current(connection, lease)
    at = () if status is JobStatus.PENDING else (now_micros(),)
    values = (error_message, *at, job_id)
    return connection.execute(_UPDATE_STATUS[status], values).rowcount > 0


def add_completion(
    connection: sqlite3.Connection,
    job_id: str,
    symbol: str,
    candles: int,
    lease: Lease | None = None,
) -> None:
    """Record that one symbol was collected."""
    if lease is not None:
        check_current(connection, lease)
    if not connection.execute(_COMPLETE, (candles, job_id, symbol)).rowcount:
        raise _unknown(connection, job_id, symbol)


def add_failure(
    connection: sqlite3.Connection,
    job_id: str,
    symbol: str,
    error: str,
    permanent: bool,
    lease: Lease | None = None,
) -> None:
    """Record that one symbol failed, and whether for good."""
    if lease is not None:
        check_current(connection, lease)
    if not connection.execute(_FAIL, (error, permanent, job_id, symbol)).rowcount:
        raise _unknown(connection, job_id, symbol)


def set_cursor(
    connection: sqlite3.Connection,
    job_id: str,
    symbol: str,
    until: int,
    lease: Lease | None = None,
) -> tuple[int, int] | None:
    """Record up to where a symbol was collected, unless it has completed.

    Return the range of the job if the instant lies outside it; then nothing changed.
    """
    if lease is not None:
        check_current(connection, lease)
    for key, start, end, completed in connection.execute(_RANGE, (job_id, symbol)).fetchall():
        if not start <= until <= end:
            return start, end
        if not completed:
            connection.execute(_SET_CURSOR, (until, key, symbol))
        return None
    raise _unknown(connection, job_id, symbol)


def _unknown(connection: sqlite3.Connection, job_id: str, symbol: str) -> CollectionJobError:
    """Return the refusal of what is said of a symbol that no job has."""
    if connection.execute(_EXISTS, (job_id,)).fetchall():
        return UnknownSymbolError(job_id, symbol)
    return JobNotFoundError(job_id)


_ONE_STATEMENT = frozenset({update_status, add_completion, add_failure})


def is_one_statement(work: Callable[..., Any], arguments: Sequence[Any]) -> bool:
    """Return whether a write changes all that it changes by one statement, and looks at no lease.

    Only where it refuses does it look again.
    """
    return work in _ONE_STATEMENT and arguments[-1] is None
