"""SQLiteEngine: the threads and connections of one open repository."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar, TypeVarTuple

from collection_jobs.adapters.sqlite.background import (
    BackgroundThread,
    BackgroundWork,
    insist,
)
from collection_jobs.adapters.sqlite.errors import (
    ENGINE_ERRORS,
    primary_code,
    raise_sqlite_error,
    sqlite_error,
    sqlite_not_open,
)
from collection_jobs.adapters.sqlite.files import Files, identity_of
from collection_jobs.adapters.sqlite.group_commit import GroupCommit, Write, copy_log
from collection_jobs.adapters.sqlite.handles import Handles, check_allowed
from collection_jobs.adapters.sqlite.read_scheduler import ReadScheduler
from collection_jobs.adapters.sqlite.rows import LARGEST_DOCUMENT
from collection_jobs.adapters.sqlite.schema import connect_to_read, connect_to_write
from collection_jobs.adapters.sqlite.settings import SQLiteSettings
from collection_jobs.errors import RepositoryError
from collection_jobs.owner import Owner

__all__ = ["CACHE_KIB", "SQLiteEngine"]

CACHE_KIB = 64_000
"""The most that the page cache of the connection for short reads takes: SQLite's usual 2 MB hold so
little of a large store that random reads take a system call for nearly every page."""

_A = TypeVar("_A")
_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

# Bounds for how long one transaction keeps other processes waiting.
_LARGEST_BATCH = 256
# What a read may cost on the event loop's thread, in steps of SQLite's machine: some 3 ms.
_TICK = 2_500
_TICKS = 40
# Short reads of jobs that take as long as one such tick.
_JOBS_PER_TICK = 3
# The same in seconds, which long texts take in fewer steps; it is looked at with each tick.
_LONGEST_SHORT_READ = 0.005
# How long listings go to the helper at once, after two in a row that were too long for the loop's
# thread, and the most where more follow, each for twice as long. One alone may have been a short
# one, in the middle of which a busy machine has stopped the thread.
_LONG_LISTINGS_LAST, _LONG_LISTINGS_LAST_AT_MOST = 0.02, 1.0  # seconds
_MOST_DOUBLINGS = 10
# Seconds between two looks whether the files are still there, for who only reads.
_LOOK_EVERY = 1.0
_AT_ONCE = float("-inf")

# What ends a read on the event loop's thread, and not with the helper: it took too many steps or
# too long, is too large, or another connection recovers the log.
_TOO_LONG = (sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_BUSY)


class SQLiteEngine:
    """What one open repository works with; it belongs to the event loop that opened it.

    * The *writer* is a thread with the one connection that changes anything. It opens and closes
      all three, too.
    * The *helper* is a thread with a connection for reads that are long, and for checkpoints.
    * The *reader* is a connection for the event loop's own thread, where a short read costs less
      than the way to another thread and back. Each of its reads ends before anything is awaited,
      so none holds a transaction open.
    """

    def __init__(self, settings: SQLiteSettings) -> None:
        """Prepare; nothing is opened yet.

        Raises:
            RepositoryError: The path is relative, and the process's directory is gone.
        """
        # A process may change its directory, and all connections must have one file.
        self._settings = replace(settings, path=_absolute(settings.path))
        self.owner: Owner = Owner(repr(self._settings.path))
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._is_open = self._stopped = False
        self._failure: str | None = None
        self._queue: SimpleQueue[Write | None] = SimpleQueue()
        self._batch: list[Write] = []
        self._taken: Write | None = None
        self._background = BackgroundThread("collection-jobs-sqlite-helper")
        self._handles: Handles
        self._files: Files
        self._reader: sqlite3.Connection
        self._helper: sqlite3.Connection
        self._ticks = 0
        self._deadline = self._long_listings_until = 0.0
        self._long_listings = 0  # in a row
        self._next_look = _AT_ONCE
        self._scheduler = ReadScheduler(self._loop)

    async def open(self) -> None:
        """Open the file. A cancelled call has closed what it opened when it raises.

        Raises:
            RepositoryError: The file cannot be opened.
        """
        # A daemon, so that a repository that nobody closed does not keep the interpreter alive.
        writer = threading.Thread(
            target=self._serve, name="collection-jobs-sqlite-writer", daemon=True
        )
        try:
            writer.start()
        except RuntimeError as error:
            raise self._no_thread() from error
        try:
            await self._opened
        except asyncio.CancelledError:
            self.stop()
            await self._settled(self._closed)
            _forget(self._opened)
            raise
        self._is_open = True

    def stop(self) -> None:
        """Let the writer answer the writes that wait, and end; one that still opens gives up."""
        self._is_open, self._stopped = False, True
        self._next_look = _AT_ONCE
        if self.owner.is_this_process:
            self._queue.put(None)

    async def close(self) -> None:
        """Stop, and wait for the end. A cancelled call does so, too, before it raises."""
        self.stop()
        await self._settled(self._closed)
        self._closed.result()

    async def _settled(self, future: asyncio.Future[None]) -> None:
        """Wait until a future is done, even if cancelled; the cancellation is raised then.

        In a forked child, which has no writer, nothing is waited for.
        """
        cancelled = None
        while not future.done() and self.owner.is_this_process:
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    async def write(self, work: Callable[[sqlite3.Connection, *_Ts], _T], *args: *_Ts) -> _T:
        """Do one write in a transaction, and return after its commit.

        Cancelled before its transaction began, it is passed over. If cancelled after that, the call
        waits for the commit, so a later read observes the outcome.
        """
        self._check()
        write = Write(work, args, self._loop.create_future())
        self._queue.put(write)
        try:
            result: _T = await write.future
        except asyncio.CancelledError:
            # A forked child, which cancels what its parent awaits, has no writer that could answer.
            while write.started and not write.answered and self.owner.is_this_process:
                write.future = self._loop.create_future()
                with suppress(asyncio.CancelledError, Exception):
                    await write.future
            _forget(write.future)
            raise
        return result

    # One argument, not any number: this is the way of every short read, and those cost 0.6 us.
    async def read(
        self,
        work: Callable[[sqlite3.Connection, _A], _T],
        argument: _A,
        if_long: Callable[[sqlite3.Connection, _A], _T] | None = None,
    ) -> _T:
        """Do a read that should be short here and now; if it is not, with the helper.

        Now and then it waits first, see `ReadScheduler`: callers that read in a loop would
        otherwise never suspend, and starve all other tasks.

        Args:
            work: The read.
            argument: What it takes.
            if_long: What the helper does instead.
        """
        scheduler = self._scheduler
        if scheduler.left <= 0:
            self._check()
            await scheduler.next()
        now = time.monotonic()
        if now >= self._next_look:
            self._look(now)
        self._ticks = _TICKS
        self._deadline = now + _LONGEST_SHORT_READ
        scheduler.left -= 1
        try:
            return work(self._reader, argument)
        except sqlite3.Error as error:
            if primary_code(error) in _TOO_LONG:
                return await self.read_long(if_long or work, argument)
            raise_sqlite_error(error, self._settings)
        except ENGINE_ERRORS as error:
            raise_sqlite_error(error, self._settings)

    async def read_jobs(
        self,
        work: Callable[[sqlite3.Connection, _A], list[_T]],
        argument: _A,
        if_long: Callable[[sqlite3.Connection, _A], list[_T]],
    ) -> list[_T]:
        """Read some jobs in the same way."""
        if self._check() < self._long_listings_until:
            return await self.read_long(if_long, argument)

        was_long = False

        def long(connection: sqlite3.Connection, argument: _A) -> list[_T]:
            nonlocal was_long
            was_long = True
            self._note_long_listing()
            return if_long(connection, argument)

        jobs = await self.read(work, argument, long)
        if not was_long:
            self._long_listings = 0
        self._scheduler.left -= len(jobs)
        return jobs

    def _note_long_listing(self) -> None:
        """Send listings to the helper for a while; on its thread."""
        if self._long_listings:
            last = _LONG_LISTINGS_LAST * 2.0 ** min(self._long_listings - 1, _MOST_DOUBLINGS)
            self._long_listings_until = time.monotonic() + min(last, _LONG_LISTINGS_LAST_AT_MOST)
        self._long_listings += 1

    async def read_long(self, work: Callable[[sqlite3.Connection, _A], _T], argument: _A) -> _T:
        """Do a read with the helper. A cancelled call leaves nothing."""
        self._check()
        try:
            reading = self._background.start(lambda: work(self._helper, argument))
        except RuntimeError as error:  # the system has no thread, or the interpreter ends
            raise self._no_thread() from error
        try:
            return await reading
        except ENGINE_ERRORS as error:
            raise_sqlite_error(error, self._settings)

    def _no_thread(self) -> RepositoryError:
        return RepositoryError(f"no thread could be started for a call on {self._settings.path!r}")

    def _check(self) -> float:
        """Refuse what cannot be served; the time by the monotonic clock."""
        now = time.monotonic()
        if now >= self._next_look:
            self._look(now)
        return now

    def _look(self, now: float) -> None:
        """Look whether there is a reason to refuse; when there is, each call looks again."""
        if not self._is_open:
            raise sqlite_not_open(self._settings)
        self._next_look = now + _LOOK_EVERY
        if self._failure is None:
            try:
                self._files.check()
            except RepositoryError as error:
                self._fail(str(error))
        if self._failure is not None:
            self._next_look = _AT_ONCE
            raise RepositoryError(self._failure)

    def _fail(self, failure: str) -> None:
        """Refuse every later call; on any thread."""
        self._failure = failure
        self._next_look = _AT_ONCE

    def _tick(self) -> bool:
        """Whether the read on the event loop's thread has become a long one."""
        self._ticks -= 1
        self._scheduler.left -= _JOBS_PER_TICK
        return self._ticks < 0 or time.monotonic() > self._deadline

    # What follows runs on the writer's thread.

    def _serve(self) -> None:
        try:
            committer = self._connect()
        except BaseException as error:  # noqa: BLE001 - propagate any exception to the caller
            insist(self._refuse_to_open, error)
            return
        self._post(self._opened)
        try:
            while self._next_batch():
                committer.commit(self._batch)
                self._call(_answer, self._batch)
        except BaseException as error:  # noqa: BLE001 - propagate any exception to the callers
            insist(self._refuse_all, committer, error)
        insist(self._post_the_end, committer)

    def _refuse_to_open(self, error: BaseException) -> None:
        self._post(self._opened, sqlite_error(error, self._settings))
        self._post(self._closed)

    def _refuse_all(self, committer: GroupCommit, error: BaseException) -> None:
        """Answer the writes under way and all that come, until the repository is closed.

        May be called again where memory lacked: a write that has its answer takes no other.
        """
        if self._failure is None:
            self._fail(
                str(error)
                if isinstance(error, RepositoryError)
                else f"the writer on {self._settings.path!r} ended ({error!r}): close the "
                "repository, and open it again"
            )
        committer.let_go()
        self._call(_answer, self._batch)
        while True:
            if self._taken is not None:
                if self._taken not in self._batch:
                    self._taken.error = RepositoryError(self._failure)
                self._call(self._taken.answer)
            self._taken = self._queue.get()
            if self._taken is None:
                return

    def _post_the_end(self, committer: GroupCommit) -> None:
        self._post(self._closed, self._disconnect(committer))

    def _connect(self) -> GroupCommit:
        settings = self._settings
        check_allowed(settings.path)
        self._handles = handles = Handles(settings.path)
        try:
            before = identity_of(settings.path)
            writer = handles.add(connect_to_write(settings, lambda: self._stopped))
            self._files = Files(settings.path, before)
            handles.identity = self._files.database
            self._helper = handles.add(connect_to_read(settings, settings.busy_timeout))
            self._reader = handles.add(connect_to_read(settings, 0.0, cache_kib=CACHE_KIB))
            self._reader.set_progress_handler(self._tick, _TICK)
            self._reader.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_DOCUMENT)
            self._files.check()  # all three are connected to the same file
        except BaseException:
            handles.close()
            raise
        return GroupCommit(writer, self._files, settings, self._start_checkpoint)

    def _disconnect(self, committer: GroupCommit) -> Exception | None:
        try:
            self._background.close()
            if self._files.log_was_replaced:
                self._handles.abandon(_OTHER_LOG)
                return None
            committer.close()
            failure = self._handles.close()
        except BaseException as error:  # noqa: BLE001 - propagate any exception to the caller
            return sqlite_error(error, self._settings)
        return None if failure is None else sqlite_error(failure, self._settings)

    def _start_checkpoint(self) -> BackgroundWork[int]:
        work = BackgroundWork(lambda: copy_log(self._helper))
        self._background.submit(work)
        return work

    def _next_batch(self) -> bool:
        """Wait for a write, and take those that wait with it; False: it is time to end."""
        batch: list[Write] = []
        self._batch = batch
        while (write := self._queue.get()) is not None:
            self._taken = write  # so that it has an answer even where it finds no place in the list
            batch.append(write)
            if len(batch) == _LARGEST_BATCH or self._queue.empty():
                return True
        if batch:
            self._queue.put(None)  # the end comes after these
        return bool(batch)

    def _post(self, future: asyncio.Future[None], error: Exception | None = None) -> None:
        self._call(_settle, future, error)

    def _call(self, callback: Callable[[*_Ts], object], *args: *_Ts) -> None:
        """Have the event loop's thread call something."""
        with suppress(RuntimeError):  # the loop was closed: then nobody waits for an answer either
            insist(self._loop.call_soon_threadsafe, callback, *args)


_OTHER_LOG = "its log was replaced while it was open, and closing it would have mixed the two logs"


def _absolute(path: str) -> str:
    try:
        return str(Path(path).absolute())
    except OSError as error:
        raise RepositoryError(f"{path!r} cannot be found: {error.strerror}") from error


def _answer(batch: list[Write]) -> None:
    for write in batch:
        # For want of memory, asyncio may fail to wake one caller: the others are woken.
        with suppress(MemoryError):
            write.answer()


def _forget(future: asyncio.Future[Any]) -> None:
    """Mark an error as seen that a cancelled call cannot raise: asyncio would log it as lost."""
    if not future.cancelled() and future.done():
        future.exception()


def _settle(future: asyncio.Future[None], error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
