"""Callers that read without end share the event loop's thread, and leave it to others in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from collection_jobs import JobStatus
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository
from collection_jobs.adapters.sqlite.read_scheduler import ReadScheduler
from tests.adapters.sqlite_support import a_job

_ROUND = 128


class Readers:
    """Callers that take so many jobs at a time, and what they took between two rounds."""

    def __init__(self, *costs: int) -> None:
        self.turns = ReadScheduler(asyncio.get_running_loop())
        self.reads = [0] * len(costs)
        self.taken = 0
        self.rounds: list[int] = []
        self._tasks = [asyncio.create_task(self._read(n, cost)) for n, cost in enumerate(costs)]

    async def _read(self, number: int, cost: int) -> None:
        while True:
            if self.turns.left <= 0:
                await self.turns.next()
            self.turns.left -= cost
            self.taken += cost
            self.reads[number] += 1

    async def run(self, rounds: int) -> None:
        for _ in range(rounds):
            self.taken = 0
            await asyncio.sleep(0)
            self.rounds.append(self.taken)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.mark.parametrize("cost", [1, 7, 50, 1000])
@pytest.mark.parametrize("callers", [1, 2, 16, 256])
async def test_between_two_rounds_of_the_loop_callers_take_few_jobs(
    callers: int, cost: int
) -> None:
    readers = Readers(*[cost] * callers)
    await readers.run(500)
    await readers.end()
    # One read more than a round holds may have begun within it, and a turn may be taken late.
    assert max(readers.rounds) <= 2 * (_ROUND + cost)
    assert sum(readers.rounds) >= 500 * min(_ROUND, cost) / 4


async def test_callers_get_equal_turns() -> None:
    readers = Readers(*[50] * 256)
    await readers.run(4000)
    await readers.end()
    assert max(readers.reads) - min(readers.reads) <= 3
    assert min(readers.reads) > 10


async def test_callers_of_long_reads_between_short_ones_hold_the_loop_no_longer() -> None:
    readers = Readers(*[1] * 100, *[100] * 100)
    await readers.run(2000)
    await readers.end()
    assert max(readers.rounds) <= 4 * _ROUND
    assert min(readers.reads) > 0


async def test_a_cancelled_caller_s_turn_goes_to_the_next() -> None:
    readers = Readers(*[_ROUND] * 3)
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(readers.turns.next()) for _ in range(5)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await readers.run(20)
    assert all(task.cancelled() for task in waiting)
    assert min(readers.reads) > 1
    await readers.end()


@pytest.mark.parametrize("call", ["get", "stats", "nothing", "list", "running", "running many"])
async def test_a_caller_that_only_reads_lets_other_tasks_run(tmp_path: Path, call: str) -> None:
    async with (
        SQLiteCollectionJobRepository(tmp_path / "jobs.db") as repository,
        SQLiteCollectionJobRepository(tmp_path / "busy.db") as busy,
    ):
        await repository.save_many(a_job(str(n)) for n in range(50))
        await busy.save_many(a_job(str(n), status=JobStatus.RUNNING) for n in range(100))
        read: dict[str, Callable[[], Awaitable[object]]] = {
            "get": lambda: repository.get_by_id("1"),
            "stats": lambda: repository.get_stats("1"),
            "nothing": lambda: repository.list_by_status(JobStatus.CANCELLED),
            "list": repository.list_recent,
            "running": repository.get_running_jobs,
            "running many": busy.get_running_jobs,
        }
        await read[call]()  # the first one waits for its turn in any case
        ran = asyncio.Event()
        asyncio.get_running_loop().call_soon(ran.set)
        reads = 0
        while not ran.is_set():
            await read[call]()
            reads += 1
            assert reads <= _ROUND
        assert (reads < 5) == (call in {"list", "running many"})
