"""Checks in a second process: the report is the same, and nothing that happens there is lost."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from collection_jobs import CollectionJob
from collection_jobs.conformance import Report, find_target, verify
from collection_jobs.conformance.beside.messages import take
from collection_jobs.conformance.beside.second_process import SecondProcess
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.running.configuration import PROFILES, Examination, Plan
from tests.mutants.bulk import LengthsOfTwoBytes
from tests.mutants.stores import LogStore

SOME = [check for check in CHECKS if check.name in ("wrong inputs", "large stores")]
LIGHT = replace(PROFILES["quick"], stored=120, altered=40, symbols=300, repeated=40)
MARK = "COLLECTION_JOBS_TEST_MARK"


def end_once(mark: Path) -> None:
    if not mark.exists():
        mark.write_text(str(os.getpid()))
        os._exit(7)


class EndsItsProcessOnce(LogStore):
    """Ends the process at one job, the first time that any process meets it."""

    @override
    async def save(self, job: CollectionJob) -> None:
        await super().save(job)
        if job.id == "job 77":
            end_once(Path(os.environ[MARK]))


class BlocksAtALargeJob(LogStore):
    """Blocks its thread for ever where a job has hundreds of symbols."""

    @override
    async def save(self, job: CollectionJob) -> None:
        await super().save(job)
        if len(job.symbols) == 300:
            threading.Event().wait()


def judged(store: type[Any], **options: Any) -> Report:
    target = find_target(f"{store.__module__}:{store.__name__}")
    return verify(target, profile=LIGHT, checks=SOME, **options)


def left_to_it(second: SecondProcess, check: str) -> bool:
    return True


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collection_jobs.conformance.examining.has_room_for_two", lambda: True)
    # What the second process has not begun yet, this one would take.
    monkeypatch.setattr(SecondProcess, "has", left_to_it)


@pytest.mark.parametrize("store", [LogStore, LengthsOfTwoBytes])
def test_the_report_is_the_same(
    store: type[Any], monkeypatch: pytest.MonkeyPatch, beside: None
) -> None:
    two = judged(store)
    monkeypatch.setattr("collection_jobs.conformance.examining.has_room_for_two", lambda: False)
    assert two.to_json() == judged(store).to_json()
    assert bool(two.findings) is (store is LengthsOfTwoBytes)


def test_each_check_is_taken_by_one_of_both(tmp_path: Path) -> None:
    assert take(tmp_path, "large stores")
    assert not take(tmp_path, "large stores")
    assert take(tmp_path, "one caller")


def test_a_process_that_ends_and_does_not_do_so_again_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: None
) -> None:
    monkeypatch.setenv(MARK, str(tmp_path / "mark"))
    report = judged(EndsItsProcessOnce)
    (law,) = [law for law in report.laws if law.id == "DURABLE-1"]
    assert law.verdict == "not checked"
    assert "ended with code 7, and another one, which did the same, did not" in str(law.reason)
    assert report.verdict == "incomplete", report.findings
    assert int((tmp_path / "mark").read_text()) != os.getpid()


def test_a_call_that_does_not_return_there_is_a_finding(beside: None) -> None:
    report = judged(BlocksAtALargeJob, deadline=0.5)
    assert {finding.law for finding in report.findings} == {"ATOMIC-1"}
    assert "did not return within 0.5 s" in report.findings[0].message


def second_processes() -> list[str]:
    """The processes on this machine that make checks beside this one's."""
    found = list[str]()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            line = (stat.parent / "cmdline").read_bytes()
            if parent == os.getpid() and b"conformance.beside.child" in line:
                found.append(stat.parent.name)
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks Linux for its processes")
def test_an_interruption_ends_the_second_process_too(beside: None) -> None:
    seen: list[str] = []

    def interrupted() -> bool:
        seen.extend(second_processes())
        return bool(seen)

    with pytest.raises(KeyboardInterrupt):
        judged(LogStore, interrupted=interrupted)
    assert seen
    assert second_processes() == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks Linux for its processes")
def test_what_it_has_made_is_not_made_again_after_it_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("collection_jobs.conformance.examining.has_room_for_two", lambda: True)

    def wait_for_it(plan: Plan) -> Examination:
        (process,) = second_processes()
        os.waitid(os.P_PID, int(process), os.WEXITED | os.WNOWAIT)
        return Examination([], "waited")

    def make_it_here(plan: Plan) -> Examination:
        raise AssertionError("it was made already")

    waiting = replace(SOME[0], run=wait_for_it, beside=False)
    large = replace(SOME[1], run=make_it_here)
    target = find_target(f"{LogStore.__module__}:{LogStore.__name__}")
    report = verify(target, profile=LIGHT, checks=[waiting, large])
    assert {law.id: law.verdict for law in report.laws}["SAVE-1"] == "holds"
