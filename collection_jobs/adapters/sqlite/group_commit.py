"""GroupCommit: the writes that wait together, in one transaction (group commit)."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from collection_jobs.adapters.sqlite.background import BackgroundWork
from collection_jobs.adapters.sqlite.errors import primary_code, sqlite_error
from collection_jobs.adapters.sqlite.files import Files
from collection_jobs.adapters.sqlite.schema import retry_while_locked
from collection_jobs.adapters.sqlite.settings import SQLiteSettings
from collection_jobs.adapters.sqlite.writes import is_one_statement
from collection_jobs.errors import CollectionJobError, RepositoryError

__all__ = ["GroupCommit", "Write", "copy_log"]

# Rows changed until the log is copied: each takes a page or two; SQLite's own limit is 1,000 pages.
_CHANGES_PER_CHECKPOINT = 1_000
# Pages of log from which the writer stops for a checkpoint, so that the log can begin anew.
_LONG_LOG = 4_000


class Write:
    """One write on its way; ``future`` and ``answered`` belong to the event loop's thread.

    It has failed until it is known to be ``kept``: whatever ends the writer, no caller is told of a
    success that was none.
    """

    __slots__ = ("answered", "args", "error", "future", "kept", "result", "started", "work")

    def __init__(
        self, work: Callable[..., Any], args: tuple[Any, ...], future: asyncio.Future[Any]
    ) -> None:
        """Remember what to do and whom to answer."""
        self.work: Callable[..., Any] = work
        self.args: tuple[Any, ...] = args
        self.future: asyncio.Future[Any] = future
        self.started: bool = False
        self.answered: bool = False
        self.kept: bool = False
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
        if self.answered:
            return
        self.answered = True
        if self.future.done():
            return
        if self.error is None and self.kept:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error or RepositoryError(_ENDED))


_ENDED = "the writer of the repository ended, so the call may have happened or not"


class GroupCommit:
    """The one connection that changes anything, and when its log is copied into the database.

    A checkpoint beside the writer doubles what it can write. But it must not start while a
    transaction may start the log anew, which is where SQLite before 3.51.3 can lose pages
    (https://sqlite.org/wal.html#walresetbug). The log begins anew only when all of it was copied;
    so a checkpoint is started only after a commit that began after the last one's end.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        files: Files,
        settings: SQLiteSettings,
        start_checkpoint: Callable[[], BackgroundWork[int]],
    ) -> None:
        """Take over a connection; ``start_checkpoint`` runs ``copy_log`` on another."""
        self._connection = connection
        # One cursor for all: making one takes as long as beginning a transaction.
        self._execute = connection.cursor().execute
        self._files = files
        self._settings = settings
        self._start_checkpoint = start_checkpoint
        self._checkpoint: BackgroundWork[int] | None = None
        # What a killed process left in the log is copied after the first commit.
        self._copied_changes = -_CHANGES_PER_CHECKPOINT

    def commit(self, writes: Sequence[Write]) -> None:
        """Do the writes and keep them, all in one transaction; each has its answer afterwards.

        When one fails, the transaction is rolled back and each is done in one of its own. That
        costs nothing where none fails, as a savepoint for each would, and it also keeps the
        neighbours when SQLite itself has rolled back (a full disk).

        Raises:
            RepositoryError: The files were moved away; or the transaction could be neither
                committed nor rolled back, and the connection was closed, which does so. The writer
                has to end. Each write has its answer all the same.
        """
        connection = self._connection
        changes = connection.total_changes
        idle = self._checkpoint is None or self._checkpoint.ended
        committed = self._commit_at_once(writes)
        if committed is None:
            committed = self._commit_together(writes)
        if not committed:
            return
        self._check_files(committed)
        for write in committed:
            write.kept = True
        if idle and connection.total_changes > changes:
            self._keep_log_short()

    def _commit_at_once(self, writes: Sequence[Write]) -> Sequence[Write] | None:
        """Do a lone write whose one statement is a transaction by itself; return what is committed.

        BEGIN and COMMIT would be a third of what SQLite does for it. None: it is to be done in a
        transaction, because another process has the lock, or to look for the reason of a refusal
        at the instant of the refusal.
        """
        (write, *others) = writes
        if others or not is_one_statement(write.work, write.args):
            return None
        if not write.start():
            return ()
        try:
            write.run(self._connection)
        except BaseException as error:  # noqa: BLE001 - propagate any exception to the caller
            if isinstance(error, sqlite3.Error) and primary_code(error) == sqlite3.SQLITE_BUSY:
                write.started = False  # while it waits for the lock, it may be cancelled
                return None
            self._give_up(writes, error)
            return ()
        return None if write.error else writes

    def _commit_together(self, writes: Sequence[Write]) -> Sequence[Write]:
        """Do writes in one transaction; return those that are committed, and want an answer."""
        try:
            self._begin()
        except BaseException as error:  # noqa: BLE001 - propagate any exception to the callers
            self._give_up(writes, error)
            return ()
        started = [write for write in writes if write.start()]
        try:
            for write in started:
                write.run(self._connection)
        except BaseException as error:  # noqa: BLE001 - propagate any exception to the callers
            self._give_up(started, error)
            if len(started) > 1:
                for write in started:
                    self.commit([write])
            return ()
        try:
            self._execute("COMMIT")
        except BaseException as error:  # noqa: BLE001 - propagate any exception to the callers
            self._give_up(started, error)
            return ()
        return started

    def close(self) -> None:
        """Copy the log, which SQLite itself does only when no other process has the file open.

        Where the database is not in its place any more, the log is emptied, too: SQLite would take
        what is left in it for a part of the database that is there now.
        """
        with suppress(sqlite3.ProgrammingError):  # the connection was closed already
            if not self._files.database_is_in_place:
                copy_log(self._connection, "TRUNCATE")
            elif self._connection.total_changes > self._copied_changes:
                copy_log(self._connection)

    def let_go(self) -> None:
        """Hold no transaction any more, so that other connections can write."""
        with suppress(sqlite3.ProgrammingError):  # the connection was closed already
            if not self._roll_back():
                self._connection.close()

    def _begin(self) -> None:
        try:
            self._execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:  # mostly, another process has the lock
            retry_while_locked(self._settings, lambda: self._execute("BEGIN IMMEDIATE"))

    def _check_files(self, writes: Sequence[Write]) -> None:
        """Acknowledge nothing that was written to a file which nobody will open again.

        After the commit and before the answer: then there was an instant after the commit at which
        the files at the path had it.
        """
        try:
            self._files.check_names()
        except RepositoryError as error:
            sentence = str(error)
            _fail(writes, lambda: RepositoryError(sentence))
            self.close()
            raise

    def _give_up(self, writes: Sequence[Write], error: BaseException) -> None:
        """Roll back, and fail the writes.

        Raises:
            RepositoryError: It could not be rolled back; the connection was closed.
        """
        _fail(writes, lambda: sqlite_error(error, self._settings))
        if not self._roll_back():
            self._connection.close()
            raise RepositoryError(
                f"a transaction on {self._settings.path!r} could not be rolled back, so its "
                "connection was closed: close the repository, and open it again"
            ) from error

    def _roll_back(self) -> bool:
        """Roll back; whether no transaction is open then."""
        for _ in range(_MOST_ROLLBACKS):
            if not self._connection.in_transaction:
                return True
            # The error that led here is the one to tell; a lack of memory may pass.
            with suppress(sqlite3.Error, MemoryError):
                self._connection.execute("ROLLBACK")
        return not self._connection.in_transaction

    def _keep_log_short(self) -> None:
        """Start a checkpoint if it is time; while the writer never rests, none gets all copied."""
        changes = self._connection.total_changes
        if self._checkpoint is not None and (self._checkpoint.result or 0) > _LONG_LOG:
            self._checkpoint = None
            copy_log(self._connection)
        elif changes - self._copied_changes >= _CHANGES_PER_CHECKPOINT:
            # While the interpreter ends, no thread can be had.
            with suppress(RuntimeError, MemoryError):
                self._checkpoint = self._start_checkpoint()
        else:
            return
        self._copied_changes = changes


_MOST_ROLLBACKS = 3


def _fail(writes: Sequence[Write], error: Callable[[], Exception]) -> None:
    for write in writes:
        write.error = error()


def copy_log(connection: sqlite3.Connection, how: str = "PASSIVE") -> int:
    """Copy what can be copied of the log into the database; the pages of log, copied or not."""
    try:
        ((_, pages, _),) = connection.execute(f"PRAGMA wal_checkpoint({how})").fetchall()
    except (sqlite3.Error, MemoryError):
        return 0  # nothing is lost: the log has it, and a later checkpoint copies it
    return int(pages)
