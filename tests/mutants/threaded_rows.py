"""Repositories that own threads: races between these and the event loop, and right designs."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

from typing_extensions import override

from collection_jobs.errors import RepositoryError
from collection_jobs.job import CollectionJob
from tests.mutants.rows import Rows, Unlocked
from tests.mutants.unusual import undisturbed

THREAD_RACES: dict[type[Rows], frozenset[str]] = {}
"""Mutants, and the laws by which the steps of their threads convict them."""
THREAD_RIGHT: list[type[Rows]] = []


def breaks_by_its_threads(*laws: str) -> Callable[[type[Rows]], type[Rows]]:
    """Enter a mutant."""

    def enter(mutant: type[Rows]) -> type[Rows]:
        THREAD_RACES[mutant] = frozenset(laws)
        return mutant

    return enter


def is_right_with_threads(design: type[Rows]) -> type[Rows]:
    """Enter a design that keeps every law."""
    THREAD_RIGHT.append(design)
    return design


Work = tuple[Callable[[], Any], asyncio.Future[Any] | None]


class OnAThread(Rows):
    """Has its rows read and written on another thread."""

    async def ask(self, function: Callable[[], Any]) -> Any:
        """Have something done on another thread, and wait for what it gives."""
        raise NotImplementedError

    @override
    async def read(self, job_id: str) -> CollectionJob | None:
        found: CollectionJob | None = await self.ask(lambda: self.rows.get(job_id))
        return found

    @override
    async def write(self, job: CollectionJob) -> None:
        await self.ask(lambda: self.put(job))


class WithAWorker(OnAThread):
    """A thread reads and writes the rows; it is asked by a queue, and answers to the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.work: queue.Queue[Work | None] = queue.Queue()
        self.worker = threading.Thread(target=self.serve, name="worker")

    @override
    async def __aenter__(self) -> Self:
        self.loop = asyncio.get_running_loop()
        self.worker.start()
        return self

    @override
    async def __aexit__(self, *_: object) -> None:
        self.work.put(None)
        self.worker.join()

    def serve(self) -> None:
        while (work := self.work.get()) is not None:
            function, answer = work
            value = function()
            if answer is not None:
                self.loop.call_soon_threadsafe(self.tell, answer, value)

    @staticmethod
    def tell(answer: asyncio.Future[Any], value: object) -> None:
        if not answer.done():
            answer.set_result(value)

    @override
    async def ask(self, function: Callable[[], Any]) -> Any:
        answer: asyncio.Future[Any] = self.loop.create_future()
        self.work.put((function, answer))
        return await answer

    @override
    async def remove(self, job_id: str) -> bool:
        return await self.ask(lambda: self.rows.pop(job_id, None)) is not None

    @override
    async def scan(self) -> list[CollectionJob]:
        found: list[CollectionJob] = await self.ask(lambda: list(self.rows.values()))
        return found


@is_right_with_threads
class SingleWriter(WithAWorker):
    """One thread does all the work, and a lock holds reads and writes together."""


@breaks_by_its_threads("ATOMIC-1", "DELETE-1", "FAILED-2", "SAVE-3", "STATUS-2")
class UnlockedWorker(WithAWorker, Unlocked):
    """One thread does all the work; nothing holds a read and the write after it together."""


@breaks_by_its_threads("FAILED-1", "SAVE-1", "STATUS-1")
class WritesLater(WithAWorker):
    """The write is left to the thread; the caller does not wait for it."""

    @override
    async def write(self, job: CollectionJob) -> None:
        self.work.put((lambda: self.put(job), None))

    @override
    async def read(self, job_id: str) -> CollectionJob | None:
        await asyncio.sleep(0)
        return self.rows.get(job_id)


@breaks_by_its_threads("DELETE-1", "FAILED-1", "SAVE-1", "STATUS-1")
class FiresAndForgets(Rows):
    """Each write has a thread of its own, which nobody waits for, and which never asks the loop."""

    @override
    async def write(self, job: CollectionJob) -> None:
        threading.Thread(target=self.put, args=(job,), name="writer").start()


@breaks_by_its_threads("DELETE-1", "FAILED-1", "SAVE-1", "STATUS-1")
class FlushesEachSecond(Rows):
    """A thread writes what has come each second, by its own clock."""

    def __init__(self) -> None:
        super().__init__()
        self.changed: list[CollectionJob] = []
        self.ending = threading.Event()
        self.flusher = threading.Thread(target=self.flush, name="flusher")

    @override
    async def __aenter__(self) -> Self:
        self.flusher.start()
        return self

    @override
    async def __aexit__(self, *_: object) -> None:
        self.ending.set()
        self.flusher.join()

    def flush(self) -> None:
        while not self.ending.wait(1):
            while self.changed:
                self.put(self.changed.pop(0))

    @override
    async def write(self, job: CollectionJob) -> None:
        await asyncio.sleep(0)
        self.changed.append(job)


class InAPool(OnAThread):
    """Reads and writes are work for a pool of threads, whose futures the loop waits for."""

    pool: ThreadPoolExecutor

    @override
    async def __aenter__(self) -> Self:
        self.pool = ThreadPoolExecutor(2)
        return self

    @override
    async def __aexit__(self, *_: object) -> None:
        self.pool.shutdown()

    @override
    async def ask(self, function: Callable[[], Any]) -> Any:
        future: Future[Any] = self.pool.submit(function)
        return await asyncio.wrap_future(future)


@is_right_with_threads
class PoolUnderALock(InAPool):
    """What is handed to the pool is held together by a lock of the loop."""


@breaks_by_its_threads("ATOMIC-1", "DELETE-1", "FAILED-2", "SAVE-3", "STATUS-2")
class PoolWithoutALock(InAPool, Unlocked):
    """What is handed to the pool is held together by nothing."""


@is_right_with_threads
class ReadsAndWritesInOnePiece(Rows):
    """What belongs together is one piece of work for an executor, under a lock of threads."""

    def __init__(self) -> None:
        super().__init__()
        self.mutex = threading.Lock()

    def put_under_the_mutex(self, job: CollectionJob) -> None:
        with self.mutex:
            time.sleep(0)
            self.put(job)

    @override
    async def write(self, job: CollectionJob) -> None:
        loop = asyncio.get_running_loop()
        # A piece of work that an executor has begun is done, whoever is cancelled meanwhile.
        await undisturbed(loop.run_in_executor(None, self.put_under_the_mutex, job))


@breaks_by_its_threads("ATOMIC-1", "DELETE-1", "FAILED-2", "SAVE-3", "STATUS-2")
class ChecksThenWritesInAnExecutor(Unlocked):
    """The check is one piece of work for an executor, and the write is another one."""

    @override
    async def read(self, job_id: str) -> CollectionJob | None:
        return await asyncio.get_running_loop().run_in_executor(None, self.rows.get, job_id)

    @override
    async def write(self, job: CollectionJob) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.put, job)


class WaitsTooLong(WithAWorker):
    """Waits for the thread no longer than five seconds: right."""

    @override
    async def ask(self, function: Callable[[], Any]) -> Any:
        try:
            return await asyncio.wait_for(super().ask(function), 5)
        except TimeoutError as late:
            raise RepositoryError("the worker is busy") from late


THREAD_RIGHT.append(WaitsTooLong)
