"""The kit on trial for failures as data, cursors, finds, counts and purges."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from collection_jobs import InMemoryCollectionJobRepository
from collection_jobs.conformance import LAWS, verify
from collection_jobs.conformance.checks.interleavings.explore import explore_pairs
from collection_jobs.conformance.checks.interleavings.pairs import pairs
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.checks.sequential.fixed_cases import fixed_programs
from collection_jobs.conformance.checks.sequential.fixed_cases_beyond import (
    fixed_programs_beyond,
)
from collection_jobs.conformance.running.open_store import OpenStore
from collection_jobs.conformance.running.oracle_runner import OracleRunner
from collection_jobs.conformance.spec.calls import Program
from collection_jobs.conformance.spec.capabilities import METHODS, PROTOCOLS
from collection_jobs.conformance.spec.findings import LawBroken
from tests.conformance.support import target_of
from tests.mutants import finding, purging, recording
from tests.mutants.data_races import (
    RACES,
    CountsApart,
    CountsEachStatus,
    PurgesIds,
    Whole,
    WritesAllCursors,
)
from tests.mutants.data_right import RIGHT

DATA = frozenset({"RecordsFailures", "RecordsCursors", "FindsJobs", "Purges"})
EVERY = frozenset(PROTOCOLS)
ONE_CALLER = [check for check in CHECKS if check.name == "one caller"]
GROWING = [check for check in CHECKS if check.name == "growing stores"]
OF_DATA = sorted(law.id for law in LAWS.values() if law.capability in DATA)


def broken(store: Any, programs: Sequence[Program]) -> list[LawBroken]:
    """The first violation of each law, by fixed programs, each on a new store."""
    found: dict[str, LawBroken] = {}
    for program in programs:
        with OpenStore(store()) as opened:
            runner = OracleRunner(opened.repository, found.keys())

            async def make_all(runner: OracleRunner = runner, program: Program = program) -> None:
                for step in program:
                    try:
                        await runner.run(step)
                    except LawBroken as error:
                        found[error.finding.law] = error

            opened.run(make_all())
    return list(found.values())


def programs_about(*methods: str) -> list[Program]:
    """The fixed programs that call one of these methods."""
    of_data = fixed_programs(DATA | {"RecordsCompletedSymbols", "AddsJobs"})
    return [one for one in of_data if any(step.method in methods for step in one)]


OF_LEASES = [
    program
    for program in fixed_programs_beyond(DATA | {"LeasesJobs"})
    if any(step.method == "claim" for step in program)
]
PROGRAMS = {
    recording: programs_about("add_failure", "set_cursor"),
    finding: programs_about("find", "count"),
    purging: programs_about("delete_finished"),
}
MUTANTS = [
    pytest.param(mutant, module, id=f"{module.__name__.rpartition('.')[2]}-{mutant.__name__}")
    for module in PROGRAMS
    for mutant in module.BUGS
]


@pytest.mark.parametrize(("mutant", "module"), MUTANTS)
def test_a_planted_bug_is_convicted_by_exactly_its_laws(mutant: type[Any], module: Any) -> None:
    needs_leases = "LEASE-3" in module.BUGS[mutant] or hasattr(mutant, "of_leases")
    found = broken(mutant, OF_LEASES if needs_leases else PROGRAMS[module])
    laws = {one.finding.law: one.finding.message for one in found}
    assert laws.keys() == module.BUGS[mutant], laws


def test_the_repository_that_they_derive_from_is_acquitted() -> None:
    bases = {recording: recording.Recording, finding: finding.Finding, purging: purging.Purging}
    for module, base in bases.items():
        assert broken(base, PROGRAMS[module]) == []
    assert broken(InMemoryCollectionJobRepository, fixed_programs(EVERY)) == []


def test_every_law_of_data_convicts_a_mutant() -> None:
    laws = (law for module in PROGRAMS for laws in module.BUGS.values() for law in laws)
    assert set(laws) >= set(OF_DATA)


def explored(store: Any, directory: Path, *methods: str) -> Any:
    """What pairs of calls show of a store, of which one is of these methods."""
    programs = [
        program
        for program in pairs(("pending", "running", "completed"), DATA)
        if any(step.method in methods for client in program.clients for step in client)
    ]
    return explore_pairs(
        lambda directory: store(), preemptions=1, directory=directory, programs=programs
    ).findings


def changed_by(mutant: type[Any]) -> list[str]:
    """The methods that a mutant has wrong; a summary is what find shows."""
    own = [name for name in vars(mutant) if METHODS.get(name) in DATA]
    return own or ["find"]


RUN_EACH_TIME = (CountsEachStatus, CountsApart, PurgesIds, WritesAllCursors)
RACING = [
    pytest.param(
        mutant,
        marks=[] if mutant in RUN_EACH_TIME else pytest.mark.release,
        id=mutant.__name__,
    )
    for mutant in RACES
]


@pytest.mark.parametrize("mutant", RACING)
def test_a_race_is_convicted_by_exactly_its_laws(mutant: Any, tmp_path: Path) -> None:
    found = explored(mutant, tmp_path, *changed_by(mutant))
    assert {one.law for one in found} == RACES[mutant], [(one.law, one.message) for one in found]


@pytest.mark.release
def test_a_right_design_is_acquitted_under_every_schedule(tmp_path: Path) -> None:
    assert explored(Whole, tmp_path, *changed_by(Whole)) == ()


@pytest.mark.parametrize("store", RIGHT, ids=lambda store: store.__name__)
def test_an_odd_but_right_store_is_acquitted(store: type[Any]) -> None:
    found = [one for about in PROGRAMS.values() for one in broken(store, about)]
    assert not found, "\n".join(map(str, found))


@pytest.mark.release
@pytest.mark.parametrize("store", RIGHT, ids=lambda store: store.__name__)
def test_an_odd_but_right_store_is_acquitted_by_every_check(store: type[Any]) -> None:
    report = verify(target_of(store, store.__name__), profile="quick")
    # Some of them look at every job: they declare what they derive from declares.
    assert [one.law for one in report.findings if one.law != "SCALE-1"] == []


@pytest.mark.parametrize(
    ("mutant", "law"),
    [
        (recording.MarksForGood, "FAILURE-1"),
        (recording.CountsNoPermanent, "FAILURE-2"),
        (recording.OneCursorForAll, "CURSOR-1"),
        (finding.SourceLike, "FIND-1"),
        (finding.CountersOnlyGrow, "FIND-2"),
        (finding.OnlyWhatIsThere, "FIND-3"),
        (purging.TakesFailed, "PURGE-1"),
    ],
)
@pytest.mark.release
def test_a_finding_is_told_in_few_calls(mutant: type[Any], law: str) -> None:
    report = verify(target_of(mutant, mutant.__name__), profile="quick", checks=ONE_CALLER)
    history = next(one.history for one in report.findings if one.law == law)
    assert len(history) <= 5, history


def test_a_find_that_looks_at_all_jobs_costs_what_there_are() -> None:
    report = verify(target_of(finding.Finding, "looks at all"), profile="quick", checks=GROWING)
    assert {one.law for one in report.findings} == {"SCALE-1"}
