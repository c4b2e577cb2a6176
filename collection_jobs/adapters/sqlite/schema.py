"""The file: its schema, and how it is created, recognised, refused and connected to.

A change of the schema below is a new version: SCHEMA_VERSION grows by one, `migrations.STEPS` gets
the step to it, and ``python -m tests.adapters.schemas`` keeps a dump of it for the tests.
"""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from collection_jobs.adapters.sqlite.failures import primary_code
from collection_jobs.adapters.sqlite.migrations import migrate
from collection_jobs.adapters.sqlite.settings import Settings
from collection_jobs.errors import RepositoryError
from collection_jobs.status import JobStatus
from collection_jobs.validation import MAX_NAME_LENGTH

__all__ = ["FIRST_INSTANT", "SCHEMA_VERSION", "connect", "connect_to_read", "patiently"]

SCHEMA_VERSION = 1
FIRST_INSTANT = -62_135_596_800_000_000
"""The year 1 in microseconds since 1970: the least that a timestamp can be."""
_LAST_INSTANT = 253_402_300_799_999_999
_APPLICATION_ID = int.from_bytes(b"CJob", "big")
_OLDEST_SQLITE = (3, 38, 0)  # STRICT tables came with 3.37, the operator ->> with 3.38
_MAGIC = b"SQLite format 3\0"
_HEADER_LENGTH = 100
_USUAL_CACHE_KIB = 2_000  # SQLite's own
# Caps what a WAL that once had to grow keeps on disk after it was copied into the database.
_LARGEST_IDLE_WAL = 64 * 2**20

_FOREIGN = "{!r} is the SQLite database of another application"

_T = TypeVar("_T")


def _name(column: str) -> str:
    # length() stops at a NUL, so a text without one must be asked for by itself.
    return (
        f"{column} TEXT NOT NULL CONSTRAINT {column}_is_a_name CHECK "
        f"(length({column}) BETWEEN 1 AND {MAX_NAME_LENGTH} AND instr({column}, char(0)) = 0)"
    )


def _instant(column: str, null: str = "NOT NULL") -> str:
    return (
        f"{column} INTEGER {null} CONSTRAINT {column}_is_within_the_years_1_to_9999 CHECK "
        f"({column} BETWEEN {FIRST_INSTANT} AND {_LAST_INSTANT})"
    )


_STATUSES = ", ".join(f"'{status.value}'" for status in JobStatus)

# One job is one small row of `jobs`, which its changes of status rewrite, and one row of `symbols`
# for each symbol, which recording an outcome rewrites: both cost the same whatever the job's size.
# Instants are microseconds since 1970 in UTC. Text compares as bytes of UTF-8, whose order is
# that of the code points.
_SCHEMA = (
    f"""
    CREATE TABLE jobs (
        key INTEGER PRIMARY KEY,
        {_name("id")} UNIQUE,
        {_name("source")},
        {_name("timeframe")},
        {_instant("range_start")},
        {_instant("range_end")},
        {_instant("created_at")},
        status TEXT NOT NULL CONSTRAINT status_is_known CHECK (status IN ({_STATUSES})),
        {_instant("started_at", "")},
        {_instant("finished_at", "")},
        error_message TEXT CONSTRAINT error_message_has_no_nul CHECK
            (instr(error_message, char(0)) = 0),
        revision INTEGER NOT NULL CONSTRAINT revision_is_positive CHECK (revision > 0),
        CONSTRAINT range_is_not_empty CHECK (range_start < range_end)
    ) STRICT
    """,
    "CREATE INDEX jobs_by_age ON jobs (created_at, id)",
    "CREATE INDEX jobs_by_status ON jobs (status, created_at, id)",
    # Candles have no upper bound: an INTEGER up to 2**63 - 1, beyond that hexadecimal TEXT.
    f"""
    CREATE TABLE symbols (
        job INTEGER NOT NULL REFERENCES jobs (key) ON DELETE CASCADE,
        {_name("symbol")},
        position INTEGER NOT NULL CONSTRAINT position_is_counted_from_0 CHECK (position >= 0),
        candles ANY CONSTRAINT candles_are_counted CHECK (
            CASE typeof(candles)
            WHEN 'null' THEN 1
            WHEN 'integer' THEN candles >= 0
            WHEN 'text' THEN candles GLOB '0x[1-9a-f]*' AND length(candles) >= 18
                AND substr(candles, 3) NOT GLOB '*[^0-9a-f]*'
            ELSE 0 END
        ),
        error TEXT CONSTRAINT error_has_no_nul CHECK (instr(error, char(0)) = 0),
        PRIMARY KEY (job, symbol),
        CONSTRAINT outcome_is_one CHECK (candles IS NULL OR error IS NULL)
    ) STRICT, WITHOUT ROWID
    """,
    # A change makes a revision greater by one, and a new job begins above every revision that a
    # deleted job ever had: so no revision comes back for an id, and only deletions write here.
    "CREATE TABLE store (last_deleted_revision INTEGER NOT NULL) STRICT",
    "INSERT INTO store VALUES (0)",
    """
    CREATE TRIGGER remember_deleted_revision AFTER DELETE ON jobs BEGIN
        UPDATE store SET last_deleted_revision = max(last_deleted_revision, old.revision);
    END
    """,
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


def connect(settings: Settings) -> sqlite3.Connection:
    """Open the file for writing; create its schema where there is none, and migrate an older one.

    Raises:
        RepositoryError: The file is not one of ours, or cannot be; it was not touched.
        sqlite3.Error: SQLite failed.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise RepositoryError(
            f"SQLite {'.'.join(map(str, _OLDEST_SQLITE))} is the oldest that works, "
            f"and this Python has {sqlite3.sqlite_version}"
        )
    _refuse_foreign(settings.path, settings.create)
    # Waiting is ours: SQLite's own handler soon looks only every 100 ms, and between the
    # transactions of a busy process the lock is free for far less.
    connection = _connected(settings, "busy_timeout = 0", "foreign_keys = ON")
    try:
        patiently(settings.busy_timeout, lambda: _create(connection, settings.path))
        # Patiently too: another process may be migrating, or turning the WAL on, alone with it.
        patiently(settings.busy_timeout, lambda: migrate(connection, settings.path, SCHEMA_VERSION))
        _use_wal(connection, settings)
        connection.execute(f"PRAGMA journal_size_limit = {_LARGEST_IDLE_WAL}")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_to_read(
    settings: Settings, busy_timeout: float, *, cache_kib: int = _USUAL_CACHE_KIB
) -> sqlite3.Connection:
    """Open a file that ``connect`` has opened, on a connection that cannot change it."""
    return _connected(
        settings,
        f"busy_timeout = {int(busy_timeout * 1000)}",
        f"cache_size = -{cache_kib}",  # negative: not pages
        "query_only = ON",
    )


def patiently(seconds: float, step: Callable[[], _T]) -> _T:
    """Repeat a step that finds the file locked, until it does not or the time is up."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return step()
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
        # Of random length, so that those who wait do not come back in step.
        time.sleep(random.uniform(0.0005, 0.002))  # noqa: S311 - not for secrets


def _connected(settings: Settings, *pragmas: str) -> sqlite3.Connection:
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


def _refuse_foreign(path: str, create: bool) -> None:
    """Judge a file by its first bytes: connecting could already change another's file.

    Ours has its application id there from its first commit, which is made before the WAL is on.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - the path is a str, as SQLite wants it
        header = b"" if stat.S_ISDIR(mode) else _first_bytes(path)
    except FileNotFoundError as error:
        if not create:
            raise RepositoryError(f"there is no file {path!r}") from error
        parent = Path(path).absolute().parent
        if parent.is_dir():
            return
        raise RepositoryError(
            f"{path!r} cannot be created: there is no folder {str(parent)!r}"
        ) from error
    except OSError as error:
        raise RepositoryError(f"{path!r} cannot be opened: {error.strerror}") from error
    if stat.S_ISDIR(mode):
        raise RepositoryError(f"{path!r} is a folder, not a file")
    if not header:
        if not create:
            raise RepositoryError(f"{path!r} is an empty file, not a store of jobs")
        return
    if not header.startswith(_MAGIC) or len(header) < _HEADER_LENGTH:
        raise RepositoryError(f"{path!r} is not a SQLite database")
    if int.from_bytes(header[68:72], "big") != _APPLICATION_ID:
        raise RepositoryError(_FOREIGN.format(path))


def _first_bytes(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(_HEADER_LENGTH)


def _create(connection: sqlite3.Connection, path: str) -> None:
    """Create the schema in one transaction, unless it is there.

    Of several processes that open a new file at once, one creates and the others wait and see.
    """
    if _pragma(connection, "application_id") == _APPLICATION_ID:
        return
    connection.execute("BEGIN EXCLUSIVE")
    try:
        if _pragma(connection, "application_id") != _APPLICATION_ID:
            if _pragma(connection, "schema_version"):
                raise RepositoryError(_FOREIGN.format(path))
            for statement in _SCHEMA:
                connection.execute(statement)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _use_wal(connection: sqlite3.Connection, settings: Settings) -> None:
    """Turn the WAL on, which the file then remembers; others may be at the same."""
    (mode,) = patiently(
        settings.busy_timeout,
        lambda: connection.execute("PRAGMA journal_mode = WAL").fetchone(),
    )
    if mode != "wal":
        raise RepositoryError(
            f"{settings.path!r} lies where SQLite cannot have a write-ahead log (mode {mode})"
        )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)
