"""The deterministic event loop: asyncio as it is, but for who chooses and what time it is."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from itertools import product
from typing import Any, cast

import pytest

from collection_jobs.conformance.checks.interleavings.inert_loop import (
    Deadlock,
    Livelock,
    Unsupported,
)
from collection_jobs.conformance.checks.interleavings.loop import DeterministicLoop
from collection_jobs.conformance.checks.interleavings.programs import Replay
from collection_jobs.conformance.checks.interleavings.steps import Scheduler

make_loop = cast("Callable[..., DeterministicLoop]", DeterministicLoop)


@dataclass
class Last:
    """Chooses the last of the options, and remembers what there were."""

    seen: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def choose(self, options: int, free: int, timers: int = 0) -> int:
        self.seen.append((options, free))
        return options - 1


def run(main: Coroutine[Any, Any, Any], scheduler: Scheduler | None = None, **options: Any) -> Any:
    loop = make_loop(scheduler or Replay(), **options)
    loop.exploring = scheduler is not None
    return loop.run(main)


async def two(first: Callable[[], Any], second: Callable[[], Any]) -> None:
    """Run two coroutines as clients of their own."""
    loop = cast("DeterministicLoop", asyncio.get_running_loop())
    tasks = [loop.start(first(), "A"), loop.start(second(), "B")]
    await asyncio.wait(tasks)
    for task in tasks:
        task.result()


def test_every_order_of_steps_is_one_of_its_choices() -> None:
    orders: set[str] = set()
    for choices in product([0, 1], repeat=4):
        order: list[str] = []

        async def client(name: str, order: list[str] = order) -> None:
            order.append(name)
            await asyncio.sleep(0)
            order.append(name)

        run(two(lambda: client("a"), lambda: client("b")), Replay(choices))
        orders.add("".join(order))
    assert orders == {"aabb", "abab", "abba", "baab", "baba", "bbaa"}


def test_the_same_choices_give_the_same_run() -> None:
    def once() -> list[str]:
        order: list[str] = []

        async def client(name: str) -> None:
            for _ in range(5):
                await asyncio.sleep(0.5)
                order.append(name)
                await asyncio.to_thread(order.append, f"{name} in a thread")

        run(two(lambda: client("a"), lambda: client("b")), Replay((1, 0, 1, 1, 0, 1)))
        return order

    assert once() == once()


def test_a_choice_of_0_lets_who_ran_last_go_on() -> None:
    order: list[str] = []

    async def client(name: str) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
            order.append(name)

    run(two(lambda: client("a"), lambda: client("b")), Replay())
    assert order == ["a", "a", "a", "b", "b", "b"]


def test_to_switch_from_who_could_go_on_is_no_free_choice() -> None:
    async def client() -> None:
        await asyncio.sleep(0)

    scheduler = Last()
    run(two(client, client), scheduler)
    assert scheduler.seen[0] == (2, 2)  # who begins is free
    assert scheduler.seen[1] == (2, 1)  # to leave who began is not


def test_time_is_virtual_and_passes_only_when_nothing_is_ready() -> None:
    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(3600)
        before = loop.time()
        for _ in range(100):
            await asyncio.sleep(0)
        return before - began, loop.time() - began

    assert run(main()) == (3600, 3600)


def test_the_monotonic_clock_is_that_of_the_loop() -> None:
    async def main() -> list[bool]:
        told: list[bool] = []
        for seconds in (0, 3600):
            await asyncio.sleep(seconds)
            told.append(time.monotonic() == asyncio.get_running_loop().time())
        return told

    before = time.monotonic()
    assert run(main()) == [True, True]
    assert before <= time.monotonic() < before + 3600


def test_what_asyncio_offers_works() -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in range(3):
            await asyncio.sleep(0)
            yield number

    async def main() -> list[object]:
        done: list[object] = []
        queue: asyncio.Queue[int] = asyncio.Queue(1)
        async with asyncio.TaskGroup() as group:
            group.create_task(queue.put(1))
            group.create_task(queue.put(2))
            done.append({await queue.get(), await queue.get()})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await queue.get()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.get(), 5)
        done.append(await asyncio.gather(asyncio.sleep(2, "a"), asyncio.sleep(1, "b")))
        done.append(await asyncio.to_thread(lambda: "thread"))
        done.append([number async for number in numbers()])
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        shielded = asyncio.ensure_future(asyncio.sleep(1, "shielded"))
        waiting = asyncio.ensure_future(asyncio.shield(shielded))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        done.append(await shielded)
        condition = asyncio.Condition()
        async with condition:
            asyncio.get_running_loop().call_later(1, asyncio.ensure_future, notify(condition))
            await condition.wait()
        return done

    async def notify(condition: asyncio.Condition) -> None:
        async with condition:
            condition.notify_all()

    expected = [{1, 2}, ["a", "b"], "thread", [0, 1, 2], "shielded"]
    assert run(main()) == expected
    assert run(main(), Last(), early_timers=False) == expected


def test_a_cancelled_task_cleans_up() -> None:
    order: list[str] = []

    async def worker() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(0)
            order.append("cleaned up")

    async def main() -> None:
        task = asyncio.ensure_future(worker())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert order == ["cleaned up"]


def test_what_is_left_at_the_end_is_cancelled() -> None:
    order: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            order.append("ended")

    async def main() -> None:
        task = asyncio.ensure_future(forever())
        await asyncio.sleep(1)
        order.append("still there" if not task.done() else "done")

    run(main())
    assert order == ["still there", "ended"]


def test_a_deadlock_says_where_each_waits() -> None:
    async def main() -> None:
        first, second = asyncio.Lock(), asyncio.Lock()

        async def client(one: asyncio.Lock, other: asyncio.Lock) -> None:
            async with one:
                await asyncio.sleep(0)
                async with other:
                    pass

        await two(lambda: client(first, second), lambda: client(second, first))

    run(main(), Replay())
    with pytest.raises(Deadlock, match=r"A is at test_schedule.py:\d+, in client: .*; B is at"):
        run(main(), Replay((0, 1)))


@pytest.mark.parametrize("scheduler", [Replay(), Last()], ids=["the first", "the last"])
def test_what_one_client_starts_comes_in_the_order_of_asyncio(scheduler: Scheduler) -> None:
    async def client(order: list[str]) -> None:
        async def step(name: str) -> None:
            order.append(f"{name} begins")
            await asyncio.sleep(0)
            order.append(f"{name} goes on")

        loop = asyncio.get_running_loop()
        loop.call_soon(order.append, "called")
        task = asyncio.create_task(step("task"))
        loop.call_soon(loop.call_soon, order.append, "called by what was called")
        await asyncio.sleep(0)
        await asyncio.gather(step("one"), step("other"))
        await task

    real: list[str] = []
    asyncio.run(client(real))
    order: list[str] = []
    run(two(lambda: client(order), lambda: asyncio.sleep(0)), scheduler)
    assert order == real


def test_callbacks_of_two_clients_come_in_the_order_in_which_they_were_scheduled() -> None:
    orders: set[str] = set()
    for choices in product(range(3), repeat=6):
        order: list[str] = []

        async def client(name: str, order: list[str] = order) -> None:
            order.append(name)
            asyncio.get_running_loop().call_soon(order.append, name.upper())
            await asyncio.sleep(0)

        run(two(lambda: client("a"), lambda: client("b")), Replay(choices))
        orders.add("".join(order))
    assert orders == {"aAbB", "abAB", "bBaA", "baBA"}


def test_a_livelock_ends() -> None:
    async def main() -> None:
        while True:  # noqa: ASYNC110 - it is to go on for ever
            await asyncio.sleep(0)

    with pytest.raises(Livelock, match="no end after 20000 steps"):
        run(main())


def test_who_asks_again_and_again_lets_the_others_go_on() -> None:
    async def main() -> str:
        done: list[str] = []

        async def asks() -> None:
            while not done:  # noqa: ASYNC110 - who asks so is what the loop has to cope with
                await asyncio.sleep(0)

        async def answers() -> None:
            done.append("yes")

        await two(asks, answers)
        return done[0]

    assert run(main(), Replay()) == "yes"


def test_a_thread_of_its_own_is_noticed() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        thread = threading.Thread(
            target=lambda: loop.call_soon_threadsafe(future.set_result, None), name="worker"
        )
        thread.start()
        await future

    with pytest.raises(Unsupported, match="a thread of its own, 'worker'"):
        run(main())


@pytest.mark.parametrize(
    ("operation", "needs"),
    [
        (lambda: asyncio.open_connection("localhost", 1), "create_connection"),
        (lambda: asyncio.get_running_loop().getaddrinfo("localhost", 1), "getaddrinfo"),
        (lambda: asyncio.create_subprocess_exec("true"), "subprocess_exec"),
    ],
)
def test_io_is_noticed_also_where_the_adapter_hides_it(
    operation: Callable[[], Coroutine[Any, Any, Any]], needs: str
) -> None:
    async def main() -> None:
        with pytest.raises(Unsupported):
            await operation()

    with pytest.raises(Unsupported, match=f"it calls {needs} of the event loop"):
        run(main())


def test_the_loop_outside_is_there_again_after_a_run() -> None:
    async def outside() -> bool:
        loop = asyncio.get_running_loop()
        run(asyncio.sleep(1))
        return asyncio.get_running_loop() is loop

    assert asyncio.run(outside())
