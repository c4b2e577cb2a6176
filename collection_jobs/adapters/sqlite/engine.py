"""Engine: the threads and connections of one open repository."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from queue import SimpleQueue
from typing import Any, TypeVar, TypeVarTuple

from collection_jobs.adapters.sqlite.committer import Committer, Write, copy_log
from collection_jobs.adapters.sqlite.failures import for_caller, not_open, primary_code
from collection_jobs.adapters.sqlite.schema import connect, connect_to_read
from collection_jobs.adapters.sqlite.settings import Settings
from collection_jobs.adapters.sqlite.turns import Turns

__all__ = ["CACHE_KIB", "Engine"]

CACHE_KIB = 64_000
"""The most that the page cache of the connection for short reads takes: SQLite's usual 2 MB hold so
little of a large store that random reads take a system call for nearly every page."""

_A = TypeVar("_A")
_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

# Bounds for how long one transaction keeps other processes waiting.
_LARGEST_BATCH = 256
# What a read may cost on the event loop's thread, in steps of SQLite's machine: some 3 ms.
_TICK = 10_000
_TICKS = 10
# Short reads of jobs that take as long as one such tick.
_JOBS_PER_TICK = 12


class Engine:
    """What one open repository works with; it belongs to the event loop that opened it.

    * The *writer* is a thread with the one connection that changes anything. It opens and closes
      all three, too.
    * The *helper* is a thread with a connection for reads that are long, and for checkpoints.
    * The *reader* is a connection for the event loop's own thread, where a short read costs less
      than the way to another thread and back. Each of its reads ends before anything is awaited,
      so none holds a transaction open.
    """

    def __init__(self, settings: Settings) -> None:
        """Prepare; nothing is opened yet."""
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._is_open = False
        self._queue: SimpleQueue[Write | None] = SimpleQueue()
        self._pool = ThreadPoolExecutor(1, "collection-jobs-sqlite-helper")
        self._connections = ExitStack()
        self._reader: sqlite3.Connection
        self._helper: sqlite3.Connection
        self._ticks = 0
        self._turns = Turns(self._loop)

    async def open(self) -> None:
        """Open the file. A cancelled call leaves nothing open.

        Raises:
            RepositoryError: The file cannot be opened.
        """
        # A daemon, so that a repository that nobody closed does not keep the interpreter alive.
        threading.Thread(
            target=self._serve, name="collection-jobs-sqlite-writer", daemon=True
        ).start()
        try:
            await self._opened
        except asyncio.CancelledError:
            self.stop()
            _forget(self._opened)
            raise
        self._is_open = True

    def stop(self) -> None:
        """Let the writer answer the writes that wait, and end."""
        self._is_open = False
        self._queue.put(None)

    async def close(self) -> None:
        """Stop, and wait for the end. A cancelled call stops all the same."""
        self.stop()
        await asyncio.shield(self._closed)

    async def write(self, work: Callable[[sqlite3.Connection, *_Ts], _T], *args: *_Ts) -> _T:
        """Do one write in a transaction, and return after its commit.

        Cancelled before its transaction began, it is passed over. Cancelled after that, the call
        waits for the commit, which is under way, so that whoever looks next sees what became of it.
        """
        self._check_open()
        write = Write(work, args, self._loop.create_future())
        self._queue.put(write)
        try:
            result: _T = await write.future
        except asyncio.CancelledError:
            while write.started and not write.answered:
                write.future = self._loop.create_future()
                with suppress(asyncio.CancelledError, Exception):
                    await write.future
            _forget(write.future)
            raise
        return result

    # One argument, not any number: this is the way of every short read, and those cost 0.6 us.
    async def read(self, work: Callable[[sqlite3.Connection, _A], _T], argument: _A) -> _T:
        """Do a read that should be short here and now; if it is not, with the helper.

        Now and then it waits for a turn first: callers that read in a loop would otherwise never
        suspend, and starve all other tasks.
        """
        turns = self._turns
        if turns.left <= 0:
            self._check_open()
            await turns.next()
            self._check_open()
        self._ticks = _TICKS
        turns.left -= 1
        try:
            return work(self._reader, argument)
        except sqlite3.Error as error:
            if primary_code(error) in (sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_BUSY):
                return await self.read_long(work, argument)
            raise for_caller(error, self._settings) from error

    async def read_jobs(
        self, work: Callable[[sqlite3.Connection, _A], list[_T]], argument: _A
    ) -> list[_T]:
        """Read some jobs in the same way."""
        jobs = await self.read(work, argument)
        self._turns.left -= len(jobs)
        return jobs

    async def read_long(self, work: Callable[[sqlite3.Connection, _A], _T], argument: _A) -> _T:
        """Do a read with the helper. A cancelled call leaves nothing."""
        self._check_open()
        try:
            return await self._loop.run_in_executor(
                self._pool, lambda: work(self._helper, argument)
            )
        except sqlite3.Error as error:
            raise for_caller(error, self._settings) from error

    def _check_open(self) -> None:
        if not self._is_open:
            raise not_open(self._settings)

    def _tick(self) -> bool:
        """Whether the read on the event loop's thread has become a long one."""
        self._ticks -= 1
        self._turns.left -= _JOBS_PER_TICK
        return self._ticks < 0

    # What follows runs on the writer's thread.

    def _serve(self) -> None:
        try:
            committer = self._connect()
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller must hear of it
            self._post(self._opened, for_caller(error, self._settings))
            return
        self._post(self._opened)
        while batch := self._next_batch():
            committer.commit(batch)
            self._call(_answer, batch)
        self._post(self._closed, self._disconnect(committer))

    def _connect(self) -> Committer:
        with ExitStack() as opened:
            writer = opened.enter_context(closing(connect(self._settings)))
            self._helper = opened.enter_context(
                closing(connect_to_read(self._settings, self._settings.busy_timeout))
            )
            self._reader = opened.enter_context(
                closing(connect_to_read(self._settings, 0.0, cache_kib=CACHE_KIB))
            )
            self._reader.set_progress_handler(self._tick, _TICK)
            self._connections = opened.pop_all()
        return Committer(writer, self._settings, self._start_checkpoint)

    def _disconnect(self, committer: Committer) -> Exception | None:
        try:
            self._pool.shutdown()
            committer.close()
            self._connections.close()
        except sqlite3.Error as error:
            return for_caller(error, self._settings)
        return None

    def _start_checkpoint(self) -> Future[int]:
        return self._pool.submit(lambda: copy_log(self._helper))

    def _next_batch(self) -> list[Write]:
        """Wait for a write, and take those that wait with it; none: it is time to end."""
        batch: list[Write] = []
        while (write := self._queue.get()) is not None:
            batch.append(write)
            if len(batch) == _LARGEST_BATCH or self._queue.empty():
                return batch
        if batch:
            self._queue.put(None)  # the end comes after these
        return batch

    def _post(self, future: asyncio.Future[None], error: Exception | None = None) -> None:
        self._call(_settle, future, error)

    def _call(self, callback: Callable[[*_Ts], object], *args: *_Ts) -> None:
        # A loop that was closed meanwhile refuses; then nobody waits for the answer either.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *args)


def _answer(batch: list[Write]) -> None:
    for write in batch:
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
