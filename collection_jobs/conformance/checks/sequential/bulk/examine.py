"""Large stores: values of every class, many jobs, large jobs and many changes, opened again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from random import Random
from typing import Any

from collection_jobs.conformance.checks.sequential.bulk.lines import lines_of, shows_reopening
from collection_jobs.conformance.checks.sequential.bulk.oracle import OF_REVISIONS, BulkOracle
from collection_jobs.conformance.checks.sequential.bulk.programs import (
    PROGRAMS,
    Setting,
    instants,
)
from collection_jobs.conformance.checks.sequential.bulk.shrinking import run_again, shortest
from collection_jobs.conformance.checks.sequential.bulk.sizes import Sizes, sizes_of
from collection_jobs.conformance.checks.sequential.bulk.stages import (
    KeepsNothing,
    Processes,
    Stages,
)
from collection_jobs.conformance.report.coverage import Coverage
from collection_jobs.conformance.running.configuration import Examination, Plan
from collection_jobs.conformance.running.zones import ZONES
from collection_jobs.conformance.spec.calls import Step
from collection_jobs.conformance.spec.domains import CHOSEN, classes_of_field
from collection_jobs.conformance.spec.findings import Finding, Violation
from collection_jobs.conformance.spec.operations import operations

__all__ = ["examine_large_stores", "find_in_large_stores_again"]

_OF_KEEPING = "DURABLE-1"
_GAVE_UP = (
    "in a large store a change showed otherwise than it was made, so what is to be listed was not"
    " known any more"
)


def examine_large_stores(plan: Plan) -> Examination:
    """Run every program, and make of the first violation of each law a finding."""
    with closing(Processes(plan)) as processes:
        run = _Run(plan, processes)
        run.all_programs()
        findings = [run.shrunk(*first) for first in run.violations]
        by_law = {finding.law: finding for finding in reversed(findings)}
        if _OF_KEEPING in by_law:  # what is lost takes its revisions along
            by_law = {
                law: finding
                for law, finding in by_law.items()
                if law not in OF_REVISIONS or not shows_reopening(finding.history)
            }
        unchecked = dict.fromkeys(_laws_of_listings(plan), _GAVE_UP) if run.has_given_up else {}
        return Examination(list(by_law.values()), run.covered, unchecked, coverage=run.coverage)


def _laws_of_listings(plan: Plan) -> set[str]:
    listings = (one.listing for one in operations(plan.capabilities))
    return {
        law
        for listing in listings
        if listing is not None
        for law in (listing.law, listing.paging_law, listing.of_pages)
        if law is not None
    }


def find_in_large_stores_again(plan: Plan, token: dict[str, Any]) -> list[Finding]:
    """Make the calls of a token again; return the finding, if they show it again."""
    muted, law, program = frozenset[str](token["muted"]), str(token["law"]), token.get("steps")
    if program is None:
        return [one for one in examine_large_stores(plan).findings if one.law == law]
    with closing(Processes(plan)) as processes:
        violation, _ = run_again(plan, processes, program, muted=muted, law=law)
    if violation is None:
        return []
    return [Finding(law, violation.message, lines_of(program))]


class _Run:
    """The programs of one examination, and what they showed."""

    def __init__(self, plan: Plan, processes: Processes) -> None:
        self.violations: list[tuple[Violation, tuple[Step, ...], frozenset[str]]] = []
        self.coverage = Coverage(
            tuple((field.name, name) for field in CHOSEN for name in classes_of_field(field))
        )
        self._plan = plan
        self._processes = processes
        self._muted: set[str] = set()
        self._calls = 0
        self._openings = 0
        self._largest = 0
        self._elsewhere = plan.target.spec is not None
        self._keeps = True
        self._hung = False
        self.has_given_up: bool = False

    def all_programs(self) -> None:
        """Run each program on a store of its own."""
        if self._elsewhere:
            self._processes.start(*ZONES)
        sizes = sizes_of(self._plan.profile)
        programs: list[tuple[str, Callable[[Setting], Iterator[Step]]]] = list(PROGRAMS.items())
        if self._elsewhere:
            programs += [(zone, partial(instants, zone=zone)) for zone in ZONES]
        for number, (name, program) in enumerate(programs):
            self._plan.progress(number, len(programs))
            is_told = bool(self.violations) and not self._plan.profile.shrinks
            if not self._hung and not is_told:
                self._run(name, program, sizes)
        self.coverage.uses = self._uses()

    def _run(self, name: str, program: Callable[[Setting], Iterator[Step]], sizes: Sizes) -> None:
        plan = self._plan
        oracle = BulkOracle(self.coverage, durable="durable" in plan.capabilities)
        handles = 2 if "shared" in plan.capabilities else 1
        stages = Stages(plan, oracle, self._processes, self._note, handles=handles)
        random = Random(f"{plan.seed} {name}")  # noqa: S311 - not for secrets
        setting = Setting(random, oracle, plan.capabilities, sizes, self._elsewhere, self._keeps)
        try:
            stages.run(program(setting))
        except KeepsNothing:
            self._keeps = False
        self._calls += stages.calls
        self._openings += stages.openings
        self._largest = max(self._largest, len(oracle.stored))
        self._hung = oracle.hung
        self.has_given_up = self.has_given_up or oracle.has_given_up

    def _note(self, violation: Violation, program: tuple[Step, ...]) -> None:
        if violation.law not in self._muted:
            self.violations.append((violation, program, frozenset(self._muted)))
            self._muted.add(violation.law)

    def shrunk(
        self, violation: Violation, program: tuple[Step, ...], muted: frozenset[str]
    ) -> Finding:
        """Return the finding of a violation, with a shortest program that shows it."""
        return shortest(self._plan, self._processes, violation, program, muted)

    @property
    def covered(self) -> str:
        """What was done, in a few words."""
        smaller = ""
        if self._plan.profile.smaller > 1:
            smaller = f" (1/{self._plan.profile.smaller} of the usual size, for a call is slow)"
        return (
            f"{self._calls:,} calls on stores of up to {self._largest:,} jobs{smaller}, opened"
            f" {self._openings} times"
        )

    def _uses(self) -> tuple[str, ...]:
        """Return what is to be done with each class of values of each field."""
        uses = ["saved", "read", "listed"]
        if self._keeps:
            uses.append("reopened")
        if self._elsewhere and "durable" in self._plan.capabilities:
            uses.append("read after a kill")
        return tuple(uses)
