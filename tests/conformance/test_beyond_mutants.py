"""The kit on trial for what adapters have beyond the nine methods."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from collection_jobs import CollectionJob, JobStatus
from collection_jobs.conformance import LAWS, Report, verify
from collection_jobs.conformance.checks.interleavings.explore import explore_pairs
from collection_jobs.conformance.checks.interleavings.pairs import pairs
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.running.configuration import PROFILES
from collection_jobs.conformance.spec.capabilities import PROTOCOLS
from collection_jobs.job import check_jobs
from tests.conformance.support import target_of
from tests.mutants.beyond import BUGS, ODD, Bare, Full
from tests.mutants.beyond_races import RACES, Whole
from tests.mutants.real import BUGS as REAL

ALONE = [
    check for check in CHECKS if check.name in ("wrong inputs", "a closed repository", "one caller")
]
EVERY = frozenset({"RecordsCompletedSymbols", "SavesMany", "PagesByKey"})
"""Additions and leases are tried in `test_leasing_mutants`."""
BEYOND = {law.id for law in LAWS.values() if law.capability in EVERY}


FEW_WALKS = replace(PROFILES["quick"], walks=4)  # the fixed programs find nearly all


def judged(store: type[Full]) -> Report:
    return verify(target_of(store, store.__name__), profile=FEW_WALKS, checks=ALONE)


@pytest.mark.parametrize("mutant", BUGS, ids=lambda mutant: mutant.__name__)
def test_a_planted_bug_is_convicted_by_exactly_its_laws(mutant: type[Full]) -> None:
    report = judged(mutant)
    assert {finding.law for finding in report.findings} == BUGS[mutant], report.findings
    for finding in report.findings:
        assert 1 <= len(finding.history) <= 7, finding


EMPTY: dict[str, Any] = {
    "started_at": None,
    "finished_at": None,
    "error_message": None,
    "completed_symbols": {},
    "failed_symbols": {},
    "metadata": {},
    "permanent_failures": frozenset(),
    "failure_counts": {},
    "cursors": {},
}
"""What a job has in each field that a store may forget."""


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize(("method", "law"), [("save_many", "MANY-1"), ("list_after", "KEY-1")])
def test_a_method_that_drops_a_field_is_convicted(name: str, method: str, law: str) -> None:
    """By the fixed cases: it is found in the quickest run, whatever the seed."""
    empty = {name: EMPTY[name]}
    if name == "failed_symbols":  # without which no failure is permanent
        empty["permanent_failures"] = frozenset()

    class Dropping(Full):
        @override
        async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
            checked = check_jobs(jobs)
            dropped = [replace(job, **empty) for job in checked]
            await super().save_many(dropped if method == "save_many" else checked)

        @override
        async def list_after(
            self,
            status: JobStatus,
            after: tuple[datetime, str] | None = None,
            limit: int = 100,
        ) -> list[CollectionJob]:
            jobs = await super().list_after(status, after, limit)
            return [replace(job, **empty) for job in jobs] if method == "list_after" else jobs

    assert law in {finding.law for finding in judged(Dropping).findings}


@pytest.mark.parametrize("odd", [*ODD, Bare, Full], ids=lambda odd: odd.__name__)
def test_an_odd_but_right_repository_is_acquitted(odd: type[Full]) -> None:
    report = judged(odd)
    assert report.findings == ()
    offered = {name for name, protocol in PROTOCOLS.items() if isinstance(odd(), protocol)}
    for law in report.laws:
        capability = LAWS[law.id].capability
        if capability in EVERY - offered:
            assert law.verdict == "not applicable"
            assert law.reason is not None
            assert "the class has no method" in law.reason
        elif law.id in BEYOND - {"COMPLETED-2", "MANY-3", "KEY-3"}:
            assert law.verdict == "holds"


@pytest.mark.parametrize("mutant", RACES, ids=lambda mutant: mutant.__name__)
def test_a_race_is_convicted_by_exactly_its_laws(mutant: Any, tmp_path: Path) -> None:
    found = explored(mutant, tmp_path, stages=("pending", "running"))
    assert {finding.law for finding in found} == RACES[mutant], found
    assert all(finding.history for finding in found)


def test_a_right_design_is_acquitted_under_every_schedule(tmp_path: Path) -> None:
    assert explored(Whole, tmp_path, stages=("pending", "running", "deleted")) == ()


def explored(store: Any, directory: Path, stages: tuple[str, ...]) -> Any:
    programs = [
        program
        for program in pairs(stages, EVERY)
        if any(
            step.method in ("add_completed_symbol", "save_many", "list_after")
            for client in program.clients
            for step in client
        )
    ]
    return explore_pairs(
        lambda directory: store(), preemptions=2, directory=directory, programs=programs
    ).findings


def test_every_law_beyond_the_nine_convicts_a_mutant() -> None:
    convicting = frozenset[str]().union(
        *BUGS.values(), *RACES.values(), *(bug.laws for bug in REAL)
    )
    assert convicting >= BEYOND
