"""The reading statements, as functions of a connection; each is one snapshot."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from collection_jobs.adapters.sqlite.rows import JOB_DOCUMENT, from_json, job_from
from collection_jobs.job import CollectionJob
from collection_jobs.stats import JobStats

__all__ = ["BY_STATUS", "RECENT", "Keys", "find", "find_document", "list_all", "list_few", "stats"]

# Both statements walk an index in its order and stop at the limit: nothing is sorted.
BY_STATUS = """
    SELECT key FROM jobs WHERE status = ? AND (created_at, id) > (?, ?)
    ORDER BY created_at, id LIMIT ? OFFSET ?"""
RECENT = """
    SELECT key FROM jobs WHERE created_at >= ?
    ORDER BY created_at DESC, id DESC LIMIT ?"""

_FIND = f"SELECT {JOB_DOCUMENT} FROM jobs AS j WHERE j.id = ?"  # noqa: S608 - constant text

# Candles are summed in halves of 32 bits, since sum() fails beyond 64; those that are TEXT, by us.
# Any job has a symbol, so a job of none is an unknown one.
_STATS = """
    SELECT count(*), count(candles), count(error),
        sum(candles >> 32) FILTER (WHERE typeof(candles) = 'integer'),
        sum(candles & 0xffffffff) FILTER (WHERE typeof(candles) = 'integer'),
        json_group_array(candles) FILTER (WHERE typeof(candles) = 'text')
    FROM jobs JOIN symbols ON symbols.job = jobs.key WHERE jobs.id = ?"""

_CHUNK = 100

Keys = tuple[str, tuple[int | str, ...]]
"""A statement that selects the keys of jobs, in an order, and its parameters."""


def find_document(connection: sqlite3.Connection, job_id: str) -> list[Any] | None:
    """One job as JOB_DOCUMENT describes it."""
    for (document,) in connection.execute(_FIND, (job_id,)).fetchall():
        found: list[Any] = from_json(document)[0]
        return found
    return None


def find(connection: sqlite3.Connection, job_id: str) -> CollectionJob | None:
    """One job."""
    document = find_document(connection, job_id)
    return None if document is None else job_from(document)


def list_few(connection: sqlite3.Connection, keys: Keys) -> list[CollectionJob]:
    """The jobs whose keys a statement selects, in its order, in one statement."""
    statement, parameters = keys
    return _listed(connection, f"({statement})", parameters)


def list_all(connection: sqlite3.Connection, keys: Keys) -> list[CollectionJob]:
    """The same for any number of jobs: within one transaction, some at a time.

    One document of them all would be decoded in one piece, while nothing else runs.
    """
    statement, parameters = keys
    connection.execute("BEGIN")
    try:
        ((selected,),) = connection.execute(
            f"SELECT json_group_array(key) FROM ({statement}) AS wanted",  # noqa: S608 - constant text
            parameters,
        ).fetchall()
        wanted = from_json(selected)[0]
        return [
            job
            for first in range(0, len(wanted), _CHUNK)
            for job in _listed(
                connection,
                "(SELECT value AS key FROM json_each(?))",
                (json.dumps(wanted[first : first + _CHUNK]),),
            )
        ]
    finally:
        connection.execute("COMMIT")


def _listed(
    connection: sqlite3.Connection, keys: str, parameters: tuple[Any, ...]
) -> list[CollectionJob]:
    # CROSS JOIN keeps the order of the tables, and so that of the jobs, as they are written.
    ((documents,),) = connection.execute(
        f"SELECT json_group_array({JOB_DOCUMENT}) "  # noqa: S608 - constant text
        f"FROM {keys} AS wanted CROSS JOIN jobs AS j ON j.key = wanted.key",
        parameters,
    ).fetchall()
    return [job_from(document) for document in from_json(documents)[0]]


def stats(connection: sqlite3.Connection, job_id: str) -> JobStats | None:
    """The stats of one job."""
    ((total, completed, failed, high, low, beyond),) = connection.execute(
        _STATS, (job_id,)
    ).fetchall()
    if not total:
        return None
    candles = ((high or 0) << 32) + (low or 0)
    if beyond != "[]":
        candles += sum(int(text, 16) for text in from_json(beyond)[0])
    return JobStats(total, completed, failed, candles)
