"""Several handles of one process: scripts, what they show, and how it is told and made again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from collection_jobs import CollectionJob, JobStatus, RepositoryClosedError, RepositoryError
from collection_jobs.conformance import Finding, Report, Target, find_target, reproduce, verify
from collection_jobs.conformance.checks.handles.judgement import judge_script
from collection_jobs.conformance.checks.handles.play import Played, play
from collection_jobs.conformance.checks.handles.script import (
    CLOSE,
    KILL,
    OPEN,
    SERVICE,
    Line,
    script,
)
from collection_jobs.conformance.checks.handles.shrinking import shrink_script
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.running.processes import ForkServer
from collection_jobs.conformance.spec.calls import Call, Outcome, Step, example_job
from collection_jobs.conformance.spec.capabilities import PROTOCOLS
from tests.mutants import handling
from tests.mutants.stores import FileStore
from tests.mutants.table import ODD

SEVERAL = [check for check in CHECKS if check.name == handling.HANDLES]
READS_THE_HEADER = "tests.mutants.handling:ReadsTheHeader"
NOW = datetime.now(UTC)


def judged(target: str, seed: int = 0, profile: str = "quick") -> Report:
    return verify(find_target(target), profile=profile, seed=seed, checks=SEVERAL)


@pytest.fixture
def untold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spend no time on telling a finding in fewer lines."""
    monkeypatch.setattr("collection_jobs.conformance.checks.handles.shrinking._SECONDS", 0.0)


def seeds(usual: int, all_of_them: int) -> list[Any]:
    """The seeds of each run, and those that are tried before a release besides."""
    more = range(usual, all_of_them)
    return [*range(usual), *(pytest.param(seed, marks=pytest.mark.release) for seed in more)]


# What it convicts, and what it does not


@pytest.mark.usefixtures("untold")
@pytest.mark.parametrize("seed", seeds(3, 10))
def test_a_file_opened_and_closed_beside_its_locks_is_found_with_every_seed(seed: int) -> None:
    (finding,) = judged(READS_THE_HEADER, seed).findings
    assert finding.law in {"ATOMIC-1", "DURABLE-1"}


@pytest.mark.usefixtures("untold")
def test_it_is_found_with_the_standard_effort_too() -> None:
    report = judged(READS_THE_HEADER, profile="standard")
    assert report.verdict == "findings"
    claims = {claim.capability: claim.verdict for claim in report.claims}
    assert claims["shared"] == "overstated"


@pytest.mark.parametrize(
    "odd", [one for one in ODD if one.__module__ == handling.__name__], ids=lambda one: one.__name__
)
@pytest.mark.parametrize("seed", seeds(1, 3))
def test_right_ways_to_hold_a_connection_are_acquitted(odd: type[Any], seed: int) -> None:
    report = judged(f"{odd.__module__}:{odd.__name__}", seed)
    assert report.findings == ()


def test_the_report_says_what_was_tried() -> None:
    report = judged("tests.mutants.stores:TableStore")
    reason = next(law.reason for law in report.laws if law.id == "ATOMIC-1")
    assert reason is not None
    assert "3 handles of one process, opened and closed" in reason
    assert "other processes on 4 stores, 2 processes killed" in reason
    once = judged("tests.mutants.handling:OpensOnce")
    assert "not on several handles of one process: " in str(once.to_json()["laws"])


def test_an_adapter_that_is_not_shared_is_not_asked() -> None:
    laws = {law.id: law for law in judged("tests.mutants.stores:LogStore").laws}
    assert laws["ATOMIC-1"].reason == "shared is not declared"
    made_in_code = verify(Target("in code", FileStore), profile="quick", checks=SEVERAL)
    assert "made in code" in str(made_in_code.to_json()["laws"])


# How it is told


def test_a_finding_is_told_in_few_lines_and_made_again_by_its_token() -> None:
    finding = judged("tests.mutants.handling:ClearsUp").findings[0]
    first, *lines, last = finding.history
    assert len(lines) <= 12
    assert first == "# Process A:"
    assert any("await opening.__aenter__()" in line for line in lines)
    assert last == "await z1.__aexit__(None, None, None)"
    assert finding.token is not None
    again = reproduce(find_target("tests.mutants.handling:ClearsUp"), finding.token)
    assert [one.law for one in again] == [finding.law]
    assert reproduce(find_target("tests.mutants.stores:TableStore"), finding.token) == []


def test_shrinking_leaves_out_what_does_not_matter() -> None:
    lines = script(Random(0))  # noqa: S311 - not for secrets
    kept = [line for line in lines if line.step.method == OPEN and line.process == "C"]
    finding = judged_loss(None)[0]

    def shows(shorter: tuple[Line, ...]) -> Finding | None:
        return finding if set(kept) <= set(shorter) else None

    assert shrink_script(lines, finding, shows)[0] == tuple(kept)


# Scripts


def test_the_same_seed_writes_the_same_script_and_another_seed_another() -> None:
    first, again, other = (
        script(Random(seed), frozenset(PROTOCOLS), places=2)  # noqa: S311 - not for secrets
        for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize("seed", range(20))
def test_a_script_opens_closes_visits_and_kills(seed: int) -> None:
    lines = script(Random(seed), frozenset(PROTOCOLS))  # noqa: S311 - not for secrets
    did = Counter((line.process == SERVICE, line.step.method) for line in lines)
    assert did[True, OPEN] >= 6
    assert did[True, CLOSE] == did[True, OPEN] - 1
    assert did[False, OPEN] == did[False, CLOSE] >= 4
    assert lines[-1].step.method == KILL
    gentle = script(Random(seed), kills=False)  # noqa: S311 - not for secrets
    assert KILL not in {line.step.method for line in gentle}
    assert gentle[-1].step.method == CLOSE


@pytest.fixture
def fork_server() -> Iterator[ForkServer]:
    with ForkServer(find_target("tests.mutants.stores:TableStore")) as fork_server:
        yield fork_server


def test_a_process_is_killed_at_work_and_another_looks(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    saves = [Step("save", (example_job(f"job {number}"),)) for number in range(9)]
    lines = [Line(1, "A", 1, step) for step in (Step(OPEN, (0,)), *saves)]
    played = play(fork_server, (tmp_path,), [*lines, Line(1, "A", 0, Step(KILL, (7,)))])
    assert played.killed == ["A"]
    assert played.killed_at is not None
    told = [event for event in played.calls if event.client == "A1" and event.outcome]
    assert 2 <= len(told) <= len(saves)
    assert {event.client for event in played.events} == {"A1", "Z1"}
    assert judge_script(played) == []


def test_what_is_not_open_is_not_called(fork_server: ForkServer, tmp_path: Path) -> None:
    lines = [Line(1, "A", 1, Step("get_by_id", ("a",))), Line(1, "A", 1, Step(CLOSE))]
    assert play(fork_server, (tmp_path,), lines).events[0].client == "Z1"


# Judging


def at(number: int, client: str, call: Call, outcome: Outcome | None) -> Event:
    return Event(client, call, 2 * number, None if outcome is None else 2 * number + 1, outcome)


def answered(value: object = None, error: BaseException | None = None) -> Outcome:
    return Outcome(NOW, NOW, value, error)


JOB = example_job("kept 1")


def judged_loss(
    seen: CollectionJob | None, *, killed: bool = False, error: Exception | None = None
) -> list[Finding]:
    """A job is saved by one process and looked at by another, maybe after a kill."""
    events = [
        at(1, "A1", Call(OPEN, (0,)), answered()),
        at(2, "A1", Call("save", (JOB,)), answered()),
        at(4, "Z1", Call(OPEN, (0,)), answered()),
        at(5, "Z1", Call("get_by_id", (JOB.id,)), answered(seen, error)),
    ]
    return judge_script(Played(events, 7 if killed else None, ["A"] if killed else []))


def test_what_is_lost_by_a_kill_is_not_durable_and_what_is_lost_without_is_not_atomic() -> None:
    assert judged_loss(JOB.with_revision(1), killed=True) == []
    (lost,) = judged_loss(None, killed=True)
    assert lost.law == "DURABLE-1"
    assert "after process A was killed" in lost.message
    assert "# Process A is killed." in lost.history
    assert judged_loss(None)[0].law == "ATOMIC-1"


@pytest.mark.parametrize("error", [RepositoryClosedError("closed"), RepositoryError("malformed")])
def test_a_call_on_an_open_handle_does_not_fail(error: Exception) -> None:
    (finding,) = judged_loss(None, error=error)
    assert finding.law == "ATOMIC-1"
    assert f"raised {type(error).__name__}" in finding.message


def test_a_claim_won_twice_is_told_from_one_that_was_undone() -> None:
    claimed = example_job("claimed 1")
    claim = Call("update_status", (claimed.id, JobStatus.RUNNING))
    events = [
        at(1, "A1", Call("save", (claimed,)), answered()),
        at(2, "A1", claim, answered(True)),
        at(3, "B1", claim, answered(True)),
    ]
    assert [one.law for one in judge_script(Played(events))] == ["STATUS-2"]
    undone = at(3, "B1", Call("get_by_id", (claimed.id,)), answered(claimed.with_revision(1)))
    assert [one.law for one in judge_script(Played([*events[:2], undone]))] == ["ATOMIC-1"]


def test_a_store_that_does_not_open_again_after_a_kill_is_not_durable() -> None:
    refused = answered(error=RepositoryError("malformed"))
    played = Played([at(4, "Z1", Call(OPEN, (0,)), refused)], 7, ["A"])
    assert [one.law for one in judge_script(played)] == ["DURABLE-1"]
    before = replace(played, killed_at=99)
    assert [one.law for one in judge_script(before)] == ["ATOMIC-1"]


def test_a_process_that_ends_by_itself_is_a_finding() -> None:
    (finding,) = judge_script(Played(died=("B", "a worker process ended with code -11")))
    assert "process B: a worker process ended with code -11" in finding.message
