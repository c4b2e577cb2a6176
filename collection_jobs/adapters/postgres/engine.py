"""Engine: the connections of one open repository, and the calls that travel on them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Sequence
from contextlib import suppress
from typing import Any

from collection_jobs.adapters.postgres.coalescing import (
    Read,
    ReadKind,
    Reads,
    Write,
    WriteKind,
    Writes,
)
from collection_jobs.adapters.postgres.connections import Connections, Held
from collection_jobs.adapters.postgres.failures import (
    DRIVER_ERRORS,
    for_caller,
    is_conflict,
    is_loss,
    is_unsent,
    maybe_done,
    not_open,
)
from collection_jobs.adapters.postgres.settings import Settings
from collection_jobs.adapters.postgres.uncancelled import uncancelled

__all__ = ["Engine"]

_MOST_ATTEMPTS = 20
"""How often a call is repeated that was rolled back for another's sake, or lost its connection."""


class Engine:
    """What one open repository works with; it belongs to the event loop that opened it.

    A call that is alone goes at once. Those that come while others are under way, in the same round
    of the event loop or while no connection is free, wait together and travel as one statement.
    Reads and writes each leave a connection to the other, so neither waits for the other's end.
    """

    def __init__(self, settings: Settings) -> None:
        """Prepare; nothing is opened yet."""
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._connections = Connections(settings, self._pump_soon, self._no_connection)
        self._reads, self._writes = Reads(), Writes()
        self._reading = self._writing = 0  # statements under way
        # With as many callers as there were lately, it pays to wait for the end of the round.
        self._last_reads = self._last_writes = 1
        self._most = max(1, settings.connections - 1)
        self._pump_is_due = False
        self._writes_first = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._rested: asyncio.Future[None] | None = None
        self._is_open = False

    async def open(self) -> None:
        """Connect, and see to the schema. A cancelled call leaves nothing open.

        Raises:
            RepositoryError: There is no connection, or the schema is none of ours.
        """
        try:
            await self._connections.open()
        except DRIVER_ERRORS as error:
            raise for_caller(error, self._settings) from error
        self._is_open = True

    def stop(self) -> None:
        """Refuse calls from now on, and hang up."""
        self._is_open = False
        self._connections.terminate()

    async def close(self) -> None:
        """Let what is under way end, then close the connections. A cancelled call hangs up."""
        self._is_open = False
        try:
            while self._reading or self._writing or self._tasks or self._reads or self._writes:
                self._rested = self._loop.create_future()
                await self._rested
            await self._connections.close()
        except asyncio.CancelledError:
            self._connections.terminate()
            raise

    async def read(self, kind: ReadKind, key: Hashable) -> Any:
        """Read something. A cancelled call leaves nothing; the server is told to stop.

        One whose connection is lost is made again on another.
        """
        self._check_open()
        if not self._reading and not self._reads and self._last_reads == 1:
            held = self._connections.take()
            if held is not None:
                try:
                    return await self._read_alone(held, kind, key)
                except DRIVER_ERRORS as error:
                    if not held.is_lost:
                        raise for_caller(error, self._settings) from error
        future: asyncio.Future[Any] = self._loop.create_future()
        self._reads.add(kind, key, future)
        self._pump_soon()
        return await future

    async def _read_alone(self, held: Held, kind: ReadKind, key: Hashable) -> Any:
        self._reading += 1
        try:
            result = (await kind.run(held, (key,))).get(key)
        except asyncio.CancelledError:
            self._reading -= 1
            self._connections.put_settled(held)
            self._rest()
            raise
        except BaseException as error:
            self._reading -= 1
            _is_lost(held, error)
            self._give_back(held)
            raise
        self._reading -= 1
        self._give_back(held)
        return result

    async def write(self, kind: WriteKind, ids: Sequence[str], args: Any, weight: int = 1) -> Any:
        """Do one write, and return after its commit.

        Cancelled while it waits, it does not happen. Cancelled after that, the call waits for the
        answer, so that whoever looks next sees what became of it.
        """
        self._check_open()
        write = Write(kind, ids, args, weight, self._loop.create_future())
        alone = not self._writing and not self._writes and self._last_writes == 1
        held = self._connections.take() if alone else None
        try:
            if held is not None:
                self._writing += 1
                self._writes.begin(write)
                await uncancelled(self._run_writes(held, [write]))
            else:
                self._writes.add(write)
                self._pump_soon()
            return await write.future
        except asyncio.CancelledError:
            while write.started and not write.answered:
                write.abandoned = True
                write.future = self._loop.create_future()
                with suppress(asyncio.CancelledError, Exception):
                    await write.future
            write.future.cancel()
            _forget(write.future)
            raise

    def _check_open(self) -> None:
        if not self._is_open:
            raise not_open(self._settings)

    def _pump_soon(self) -> None:
        """Pump at the end of this round: those who were just answered may ask again before that."""
        if not self._pump_is_due:
            self._pump_is_due = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Send what waits, as far as there are connections; reads and writes take turns."""
        self._pump_is_due = False
        self._writes_first = not self._writes_first
        starts = self._start_reads, self._start_writes
        for start in reversed(starts) if self._writes_first else starts:
            if not start():
                self._connections.grow()

    def _start_reads(self) -> bool:
        """Start what can be; whether no more connections are needed."""
        while self._reads and self._reading < self._most:
            held = self._connections.take()
            if held is None:
                return False
            batch = self._reads.next()
            if not batch:
                self._connections.put(held)
                break
            self._reading += 1
            self._last_reads = sum(len(read.futures) for read in batch)
            self._start(self._run_reads(held, batch))
        return True

    def _start_writes(self) -> bool:
        while self._writes and self._writing < self._most:
            held = self._connections.take()
            if held is None:
                return False
            batch = self._writes.next()
            if not batch:
                self._connections.put(held)
                break
            self._writing += 1
            self._last_writes = len(batch)
            self._start(self._run_writes(held, batch))
        return True

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._rest()

    def _give_back(self, held: Held) -> None:
        self._connections.put(held)
        if self._reads or self._writes:
            self._pump_soon()
        elif self._rested is not None:
            self._rest()

    def _rest(self) -> None:
        """Let the closing look again whether everything has ended."""
        if self._rested is not None and not self._rested.done():
            self._rested.set_result(None)

    async def _run_reads(self, held: Held, batch: list[Read]) -> None:
        try:
            found = await batch[0].kind.run(held, [read.key for read in batch])
        except DRIVER_ERRORS as error:
            self._reads_failed(held, batch, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the callers must hear of it
            for read in batch:
                read.fail(error)
        except BaseException:
            held.terminate()
            for read in batch:
                read.fail(not_open(self._settings))
            raise
        else:
            for read in batch:
                read.answer(found.get(read.key))
        finally:
            self._reading -= 1
            self._give_back(held)

    def _reads_failed(self, held: Held, batch: list[Read], error: Exception) -> None:
        lost = _is_lost(held, error)
        for read in batch:
            read.attempts += 1
            if lost and read.attempts < _MOST_ATTEMPTS:
                self._reads.put_back([read])
            else:
                read.fail(for_caller(error, self._settings))

    async def _run_writes(self, held: Held, batch: list[Write]) -> None:
        again: list[Write] = []
        started = [write for write in batch if not write.future.cancelled()]
        for write in started:
            write.started = True
        try:
            if started:
                await started[0].kind.run(held, started)
        except DRIVER_ERRORS as error:
            again = self._writes_failed(held, started, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the callers must hear of it
            held.terminate()  # it may be within a transaction
            for write in started:
                write.error = error
        except BaseException as error:
            held.terminate()
            for write in started:
                write.error = maybe_done(error, self._settings)
            raise
        finally:
            self._writing -= 1
            self._writes.done(batch)
            self._writes.put_back(again)
            for write in started:
                if write not in again:
                    write.answer()
            self._give_back(held)

    def _writes_failed(self, held: Held, batch: list[Write], error: Exception) -> list[Write]:
        """Set what came of the writes; those that surely did not happen and are to be repeated."""
        lost = _is_lost(held, error)
        if lost and held.sent and not is_unsent(error):
            return _fail(batch, lambda: maybe_done(error, self._settings))
        again = lost or is_conflict(error) or len(batch) > 1
        for write in batch:
            write.attempts += 1
            write.started = False
            # Of several that failed together, one may be the cause.
            write.alone = write.alone or not (lost or is_conflict(error))
        if not again or batch[0].attempts >= _MOST_ATTEMPTS:
            return _fail(batch, lambda: for_caller(error, self._settings))
        return [write for write in batch if not write.abandoned]

    def _no_connection(self, error: Exception) -> None:
        """Fail what waits: no connection is left, and none is to be had."""
        for write in self._writes.take_all():
            write.error = for_caller(error, self._settings)
            write.answer()
        while batch := self._reads.next():
            for read in batch:
                read.fail(for_caller(error, self._settings))
        self._rest()


def _is_lost(held: Held, error: BaseException) -> bool:
    """Whether an error means that the connection is lost; then it is closed here, too."""
    if is_loss(error):
        held.terminate()
    return held.is_lost


def _fail(batch: list[Write], error: Callable[[], Exception]) -> list[Write]:
    for write in batch:
        write.error = error()
    return []


def _forget(future: asyncio.Future[Any]) -> None:
    """Mark an error as seen that a cancelled call cannot raise: asyncio would log it as lost."""
    if not future.cancelled() and future.done():
        future.exception()
