"""The kit on trial for additions and leases: planted bugs, races, and odd but right stores."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from collection_jobs import CollectionJobRepository
from collection_jobs.conformance import LAWS, verify
from collection_jobs.conformance.checks.interleavings.claims import pairs_of_claims
from collection_jobs.conformance.checks.interleavings.explore import explore_pairs
from collection_jobs.conformance.checks.interleavings.pairs import pairs
from collection_jobs.conformance.checks.interleavings.programs import ConcurrentProgram
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.checks.sequential.fixed_cases_beyond import fixed_programs_beyond
from collection_jobs.conformance.running.configuration import PROFILES
from collection_jobs.conformance.running.oracle_runner import OracleRunner
from collection_jobs.conformance.spec.calls import Program
from collection_jobs.conformance.spec.capabilities import LEASES
from collection_jobs.conformance.spec.findings import Finding, LawBroken
from tests.conformance.support import target_of
from tests.mutants.leased_rows import Leased
from tests.mutants.leasing import BUGS
from tests.mutants.leasing_races import RACES
from tests.mutants.leasing_right import RIGHT

ABOUT = frozenset({"AddsJobs", LEASES})
ONE_CALLER = [check for check in CHECKS if check.name == "one caller"]
FIXED_ONLY = replace(PROFILES["quick"], walks=0)
SHOWN = frozenset({"AddsByReplacing", "RenewsForAnybody"})
"""Those that are judged as users judge an adapter, each time."""
LOCKING = frozenset({"Leased", "LocksEachJob", "ComparesAndSwaps"})
"""The right designs that differ in who waits for whom: these are explored each time."""


def seen_by_one_caller(new_store: Callable[[], CollectionJobRepository]) -> dict[str, Finding]:
    """The laws that the fixed programs find broken, all of them at once: some wait for time."""
    found = dict[str, Finding]()

    async def visit(program: Program) -> None:
        runner = OracleRunner(new_store(), found)
        for step in program:
            try:
                await runner.run(step)
            except LawBroken as error:
                found.setdefault(error.finding.law, error.finding)

    async def visit_all() -> None:
        await asyncio.gather(*map(visit, fixed_programs_beyond(ABOUT)))

    asyncio.run(visit_all())
    return found


@pytest.mark.parametrize("mutant", BUGS, ids=lambda mutant: mutant.__name__)
def test_a_planted_bug_is_convicted_by_exactly_its_laws(mutant: type[Leased]) -> None:
    found = seen_by_one_caller(mutant)
    assert found.keys() == BUGS[mutant], found


def chosen(stores: Iterable[type[Leased]], names: frozenset[str]) -> Iterator[object]:
    """All of the stores, of which those of other names are left to the runs before a release."""
    for store in stores:
        marks = () if store.__name__ in names else pytest.mark.release
        yield pytest.param(store, marks=marks, id=store.__name__)


@pytest.mark.parametrize("mutant", [*chosen(BUGS, SHOWN)])
def test_a_planted_bug_is_told_in_few_calls(mutant: type[Leased]) -> None:
    report = verify(target_of(mutant), profile=FIXED_ONLY, checks=ONE_CALLER)
    assert {finding.law for finding in report.findings} == BUGS[mutant], report.findings
    for finding in report.findings:
        assert 1 <= len(finding.history) <= 9, finding


@pytest.mark.parametrize("mutant", RACES, ids=lambda mutant: mutant.__name__)
def test_a_race_is_convicted_by_exactly_its_laws(mutant: type[Leased], tmp_path: Path) -> None:
    laws = RACES[mutant]
    programs = additions() if "ADD-2" in laws or "ADD-3" in laws else pairs_of_claims(())
    found = explored(mutant, tmp_path, programs)
    assert {finding.law for finding in found} == laws, found
    assert all(finding.history for finding in found)


@pytest.mark.parametrize("odd", RIGHT, ids=lambda odd: odd.__name__)
def test_an_odd_but_right_design_is_acquitted(odd: type[Leased]) -> None:
    assert seen_by_one_caller(odd) == {}


@pytest.mark.parametrize("odd", [*chosen(RIGHT, LOCKING)])
def test_an_odd_but_right_design_is_acquitted_of_races(odd: type[Leased], tmp_path: Path) -> None:
    assert explored(odd, tmp_path, [*additions(), *pairs_of_claims(())]) == ()


def additions() -> Iterator[ConcurrentProgram]:
    for program in pairs(("pending", "deleted"), frozenset({"AddsJobs"})):
        if any(step.method in ("add", "add_many") for one in program.clients for step in one):
            yield program


def explored(
    store: type[Leased], directory: Path, programs: Iterable[ConcurrentProgram]
) -> tuple[Finding, ...]:
    return explore_pairs(
        lambda directory: store(), preemptions=2, directory=directory, programs=programs
    ).findings


def test_every_law_of_leases_and_additions_convicts_a_mutant() -> None:
    convicting = frozenset[str]().union(*BUGS.values(), *RACES.values())
    assert convicting >= {law.id for law in LAWS.values() if law.capability in ABOUT}
