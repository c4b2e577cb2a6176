"""BackgroundThread: one thread for long work, which answers all of it, also when memory lacks.

Why no `ThreadPoolExecutor`: where a MemoryError meets its worker between two pieces of work, that
one ends, and what comes later waits for ever; where one meets the callback that tells asyncio, the
caller is never woken.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Generic, TypeVar, TypeVarTuple

__all__ = ["BackgroundThread", "BackgroundWork", "insist"]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

# Seconds between two attempts where memory lacks: nothing tells when others have freed some.
_UNTIL_MEMORY = 0.01


class BackgroundWork(Generic[_T]):
    """One piece of work, and what came of it.

    Attributes:
        ended: Whether it has been done; then there is a result or an error.
        result: What it returned.
        error: What it raised.
    """

    __slots__ = ("_call", "_is_wanted", "_tell", "ended", "error", "result")

    def __init__(
        self,
        call: Callable[[], _T],
        tell: Callable[[BackgroundWork[_T]], object] = lambda work: None,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Remember what to do.

        Args:
            call: The work.
            tell: Called on the thread when it has ended.
            is_wanted: Asked before it begins; if it is not, it is passed over.
        """
        self._call = call
        self._tell = tell
        self._is_wanted = is_wanted
        self.ended: bool = False
        self.result: _T | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Do it, and tell."""
        try:
            if self._is_wanted():
                self.result = self._call()
        except BaseException as error:  # noqa: BLE001 - propagate any exception to the caller
            self.error = error
        self.ended = True
        insist(self._tell, self)


class BackgroundThread:
    """A thread that is started when there is work for it; it does one piece after another."""

    def __init__(self, name: str) -> None:
        """Prepare; no thread is started yet."""
        self._name = name
        self._queue: SimpleQueue[BackgroundWork[Any] | None] = SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, work: BackgroundWork[Any]) -> None:
        """Have something done; from any thread.

        Raises:
            RuntimeError: The system has no thread, or the interpreter ends.
        """
        with self._starting:
            if self._thread is None:
                # A daemon, so that a repository that nobody closed does not keep the interpreter.
                thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                thread.start()
                self._thread = thread
        self._queue.put(work)

    def start(self, call: Callable[[], _T]) -> asyncio.Future[_T]:
        """Have something done, and return a future of what it returns, for the running event loop.

        A future that is cancelled before the work has begun passes it over.

        Raises:
            RuntimeError: As for submit.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()

        def tell(work: BackgroundWork[_T]) -> None:
            with suppress(RuntimeError):  # the loop was closed: then nobody waits for it either
                loop.call_soon_threadsafe(_settle, future, work)

        self.submit(BackgroundWork(call, tell, lambda: not future.cancelled()))
        return future

    def close(self) -> None:
        """Wait until all that was submitted is done, and the thread has ended."""
        with self._starting:
            thread, self._thread = self._thread, None
        if thread is not None:
            insist(self._queue.put, None)
            thread.join()

    def _serve(self) -> None:
        while True:
            try:
                work = self._queue.get()
                if work is None:
                    return
                work.run()
                del work  # or what it read would be held until the next one comes
            except MemoryError:  # between two pieces of work
                time.sleep(_UNTIL_MEMORY)


def _settle(future: asyncio.Future[_T], work: BackgroundWork[_T]) -> None:
    if future.done():
        return
    if work.error is not None:
        future.set_exception(work.error)
    else:
        future.set_result(work.result)  # type: ignore[arg-type] # without an error there is one


def insist(step: Callable[[*_Ts], object], *args: *_Ts) -> None:
    """Repeat a step until there is memory for it: what it does must be done."""
    while True:
        try:
            step(*args)
        except MemoryError:
            time.sleep(_UNTIL_MEMORY)
        else:
            return
