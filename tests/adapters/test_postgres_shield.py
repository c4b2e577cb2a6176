"""Work that goes on within its caller's task though that is cancelled, and a lone write as such."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import asyncpg
import pytest

from collection_jobs import JobStatus
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.adapters.postgres.requests import DeleteJob
from collection_jobs.adapters.postgres.shield import uncancelled
from collection_jobs.conformance.spec.calls import example_job


class Work:
    """Work in two steps, and what it went through."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.steps: list[asyncio.Future[str]] = [loop.create_future(), loop.create_future()]
        self.seen: list[object] = []

    async def run(self) -> None:
        for step in self.steps:
            try:
                self.seen.append(await step)
            except (ValueError, asyncio.CancelledError) as error:
                self.seen.append(type(error))
            await asyncio.sleep(0)


async def _started(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    async def caller() -> None:
        await uncancelled(work)

    task = asyncio.create_task(caller())
    await asyncio.sleep(0)
    return task


async def _rounds() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_it_gets_what_it_waits_for() -> None:
    work = Work()
    task = await _started(work.run())
    work.steps[0].set_exception(ValueError("boom"))
    await _rounds()
    work.steps[1].set_result("done")
    await task
    assert work.seen == [ValueError, "done"]


@pytest.mark.parametrize("cancelled", [(0,), (1,), (0, 0, 1)])
async def test_a_cancelled_caller_hears_of_it_at_the_end(cancelled: Sequence[int]) -> None:
    work = Work()
    task = await _started(work.run())
    for number, step in enumerate(work.steps):
        for _ in range(cancelled.count(number)):
            task.cancel()
        await _rounds()
        assert not task.done()
        assert not step.cancelled()
        step.set_result(f"{number}")
        await _rounds()
    assert task.cancelled()
    assert work.seen == ["0", "1"]


async def test_a_future_that_others_cancel_is_no_cancellation_of_the_caller() -> None:
    work = Work()
    task = await _started(work.run())
    work.steps[0].cancel()
    await _rounds()
    work.steps[1].set_result("done")
    await task
    assert work.seen == [asyncio.CancelledError, "done"]


async def test_what_it_raises_reaches_the_caller() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        await uncancelled(work())


async def test_a_lone_write_makes_no_task(url: str) -> None:
    made = list[object]()

    def factory(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        made.append(work)
        return asyncio.Task(work, loop=loop, **options)

    loop = asyncio.get_running_loop()
    async with PostgresCollectionJobRepository.from_url(url) as repository:
        loop.set_task_factory(factory)
        await repository.save(example_job("a"))
        assert await repository.get_by_id("a") == example_job("a")
        assert await repository.update_status("a", JobStatus.RUNNING)
        loop.set_task_factory(None)
    assert made == []


async def test_a_lone_write_is_answered_before_it_closes(url: str) -> None:
    repository = PostgresCollectionJobRepository.from_url(url)
    async with repository:
        await repository.save(example_job("a"))
        claim = asyncio.create_task(repository.update_status("a", JobStatus.RUNNING))
        await asyncio.sleep(0)
    assert claim.done()
    assert await claim


class Conflicting:
    """A kind of writes that meets a deadlock when it is told to, and counts its attempts."""

    together = 0

    def __init__(self) -> None:
        self.attempts = 0
        self.deadlock = asyncio.Event()

    def may_share(self, first: DeleteJob, later: DeleteJob) -> bool:
        return False

    async def run(self, pooled: PooledConnection, requests: Sequence[DeleteJob]) -> list[str]:
        self.attempts += 1
        if self.attempts == 1:
            await self.deadlock.wait()
            raise asyncpg.DeadlockDetectedError("boom")
        return ["done"]


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_lone_write_that_met_a_deadlock_is_repeated_unless_it_was_cancelled(
    url: str, *, cancelled: bool
) -> None:
    async with PostgresCollectionJobRepository.from_url(url) as repository:
        kind = Conflicting()
        write = asyncio.create_task(repository._opened().write(kind, DeleteJob("a")))
        await asyncio.sleep(0)
        if cancelled:
            write.cancel()
        kind.deadlock.set()
        if cancelled:
            with pytest.raises(asyncio.CancelledError):
                await write
        else:
            assert await write == "done"
        await repository.save(example_job("a"))  # the job is not busy any more
        assert kind.attempts == (1 if cancelled else 2)
