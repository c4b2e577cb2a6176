"""Stores that do something unusual, and keep every law."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from typing_extensions import override

from collection_jobs import RepositoryClosedError
from tests.mutants.cancelling import Batching, engine
from tests.mutants.stores import FileStore, Hooked, LogStore, TableStore
from tests.mutants.table import is_right

T = TypeVar("T")

is_right(FileStore)
is_right(LogStore)
is_right(TableStore)


async def undisturbed(work: Awaitable[T]) -> T:
    """Wait for something to its end, and be cancelled only then."""
    done = asyncio.ensure_future(work)
    cancelled = False
    while not done.done():
        try:
            await asyncio.wait({done})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        done.exception()
        raise asyncio.CancelledError
    return done.result()


@is_right
class HasAThread(TableStore):
    """Makes all its calls on one thread of its own; closing it ends those that are under way.

    One that is cancelled may go on there. Whoever looks does so on the same thread, after it, since
    nobody else has the file open.
    """

    capabilities: ClassVar[frozenset[str]] = TableStore.capabilities - {"shared"}
    closing = False

    @override
    async def __aenter__(self) -> Self:
        self.thread = ThreadPoolExecutor(1)
        return await super().__aenter__()

    @override
    async def __aexit__(self, *exc_info: object) -> None:
        self.closing = True
        try:
            await undisturbed(asyncio.to_thread(self.thread.shutdown))
        finally:
            await super().close()

    @override
    async def run(self, work: Any, *, writes: bool = True) -> Any:
        self.opened()
        if self.closing:
            raise RepositoryClosedError("the table is being closed")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.thread, self.transaction, work)


@is_right
class AnswersLate(HasAThread):
    """Ends a cancelled call when its transaction has ended, and not before."""

    capabilities = TableStore.capabilities

    @override
    async def run(self, work: Any, *, writes: bool = True) -> Any:
        return await undisturbed(super().run(work, writes=writes))


@is_right
class AnswersAllTheSame(HasAThread):
    """Answers a cancelled call as if nobody had cancelled it: late, and truly."""

    capabilities = TableStore.capabilities

    @override
    async def run(self, work: Any, *, writes: bool = True) -> Any:
        done = asyncio.ensure_future(super().run(work, writes=writes))
        while not done.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({done})
        return done.result()


@is_right
class DoesItLater(HasAThread):
    """Ends a cancelled call at once, and lets its transaction happen all the same."""

    @override
    async def run(self, work: Any, *, writes: bool = True) -> Any:
        done = asyncio.ensure_future(super().run(work, writes=writes))
        done.add_done_callback(lambda future: future.cancelled() or future.exception())
        return await asyncio.shield(done)


@is_right
class IsSlow(Hooked):
    """Takes half a millisecond for everything, one call after another."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.lock = asyncio.Lock()

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        async with self.lock:
            await asyncio.sleep(0.000_5)
            return await call()


@is_right
class HasFewConnections(Hooked):
    """Serves two calls at a time."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.pool = asyncio.Semaphore(2)

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        async with self.pool:
            await engine()
            return await call()


@is_right
class LeadsInATask(Batching):
    """Lets a task of its own do the calls that come together, in turn, which nobody cancels."""

    leading: asyncio.Task[None] | None = None

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        future = self.queued(call)
        if self.leading is None or self.leading.done():
            self.leading = asyncio.create_task(self.lead())
        return await future

    @override
    async def lead(self) -> None:
        while self.batch:
            await super().lead()


@is_right
class TrustsTheSystem(TableStore):
    """Never waits for the disk: what it wrote survives its process, though not a power cut."""

    synchronous: ClassVar[str] = "OFF"


@is_right
class SaysNothing(TableStore):
    """Declares no capability at all."""

    capabilities: ClassVar[frozenset[str]] = frozenset()
