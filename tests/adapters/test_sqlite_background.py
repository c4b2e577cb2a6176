"""The thread for long work: every piece is answered, whatever memory lacks in between."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from queue import SimpleQueue
from typing import Any

import pytest

from collection_jobs.adapters.sqlite import background
from collection_jobs.adapters.sqlite.background import BackgroundThread, BackgroundWork


class ShortOfMemory:
    """A queue whose every other `get` finds no memory, before it takes anything."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self.put = self._queue.put
        self.lacks = 0

    def get(self) -> Any:
        self.lacks += 1
        if self.lacks % 2:
            raise MemoryError
        return self._queue.get()


@pytest.fixture
def starved(monkeypatch: pytest.MonkeyPatch) -> BackgroundThread:
    monkeypatch.setattr(background, "SimpleQueue", ShortOfMemory)
    return BackgroundThread("starved")


async def test_work_is_answered_by_its_result_or_its_error() -> None:
    thread = BackgroundThread("helper")
    assert await thread.start(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        await thread.start(lambda: 1 // 0)
    assert await thread.start(lambda: 4) == 4
    thread.close()


async def test_the_thread_outlives_a_lack_of_memory_between_two_pieces(
    starved: BackgroundThread,
) -> None:
    for number in range(3):
        assert await asyncio.wait_for(starved.start(partial(int, number)), 10) == number
    starved.close()


async def test_the_caller_is_told_though_memory_lacks_for_telling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    thread = BackgroundThread("helper")
    loop = asyncio.get_running_loop()
    tell, lacks = loop.call_soon_threadsafe, iter([True, True, False])

    def starved(*args: Any) -> Any:
        if next(lacks):
            raise MemoryError
        return tell(*args)

    monkeypatch.setattr(loop, "call_soon_threadsafe", starved)
    assert await asyncio.wait_for(thread.start(lambda: 3), 10) == 3
    thread.close()


async def test_work_that_nobody_waits_for_any_more_is_not_begun() -> None:
    thread = BackgroundThread("helper")
    go_on = threading.Event()
    first = thread.start(go_on.wait)
    begun: list[int] = []
    second = thread.start(lambda: begun.append(2))
    second.cancel()
    go_on.set()
    await first
    thread.close()
    assert begun == []


def test_closing_waits_for_all_that_was_submitted_and_the_thread_can_be_had_again() -> None:
    thread = BackgroundThread("helper")
    for _ in range(2):
        work = [BackgroundWork(lambda: 5) for _ in range(3)]
        for piece in work:
            thread.submit(piece)
        thread.close()
        assert [piece.result for piece in work if piece.ended] == [5, 5, 5]
    thread.close()
