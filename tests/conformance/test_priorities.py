"""Schedules by random priorities find bugs of small depth at least as often as is claimed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Self, cast

import pytest

from collection_jobs.conformance.checks.interleavings import explore_priorities
from collection_jobs.conformance.checks.interleavings.explore_priorities import (
    PrioritySearch,
    explore_by_priorities,
)
from collection_jobs.conformance.checks.interleavings.loop import DeterministicLoop
from collection_jobs.conformance.checks.interleavings.priorities import (
    Priorities,
    least_probability,
)
from collection_jobs.conformance.checks.interleavings.programs import Replay
from collection_jobs.conformance.checks.interleavings.schedules import Runner
from collection_jobs.conformance.checks.interleavings.three_clients import three_clients
from collection_jobs.protocol import CollectionJobRepository
from tests.mutants.races import LostUpdate
from tests.mutants.rows import Rows
from tests.mutants.timed_rows import FencedLease, LeaseWithoutFencing

Store = AbstractAsyncContextManager[CollectionJobRepository]


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - not for secrets


def search(repository: Callable[[], object], directory: Path, programs: int) -> PrioritySearch:
    def opening(_: Path) -> Store:
        return cast("Store", repository())

    return explore_by_priorities(opening, seed=1, programs=programs, directory=directory)


async def clients(order: list[str], steps: int) -> None:
    async def client(name: str) -> None:
        for step in range(steps):
            order.append(f"{name}{step}")
            await asyncio.sleep(0)

    loop = cast("DeterministicLoop", asyncio.get_running_loop())
    tasks = [loop.start(client(name), name) for name in "ABC"]
    loop.exploring = True
    await asyncio.wait(tasks)
    loop.exploring = False


def played(schedule: Replay, steps: int = 4) -> list[str]:
    order: list[str] = []
    make_loop = cast("Callable[..., DeterministicLoop]", DeterministicLoop)
    make_loop(schedule).run(clients(order, steps))
    return order


def test_a_schedule_of_priorities_can_be_run_again_by_its_choices() -> None:
    for seed in range(20):
        drawn = Priorities.drawn(seeded(seed), 3, 8)
        order = played(drawn)
        assert played(Replay([choice.taken for choice in drawn.choices])) == order
        assert drawn.clients >= 3


def test_without_a_moment_each_client_comes_to_its_end_before_another_begins() -> None:
    orders = [played(Priorities.drawn(seeded(seed), 1, 8)) for seed in range(60)]
    clients = {"".join(step[0] for step in order) for order in orders}
    assert clients == {"".join(4 * name for name in names) for names in permutations("ABC")}


@pytest.mark.parametrize(("depth", "order"), [(2, "A1 B1 A2"), (3, "A1 B1 A2 B2")])
def test_a_bug_of_some_depth_is_found_at_least_as_often_as_is_claimed(
    depth: int, order: str
) -> None:
    runs, choices, found = 1_000, 14, 0
    for seed in range(runs):
        schedule = Priorities.drawn(seeded(seed), depth, choices)
        steps = played(schedule)
        at = [steps.index(one) for one in order.split()]
        found += at == sorted(at)
        assert len(schedule.choices) <= choices
        assert schedule.clients <= 4
    assert least_probability(4, choices, depth, 1) <= found / runs < 1 / 2


def test_the_probability_of_many_runs() -> None:
    assert least_probability(2, 10, 1, 1) == 1 / 2
    assert least_probability(2, 10, 2, 1) == pytest.approx(1 / 20)
    assert least_probability(2, 10, 3, 1) == pytest.approx(1 / 200)
    assert least_probability(2, 10, 2, 40) == pytest.approx(1 - 0.95**40)


def test_what_is_right_is_acquitted_and_the_probability_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explore_priorities, "RUNS", {2: 40, 3: 20})
    found = search(Rows, tmp_path, 2)
    assert found.findings == ()
    first, second = (found.probabilities[depth] for depth in (2, 3))
    assert 0.3 < first < 1
    assert 0 < second < first
    assert str(found) == (
        f"2 programs of three clients on three jobs, by random priorities in {found.runs:,} runs"
        f" (a bug in one of them is found with a probability of at least {first:.0%} where its"
        f" depth is 2, {second:.0%} where its depth is 3): none broke a law"
    )


def test_a_race_is_found_and_told_with_its_fewest_preemptions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explore_priorities, "RUNS", {2: 30, 3: 30})
    found = search(LostUpdate, tmp_path, 12)
    finding = next(finding for finding in found.findings if finding.law == "FAILED-2")
    assert "# One schedule that breaks the law, with 1 preemption:" in finding.history
    assert search(LostUpdate, tmp_path, 12) == found


def test_runs_before_one_of_more_choices_prove_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Growing(Rows):
        """Waits once more each time it is opened."""

        opened = 0

        async def read(self, job_id: str) -> object:  # type: ignore[override] # as Rows does
            for _ in range(Growing.opened // 40):
                await asyncio.sleep(0)
            return await super().read(job_id)

        async def __aenter__(self) -> Self:
            Growing.opened += 1
            return self

    monkeypatch.setattr(explore_priorities, "RUNS", {2: 60})
    found = search(Growing, tmp_path, 1)
    assert found.findings == ()
    assert found.runs > 60 + 8
    assert found.probabilities[2] < 0.6


def test_programs_have_three_clients_and_three_jobs() -> None:
    drawn = [three_clients(seeded(seed)) for seed in range(200)]
    assert {len(program.clients) for program in drawn} == {3}
    text = str([program.lines() for program in drawn])
    for method in ("save", "delete", "update_status", "add_failed_symbol", "list_recent", "'c'"):
        assert method in text
    assert len(set(drawn)) > 190
    beyond = [three_clients(seeded(seed), {"SavesMany", "AddsJobs"}) for seed in range(50)]
    assert "add" in {step.method for program in beyond for one in program.clients for step in one}


@pytest.mark.parametrize(
    ("design", "is_wrong"), [(LeaseWithoutFencing, True), (FencedLease, False)]
)
def test_timers_have_a_priority_of_their_own(
    design: Callable[[], object], is_wrong: bool, tmp_path: Path
) -> None:
    """What only a timer that fires early shows is found."""
    runner = Runner(lambda _: cast("Store", design()), tmp_path)
    program = three_clients(seeded(0), ())
    laws = set[str]()
    for seed in range(60):
        schedule = Priorities.drawn(seeded(seed), depth=2, choices=20)
        laws |= runner.run_under(program, schedule)[0].laws
    assert bool(laws) is is_wrong
