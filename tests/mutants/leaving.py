"""Adapters that end, stop or disturb the process that examines them."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from typing_extensions import override

from collection_jobs import JobStats
from tests.mutants.unleased import InMemory

HOURS = 3600.0


class _Does(InMemory):
    """Does something of its own each time that statistics are asked for."""

    def __init__(self, do: Callable[[], Any]) -> None:
        super().__init__()
        self._do = do

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        done = self._do()
        if done is not None:
            await done
        return await super().get_stats(job_id)


def _store(do: Callable[[], Any]) -> Callable[[Path], _Does]:
    return lambda directory: _Does(do)


def _raise(error: BaseException) -> None:
    raise error


def _on_a_thread(do: Callable[[], Any]) -> None:
    thread = threading.Thread(target=do)
    thread.start()
    thread.join()


def _once(do: Callable[[], Any]) -> Callable[[Path], _Does]:
    """A store that does it the first time only."""
    left = [do]

    def first() -> None:
        if left:
            left.pop()()

    return _store(first)


def _close_descriptors(descriptors: range) -> None:
    for descriptor in descriptors:
        with suppress(OSError):
            os.close(descriptor)


def _recurse() -> None:
    _recurse()


async def _stubborn() -> None:
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


async def _in_a_task_of_its_own() -> None:
    asyncio.get_running_loop().call_soon(lambda: sys.exit(0))
    await asyncio.sleep(HOURS)


def _fork_and_leave() -> None:
    if os.fork() == 0:
        os._exit(0)


def _fork_one_that_stays() -> None:
    if os.fork() == 0:
        os.setsid()
        signal.pause()
        os._exit(0)
    os._exit(7)


def _say(text: str) -> None:
    print(text)  # noqa: T201 - what it prints is what is tested
    print(text, file=sys.stderr)  # noqa: T201 - as above
    os.write(1, text.encode())
    warnings.warn(text, stacklevel=1)


def _ignore_signals() -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _replace_stdout() -> None:
    sys.stdout = sys.stderr = None  # as careless daemons do


# The process ends.
exits_with_0 = _store(lambda: os._exit(0))
exits_with_3 = _store(lambda: os._exit(3))
aborts = _store(os.abort)
kills_itself = _store(lambda: os.kill(os.getpid(), signal.SIGKILL))
segfaults = _store(lambda: ctypes.string_at(0))
exits_on_a_thread = _store(lambda: _on_a_thread(lambda: os._exit(0)))
leaves_a_process = _store(_fork_one_that_stays)

# An exception that is no Exception, or that is about the interpreter.
leaves = _store(lambda: sys.exit(0))
interrupts = _store(lambda: _raise(KeyboardInterrupt()))
leaves_from_a_callback = _store(_in_a_task_of_its_own)
recurses = _store(_recurse)
needs_memory = _store(lambda: _raise(MemoryError()))

# A call does not return.
never = _store(lambda: asyncio.Event().wait())
stubborn = _store(_stubborn)
blocks = _store(lambda: time.sleep(HOURS))
waits_for_a_lock = _store(lambda: threading.Lock().acquire() and threading.Event().wait())


def _spin() -> None:
    while True:
        pass


spins = _store(_spin)
holds_the_interpreter = _store(lambda: ctypes.PyDLL(None).sleep(int(HOURS)))

# Right, but for manners.
forks = _once(_fork_and_leave)
prints = _once(lambda: _say("a word"))
prints_much = _once(lambda: [os.write(1, b"x" * 2**20) for _ in range(100)])
closes_its_output = _once(lambda: _close_descriptors(range(1, 3)))
closes_everything = _once(lambda: _close_descriptors(range(3, 64)))
replaces_stdout = _store(_replace_stdout)
own_handlers = _store(_ignore_signals)


class _Stuck(InMemory):
    """Does something of its own when it is opened, and when it is closed."""

    def __init__(self, opening: Callable[[], Any], closing: Callable[[], Any]) -> None:
        super().__init__()
        self._opening = opening
        self._closing = closing

    @override
    async def __aenter__(self) -> Self:
        done = self._opening()
        if done is not None:
            await done
        return await super().__aenter__()

    @override
    async def __aexit__(self, *error: object) -> None:
        done = self._closing()
        if done is not None:
            await done
        await self.close()


def never_opens(directory: Path) -> _Stuck:
    return _Stuck(lambda: asyncio.Event().wait(), lambda: None)


def prints_and_never_opens(directory: Path) -> _Stuck:
    _say("a word")
    return never_opens(directory)


def blocks_when_opened(directory: Path) -> _Stuck:
    return _Stuck(lambda: time.sleep(HOURS), lambda: None)


def never_closes(directory: Path) -> _Stuck:
    return _Stuck(lambda: None, lambda: asyncio.Event().wait())
