"""The kit on trial for failures as data, cursors, finds, counts and purges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from collection_jobs import InMemoryCollectionJobRepository
from collection_jobs.conformance import LAWS
from collection_jobs.conformance.checks.sequential.fixed_cases import fixed_programs
from collection_jobs.conformance.checks.sequential.fixed_cases_beyond import (
    fixed_programs_beyond,
)
from collection_jobs.conformance.checks.sequential.oracle_runner import OracleRunner
from collection_jobs.conformance.running.open_store import OpenStore
from collection_jobs.conformance.spec.calls import Program
from collection_jobs.conformance.spec.capabilities import PROTOCOLS
from collection_jobs.conformance.spec.findings import LawBroken
from tests.mutants import finding, purging, recording

DATA = frozenset({"RecordsFailures", "RecordsCursors", "FindsJobs", "Purges"})
EVERY = frozenset(PROTOCOLS)
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
    of_data = fixed_programs_beyond(DATA | {"RecordsCompletedSymbols"})
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
