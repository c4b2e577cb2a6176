"""Threads as steps: what an adapter's threads do is chosen, or it is noticed that it is not."""

from __future__ import annotations

import _thread
import asyncio
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from queue import SimpleQueue  # this name is taken before any run, which finds no Python in it
from typing import Any, cast

import pytest

from collection_jobs.conformance import Target, reproduce
from collection_jobs.conformance.checks.interleavings.conflicts import can_conflict
from collection_jobs.conformance.checks.interleavings.explore import Exploration, explore_pairs
from collection_jobs.conformance.checks.interleavings.inert_loop import Deadlock, Unsupported
from collection_jobs.conformance.checks.interleavings.loop import DeterministicLoop
from collection_jobs.conformance.checks.interleavings.pairs import pairs
from collection_jobs.conformance.checks.interleavings.programs import Replay
from collection_jobs.conformance.checks.interleavings.thread_steps import may_run_in_steps
from collection_jobs.protocol import CollectionJobRepository
from tests.conformance.support import ROOT
from tests.mutants.rows import Rows
from tests.mutants.threaded_rows import (
    THREAD_RACES,
    THREAD_RIGHT,
    ChecksThenWritesInAnExecutor,
    FiresAndForgets,
    PoolWithoutALock,
    SingleWriter,
    WaitsTooLong,
)

PAIRS = [program for program in pairs(["pending"]) if can_conflict(program)]


def explore(design: Callable[[], object], directory: Path, **options: Any) -> Exploration:
    options = {"programs": PAIRS, "preemptions": 1, **options}
    return explore_pairs(
        lambda directory: cast("AbstractAsyncContextManager[CollectionJobRepository]", design()),
        directory=directory,
        **options,
    )


@pytest.mark.parametrize("mutant", THREAD_RACES, ids=lambda mutant: mutant.__name__)
def test_the_steps_of_threads_convict_it(mutant: type[Rows], tmp_path: Path) -> None:
    bound = int(mutant is ChecksThenWritesInAnExecutor)
    alone = explore(mutant, tmp_path, threads=False, preemptions=bound)
    if not bound:  # an executor's work was a step before
        assert alone.findings == ()
        assert "a thread of its own, '" in str(alone.unsupported)
    found = explore(mutant, tmp_path, preemptions=bound)
    assert {finding.law for finding in found.findings} == THREAD_RACES[mutant]
    calls = [sum("await repository." in x for x in one.history) for one in found.findings]
    assert min(calls) <= 4


@pytest.mark.parametrize("design", THREAD_RIGHT, ids=lambda design: design.__name__)
@pytest.mark.parametrize("preemptions", [1, pytest.param(2, marks=pytest.mark.release)])
def test_a_right_design_with_threads_is_acquitted(
    design: type[Rows], preemptions: int, tmp_path: Path
) -> None:
    few = 35 if design is WaitsTooLong else 5
    found = explore(design, tmp_path, programs=PAIRS[::few], preemptions=preemptions)
    assert (found.findings, found.unsupported, found.preemptions) == ((), None, preemptions)


def test_a_report_names_the_threads_whose_steps_were_chosen(tmp_path: Path) -> None:
    found = explore(SingleWriter, tmp_path, programs=PAIRS[:3])
    assert str(found) == (
        "3 pairs, all schedules of up to 1 preemption and steps of its threads ('worker'):"
        " none broke a law"
    )


def test_threads_do_the_same_again_also_by_a_token(tmp_path: Path) -> None:
    def once() -> Exploration:
        return explore(PoolWithoutALock, tmp_path, programs=PAIRS[:12])

    found = once()
    assert str(found) == str(once())
    for finding in found.findings:
        target = Target("pool", lambda directory: PoolWithoutALock())
        (again,) = reproduce(target, str(finding.token))
        steps = [line for line in finding.history if "goes on" in line]
        assert any("the thread 'ThreadPoolExecutor_0' goes on" in line for line in steps)
        assert [line for line in again.history if "goes on" in line] == steps


def test_a_thread_that_never_asks_the_loop_has_steps_too(tmp_path: Path) -> None:
    found = explore(FiresAndForgets, tmp_path, programs=PAIRS[:5])
    assert "steps of its threads ('writer')" in str(found)
    assert found.findings


def test_an_adapter_that_outlives_its_process_goes_to_its_real_engine() -> None:
    assert may_run_in_steps({"scales"})
    assert not may_run_in_steps({"scales", "durable"})
    assert not may_run_in_steps({"shared"})


def test_a_store_with_files_is_not_run_in_steps(tmp_path: Path) -> None:
    class OnFiles(SingleWriter):
        def __init__(self, directory: Path) -> None:
            super().__init__()
            (directory / "jobs").touch()

    found = explore_pairs(OnFiles, preemptions=1, directory=tmp_path, programs=PAIRS[:1])
    assert found.unsupported == "it has a thread of its own, 'worker'"


def run(main: Coroutine[Any, Any, Any]) -> Any:
    make = cast("Callable[..., DeterministicLoop]", DeterministicLoop)
    return make(Replay(), threads=lambda: True).run(main)


def started(work: Callable[[], object], name: str = "worker") -> threading.Thread:
    thread = threading.Thread(target=work, name=name)
    thread.start()
    return thread


def test_a_step_that_blocks_until_a_thread_has_done_its_work_goes_on() -> None:
    async def main() -> list[object]:
        asked: queue.Queue[int] = queue.Queue()
        told: queue.Queue[int] = queue.Queue()
        ready = threading.Event()

        def work() -> None:
            ready.set()
            told.put(asked.get() + 1)

        thread = started(work)
        ready.wait()
        asked.put(1)
        answer = told.get()
        thread.join()
        with ThreadPoolExecutor(1) as pool:
            powers = list(pool.map(pow, (1, 2, 3), (2, 2, 2)))
        return [answer, thread.is_alive(), powers]

    assert run(main()) == [2, False, [1, 4, 9]]


def test_the_time_of_threads_is_virtual() -> None:
    async def main() -> list[object]:
        empty: queue.Queue[None] = queue.Queue()
        told: list[object] = []

        def work() -> None:
            began = time.monotonic()
            time.sleep(3600)
            with pytest.raises(queue.Empty):
                empty.get(timeout=3600)
            told.append(time.monotonic() - began)

        started(work)
        await asyncio.sleep(7000)
        told.append("slept")
        await asyncio.sleep(1000)
        return told

    assert run(main()) == ["slept", 7200]


def test_threads_that_wait_for_each_other_are_a_deadlock_that_says_where() -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        started(lambda: threading.Event().wait())
        await future

    with pytest.raises(Deadlock, match=r"thread 'worker' is at test_thread_steps.py:\d+"):
        run(main())


async def waits_for_a_queue_without_hooks() -> None:
    taken: SimpleQueue[None] = SimpleQueue()
    started(taken.get, "deaf")
    await asyncio.sleep(1)


async def starts_without_the_module() -> None:
    _thread.start_new_thread(int, ())
    await asyncio.sleep(1)


async def leaves_its_thread() -> None:
    started(threading.Event().wait, "left")
    await asyncio.sleep(1)


async def waits_for_the_loop_in_an_executor() -> None:
    loop = asyncio.get_running_loop()

    def work() -> None:
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()

    await loop.run_in_executor(None, work)


@pytest.mark.parametrize(
    ("main", "why"),
    [
        (waits_for_a_queue_without_hooks, "a thread of its own, 'deaf', which is at "),
        (starts_without_the_module, "it starts a thread without the module threading"),
        (leaves_its_thread, "it leaves a thread of its own behind, 'left'"),
        (waits_for_the_loop_in_an_executor, "hands to an executor waits for other steps"),
    ],
)
def test_what_cannot_be_run_in_steps_is_noticed(
    main: Callable[[], Coroutine[Any, Any, Any]], why: str
) -> None:
    with pytest.raises(Unsupported, match=why):
        run(main())


def finds_everything_as_it_was() -> None:
    async def main() -> bool:
        other = cast("Any", threading.Condition.wait)
        return other is not wait

    wait = threading.Condition.wait
    names = (threading.Thread.start, threading.Thread.join, time.sleep, queue.SimpleQueue)
    assert run(main())
    assert threading.Condition.wait is wait
    assert names == (threading.Thread.start, threading.Thread.join, time.sleep, queue.SimpleQueue)


def test_threads_outside_a_run_find_everything_as_it_was() -> None:
    # In a process of its own: a thread that another test has let go keeps the hooks for a while.
    code = f"from {__name__} import finds_everything_as_it_was as look; look()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
