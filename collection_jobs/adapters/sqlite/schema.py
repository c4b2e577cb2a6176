"""Connections to the file: how its schema is created, recognised and migrated, and who writes."""

from __future__ import annotations

import logging
import random
import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from collection_jobs.adapters.sqlite.errors import primary_code
from collection_jobs.adapters.sqlite.files import APPLICATION_ID, check_openable, foreign
from collection_jobs.adapters.sqlite.migrations import STEPS, create, migrate
from collection_jobs.adapters.sqlite.settings import SQLiteSettings
from collection_jobs.errors import RepositoryError

__all__ = [
    "FIRST_INSTANT",
    "SQLITE_SCHEMA_VERSION",
    "connect_to_read",
    "connect_to_write",
    "retry_while_locked",
]

SQLITE_SCHEMA_VERSION = len(STEPS)
FIRST_INSTANT = -62_135_596_800_000_000
"""The year 1 in microseconds since 1970: the least that a timestamp can be."""
_LOG = logging.getLogger(__name__)
_WORTH_TELLING = 1.0  # seconds of waiting for a lock
_OLDEST_SQLITE = (3, 38, 0)  # STRICT tables came with 3.37, the operator ->> with 3.38
_USUAL_CACHE_KIB = 2_000  # SQLite's own
# Caps what a WAL that once had to grow keeps on disk after it was copied into the database.
_LARGEST_IDLE_WAL = 64 * 2**20

_T = TypeVar("_T")


def connect_to_write(
    settings: SQLiteSettings, given_up: Callable[[], bool] = lambda: False
) -> sqlite3.Connection:
    """Open the file for writing; create its schema where there is none, and migrate an older one.

    Args:
        settings: What to open.
        given_up: Whether the caller does not want it any more: then no lock is waited for.

    Raises:
        RepositoryError: The file is not one of ours, or cannot be; it was not touched.
        sqlite3.Error: SQLite failed.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise RepositoryError(
            f"SQLite {'.'.join(map(str, _OLDEST_SQLITE))} is the oldest that works, "
            f"and this Python has {sqlite3.sqlite_version}"
        )
    check_openable(settings.path, settings.create)
    # Waiting is ours: SQLite's own handler soon looks only every 100 ms, and between the
    # transactions of a busy process the lock is free for far less.
    connection = _connected(settings, "busy_timeout = 0", "foreign_keys = ON")
    try:

        def when_unlocked(step: Callable[[], _T]) -> _T:
            return retry_while_locked(settings, step, given_up)

        when_unlocked(lambda: _create(connection, settings.path))
        # Another process may be migrating, or turning the WAL on, alone with it.
        when_unlocked(lambda: migrate(connection, settings.path, SQLITE_SCHEMA_VERSION))
        _check_wal(when_unlocked(lambda: _use_wal(connection)), settings)
        connection.execute(f"PRAGMA journal_size_limit = {_LARGEST_IDLE_WAL}")
        _pragma(connection, "user_version")  # the first read makes the log, if there is none
    except BaseException:
        connection.close()
        raise
    return connection


def connect_to_read(
    settings: SQLiteSettings, busy_timeout: float, *, cache_kib: int = _USUAL_CACHE_KIB
) -> sqlite3.Connection:
    """Open a file that ``connect_to_write`` has opened, on a connection that cannot change it."""
    return _connected(
        settings,
        f"busy_timeout = {int(busy_timeout * 1000)}",
        f"cache_size = -{cache_kib}",  # negative: not pages
        "query_only = ON",
    )


def retry_while_locked(
    settings: SQLiteSettings,
    step: Callable[[], _T],
    given_up: Callable[[], bool] = lambda: False,
) -> _T:
    """Repeat a step that finds the file locked, until it does not or the time is up."""
    began = time.monotonic()
    deadline = began + settings.busy_timeout
    while True:
        try:
            done = step()
            waited = time.monotonic() - began
            if waited > _WORTH_TELLING:
                _LOG.info("waited %.3f s for another's lock of %r", waited, settings.path)
            return done
        except sqlite3.OperationalError as error:
            locked = primary_code(error) == sqlite3.SQLITE_BUSY
            if not locked or time.monotonic() >= deadline or given_up():
                raise
        # Of random length, so that those who wait do not come back in step.
        time.sleep(random.uniform(0.0005, 0.002))  # noqa: S311 - not for secrets


def _connected(settings: SQLiteSettings, *pragmas: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        settings.path, isolation_level=None, check_same_thread=False, cached_statements=64
    )
    try:
        # Every connection's checkpoints go by its own synchronous.
        for pragma in (f"synchronous = {settings.synchronous}", "wal_autocheckpoint = 0", *pragmas):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _create(connection: sqlite3.Connection, path: str) -> None:
    """Create the schema in one transaction, unless it is there.

    Of several processes that open a new file at once, one creates and the others wait and see.
    """
    if _pragma(connection, "application_id") == APPLICATION_ID:
        return
    connection.execute("BEGIN EXCLUSIVE")
    try:
        if _pragma(connection, "application_id") != APPLICATION_ID:
            if _pragma(connection, "schema_version"):
                raise foreign(path)
            create(connection, SQLITE_SCHEMA_VERSION)
            connection.execute("COMMIT")
            _LOG.info("created the tables of %r", path)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _use_wal(connection: sqlite3.Connection) -> str:
    """Turn the WAL on, which the file then remembers; others may be at the same."""
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    return str(mode)


def _check_wal(mode: str, settings: SQLiteSettings) -> None:
    if mode != "wal":
        raise RepositoryError(
            f"{settings.path!r} is on a file system where SQLite cannot keep a write-ahead log"
            f" (journal mode {mode})"
        )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)
