"""Schedules on a real engine: races between its statements are found, told and made again."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from collection_jobs.conformance import Report, find_target, reproduce, verify
from collection_jobs.conformance.checks.interleavings.conflicts import can_conflict
from collection_jobs.conformance.checks.interleavings.pairs import pairs
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.report.tokens import unpack
from collection_jobs.conformance.running.configuration import PROFILES
from tests.mutants.aiosqlite_rows import (
    AiosqliteRows,
    ClaimsAfterALook,
    KeepsTheLockOfWhatFails,
    OpenOnceInAProcess,
)

LARGE = [check for check in CHECKS if check.name == "large stores"]
LIGHT = replace(PROFILES["quick"], stored=140, altered=40, symbols=300, repeated=40)
INTERLEAVINGS = [check for check in CHECKS if check.name == "interleavings"]
AT_STATEMENTS = "all schedules of up to 1 preemption at the engine's statements"


def spec_of(store: type[Any]) -> str:
    return f"{store.__module__}:{store.__name__}"


def judged(store: type[Any] | None, **options: Any) -> Report:
    target = find_target(None if store is None else spec_of(store))
    return verify(target, profile="quick", checks=INTERLEAVINGS, **options)


@pytest.mark.parametrize("store", [AiosqliteRows, None], ids=["aiosqlite", "SQLite"])
def test_a_right_adapter_is_explored_on_one_handle_and_on_two_and_acquitted(
    store: type[Any] | None,
) -> None:
    report = judged(store)
    assert report.findings == ()
    (law,) = [law for law in report.laws if law.id == "ATOMIC-1"]
    (tried,) = law.tried
    assert tried.count(AT_STATEMENTS) == 2
    assert "with 2 handles" in tried


def test_an_adapter_that_opens_once_in_a_process_is_examined_on_one_handle() -> None:
    report = judged(OpenOnceInAProcess)
    assert report.findings == ()
    (law,) = [law for law in report.laws if law.id == "ATOMIC-1"]
    (tried,) = law.tried
    assert AT_STATEMENTS in tried
    assert "not on 2 handles of one process: jobs.db is open in this process already" in tried


def test_a_large_store_that_opens_once_in_a_process_is_examined_on_one_handle() -> None:
    report = verify(find_target(spec_of(OpenOnceInAProcess)), profile=LIGHT, checks=LARGE)
    assert report.findings == ()
    (law,) = [law for law in report.laws if law.id == "SAVE-1"]
    (tried,) = law.tried
    found = re.match(r"([\d,]+) calls on stores of up to ([\d,]+) jobs", tried)
    assert found is not None
    assert int(found[1].replace(",", "")) > 2_000
    assert int(found[2]) > 130


def test_a_race_is_told_by_the_adapters_line_and_made_again_by_its_token() -> None:
    report = judged(ClaimsAfterALook)
    finding = next(one for one in report.findings if one.law == "STATUS-2")
    assert finding.history[:6] == (
        "await repository.save(example_job('a'))",
        "async def a():",
        "    await repository.update_status('a', JobStatus.RUNNING)",
        "async def b():",
        "    await repository.update_status('a', JobStatus.RUNNING)",
        "await asyncio.gather(a(), b())",
    )
    (preempted,) = [line for line in finding.history if "-->" in line]
    assert "A | --> preempted at aiosqlite_rows.py:" in preempted
    token = str(finding.token)
    assert unpack(token)["handles"] == 1
    (again,) = reproduce(find_target(report.target), token)
    assert again.law == "STATUS-2"


def test_a_lock_that_stays_held_is_found_by_what_comes_after_the_run() -> None:
    report = judged(KeepsTheLockOfWhatFails, deadline=1.0)
    (finding,) = report.findings
    assert finding.law == "ATOMIC-1"
    assert "gave no answer within 1 s" in finding.message
    assert any("raised StaleJobError" in line for line in finding.history)


def test_only_pairs_are_explored_there_that_can_conflict() -> None:
    some = [program for program in pairs() if can_conflict(program)]
    texts = ["; ".join(str(client[0]) for client in program.clients) for program in some]
    assert 200 < len(some) < len(list(pairs())) / 3
    claim = "await repository.update_status('a', JobStatus.RUNNING)"
    assert f"{claim}; {claim}" in texts
    assert not any("update_status('a', JobStatus.PENDING); " in text for text in texts[:50])
    assert not any("get_by_id('a'); await repository.get_stats('a')" in text for text in texts)
