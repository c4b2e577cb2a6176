"""The interleavings on trial: races are convicted by just their laws, right designs acquitted."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any, cast

import pytest

from collection_jobs.adapters.memory import InMemoryCollectionJobRepository
from collection_jobs.conformance.checks.interleavings.crowds import (
    JOBS_OF_A_CROWD,
    batches,
    crowds,
)
from collection_jobs.conformance.checks.interleavings.explore import (
    Exploration,
    explore_pairs,
    explore_random,
)
from collection_jobs.conformance.checks.interleavings.explore_priorities import (
    explore_by_priorities,
)
from collection_jobs.conformance.checks.interleavings.pairs import pairs, triples
from collection_jobs.conformance.checks.interleavings.programs import ConcurrentProgram
from collection_jobs.conformance.running.configuration import PROFILES
from collection_jobs.conformance.running.deadline import with_deadline
from collection_jobs.protocol import CollectionJobRepository
from tests.conformance.support import ROOT
from tests.mutants import hidden, races, torn
from tests.mutants.leaking import SavesAHundredAtATime
from tests.mutants.race_table import BEYOND_PAIRS, RACES
from tests.mutants.races import LockOrder, LostUpdate
from tests.mutants.right import RIGHT, Actor, SpinLock, WaitsAnywhere
from tests.mutants.rows import Rows

Store = AbstractAsyncContextManager[CollectionJobRepository]


def opener(repository: Callable[[], object]) -> Callable[[Path], Store]:
    return lambda directory: cast("Store", repository())


def explore(repository: Callable[[], object], directory: Path, **options: Any) -> Exploration:
    options = {"preemptions": 2, "programs": pairs(["pending"]), **options}
    return explore_pairs(opener(repository), directory=directory, **options)


def laws(exploration: Exploration) -> set[str]:
    return {finding.law for finding in exploration.findings}


def few_and_all(items: Iterable[Any], few: int) -> list[Any]:
    """All of them, of which a few run each time, and the rest before a release."""
    return [
        pytest.param(
            item,
            marks=[] if number < few else pytest.mark.release,
            id=getattr(item, "__name__", None),
        )
        for number, item in enumerate(items)
    ]


@pytest.mark.parametrize("mutant", RACES, ids=lambda mutant: mutant.__name__)
@pytest.mark.parametrize("more", [0, pytest.param(1, marks=pytest.mark.release)])
def test_a_race_is_convicted_by_exactly_its_laws(
    mutant: type[Rows], more: int, tmp_path: Path
) -> None:
    race = RACES[mutant]
    bound = min(race.preemptions + more, 2)
    found = explore(mutant, tmp_path, programs=pairs([race.stage]), preemptions=bound)
    assert laws(found) == race.laws
    for finding in found.findings:
        calls = [line for line in finding.history if "await repository." in line]
        assert len(calls) <= 7, "\n".join(finding.history)


@pytest.mark.parametrize("mutant", few_and_all(BEYOND_PAIRS, 1))
def test_what_no_pair_shows_three_calls_do(mutant: type[Rows], tmp_path: Path) -> None:
    few = islice(triples(["pending"]), 0, 84, 2)
    found = explore(mutant, tmp_path, programs=few)
    assert laws(found) == BEYOND_PAIRS[mutant].laws


@pytest.mark.parametrize("design", few_and_all(RIGHT, 4))
def test_a_right_design_is_acquitted(design: Callable[[], object], tmp_path: Path) -> None:
    found = explore(design, tmp_path, preemptions=1, programs=pairs(["running"]))
    assert found.findings == ()
    assert found.unsupported is None
    assert found.programs == 231


@pytest.mark.release
@pytest.mark.parametrize("design", RIGHT)
def test_a_right_design_is_acquitted_by_what_thorough_adds(
    design: Callable[[], object], tmp_path: Path
) -> None:
    every_sixth, few = list(pairs())[::6], {"max_runs": 1_500}
    searches = [
        explore(design, tmp_path, programs=every_sixth, **few),
        explore(design, tmp_path, programs=list(triples())[::8], **few),
        explore(design, tmp_path, programs=list(crowds())[::6], preemptions=1, max_runs=24),
    ]
    assert [search.findings for search in searches] == [(), (), ()]
    by_priorities = explore_by_priorities(opener(design), seed=7, programs=3, directory=tmp_path)
    drawn = explore_random(opener(design), seed=7, examples=100, directory=tmp_path)
    assert (by_priorities.findings, drawn.findings) == ((), ())
    assert sum(search.runs for search in searches) + by_priorities.runs > 1_000


@pytest.mark.parametrize("design", [Rows, InMemoryCollectionJobRepository])
def test_a_random_search_acquits_what_is_right(design: type[Rows], tmp_path: Path) -> None:
    found = explore_random(opener(design), seed=1, examples=150, directory=tmp_path)
    assert (found.findings, found.programs) == ((), 150)
    assert str(found) == ("150 random programs, each under a schedule of its own: none broke a law")


def test_a_random_search_finds_and_shrinks_a_race(tmp_path: Path) -> None:
    found = explore_random(opener(LostUpdate), seed=1, examples=150, directory=tmp_path)
    finding = next(finding for finding in found.findings if finding.law == "FAILED-2")
    calls = [line for line in finding.history if "await repository." in line]
    assert len(calls) == 3


def test_there_are_races_enough_to_try_it() -> None:
    # Each of these modules enters its own into the table.
    assert {mutant.__module__ for mutant in RACES} == {
        hidden.__name__,
        races.__name__,
        torn.__name__,
    }
    assert len(RACES) >= 25
    assert len(RIGHT) >= 25
    assert sum(race.hides for race in RACES.values()) >= 6
    assert all(race.kind for race in (*RACES.values(), *BEYOND_PAIRS.values()))


def test_the_same_adapter_gets_the_same_answer(tmp_path: Path) -> None:
    def once() -> Exploration:
        return explore(LostUpdate, tmp_path, programs=islice(pairs(["pending"]), 60))

    assert once() == once()


@pytest.mark.parametrize(
    "mutant", [mutant for mutant in RACES if mutant.__module__ == hidden.__name__]
)
def test_what_no_read_shows_only_a_probe_shows(
    mutant: type[Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ConcurrentProgram, "probes", ())
    bound = RACES[mutant].preemptions
    assert explore(mutant, tmp_path, preemptions=bound).findings == ()


def test_a_deadlock_after_the_calls_says_where_the_probe_waits(tmp_path: Path) -> None:
    (finding,) = explore(hidden.KeepsItsLock, tmp_path, preemptions=1).findings
    assert "nothing will ever go on; after is at rows.py:" in finding.message
    assert "after: repository.add_failed_symbol('a', 'ETH', 'probe') never returned" in str(
        finding.history
    )


def test_a_probe_is_told_of_only_where_nothing_shows_without_it(tmp_path: Path) -> None:
    assert "probe" not in str(explore(LostUpdate, tmp_path).findings)


def among_many(design: type[Rows], directory: Path, beside_all_others: bool) -> Exploration:
    programs = [one for one in crowds() if (one.size > 2 * JOBS_OF_A_CROWD) == beside_all_others]
    few = programs[:: 2 if beside_all_others else 7]
    return explore(design, directory, programs=few, preemptions=1, max_runs=40)


@pytest.mark.release
@pytest.mark.parametrize(
    ("mutant", "right", "beside_all_others"),
    [
        (hidden.ReadsPages, hidden.ReadsPagesByKey, False),
        (hidden.KeepsFewLocks, hidden.KeepsLocksInUse, True),
    ],
)
def test_what_shows_among_many_jobs(
    mutant: type[Rows], right: type[Rows], beside_all_others: bool, tmp_path: Path
) -> None:
    assert laws(among_many(mutant, tmp_path / "mutant", beside_all_others))
    assert not laws(among_many(right, tmp_path / "right", beside_all_others))
    pairs_alone = explore(mutant, tmp_path / "pairs", preemptions=1)
    assert not laws(pairs_alone)


def test_a_batch_that_is_seen_half_done_shows_among_many_jobs(tmp_path: Path) -> None:
    def mutant() -> object:
        return SavesAHundredAtATime(tmp_path)

    saving = frozenset({"SavesMany"})
    among_many = explore(mutant, tmp_path / "many", programs=list(batches(saving)), preemptions=1)
    assert laws(among_many) == {"MANY-3"}
    every_pair = list(pairs(["pending"], saving))
    assert not laws(explore(mutant, tmp_path / "pairs", programs=every_pair, preemptions=1))


def test_there_are_more_jobs_than_a_usual_page_or_cache_has() -> None:
    for program in crowds():
        saved = {step.arguments[0].id for step in program.setup}
        assert len(saved) > 128


def test_a_finding_is_a_program_a_schedule_and_a_timeline(tmp_path: Path) -> None:
    found = explore(LostUpdate, tmp_path, muted=frozenset({"DELETE-1", "SAVE-3"}))
    (finding,) = found.findings
    line = next(line for line in finding.history if "preempted" in line)
    assert line.startswith("# A | --> preempted at rows.py:")
    assert list(finding.history[:6]) == [
        "await repository.save(example_job('a'))",
        "async def a():",
        "    await repository.update_status('a', JobStatus.RUNNING)",
        "async def b():",
        "    await repository.add_failed_symbol('a', 'BTC', 'timeout')",
        "await asyncio.gather(a(), b())",
    ]
    assert "# One schedule that breaks the law, with 1 preemption:" in finding.history
    assert "# No order of these calls is possible:" in finding.history
    assert [bar.client for bar in finding.timeline] == ["setup", "A", "B", "after"]
    compile("async def program():\n" + "\n".join(f"    {x}" for x in finding.history), "", "exec")


def test_a_deadlock_says_who_waits_where(tmp_path: Path) -> None:
    (finding,) = explore(LockOrder, tmp_path).findings
    assert finding.law == "ATOMIC-1"
    assert finding.message.startswith("deadlock: nothing will ever go on; A is at rows.py:")


class ThreadLock(Rows):
    """A lock of threads, held while a task waits: the next task blocks the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.mutex = threading.Lock()

    @asynccontextmanager
    async def alone(self, job_id: str, method: str) -> AsyncGenerator[None]:
        with self.mutex:
            yield


@with_deadline(0.5)
def test_a_blocked_event_loop_is_found_and_left(tmp_path: Path) -> None:
    (finding,) = explore(ThreadLock, tmp_path).findings
    assert finding.law == "ATOMIC-1"
    assert "a step blocks the event loop forever at test_interleavings.py:" in finding.message
    assert finding.message.endswith("in alone: with self.mutex:; the search ended there")
    assert "await repository." in finding.history[0]


def test_a_muted_law_is_passed_over(tmp_path: Path) -> None:
    every = frozenset({"FAILED-2", "DELETE-1", "SAVE-3"})
    assert laws(explore(LostUpdate, tmp_path)) == every
    assert laws(explore(LostUpdate, tmp_path, muted=every)) == set()


def test_it_says_what_it_covered(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        told.append((done, total))

    found = explore(Rows, tmp_path, progress=tell)
    assert str(found) == "237 pairs, all schedules of up to 2 preemptions: none broke a law"
    assert told[-1] == (3 * 237, 3 * 237)
    assert len(set(told)) == len(told)


def test_every_pair_is_some_1300(tmp_path: Path) -> None:
    assert len(set(pairs())) == len(list(pairs())) == 1351


def test_it_claims_no_bound_that_it_did_not_reach(tmp_path: Path) -> None:
    found = explore(Rows, tmp_path, max_runs=500)
    assert (found.preemptions, found.runs) == (0, 500)
    covered = "237 pairs, all schedules of up to 0 preemptions, 19 under those of 1"
    assert str(found) == f"{covered}: none broke a law"


def test_it_says_of_how_many_programs_it_ran_not_every_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "collection_jobs.conformance.checks.interleavings.explore._MOST_SCHEDULES", 30
    )
    found = explore(SpinLock, tmp_path, programs=islice(pairs(["pending"]), 5))
    assert found.cut > 0
    assert f"({found.cut} pairs not fully explored: limit of 30 schedules each)" in str(found)


def test_however_few_the_runs_each_program_has_its_first_schedules(tmp_path: Path) -> None:
    twins = 21  # they have one schedule without a preemption, all others two
    found = explore(Rows, tmp_path, max_runs=1)
    assert (found.preemptions, found.runs, found.cut) == (0, 2 * 237 - twins, 0)


def test_what_the_limit_of_runs_left_is_told(tmp_path: Path) -> None:
    """Of an adapter with tasks of its own, any of which may go on."""
    found = explore(Actor, tmp_path, max_runs=2_000)
    assert found.runs == 2_000
    assert (found.preemptions, found.findings) == (0, ())
    left = f"({found.cut} pairs not fully explored: limit of 2,000 runs)"
    assert f"up to 0 preemptions {left}: none broke a law" in str(found)
    assert explore(Actor, tmp_path / "again", max_runs=2_000) == found


def test_one_preemption_is_explored_in_a_quick_run_of_an_adapter_that_waits_twice(
    tmp_path: Path,
) -> None:
    found = explore(
        WaitsAnywhere,
        tmp_path,
        programs=pairs(),
        preemptions=PROFILES["quick"].preemptions,
        max_runs=PROFILES["quick"].schedules,
    )
    assert str(found) == "1,351 pairs, all schedules of up to 1 preemption: none broke a law"


def test_an_adapter_without_suspensions_costs_two_runs_a_pair(tmp_path: Path) -> None:
    found = explore(InMemoryCollectionJobRepository, tmp_path)
    twins = 21  # a call beside itself: which of the two begins makes no difference
    assert found.runs == 2 * 237 - twins


def test_an_adapter_that_owns_a_thread_is_told_so(tmp_path: Path) -> None:
    class InItsThread(Rows):
        async def read(self, job_id: str) -> Any:
            reader, _ = await asyncio.open_connection("localhost", 1)
            return await reader.read()

    found = explore(InItsThread, tmp_path)
    assert found.findings == ()
    assert str(found) == (
        "cannot run under the deterministic loop: it calls create_connection of the event loop"
    )


NOTHING_LEFT = """
import gc, sys, warnings
warnings.simplefilter("error")  # of coroutines that nothing awaits
sys.unraisablehook = lambda left: print(left.object, left.exc_value)
from collection_jobs_files import FileCollectionJobRepository
from collection_jobs.conformance import Target, verify
from collection_jobs.conformance.checks.registry import CHECKS
some = [check for check in CHECKS if check.name in ("interleavings", "passing time")]
report = verify(Target("files", FileCollectionJobRepository), profile="quick", checks=some)
gc.collect()
print(report.findings)
"""


def test_what_waits_for_a_thread_is_not_left_to_the_garbage_collector() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", NOTHING_LEFT],
        cwd=ROOT / "examples" / "adapters" / "files",
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), "."])},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert (ran.stdout, ran.stderr) == ("()\n", "")
