"""Leases: claiming jobs, and who may change them, as functions of a connection.

The writes run within a transaction, as those in `writes` do. Their time is the machine's, taken
while nobody else can write, so that of two claims the later one has the later time.
"""

from __future__ import annotations

import sqlite3
import time
from datetime import timedelta
from typing import Any

from collection_jobs.adapters.sqlite.decoding import decoded, job_from, parts_of_row
from collection_jobs.adapters.sqlite.reads import find_within, snapshot
from collection_jobs.adapters.sqlite.rows import (
    JOB_ROW,
)
from collection_jobs.documents import from_micros
from collection_jobs.errors import LeaseLostError
from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease
from collection_jobs.status import JobStatus

__all__ = [
    "check_current",
    "claim",
    "claim_next",
    "find_lease",
    "find_lease_whole",
    "now_micros",
    "renew",
]

_MICROSECOND = timedelta(microseconds=1)

# The indexes are named, since statistics could mislead the planner to walk what is not claimable.
EXPIRE = """
    UPDATE leases INDEXED BY leases_by_expiry SET has_expired = 1
    WHERE has_expired = 0 AND expires_at <= ?"""


def _next(pending: str, expired: str, of_source: str) -> str:
    """Select the key of the older of two: the oldest pending job, and that of an expired lease."""
    return f"""
        SELECT key FROM (
            SELECT * FROM (
                SELECT key, created_at, id FROM jobs INDEXED BY {pending}
                WHERE status = 'pending'{of_source} ORDER BY created_at, id LIMIT 1)
            UNION ALL
            SELECT * FROM (
                SELECT job, created_at, id FROM leases INDEXED BY {expired}
                WHERE has_expired = 1{of_source} ORDER BY created_at, id LIMIT 1)
        ) ORDER BY created_at, id LIMIT 1"""  # noqa: S608 - constant text


NEXT = _next("jobs_by_status", "expired_leases", "")
NEXT_OF_SOURCE = _next("jobs_by_source", "expired_leases_by_source", " AND source = :source")

_COUNT = "SELECT jobs FROM leased WHERE source = ?"
_CLAIMABLE = """
    SELECT key FROM jobs LEFT JOIN leases ON job = key
    WHERE jobs.id = ? AND (status = 'pending' OR has_expired = 1 OR expires_at <= ?)"""
_CLAIM = """
    UPDATE jobs SET status = 'running', started_at = :now, finished_at = NULL,
        error_message = NULL, revision = revision + 1, attempts = attempts + 1
    WHERE key = :key"""
_LEASE = """
    INSERT INTO leases (job, worker, token, expires_at, source, created_at, id)
    SELECT key, :worker, revision, :expires_at, source, created_at, id FROM jobs WHERE key = :key
    ON CONFLICT (job) DO UPDATE SET worker = excluded.worker, token = excluded.token,
        expires_at = excluded.expires_at, has_expired = 0
    RETURNING id"""
_RENEW = """
    UPDATE leases SET expires_at = ?, has_expired = 0
    WHERE job = (SELECT key FROM jobs WHERE id = ?)"""
_TOKEN = "SELECT token FROM jobs JOIN leases ON job = key WHERE jobs.id = ?"  # noqa: S105 - no secret
_COLUMNS = "worker, token, expires_at, attempts"
_OF_JOB = "FROM jobs AS j CROSS JOIN leases ON job = j.key WHERE j.id = ?"
_FIND = f"SELECT {_COLUMNS} {_OF_JOB}"
_FIND_WITH_JOB = f"SELECT {JOB_ROW}, {_COLUMNS} {_OF_JOB}"


def claim_next(
    connection: sqlite3.Connection,
    worker: str,
    ttl: timedelta,
    source: str | None,
    most_running: int | None,
) -> Lease | None:
    """Claim the oldest job that is pending, or whose lease has expired."""
    now = now_micros()
    connection.execute(EXPIRE, (now,))
    if most_running is not None:
        # No source is the empty text, which stands for all of them.
        rows = connection.execute(_COUNT, (source or "",)).fetchall()
        if rows and rows[0][0] >= most_running:
            return None
    query = NEXT if source is None else NEXT_OF_SOURCE
    for (key,) in connection.execute(query, {"source": source}).fetchall():
        return _claim(connection, key, worker, ttl, now)
    return None


def claim(connection: sqlite3.Connection, job_id: str, worker: str, ttl: timedelta) -> Lease | None:
    """Claim a job, if it is pending, or its lease has expired."""
    now = now_micros()
    for (key,) in connection.execute(_CLAIMABLE, (job_id, now)).fetchall():
        return _claim(connection, key, worker, ttl, now)
    return None


def _claim(
    connection: sqlite3.Connection, key: int, worker: str, ttl: timedelta, now: int
) -> Lease:
    values = {"key": key, "now": now, "worker": worker, "expires_at": now + ttl // _MICROSECOND}
    connection.execute(_CLAIM, values)
    ((job_id,),) = connection.execute(_LEASE, values).fetchall()
    return _existing(connection, job_id)


def renew(connection: sqlite3.Connection, lease: Lease, ttl: timedelta) -> Lease:
    """Move the expiry of a current lease."""
    check_current(connection, lease)
    job_id = lease.job.id
    connection.execute(_RENEW, (now_micros() + ttl // _MICROSECOND, job_id))
    return _existing(connection, job_id)


def check_current(connection: sqlite3.Connection, lease: Lease) -> None:
    """Refuse a lease that was lost.

    Raises:
        LeaseLostError: The lease is not current.
    """
    # Compared here and not in SQL, since a token that a caller gives may exceed 64 bits.
    if connection.execute(_TOKEN, (lease.job.id,)).fetchall() != [(lease.token,)]:
        raise LeaseLostError(lease.job.id, lease.worker)


def find_lease(connection: sqlite3.Connection, job_id: str) -> Lease | None:
    """Return a job's lease, unless the job's document is beyond the connection's limit."""
    for row in connection.execute(_FIND_WITH_JOB, (job_id,)).fetchall():
        return decoded(_from_row, row)
    return None


def find_lease_whole(connection: sqlite3.Connection, job_id: str) -> Lease | None:
    """Return a job's lease, however long the job is."""
    with snapshot(connection):
        return _find_within(connection, job_id)


def _find_within(connection: sqlite3.Connection, job_id: str) -> Lease | None:
    for columns in connection.execute(_FIND, (job_id,)).fetchall():
        job = find_within(connection, job_id)
        return decoded(_lease, (job, *columns))
    return None


def _existing(connection: sqlite3.Connection, job_id: str) -> Lease:
    lease = _find_within(connection, job_id)
    if lease is None:
        raise sqlite3.DatabaseError("a lease that was just written is not there")
    return lease


def _from_row(row: tuple[Any, ...]) -> Lease:
    return _lease((job_from(parts_of_row(row)), *row[-4:]))


def _lease(values: tuple[CollectionJob | None, str, int, int, int]) -> Lease:
    job, worker, token, expires_at, attempt = values
    if job is None or job.status is not JobStatus.RUNNING:
        raise ValueError("a lease of a job that is not running")
    return Lease(
        job=job,
        worker=worker,
        token=token,
        expires_at=from_micros(expires_at),
        attempt=attempt,
    )


def now_micros() -> int:
    """Return the machine's time in microseconds since 1970."""
    return time.time_ns() // 1_000
