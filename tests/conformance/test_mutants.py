"""The kit on trial: each planted bug is convicted by exactly its laws, each odd one acquitted."""

from __future__ import annotations

import asyncio
import textwrap
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from typing_extensions import override

from collection_jobs import CollectionJob
from collection_jobs.conformance import LAWS, Report, prelude, verify
from collection_jobs.conformance.checks.registry import CHECKS as ALL
from collection_jobs.conformance.running.configuration import PROFILES
from collection_jobs.conformance.running.runner import make
from collection_jobs.conformance.spec.calls import Call, Outcome
from collection_jobs.conformance.spec.capabilities import PROTOCOLS
from tests.conformance.support import target_of
from tests.mutants.sequential import BUGS, ODD, Memory

# The other checks have mutants of their own.
CHECKS = [
    check for check in ALL if check.name in ("wrong inputs", "a closed repository", "one caller")
]
# What adapters have beyond the nine methods has mutants of its own, too.
SINGLE_CALLER = {
    law for check in CHECKS for law in check.laws if LAWS[law].capability not in PROTOCOLS
}

# Few walks: what the fixed programs miss, these find too, and the power page counts how surely.
LIGHT = replace(PROFILES["quick"], walks=4)


def judged(mutant: type[Memory]) -> Report:
    return verify(target_of(mutant, mutant.__name__), profile=LIGHT, checks=CHECKS)


@pytest.mark.parametrize("mutant", BUGS, ids=lambda mutant: mutant.__name__)
def test_a_planted_bug_is_convicted_by_exactly_its_laws(mutant: type[Memory]) -> None:
    report = judged(mutant)
    assert {finding.law for finding in report.findings} == BUGS[mutant]
    assert report.verdict == "findings"
    for finding in report.findings:
        assert 1 <= len(finding.history) <= 7
        replayed = run_as_python(mutant, finding.history)
        assert replayed, finding


class TakesAnyId(Memory):
    """Looks for any id, also one that there cannot be."""

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        return self._jobs.get(job_id)

    @override
    async def delete(self, job_id: str) -> bool:
        return job_id in self._jobs and await super().delete(job_id)


def test_each_method_that_takes_wrong_input_has_one_finding() -> None:
    (law,) = [law for law in judged(TakesAnyId).laws if law.id == "INPUT-1"]
    told = {one.history[-1].partition("(")[0]: one.message for one in law.findings}
    assert told.keys() == {"await repository.get_by_id", "await repository.delete"}
    assert all("; and " in message for message in told.values())


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_but_right_repository_is_acquitted(odd: type[Memory]) -> None:
    report = judged(odd)
    assert report.findings == ()
    assert {law.id for law in report.laws if law.verdict == "holds"} == SINGLE_CALLER


def test_every_law_that_a_check_examines_has_a_mutant() -> None:
    convicting = {law for laws in BUGS.values() for law in laws}
    assert convicting == SINGLE_CALLER
    assert convicting <= set(LAWS)


def run_as_python(mutant: type[Memory], history: tuple[str, ...]) -> list[Outcome]:
    """Run a history as the text that a user would paste: the last line must show something."""
    outcomes: list[Outcome] = []

    class Recorder:
        """Passes every call on and keeps what came of it."""

        def __init__(self, repository: Memory) -> None:
            self._repository = repository

        def __getattr__(self, method: str) -> object:
            async def call(*arguments: object) -> object:
                outcome = await make(Call(method, arguments), self._repository)
                outcomes.append(outcome)
                return outcome.value

            return call

    if history[0].startswith("async with"):
        return [Outcome(*(MOMENT, MOMENT))]  # the history of a closed repository opens it itself
    source = "async def body(repository):\n" + textwrap.indent("\n".join(history), "    ")
    names: dict[str, object] = {name: getattr(prelude, name) for name in prelude.__all__}
    exec(source, names)  # noqa: S102 - that it can be executed is what is tested
    body: Any = names["body"]
    asyncio.run(body(Recorder(mutant())))
    return outcomes


MOMENT = datetime.now(UTC)
