"""Time as a choice: what a timer breaks that fires while others work, and what it does not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import cast

import pytest

from collection_jobs.conformance import Target, reproduce
from collection_jobs.conformance.checks.interleavings.conflicts import can_conflict
from collection_jobs.conformance.checks.interleavings.explore import Exploration, explore_pairs
from collection_jobs.conformance.checks.interleavings.pairs import pairs, triples
from collection_jobs.conformance.checks.interleavings.programs import ConcurrentProgram
from collection_jobs.protocol import CollectionJobRepository
from tests.mutants.rows import Rows
from tests.mutants.timed_rows import (
    TIMED_RACES,
    TIMED_RIGHT,
    GivesUpTheWait,
    LeaseWithoutFencing,
    ReleasesAnothersLock,
)

PAIRS = [program for program in pairs(["pending"]) if can_conflict(program)]
CHAINS = [one for one in triples(["pending"]) if len(one.clients) == 2 and can_conflict(one)][::4]
"""One client makes one call, the other one two."""


def programs_for(design: type[Rows]) -> list[ConcurrentProgram]:
    """Who gives up a lock that is another's breaks nothing before a third call."""
    return CHAINS if design in (ReleasesAnothersLock, GivesUpTheWait) else PAIRS


def explore(
    design: Callable[[], object],
    directory: Path,
    programs: list[ConcurrentProgram],
    *,
    early_timers: bool = True,
    preemptions: int = 2,
) -> Exploration:
    return explore_pairs(
        lambda directory: cast("AbstractAsyncContextManager[CollectionJobRepository]", design()),
        preemptions=preemptions,
        directory=directory,
        programs=programs,
        early_timers=early_timers,
    )


@pytest.mark.parametrize("mutant", TIMED_RACES, ids=lambda mutant: mutant.__name__)
def test_early_timers_and_nothing_else_convict_it(mutant: type[Rows], tmp_path: Path) -> None:
    programs = programs_for(mutant)
    assert explore(mutant, tmp_path, programs, early_timers=False).findings == ()
    found = explore(mutant, tmp_path, programs)
    assert {finding.law for finding in found.findings} == TIMED_RACES[mutant]
    # What was refused for a time-out is no answer, and is not blamed as one.
    assert not any("never returned; no order" in finding.message for finding in found.findings)
    shortest = min(found.findings, key=lambda one: calls_of(one.history))
    assert calls_of(shortest.history) <= 4
    assert any("a timer fires early, set at timed_rows.py:" in line for line in shortest.history)


def calls_of(history: tuple[str, ...]) -> int:
    return sum("await repository." in line for line in history)


@pytest.mark.parametrize("preemptions", [1, pytest.param(2, marks=pytest.mark.release)])
@pytest.mark.parametrize("design", TIMED_RIGHT, ids=lambda design: design.__name__)
def test_what_is_right_at_any_time_is_acquitted(
    design: type[Rows], preemptions: int, tmp_path: Path
) -> None:
    programs = programs_for(design)[:: 3 - preemptions]
    found = explore(design, tmp_path, programs, preemptions=preemptions)
    assert found.findings == ()
    assert preemptions == 1 or found.timed > 30


def test_a_report_says_how_many_programs_were_run_with_early_timers(tmp_path: Path) -> None:
    found = explore(GivesUpTheWait, tmp_path, PAIRS, preemptions=1)
    assert str(found) == "72 pairs, all schedules of up to 1 preemption: none broke a law"
    found = explore(GivesUpTheWait, tmp_path, PAIRS[:10])
    assert str(found) == (
        "10 pairs, all schedules of up to 2 preemptions;"
        f" {found.timed} of them also with early timers, up to 2 preemptions: none broke a law"
    )


def test_a_finding_tells_of_the_timer_and_its_token_makes_it_again(tmp_path: Path) -> None:
    found = explore(LeaseWithoutFencing, tmp_path, PAIRS, preemptions=1)
    finding = next(one for one in found.findings if one.law == "STATUS-2")
    (timer,) = [line for line in finding.history if "fires early" in line]
    assert timer.startswith("#   | 30 s pass: a timer fires early, set at timed_rows.py:")
    assert "call_later(30, self.expire, mine)" in timer
    target = Target("leased", lambda directory: LeaseWithoutFencing())
    (again,) = reproduce(target, str(finding.token))
    assert (again.law, again.message, again.history) == (
        "STATUS-2",
        finding.message,
        finding.history,
    )


def test_the_same_timers_give_the_same_answer(tmp_path: Path) -> None:
    def once() -> Exploration:
        return explore(LeaseWithoutFencing, tmp_path, PAIRS[:20])

    assert once() == once()


def test_an_adapter_without_timers_costs_no_run_more(tmp_path: Path) -> None:
    with_timers, without = (explore(Rows, tmp_path, PAIRS, early_timers=on) for on in (True, False))
    assert (with_timers, with_timers.timed) == (without, 0)
