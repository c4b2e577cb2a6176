"""Committer: the writes that wait together, in one transaction (group commit)."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from collection_jobs.adapters.sqlite.failures import for_caller
from collection_jobs.adapters.sqlite.schema import patiently
from collection_jobs.adapters.sqlite.settings import Settings
from collection_jobs.errors import CollectionJobError

__all__ = ["Committer", "Write", "copy_log"]

# Rows changed until the log is copied: each takes a page or two; SQLite's own limit is 1,000 pages.
_CHANGES_PER_CHECKPOINT = 1_000
# Pages of log from which the writer stops for a checkpoint, so that the log can begin anew.
_LONG_LOG = 4_000


class Write:
    """One write on its way; ``future`` and ``answered`` belong to the event loop's thread."""

    __slots__ = ("answered", "args", "error", "future", "result", "started", "work")

    def __init__(
        self, work: Callable[..., Any], args: tuple[Any, ...], future: asyncio.Future[Any]
    ) -> None:
        """Remember what to do and whom to answer."""
        self.work: Callable[..., Any] = work
        self.args: tuple[Any, ...] = args
        self.future: asyncio.Future[Any] = future
        self.started: bool = False
        self.answered: bool = False
        self.result: Any = None
        self.error: Exception | None = None

    def start(self) -> bool:
        """Whether the caller still waits, and is to wait now even if it is cancelled.

        The two threads set and look in opposite order (there, the future is cancelled before
        ``started`` is read), so they cannot miss each other.
        """
        self.started = True
        return not self.future.cancelled()

    def run(self, connection: sqlite3.Connection) -> None:
        """Do the work. A refusal is an answer; any other error is the transaction's end."""
        try:
            self.result, self.error = self.work(connection, *self.args), None
        except CollectionJobError as refusal:
            self.error = refusal

    def answer(self) -> None:
        """Tell the caller, on the event loop's thread."""
        self.answered = True
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class Committer:
    """The one connection that changes anything, and when its log is copied into the database.

    A checkpoint beside the writer doubles what it can write. But it must not start while a
    transaction may start the log anew, which is where SQLite before 3.51.3 can lose pages
    (https://sqlite.org/wal.html#walresetbug). The log begins anew only when all of it was copied;
    so a checkpoint is started only after a commit that began after the last one's end.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        settings: Settings,
        start_checkpoint: Callable[[], Future[int]],
    ) -> None:
        """Take over a connection; ``start_checkpoint`` runs ``copy_log`` on another."""
        self._connection = connection
        self._settings = settings
        self._start_checkpoint = start_checkpoint
        self._checkpoint: Future[int] | None = None
        # What a killed process left in the log is copied after the first commit.
        self._copied_changes = -_CHANGES_PER_CHECKPOINT

    def commit(self, writes: Sequence[Write]) -> None:
        """Do the writes and keep them, all in one transaction; each has its answer afterwards.

        When one fails, the transaction is rolled back and each is done in one of its own. That
        costs nothing where none fails, as a savepoint for each would, and it also keeps the
        neighbours when SQLite itself has rolled back (a full disk).
        """
        connection = self._connection
        changes = connection.total_changes
        idle = self._checkpoint is None or self._checkpoint.done()
        try:
            patiently(self._settings.busy_timeout, lambda: connection.execute("BEGIN IMMEDIATE"))
        except sqlite3.Error as error:
            self._fail(writes, error)
            return
        started = [write for write in writes if write.start()]
        try:
            for write in started:
                write.run(connection)
        except Exception as error:  # noqa: BLE001 - whatever it is, a caller must hear of it
            self._roll_back()
            self._retry_alone(started, error)
            return
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            self._fail(started, error)
            return
        if idle and connection.total_changes > changes:
            self._keep_log_short()

    def close(self) -> None:
        """Copy the log, which SQLite itself does only when no other process has the file open."""
        if self._connection.total_changes > self._copied_changes:
            copy_log(self._connection)

    def _retry_alone(self, writes: Sequence[Write], error: Exception) -> None:
        if len(writes) == 1:
            self._fail(writes, error)
            return
        for write in writes:
            self.commit([write])

    def _fail(self, writes: Sequence[Write], error: Exception) -> None:
        for write in writes:
            write.error = for_caller(error, self._settings)

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):  # the error that led here is the one to tell
                self._connection.execute("ROLLBACK")

    def _keep_log_short(self) -> None:
        """Start a checkpoint if it is time; while the writer never rests, none gets all copied."""
        changes = self._connection.total_changes
        if self._checkpoint is not None and self._checkpoint.result() > _LONG_LOG:
            self._checkpoint = None
            copy_log(self._connection)
        elif changes - self._copied_changes >= _CHANGES_PER_CHECKPOINT:
            # While the interpreter ends, no thread can be had.
            with suppress(RuntimeError):
                self._checkpoint = self._start_checkpoint()
        else:
            return
        self._copied_changes = changes


def copy_log(connection: sqlite3.Connection) -> int:
    """Copy what can be copied of the log into the database; the pages of log, copied or not."""
    try:
        ((_, pages, _),) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    except sqlite3.Error:
        return 0  # nothing is lost: the log has it, and a later checkpoint copies it
    return int(pages)
