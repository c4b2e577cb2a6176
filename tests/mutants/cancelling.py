"""Repositories that a cancelled call leaves in a state that it should not."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, cast

from typing_extensions import override

from collection_jobs import CollectionJob, CollectionJobError, JobStatus, RepositoryError
from tests.mutants.stores import Connection, Hooked, LogStore, TableStore
from tests.mutants.table import breaks, is_right

T = TypeVar("T")
CANCELLED = "cancelled calls"


async def engine() -> None:
    """What a round trip to an engine looks like to the caller."""
    await asyncio.sleep(0)
    await asyncio.sleep(0.000_5)


@breaks(CANCELLED, "CANCEL-1")
class KeepsTheLock(Hooked):
    """Releases its lock after the call, and not when the call fails."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.lock = asyncio.Lock()

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        await self.lock.acquire()
        try:
            await engine()
            result = await call()
        except Exception:
            self.lock.release()
            raise
        self.lock.release()
        return result


@breaks(CANCELLED, "CANCEL-1")
class GoesOnWhenCancelled(Hooked):
    """Shields its changes: who is cancelled hears of it at once, and the change is made later."""

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        if not writes:
            return await call()
        changing = asyncio.ensure_future(self.later(call))
        changing.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(changing)

    async def later(self, call: Callable[[], Awaitable[T]]) -> T:
        await engine()
        return await call()


@breaks(CANCELLED, "CANCEL-1")
class WaitsItsTurnWhenCancelled(GoesOnWhenCancelled):
    """Shields its changes, which are made at once, or when others have released the lock."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.lock = asyncio.Lock()

    @override
    async def later(self, call: Callable[[], Awaitable[T]]) -> T:
        async with self.lock:
            await asyncio.sleep(0)
            return await call()


@breaks(CANCELLED, "CANCEL-1")
class KeepsAThreadsLock(Hooked):
    """Has a lock for threads, which it holds while it waits, and keeps when it is cancelled."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.lock = threading.Lock()

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        if not writes:
            return await call()
        self.lock.acquire()
        await engine()
        try:
            return await call()
        finally:
            self.lock.release()


@breaks(CANCELLED, "CANCEL-1")
class WritesHalfARow(Hooked):
    """Writes the status, waits for the engine, then writes the rest."""

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        before = self._jobs.get(job_id)
        changed = await super().update_status(job_id, status, error_message)
        if changed and before is not None:
            whole = self._jobs[job_id]
            half = whole._changed(started_at=None, finished_at=None)  # what no adapter may do
            self._jobs[job_id] = half
            await engine()
            if self._jobs.get(job_id) is half:
                self._jobs[job_id] = whole
        return changed


@breaks(CANCELLED, "CANCEL-1")
class DeletesThenInserts(Hooked):
    """Replaces a job by removing it first."""

    @override
    async def save(self, job: CollectionJob) -> None:
        if job.revision is None and job.id in self._jobs:
            await super().delete(job.id)
            await engine()
        await super().save(job)


class HandMadeLock:
    """A lock that hands itself to the first of those who wait."""

    def __init__(self) -> None:
        self.held = False
        self.waiting: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        """Wait for the lock."""
        if not self.held:
            self.held = True
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        await future

    def release(self) -> None:
        """Hand it on."""
        if not self.waiting:
            self.held = False
            return
        first = self.waiting.popleft()
        if not first.done():
            first.set_result(None)


@breaks(CANCELLED, "CANCEL-1")
class HandsItsLockToTheDead(Hooked):
    """Has a lock of its own making, in whose queue a cancelled waiter stays."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.lock = HandMadeLock()

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        await self.lock.acquire()
        try:
            await engine()
            return await call()
        finally:
            self.lock.release()


@breaks(CANCELLED, "CANCEL-1")
class LeavesATransactionOpen(TableStore):
    """Rolls back when SQLite fails, and not when the call is cancelled."""

    busy: ClassVar[float] = 0.2

    @override
    async def run(self, work: Any, *, writes: bool = True) -> Any:
        if not writes:
            return work(self.opened())
        connection: Connection = self.opened()
        if connection.in_transaction:  # another call's: it will end
            await asyncio.sleep(0.000_5)
            return await self.run(work)
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
        except Exception:
            connection.execute("ROLLBACK")
            raise
        await engine()
        connection.execute("COMMIT")
        return result


@breaks(CANCELLED, "CANCEL-1")
class ReadsInAnOldSnapshot(TableStore):
    """Reads on a connection of its own, in a transaction that a cancelled read leaves open."""

    @override
    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.reading: Connection = self.connect()
        self.alone = asyncio.Lock()
        return self

    @override
    async def close(self) -> None:
        self.reading.close()
        await super().close()

    @override
    async def run(self, work: Any, *, writes: bool = True) -> Any:
        if writes:
            return await super().run(work)
        self.opened()
        async with self.alone:
            if not self.reading.in_transaction:
                self.reading.execute("BEGIN")
                self.reading.execute("SELECT n FROM counter").fetchall()
            await engine()
            found = work(self.reading)
            self.reading.execute("COMMIT")
            return found


@breaks(CANCELLED, "CANCEL-1")
class LeavesTheTransactionToOthers(TableStore):
    """Goes on in the transaction that a cancelled call left open and that keeps others out."""

    busy: ClassVar[float] = 0.2

    @override
    async def run(self, work: Any, *, writes: bool = True) -> Any:
        connection: Connection = self.opened()
        if not connection.in_transaction:
            connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
        except Exception:
            connection.execute("ROLLBACK")
            raise
        if writes:
            await engine()
        if connection.in_transaction:
            connection.execute("COMMIT")
        return result


@breaks(CANCELLED, "CANCEL-1")
class SwallowsItsCancellation(Hooked):
    """Takes any exception for a reason to answer, and answers what is not true."""

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        try:
            await engine()
            return await call()
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                return cast("T", None)  # the bug: nothing of it was done
            raise


@breaks(CANCELLED, "CANCEL-1")
class NeverGivesUp(Hooked):
    """Repeats a call until it is done; a cancelled one for ever, since it thinks that it failed."""

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        cancelled = False
        while True:
            try:
                await engine()
                if not cancelled:
                    return await call()
            except asyncio.CancelledError:
                cancelled = True


@breaks(CANCELLED, "CANCEL-1")
class CachesBehindItsBack(Hooked):
    """Keeps what it read, and forgets it only after the write was answered."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.cache: dict[str, CollectionJob | None] = {}

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        result = await call()
        if writes:
            await engine()
            self.cache.clear()
        return result

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        if job_id not in self.cache:
            self.cache[job_id] = await super().get_by_id(job_id)
        return self.cache[job_id]


@breaks(CANCELLED, "CANCEL-1")
class LosesItsConnections(Hooked):
    """Takes one of five connections out of a pool, and puts it back after the call."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.pool: asyncio.Queue[int] = asyncio.Queue()
        for number in range(5):
            self.pool.put_nowait(number)

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        connection = await self.pool.get()
        await engine()
        try:
            result = await call()
        except Exception:
            self.pool.put_nowait(connection)
            raise
        self.pool.put_nowait(connection)
        return result


class Batching(Hooked):
    """Lets the first of the writes that come together do them all."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.batch: list[tuple[Callable[[], Awaitable[Any]], asyncio.Future[Any]]] = []

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        if not writes:
            return await call()
        future = self.queued(call)
        if len(self.batch) == 1:
            await self.lead()
        return await future

    def queued(self, call: Callable[[], Awaitable[T]]) -> asyncio.Future[T]:
        """Add a call to the batch; return what is to have its answer."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.batch.append((call, future))
        return future

    async def lead(self) -> None:
        """Do the writes that wait."""
        await engine()
        batch, self.batch = self.batch, []
        for call, future in batch:
            try:
                result = await call()
            except Exception as error:  # noqa: BLE001 - it is the caller's
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(result)


@breaks(CANCELLED, "CANCEL-1")
class DropsTheBatch(Batching):
    """The first of the writes does them all: when it is cancelled, nobody does."""


@breaks(CANCELLED, "CANCEL-1")
class LeavesItToTheNext(Batching):
    """Makes the changes of all who wait for its lock: whose caller was cancelled is among them."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.lock = asyncio.Lock()

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        if not writes:
            return await call()
        future = self.queued(call)
        async with self.lock:
            await self.lead()
        return await future


@breaks(CANCELLED, "CANCEL-1")
class DiesWithItsCaller(Hooked):
    """Has one task for all calls, which answers a cancelled caller, and dies of the error."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.queue: asyncio.Queue[tuple[Callable[[], Awaitable[Any]], asyncio.Future[Any]]]
        self.queue = asyncio.Queue()
        self.actor: asyncio.Task[None] | None = None

    async def act(self) -> None:
        while True:
            call, answer = await self.queue.get()
            await engine()
            try:
                answer.set_result(await call())
            except CollectionJobError as error:
                answer.set_exception(error)

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        loop = asyncio.get_running_loop()
        if self.actor is None:
            self.actor = loop.create_task(self.act())
        answer: asyncio.Future[T] = loop.create_future()
        await self.queue.put((call, answer))
        return await answer

    @override
    async def close(self) -> None:
        await super().close()
        if self.actor is not None:
            self.actor.cancel()
            # Its error is looked at here: one found while Python parses a file, with the garbage,
            # is printed by a traceback that parses too, for which CPython 3.11 ends with an error.
            await asyncio.gather(self.actor, return_exceptions=True)


@breaks(CANCELLED, "CANCEL-1")
class CancelsItsNeighbours(Hooked):
    """Lets all that wait at the same time await one and the same round trip, without a shield."""

    trip: asyncio.Task[None] | None = None

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        if self.trip is None or self.trip.done():
            self.trip = asyncio.create_task(engine())
        await self.trip
        return await call()


@breaks(CANCELLED, "CANCEL-1")
class RollsBackItsNeighbours(Hooked):
    """Puts all jobs back as they were when its own call began, if that is cancelled."""

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        before, revision = dict(self._jobs), self._revision
        try:
            result = await call()
            if writes:
                await engine()
        except asyncio.CancelledError:
            self.replace_all(before, revision)
            raise
        return result


@breaks(CANCELLED, "CANCEL-1")
class LeavesAReaderIn(Hooked):
    """Counts its readers, which keep writers out, and does not count a cancelled one off."""

    capabilities: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.readers = 0
        self.free = asyncio.Condition()

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[None]:
        """While readers are in."""
        self.readers += 1
        await engine()
        yield
        self.readers -= 1
        async with self.free:
            self.free.notify_all()

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        if not writes:
            async with self.reading():
                return await call()
        async with self.free:
            await self.free.wait_for(lambda: self.readers == 0)
            return await call()


class InUse(TableStore):
    """A file says that the store is in use, from before it is opened until after it is closed."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"durable", "scales"})

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.mark = directory / "in use"

    def take(self) -> None:
        try:
            self.mark.touch(exist_ok=False)
        except OSError as error:
            raise RepositoryError(f"the store cannot be marked as in use: {error}") from error

    def leave(self) -> None:
        with suppress(OSError):
            self.mark.unlink(missing_ok=True)


@breaks(CANCELLED, "CANCEL-1")
class LeavesItsMarkWhenOpened(InUse):
    """Takes the mark away when the opening fails, and not when it is cancelled."""

    @override
    async def __aenter__(self) -> Self:
        self.take()
        try:
            await engine()
            return await super().__aenter__()
        except Exception:
            self.leave()
            raise

    @override
    async def close(self) -> None:
        await super().close()
        self.leave()


@breaks(CANCELLED, "CANCEL-1")
class LeavesItsMarkWhenClosed(InUse):
    """Waits for what is under way, and takes the mark away after that."""

    @override
    async def __aenter__(self) -> Self:
        self.take()
        return await super().__aenter__()

    @override
    async def close(self) -> None:
        await super().close()
        await engine()
        self.leave()


@is_right
class TakesItsMarkAlong(InUse):
    """The same, with all that is due in a finally; a killed process would still leave the mark."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"scales"})

    @override
    async def __aenter__(self) -> Self:
        self.take()
        try:
            await engine()
            return await super().__aenter__()
        except BaseException:
            self.leave()
            raise

    @override
    async def close(self) -> None:
        try:
            await super().close()
            await engine()
        finally:
            self.leave()


@breaks(CANCELLED, "CANCEL-1")
class CancelsTheOneBefore(Hooked):
    """Lets each change wait for the task of the one before: a cancellation is passed on to it."""

    last: asyncio.Task[Any] | None = None

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        if not writes:
            return await call()
        changing = asyncio.ensure_future(self.behind(self.last, call))
        self.last = changing
        return await changing

    async def behind(self, before: asyncio.Task[Any] | None, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call when the one before is over, however it ended."""
        if before is not None:
            try:
                with suppress(Exception):  # it is told to whoever made that call
                    await before
            except asyncio.CancelledError:
                if not before.cancelled():
                    raise
        await engine()
        return await call()


@breaks(CANCELLED, "CANCEL-1")
class CancelsThoseWhoJoin(Hooked):
    """Reads a job once for all who ask meanwhile; the reader's cancellation is theirs, too."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.reads: dict[str, asyncio.Future[CollectionJob | None]] = {}

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        under_way = self.reads.get(job_id)
        if under_way is not None:
            return await asyncio.shield(under_way)
        answer = self.reads[job_id] = asyncio.get_running_loop().create_future()
        try:
            await asyncio.sleep(0)
            self.reads.pop(job_id)  # who asks from now on may have made a change before
            job = await super().get_by_id(job_id)
            answer.set_result(job)
        except BaseException as error:
            self.reads.pop(job_id, None)
            answer.set_exception(error)
            answer.exception()
            raise
        return job


class AwaitsItsDisk(Hooked, LogStore):
    """One change after another; each is in the log and in memory, with an await in between."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.lock = asyncio.Lock()

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        if not writes:
            return await call()
        async with self.lock:
            return await self.change(call)

    async def change(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make one change."""
        result = await call()
        await engine()
        return result


@breaks(CANCELLED, "CANCEL-1")
class ShowsWhatIsOnDisk(AwaitsItsDisk):
    """Changes what readers see when the record is on disk: if cancelled then, it is in the log."""

    @override
    async def change(self, call: Callable[[], Awaitable[T]]) -> T:
        jobs, revision = dict(self._jobs), self._revision
        result = await call()
        changed = dict(self._jobs), self._revision
        self.replace_all(jobs, revision)
        await engine()
        self.replace_all(*changed)
        return result


@breaks(CANCELLED, "CANCEL-1")
class WritesWhatIsShown(AwaitsItsDisk):
    """Changes its cache first: if cancelled then, readers have seen what is on no disk."""

    records: bytes | None = None

    @override
    def write(self, content: bytes) -> None:
        if self.records is None:
            super().write(content)
        else:
            self.records += content

    @override
    async def change(self, call: Callable[[], Awaitable[T]]) -> T:
        self.records = b""
        result = await call()
        records, self.records = self.records, None
        await engine()
        self.write(records)
        return result


is_right(AwaitsItsDisk)
