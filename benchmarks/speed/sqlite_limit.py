"""The limit: plain blocking sqlite3 in one thread, with the adapter's own statements.

``Recorded`` plays back the very statements and parameters that the adapter's functions send, and
builds nothing of what comes back: the bare driver. ``Blocking`` calls these functions, which also
turn jobs into rows and rows into jobs: what is left for the adapter to lose or win is all that
makes it an adapter, the checks, the threads, the event loop and the grouping of commits.
Neither waits for checkpoints: another connection makes them, as the adapter's does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from benchmarks.speed.frame import Opener
from benchmarks.speed.workload import Phase
from collection_jobs import CollectionJob, JobStatus
from collection_jobs.adapters.sqlite import reads, writes
from collection_jobs.adapters.sqlite.engine import CACHE_KIB
from collection_jobs.adapters.sqlite.schema import FIRST_INSTANT
from collection_jobs.documents import to_micros

_CHANGES_PER_CHECKPOINT = 1_000
_EVERYTHING = 2**63 - 1
_BEFORE_ALL = (FIRST_INSTANT, "")


class Connections:
    """A connection, and a thread with another that copies its log now and then."""

    def __init__(self, path: Path, synchronous: str) -> None:
        """Open both."""
        self.main = self._connect(path, synchronous)
        self._other = self._connect(path, synchronous)
        self._pool = ThreadPoolExecutor(1)
        self._copied = 0
        self._copying: Any = None

    def _connect(self, path: Path, synchronous: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        for pragma in (
            f"synchronous = {synchronous}",
            "wal_autocheckpoint = 0",
            f"cache_size = -{CACHE_KIB}",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def close(self) -> None:
        """Close both."""
        self._pool.shutdown()
        self.main.close()
        self._other.close()

    def keep_log_short(self) -> None:
        """Have the log copied if it is time."""
        changes = self.main.total_changes
        if changes - self._copied < _CHANGES_PER_CHECKPOINT:
            return
        if self._copying is None or self._copying.done():
            self._copied = changes
            self._copying = self._pool.submit(self._other.execute, "PRAGMA wal_checkpoint(PASSIVE)")


class Blocking:
    """The adapter's functions on one connection, a transaction for each write."""

    def __init__(self, connection: sqlite3.Connection, after_write: Callable[[], None]) -> None:
        """Work on a connection, and see to its log after each write."""
        self._connection = connection
        self._after_write = after_write

    def _in_transaction(self, work: Callable[..., Any], *args: Any) -> Any:
        self._connection.execute("BEGIN IMMEDIATE")
        result = work(self._connection, *args)
        self._connection.execute("COMMIT")
        self._after_write()
        return result

    def _at_once(self, work: Callable[..., Any], *args: Any) -> Any:
        """Run a write of one statement, which needs no BEGIN and COMMIT."""
        result = work(self._connection, *args)
        self._after_write()
        return result

    def save(self, job: CollectionJob) -> Any:
        return self._in_transaction(writes.save, job)

    def save_many(self, jobs: Sequence[CollectionJob]) -> Any:
        return self._in_transaction(writes.save_many, jobs)

    def delete(self, job_id: str) -> Any:
        return self._at_once(writes.delete, job_id)

    def update_status(self, job_id: str, status: JobStatus) -> Any:
        return self._at_once(writes.update_status, job_id, status, None)

    def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> Any:
        return self._in_transaction(writes.add_failure, job_id, symbol, error, False)

    def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> Any:
        return self._in_transaction(writes.add_completion, job_id, symbol, candles)

    def forget(self, ids: Sequence[str]) -> None:
        forget(self._connection, ids)

    def get_by_id(self, job_id: str) -> Any:
        return reads.find(self._connection, job_id)

    def get_stats(self, job_id: str) -> Any:
        return reads.stats(self._connection, job_id)

    def list_by_status(self, status: JobStatus, limit: int) -> Any:
        return self._listed(reads.BY_STATUS, status.value, *_BEFORE_ALL, limit, 0)

    def list_after(self, status: JobStatus, key: tuple[datetime, str], limit: int) -> Any:
        return self._listed(reads.BY_STATUS, status.value, to_micros(key[0]), key[1], limit, 0)

    def list_recent(self, limit: int) -> Any:
        return self._listed(reads.RECENT, FIRST_INSTANT, limit)

    def get_running_jobs(self) -> Any:
        return self._listed(reads.BY_STATUS, JobStatus.RUNNING.value, *_BEFORE_ALL, _EVERYTHING, 0)

    def _listed(self, keys: str, *parameters: str | int) -> Any:
        return reads.list_few(self._connection, (keys, parameters))


def forget(connection: sqlite3.Connection, ids: Sequence[str]) -> None:
    """Delete jobs in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("DELETE FROM jobs WHERE id = ?", [(job_id,) for job_id in ids])
    connection.execute("COMMIT")


class _Recorder:
    """Stands for a connection within one transaction, and remembers what it was asked."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.statements: list[tuple[str, Any]] = []

    def execute(self, statement: str, parameters: Any = ()) -> sqlite3.Cursor:
        self.statements.append((statement, parameters))
        if statement in ("BEGIN IMMEDIATE", "COMMIT"):
            return self._connection.execute("SELECT 1")
        return self._connection.execute(statement, parameters)


class Recorded:
    """Each call as the statements that Blocking would send for it, and nothing else."""

    def __init__(self, connections: Connections) -> None:
        """Work on these."""
        self._connection = connections.main
        self._keep_log_short = connections.keep_log_short
        self._tape: list[list[tuple[str, Any]]] = []

    def prepare(self, phase: Phase) -> None:
        """Make a phase's calls once, in a transaction that is rolled back, and record them."""
        recorder = _Recorder(self._connection)
        blocking = Blocking(cast("sqlite3.Connection", recorder), lambda: None)
        self._connection.execute("BEGIN")
        self._tape = []
        for calls in phase.callers:
            for name, args in calls:
                recorder.statements = []
                getattr(blocking, name)(*args)
                self._tape.append(recorder.statements)
        self._connection.execute("ROLLBACK")
        self._tape.reverse()

    def forget(self, ids: Sequence[str]) -> None:
        """Delete jobs, off the clock."""
        forget(self._connection, ids)

    def _play(self, *_: object) -> None:
        execute = self._connection.execute
        for statement, parameters in self._tape.pop():
            execute(statement, parameters).fetchall()

    def _write(self, *_: object) -> None:
        self._play()
        self._keep_log_short()

    get_by_id = get_stats = list_by_status = list_recent = list_after = get_running_jobs = _play
    save = save_many = delete = update_status = _write
    add_failed_symbol = add_completed_symbol = _write


def open_blocking(path: Path, synchronous: str) -> Opener:
    """Return an opener of Blocking."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Blocking]:
        with closing(Connections(path, synchronous)) as connections:
            yield Blocking(connections.main, connections.keep_log_short)

    return opened


def open_recorded(path: Path, synchronous: str) -> Opener:
    """Return an opener of Recorded."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Recorded]:
        with closing(Connections(path, synchronous)) as connections:
            yield Recorded(connections)

    return opened
