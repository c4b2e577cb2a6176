"""An adapter that is not finished: one finding for what it lacks, and laws that wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from collection_jobs import ICollectionJobRepository, InMemoryCollectionJobRepository
from collection_jobs.conformance import LAWS, Report, verify
from collection_jobs.conformance.spec.capabilities import NINE as CONTRACT
from collection_jobs.conformance.spec.capabilities import PROTOCOLS
from tests.conformance.support import target_of

NINE = tuple(name for name in vars(ICollectionJobRepository) if not name.startswith("_"))


async def _unwritten(*_: object, **__: object) -> None:
    raise NotImplementedError


async def _failing(*_: object, **__: object) -> None:
    raise RuntimeError("boom")


def lacking(*methods: str, by: Callable[..., Any] = _unwritten) -> Report:
    """The verdict on an adapter some of whose methods are not there."""
    kind = type("Unfinished", (InMemoryCollectionJobRepository,), dict.fromkeys(methods, by))
    return verify(target_of(kind), profile="quick")


def with_verdict(report: Report, verdict: str) -> set[str]:
    return {law.id for law in report.laws if law.verdict == verdict}


def test_the_methods_that_laws_wait_for_are_the_contracts() -> None:
    assert NINE == CONTRACT
    assert all(law.methods <= set(CONTRACT) for law in LAWS.values())


def test_an_adapter_without_methods_gets_one_finding_that_says_what_to_write_first() -> None:
    report = lacking(*NINE)
    (finding,) = report.findings
    assert finding.law == "ERROR-1"
    assert finding.message == (
        "save, get_by_id, delete, list_by_status, list_recent, get_running_jobs, update_status, "
        "add_failed_symbol and get_stats are not written yet: they raise NotImplementedError. "
        "Write save and get_by_id next: SAVE-1, SAVE-2 and GET-1 can then be examined"
    )
    assert finding.history == ("await repository.save(example_job('a'))",)
    assert with_verdict(report, "holds") == set()
    reasons = {law.id: law.reason for law in report.laws}
    assert reasons["SAVE-1"] == "waits for save and get_by_id"
    assert reasons["ATOMIC-1"] == "waits for save and 8 more"


def test_what_is_written_is_judged_while_the_rest_waits() -> None:
    report = lacking("update_status", "get_stats")
    held = with_verdict(report, "holds")
    assert {"SAVE-1", "DELETE-2", "LIST-2", "FAILED-3", "GET-2"} <= held
    assert with_verdict(report, "broken") == {"ERROR-1"}
    assert {"STATUS-1", "STATS-1", "SAVE-4"} <= with_verdict(report, "not checked")
    assert "Write update_status next" in report.findings[0].message


@pytest.mark.parametrize("method", NINE)
def test_no_method_is_blamed_for_another_that_is_missing(method: str) -> None:
    report = lacking(method)
    assert with_verdict(report, "broken") == {"ERROR-1"}
    # The repository in memory declares to scale, and not to be durable.
    applying = [law for law in LAWS.values() if law.capability in (None, "scales", *PROTOCOLS)]
    waiting = {law.id for law in applying if method in law.methods}
    assert with_verdict(report, "not checked") == waiting - {"ERROR-1"}


def test_a_wrong_method_is_convicted_while_another_is_missing() -> None:
    kind = type(
        "Wrong",
        (InMemoryCollectionJobRepository,),
        {"get_stats": _unwritten, "delete": _failing},
    )
    report = verify(target_of(kind), profile="quick")
    found = {finding.law: finding.message for finding in report.findings}
    assert "get_stats is not written yet" in found["ERROR-1"]
    assert "boom" in found["DELETE-1"]


@pytest.mark.parametrize("method", ["save", "get_by_id", "get_stats"])
def test_a_method_that_always_fails_is_a_finding_and_no_crash_of_the_kit(method: str) -> None:
    report = lacking(method, by=_failing)
    assert report.verdict == "findings"
    assert any("boom" in finding.message for finding in report.findings)
