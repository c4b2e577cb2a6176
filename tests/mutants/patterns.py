"""Right repositories in the patterns of concurrent programs: how they keep callers apart, or not.

Each changes one thing of `Rows` or of `Unlocked`; its docstring names the pattern.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar
from zlib import crc32

from typing_extensions import override

from collection_jobs.errors import JobNotFoundError
from collection_jobs.job import CollectionJob
from collection_jobs.status import JobStatus
from tests.mutants.rows import LockPerJob, Rows, Unlocked, now

T = TypeVar("T")

# Locks


class LockStripes(Rows):
    """Two locks, of which each id has one: lock striping."""

    def __init__(self) -> None:
        super().__init__()
        self.stripes = [asyncio.Lock() for _ in range(2)]

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        async with self.stripes[crc32(job_id.encode()) % 2]:
            yield


class ReadersAndWriters(Rows):
    """Many readers or one writer, and no reader passes by a writer that waits."""

    def __init__(self) -> None:
        super().__init__()
        self.readers = 0
        self.gate = asyncio.Lock()
        self.left = asyncio.Condition()

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        async with self.gate, self.left:
            await self.left.wait_for(lambda: not self.readers)
            yield

    @override
    async def scan(self) -> list[CollectionJob]:
        async with self.gate:
            self.readers += 1
        try:
            return await super().scan()
        finally:
            self.readers -= 1
            async with self.left:
                self.left.notify_all()


class HandOverHand(LockPerJob):
    """Takes the lock of the job before it lets go of that of the table: lock coupling."""

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        async with AsyncExitStack() as held:
            await self.lock.acquire()
            try:
                lock = self.locks.setdefault(job_id, asyncio.Lock())
                await held.enter_async_context(lock)
                await asyncio.sleep(0)
            finally:
                self.lock.release()
            yield


class Tickets(Rows):
    """Draws a number and waits until it is called: a ticket lock that asks again and again."""

    drawn = called = 0

    def __init__(self) -> None:
        super().__init__()
        self.done: set[int] = set()

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        number, self.drawn = self.drawn, self.drawn + 1
        try:
            while self.called != number:  # noqa: ASYNC110 - to ask again and again is the point
                await asyncio.sleep(0)
            yield
        finally:  # who gives up waiting is passed over
            self.done.add(number)
            while self.called in self.done:
                self.done.remove(self.called)
                self.called += 1


class Pool(Rows):
    """Has two connections, and takes the lock only when it has one."""

    def __init__(self) -> None:
        super().__init__()
        self.connections: asyncio.Queue[str] = asyncio.Queue()
        for name in ("first", "second"):
            self.connections.put_nowait(name)

    @asynccontextmanager
    @override
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        connection = await self.connections.get()
        try:
            async with self.lock:
                yield
        finally:
            self.connections.put_nowait(connection)


# A lock that can be lost, and what then keeps others from harm


class Fenced(Unlocked):
    """Its lock is taken over from who holds it too long; a write with an old token is refused.

    Who is refused begins again, and a token is compared where the write is made.
    """

    token = 0
    held = False
    patience = 4

    async def once(self, work: Callable[[], Callable[[], T]]) -> T:
        """Read, decide and write under one token, again until none was given meanwhile."""
        while True:
            await self.given()
            self.token, self.held = self.token + 1, True
            mine = self.token
            try:
                await asyncio.sleep(0)
                write = work()
                await asyncio.sleep(0)
                if self.token == mine:
                    return write()
            finally:
                self.held = self.held and self.token != mine

    async def given(self) -> None:
        """Wait until nobody holds the lock, or the same one has for too long."""
        seen, waited = self.token, 0
        while self.held and waited < self.patience:
            await asyncio.sleep(0)
            waited = waited + 1 if self.token == seen else 0
            seen = self.token

    @override
    async def save(self, job: CollectionJob) -> None:
        def work() -> Callable[[], None]:
            self.check_fresh(job, self.rows.get(job.id))
            return lambda: self.put(job)

        await self.once(work)

    @override
    async def delete(self, job_id: str) -> bool:
        return await self.once(lambda: lambda: self.rows.pop(job_id, None) is not None)

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        def work() -> Callable[[], bool]:
            job = self.rows.get(job_id)
            if job is None or not job.status.can_become(status):
                return bool
            changed = job.with_status(status, error_message=error_message, at=now())

            def write() -> bool:
                self.put(changed)
                return True

            return write

        return await self.once(work)

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        def work() -> Callable[[], None]:
            job = self.rows.get(job_id)
            if job is None:
                raise JobNotFoundError(job_id)
            return lambda: self.put(job.with_failed_symbol(symbol, error))

        await self.once(work)


class TwoPhases(Fenced):
    """Prepares a change under a mark that nobody else can set, then makes it and takes it away."""

    prepared = False

    @override
    async def once(self, work: Callable[[], Callable[[], T]]) -> T:
        while self.prepared:  # noqa: ASYNC110 - it asks again and again, for it has no queue
            await asyncio.sleep(0)
        self.prepared = True
        try:
            await asyncio.sleep(0)
            write = work()
            await asyncio.sleep(0)
            return write()
        finally:
            self.prepared = False


# What others do for a caller


class Answer:
    """What came of a change that others make."""

    def __init__(self, work: Callable[[], Callable[[], object]]) -> None:
        self.work = work
        self.value: object = None
        self.error: Exception | None = None

    def make(self) -> None:
        """Make the change."""
        try:
            self.value = self.work()()
        except Exception as error:  # noqa: BLE001 - whatever it is, its caller gets it
            self.error = error


class CallsSoon(Fenced):
    """Leaves a change to `call_soon` and looks after `sleep(0)`: asyncio keeps to their order."""

    @override
    async def once(self, work: Callable[[], Callable[[], T]]) -> T:
        answer = Answer(work)
        self.leave(answer)
        await self.made(answer)
        if answer.error is not None:
            raise answer.error
        value: T = answer.value  # type: ignore[assignment] # it came of this work
        return value

    def leave(self, answer: Answer) -> None:
        """Leave the change to somebody."""
        asyncio.get_running_loop().call_soon(answer.make)

    async def made(self, answer: Answer) -> None:
        """Wait until it is made."""
        await asyncio.sleep(0)


class StartsATask(CallsSoon):
    """Leaves a change to a task and looks after `sleep(0)`, when it has had its first step."""

    @override
    def leave(self, answer: Answer) -> None:
        async def make() -> None:
            answer.make()

        self.last = asyncio.create_task(make())


class GroupCommit(CallsSoon):
    """The first who comes waits for others, then makes all their changes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.group: dict[Answer, asyncio.Future[None]] = {}

    @override
    def leave(self, answer: Answer) -> None:
        self.group[answer] = asyncio.get_running_loop().create_future()

    @override
    async def made(self, answer: Answer) -> None:
        if next(iter(self.group)) is not answer:
            try:
                await self.group[answer]
            except asyncio.CancelledError:
                self.group.pop(answer, None)
                raise
            return
        try:
            await asyncio.sleep(0)
        finally:  # the others count on it, cancelled or not
            group, self.group = self.group, {}
            for one, future in group.items():
                one.make()
                if not future.done():
                    future.set_result(None)


class Combining(CallsSoon):
    """Who has the lock makes the changes of all who wait for it: flat combining."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[Answer] = []

    @override
    def leave(self, answer: Answer) -> None:
        self.published.append(answer)

    @override
    async def made(self, answer: Answer) -> None:
        try:
            async with self.lock:
                while self.published:
                    await asyncio.sleep(0)
                    self.published.pop(0).make()
        except asyncio.CancelledError:
            if answer in self.published:
                self.published.remove(answer)
            raise


# Reads without a lock


class ReadsAgain(Rows):
    """Two rows hold a job, and a number that is odd while they are written: a seqlock."""

    sequence = 0

    def __init__(self) -> None:
        super().__init__()
        self.copies: dict[str, CollectionJob] = {}

    @override
    async def write(self, job: CollectionJob) -> None:
        self.sequence += 1
        self.put(job)
        try:
            await asyncio.sleep(0)
        finally:
            self.copies[job.id] = self.rows[job.id]
            self.sequence += 1

    @override
    async def remove(self, job_id: str) -> bool:
        self.sequence += 1
        self.copies.pop(job_id, None)
        try:
            await asyncio.sleep(0)
        finally:
            removed = self.rows.pop(job_id, None) is not None
            self.sequence += 1
        return removed

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        while True:
            before = self.sequence
            job = self.rows.get(job_id)
            await asyncio.sleep(0)
            copy = self.copies.get(job_id)
            if before == self.sequence and before % 2 == 0:
                assert job == copy
                return job

    @override
    async def read(self, job_id: str) -> CollectionJob | None:
        await asyncio.sleep(0)
        return self.rows.get(job_id)


PATTERNS: tuple[Callable[[], object], ...] = (
    CallsSoon,
    StartsATask,
    LockStripes,
    ReadersAndWriters,
    HandOverHand,
    Tickets,
    Pool,
    Fenced,
    TwoPhases,
    GroupCommit,
    Combining,
    ReadsAgain,
)
