"""PostgresEngine: the connections of one open repository, and the calls that travel on them."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
from collections.abc import Callable, Coroutine, Hashable, Iterable
from contextlib import suppress
from typing import Any

from collection_jobs.adapters.postgres.batching import (
    Read,
    ReadKind,
    WaitingReads,
    WaitingWrites,
)
from collection_jobs.adapters.postgres.connections import Connections
from collection_jobs.adapters.postgres.deadlines import Deadlines
from collection_jobs.adapters.postgres.errors import (
    DRIVER_ERRORS,
    driver_message,
    maybe_done,
    not_sent,
    postgres_error,
    postgres_not_open,
)
from collection_jobs.adapters.postgres.locks import Locks
from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.adapters.postgres.retries import StatementFailure
from collection_jobs.adapters.postgres.settings import PostgresSettings
from collection_jobs.adapters.postgres.shield import uncancelled
from collection_jobs.adapters.postgres.write import (
    Again,
    AnswerT,
    AnyWrite,
    PostgresWrite,
    RequestT,
    WriteKind,
)
from collection_jobs.owner import Owner

__all__ = ["PostgresEngine"]

_LOG = logging.getLogger(__name__)


class PostgresEngine:
    """What one open repository works with; it belongs to the event loop that opened it.

    A call that is alone goes at once. Those that come while others are under way, in the same round
    of the event loop or while no connection is free, wait together and travel as one statement.
    Reads and writes each leave a connection to the other, so neither waits for the other's end.

    Each call has a deadline: one that waits then fails, and one that is under way then loses its
    connection. So all that waits for calls, such as the closing, ends in time, too.

    Attributes:
        owner: Who may use it.
    """

    def __init__(self, settings: PostgresSettings, locked_jobs: str) -> None:
        """Prepare; nothing is opened yet.

        Args:
            settings: What to open.
            locked_jobs: The statement that tells which of some jobs others have locked.
        """
        self.owner: Owner = Owner(settings.name)
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._connections = Connections(settings, self._pump_soon, self._no_connection)
        self._reads, self._writes = WaitingReads(), WaitingWrites()
        self._reading = self._writing = 0  # statements under way
        # With as many callers as there were lately, it pays to wait for the end of the round.
        self._last_reads = self._last_writes = 1
        self._most = max(1, settings.connections - 1)
        self._locks = Locks(settings, locked_jobs, max(1, self._most - 1))
        self._deadlines = Deadlines(self._expire)
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
            raise postgres_error(error, self._settings) from error
        self._is_open = True

    async def close(self) -> None:
        """Let what is under way end, then close the connections. A cancelled call drops them."""
        self._is_open = False
        try:
            async with asyncio.timeout(self._settings.command_timeout):
                while self._reading or self._writing or self._tasks or self._reads or self._writes:
                    self._rested = self._loop.create_future()
                    await self._rested
                await self._connections.close()
        except TimeoutError:
            self._stop()
        except asyncio.CancelledError:
            self._stop()
            raise
        finally:
            if not (self._reading or self._writing):
                self._deadlines.stop()

    def _stop(self) -> None:
        self._connections.terminate()
        self._fail_waiting(lambda: postgres_not_open(self._settings))

    async def read(self, kind: ReadKind, key: Hashable) -> Any:
        """Read something. A cancelled call leaves nothing; the server is told to stop.

        One whose connection is lost is made again on another.
        """
        self._check_open()
        deadline = self._loop.time() + self._settings.command_timeout
        if not self._reading and not self._reads and self._last_reads == 1:
            pooled = self._connections.take()
            if pooled is not None:
                try:
                    return await self._read_alone(pooled, kind, key, deadline)
                except DRIVER_ERRORS as error:
                    failure = self._failure(pooled, error)
                    if not failure.is_passing or self._deadlines.now() >= deadline:
                        raise postgres_error(failure.error, self._settings) from failure.error
        future: asyncio.Future[Any] = self._loop.create_future()
        if not self._reads:  # or those before it are watched, whose time is over before its own
            self._deadlines.watch(deadline)
        self._reads.add(kind, key, future, deadline)
        self._pump_soon()
        return await future

    async def _read_alone(
        self, pooled: PooledConnection, kind: ReadKind, key: Hashable, deadline: float
    ) -> Any:
        self._reading += 1
        self._deadlines.begin(pooled, deadline)
        try:
            result = (await kind.run(pooled, (key,))).get(key)
        except asyncio.CancelledError:
            self._reading -= 1
            self._deadlines.end(pooled)
            self._connections.put_settled(pooled)
            self._rest()
            raise
        except BaseException as error:
            if not isinstance(error, DRIVER_ERRORS):
                pooled.terminate()  # it may be within a transaction
            self._failure(pooled, error)
            self._reading -= 1
            self._give_back(pooled)
            raise
        self._reading -= 1
        self._give_back(pooled)
        return result

    async def write(self, kind: WriteKind[RequestT, AnswerT], request: RequestT) -> AnswerT:
        """Do one write, and return after its commit.

        Cancelled while it waits, it does not happen. If cancelled after that, the call waits for
        the answer, so a later read observes the outcome.
        """
        self._check_open()
        deadline = self._loop.time() + self._settings.command_timeout
        future: asyncio.Future[AnswerT] = self._loop.create_future()
        write = PostgresWrite(kind, request, future, deadline)
        alone = not self._writing and not self._writes and self._last_writes == 1
        pooled = self._connections.take() if alone else None
        try:
            if pooled is not None:
                self._writing += 1
                self._writes.begin(write)
                await uncancelled(self._run_writes(pooled, [write]))
            else:
                if not self._writes:  # as above
                    self._deadlines.watch(deadline)
                self._writes.add(write)
                self._pump_soon()
            return await write.future
        except asyncio.CancelledError:
            # A forked child, which cancels what its parent awaits, has nobody who could answer.
            while write.is_under_way and self.owner.is_this_process:
                with suppress(asyncio.CancelledError, Exception):
                    await write.abandon()
            write.future.cancel()
            _forget(write.future)
            raise

    def _check_open(self) -> None:
        if not self._is_open:
            raise postgres_not_open(self._settings)

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
        self._rest()  # those that waited may all have been cancelled

    def _start_reads(self) -> bool:
        """Start what can be; whether no more connections are needed."""
        while self._reads and self._reading < self._most:
            pooled = self._connections.take()
            if pooled is None:
                return False
            batch = self._reads.next()
            if not batch:
                self._connections.put(pooled)
                break
            self._reading += 1
            self._last_reads = sum(len(read.callers) for read in batch)
            self._start(self._run_reads(pooled, batch))
        return True

    def _start_writes(self) -> bool:
        while self._writes and self._writing < self._most:
            pooled = self._connections.take()
            if pooled is None:
                return False
            batch = self._writes.next(patient=self._locks.may_wait)
            if not batch:
                self._connections.put(pooled)
                break
            self._writing += 1
            self._last_writes = len(batch)
            self._start(self._run_writes(pooled, batch))
        return True

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._rest()

    def _give_back(self, pooled: PooledConnection) -> None:
        self._deadlines.end(pooled)
        self._connections.put(pooled)
        if self._reads or self._writes:
            self._pump_soon()
        elif self._rested is not None:
            self._rest()

    def _rest(self) -> None:
        """Let the closing look again whether everything has ended."""
        if self._rested is not None and not self._rested.done():
            self._rested.set_result(None)

    async def _run_reads(self, pooled: PooledConnection, batch: list[Read]) -> None:
        self._deadlines.begin(pooled, min(read.deadline for read in batch))
        try:
            found = await batch[0].kind.run(pooled, [read.key for read in batch])
        except DRIVER_ERRORS as error:
            self._reads_failed(batch, self._failure(pooled, error))
        except Exception as error:  # noqa: BLE001 - propagate any exception to the callers
            pooled.terminate()  # it may be within a transaction
            _fail_reads(batch, error)
        except BaseException:
            pooled.terminate()
            _fail_reads(batch, postgres_not_open(self._settings))
            raise
        else:
            for read in batch:
                read.answer(found.get(read.key))
        finally:
            self._reading -= 1
            self._give_back(pooled)

    def _reads_failed(self, batch: list[Read], failure: StatementFailure) -> None:
        for read in batch:
            read.attempts += 1
            now = self._deadlines.now() if failure.permits(read.attempts) else math.inf
            read.fail(lambda: postgres_error(failure.error, self._settings), now)
            if read.callers:
                _log_repeat(1, failure.error, self._settings)
                self._reads.put_back([read])
                self._deadlines.watch(read.deadline)

    async def _run_writes(self, pooled: PooledConnection, batch: list[AnyWrite]) -> None:
        sent = [write for write in batch if write.send()]
        try:
            if sent:
                await self._send_writes(pooled, sent)
        except Exception as error:  # noqa: BLE001 - propagate any exception to the callers
            pooled.terminate()  # it may be within a transaction
            _answer_all(sent, error)
        except BaseException as error:
            pooled.terminate()
            _answer_all(sent, maybe_done(error, self._settings))
            raise
        finally:
            self._writing -= 1
            self._writes.done(batch)
            self._writes.put_back([write for write in sent if write.is_waiting])
            self._give_back(pooled)

    async def _send_writes(self, pooled: PooledConnection, sent: list[AnyWrite]) -> None:
        """Answer some writes, or let them wait again; whatever it raises is for those left."""
        self._deadlines.begin(pooled, min(write.deadline for write in sent))
        try:
            with self._locks.limited(pooled, sent):
                answers = await sent[0].kind.run(pooled, [write.request for write in sent])
        except DRIVER_ERRORS as error:
            await self._writes_failed(pooled, sent, error)
        else:
            for write, answer in zip(sent, answers, strict=True):
                if not isinstance(answer, Again):
                    write.answer(answer)
                elif write.is_abandoned:
                    write.answer(not_sent(self._settings))  # nobody hears of it
                else:
                    write.wait_again()
                    self._deadlines.watch(write.deadline)

    async def _writes_failed(
        self, pooled: PooledConnection, batch: list[AnyWrite], error: Exception
    ) -> None:
        """Answer the writes that are over; those wait again that surely did not happen."""
        failure = self._failure(pooled, error)
        if failure.is_in_doubt:
            _answer_all(batch, maybe_done(failure.error, self._settings))
            return
        if failure.is_locked:
            again = await self._locks.sorted_out(pooled, batch)
        else:
            for write in batch:
                write.attempts += 1
                if not failure.is_passing:  # of several that failed together, one may be the cause
                    write.go_alone()
            permitted = failure.permits(batch[0].attempts, together=len(batch) > 1)
            again = batch if permitted else []
            _log_repeat(len(again), failure.error, self._settings)
        self._repeat(batch, again, failure.error)

    def _repeat(self, batch: list[AnyWrite], again: list[AnyWrite], error: Exception) -> None:
        """Let those wait again that have time left, and a caller; the others get the error."""
        now = self._deadlines.now()
        for write in batch:
            if write in again and write.deadline > now and not write.is_abandoned:
                write.wait_again()
                self._deadlines.watch(write.deadline)
            else:
                write.answer(postgres_error(error, self._settings))

    def _failure(self, pooled: PooledConnection, error: BaseException) -> StatementFailure:
        failure = StatementFailure(pooled, error, self._settings)
        if failure.is_outdated:
            pooled.forget_statements()
            self._connections.forget_statements()
        if failure.is_silent:
            self._connections.distrust(pooled)
        return failure

    def _expire(self, now: float) -> Iterable[float]:
        """Fail what has waited too long; when to look again."""
        self._reads.expire(now, lambda: not_sent(self._settings))
        for write in self._writes.expire(now):
            write.answer(not_sent(self._settings))
        self._rest()
        return itertools.chain(self._reads.deadlines(), self._writes.deadlines())

    def _no_connection(self, error: Exception) -> None:
        """Fail what waits: no connection remains and reconnecting failed."""
        self._fail_waiting(lambda: postgres_error(error, self._settings))

    def _fail_waiting(self, error: Callable[[], Exception]) -> None:
        for write in self._writes.take_all():
            write.answer(error())
        while batch := self._reads.next():
            for read in batch:
                read.fail(error)
        self._rest()


def _log_repeat(calls: int, error: Exception, settings: PostgresSettings) -> None:
    if calls:
        _LOG.info("repeating %d call(s) on %s: %s", calls, settings.name, driver_message(error))


def _fail_reads(batch: list[Read], error: Exception) -> None:
    for read in batch:
        read.fail(lambda: error)


def _answer_all(writes: list[AnyWrite], error: Exception) -> None:
    """Tell the callers of those that have no answer yet, and are not to be repeated."""
    for write in writes:
        if write.is_under_way:
            write.answer(error)


def _forget(future: asyncio.Future[Any]) -> None:
    """Mark an error as seen that a cancelled call cannot raise: asyncio would log it as lost."""
    if not future.cancelled() and future.done():
        future.exception()
