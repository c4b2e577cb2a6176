"""Stores with pools, queues and tasks, which many callers, a cancellation or a closing exhausts."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self, TypeVar

from typing_extensions import override

from collection_jobs import (
    CollectionJob,
    JobStats,
    JobStatus,
    RepositoryClosedError,
    RepositoryError,
)
from tests.mutants.cancelling import CANCELLED, engine
from tests.mutants.stores import FileStore, Hooked
from tests.mutants.table import breaks, is_right

T = TypeVar("T")
MANY_CALLERS = "many callers"
CLOSING = "calls pending at the close"


class Pooled(Hooked):
    """Has a pool of connections; each call takes one, and gives it back."""

    size: ClassVar[int] = 10

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.pool = asyncio.Semaphore(self.size)

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[None]:
        """Take a connection, and give it back."""
        async with self.pool:
            await engine()
            yield

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        async with self.connection():
            return await call()


# Many callers


@breaks(MANY_CALLERS, "ATOMIC-1")
class TakesASecondConnection(Pooled):
    """Reads the job with a second connection while it holds the first, when it counts."""

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        async with self.connection():
            job = await self.get_by_id(job_id)
        return None if job is None else JobStats.from_job(job)


@breaks(MANY_CALLERS, "ATOMIC-1")
class WaitsInItsOwnThreads(Hooked):
    """Has 32 threads, and a call in one of them waits for another one's."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.threads = ThreadPoolExecutor(32)

    def round_trip(self) -> None:
        """Ask another thread whether the server is there, and wait for the answer."""
        time.sleep(0.002)  # what a request to the server takes
        self.threads.submit(int).result(timeout=3600)

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self.threads, self.round_trip)
        return await super().update_status(job_id, status, error_message)

    @override
    async def close(self) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)
        await super().close()


@breaks(MANY_CALLERS, "ERROR-1")
class HasAFullQueue(Hooked):
    """Has room for 32 calls that wait, and raises what a full queue raises."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.waiting: asyncio.Queue[None] = asyncio.Queue(32)

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        self.waiting.put_nowait(None)
        await engine()
        try:
            return await call()
        finally:
            self.waiting.get_nowait()


@breaks(MANY_CALLERS, "ATOMIC-1")
class AnswersTwentyFive(Hooked):
    """Sends what waits in batches of at most 25 rows, and forgets the rest."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.batch: list[tuple[Callable[[], Awaitable[Any]], asyncio.Future[Any]]] = []

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self.batch.append((call, answer))
        if len(self.batch) == 1:
            self.sending = loop.create_task(self.send())
        return await answer

    async def send(self) -> None:
        """Make the calls that wait."""
        await engine()
        batch, self.batch = self.batch[:25], []
        for call, answer in batch:
            try:
                result = await call()
            except Exception as error:  # noqa: BLE001 - it is the caller's
                if not answer.done():
                    answer.set_exception(error)
            else:
                if not answer.done():
                    answer.set_result(result)


@is_right
class WaitsForAConnection(Pooled):
    """Waits for two seconds for one of four connections, and refuses the call then."""

    size: ClassVar[int] = 4

    @override
    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(2):
                await self.pool.acquire()
        except TimeoutError as error:
            raise RepositoryError("no connection was free for 2 s") from error
        try:
            await engine()
            yield
        finally:
            self.pool.release()


# Cancelled calls


@breaks(CANCELLED, "CANCEL-1")
class LosesOneOfTwenty(Pooled):
    """Has twenty connections, and does not give one back when counting is cancelled."""

    size: ClassVar[int] = 20

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        await self.pool.acquire()
        await engine()
        job = self._jobs.get(job_id)
        self.pool.release()
        return None if job is None else JobStats.from_job(job)


@breaks(CANCELLED, "CANCEL-1")
class LosesOneOfForty(LosesOneOfTwenty):
    """Has as many connections as a large service."""

    size: ClassVar[int] = 39


@breaks(CANCELLED, "CANCEL-1")
class KeepsAFileOpen(FileStore):
    """Opens the file for each read, and closes it when the read is done."""

    reading: ClassVar[list[BinaryIO]] = []

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        self.directory.joinpath("audit").touch()
        file = self.directory.joinpath("audit").open("rb")
        self.reading.append(file)
        await engine()
        self.reading.remove(file)
        file.close()
        return await super().get_by_id(job_id)


@breaks(CANCELLED, "CANCEL-1")
class LeavesATask(Hooked):
    """Lets a task look for a time-out beside each call, which only the end of the call ends."""

    watching: ClassVar[set[asyncio.Task[None]]] = set()

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        watch = asyncio.create_task(asyncio.sleep(3600))
        self.watching.add(watch)
        await engine()
        result = await call()
        watch.cancel()
        self.watching.discard(watch)
        return result


@breaks(CANCELLED, "CANCEL-1")
class OpensAFileFirst(Hooked):
    """Opens its file, waits for the engine, and closes the file when it is closed."""

    opened: ClassVar[list[BinaryIO]] = []

    @override
    async def __aenter__(self) -> Self:
        self.directory.joinpath("lock").touch()
        self.file = self.directory.joinpath("lock").open("rb")
        self.opened.append(self.file)
        await engine()
        return await super().__aenter__()

    @override
    async def close(self) -> None:
        await super().close()
        if self.file in self.opened:
            self.opened.remove(self.file)
        self.file.close()


@breaks(CANCELLED, "CANCEL-1")
class FollowsItsLeader(Hooked):
    """Lets the first of the reads that come together read for all, and cancels them with it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.shared: asyncio.Task[None] | None = None

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        if self.shared is None or self.shared.done():
            self.shared = asyncio.ensure_future(engine())
        await self.shared
        return await call()


# Calls that are pending when the store is closed


class Queued(Hooked):
    """Has one task that makes all calls, one after another."""

    capabilities: ClassVar[frozenset[str]] = frozenset()
    actor: asyncio.Task[None] | None = None

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.queue: asyncio.Queue[tuple[Callable[[], Awaitable[Any]], asyncio.Future[Any]]]
        self.queue = asyncio.Queue()

    async def act(self) -> None:
        """Make the calls that come."""
        while True:
            call, answer = await self.queue.get()
            await engine()
            try:
                result = await call()
            except Exception as error:  # noqa: BLE001 - it is the caller's
                if not answer.done():
                    answer.set_exception(error)
            else:
                if not answer.done():
                    answer.set_result(result)

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        self._check_open()
        if self.actor is None:
            self.actor = asyncio.create_task(self.act())
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.queue.put_nowait((call, answer))
        return await answer

    @override
    async def close(self) -> None:
        await super().close()
        if self.actor is not None:
            self.actor.cancel()
            with suppress(asyncio.CancelledError):
                await self.actor
        while not self.queue.empty():
            self.left(self.queue.get_nowait()[1])

    def left(self, answer: asyncio.Future[Any]) -> None:
        """Tell a caller that nobody makes the call any more."""
        if not answer.done():
            answer.set_exception(RepositoryClosedError("it was closed meanwhile"))


@breaks(CLOSING, "ERROR-1")
class LeavesItsCallers(Queued):
    """Ends the task at the close, and tells nobody who waits for it."""

    @override
    def left(self, answer: asyncio.Future[Any]) -> None:
        """Tell nobody."""


@breaks(CLOSING, "ERROR-1")
class CancelsItsCallers(Queued):
    """Cancels what its callers wait for: they think that they were cancelled themselves."""

    @override
    def left(self, answer: asyncio.Future[Any]) -> None:
        answer.cancel()


@breaks(CLOSING, "ERROR-1")
class WaitsForItsQueue(Queued):
    """Waits at the close until all is done, after it has ended the task that does it."""

    @override
    async def close(self) -> None:
        self._closed = True
        if self.actor is not None:
            self.actor.cancel()
        while not self.queue.empty():  # noqa: ASYNC110 - it is how the mutant hangs
            await asyncio.sleep(0.01)


@breaks(CLOSING, "ERROR-1")
class ClosesUnderItsCallers(FileStore):
    """Closes its connection while calls wait for it, and passes on what the driver says then."""

    @override
    async def __aenter__(self) -> Self:
        self.connection = sqlite3.connect(":memory:")
        return await super().__aenter__()

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        self._check_open()
        await engine()
        try:
            self.connection.execute("SELECT 1").fetchone()
        except sqlite3.Error as error:
            raise RepositoryError(f"SQLite failed: {error}") from error
        return await super().around(call, writes=writes)

    @override
    async def close(self) -> None:
        self.connection.close()
        await super().close()


@breaks(CLOSING, "DURABLE-1")
class WritesAfterTheAnswer(FileStore):
    """Acknowledges a change, and lets a task write it, which the closing ends."""

    writing: asyncio.Task[None] | None = None

    async def write_soon(self) -> None:
        """Write what has changed."""
        await engine()
        self.store()

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        self._check_open()
        if self.writing is None:
            self.load()
        result = await call()
        if writes and (self.writing is None or self.writing.done()):
            self.writing = asyncio.create_task(self.write_soon())
        return result

    @override
    async def close(self) -> None:
        if self.writing is not None:
            self.writing.cancel()
        await super().close()


@is_right
class DrainsItsQueue(Queued):
    """Takes no call any more at the close, and makes those that wait."""

    closing = False

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        if self.closing:
            raise RepositoryClosedError("it is being closed")
        return await super().around(call, writes=writes)

    @override
    async def close(self) -> None:
        self.closing = True
        last: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            if self.actor is not None and not self.actor.done():
                self.queue.put_nowait((partial(asyncio.sleep, 0), last))
                await last
        finally:  # cancelled or not, the task ends
            await super().close()
