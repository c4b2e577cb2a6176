"""Resources that fail, many callers, pending calls and passing time, on stores that are right."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collection_jobs.conformance import Report, find_target, verify
from collection_jobs.conformance.checks.cancellation.holdings import Holdings
from collection_jobs.conformance.checks.faults.limits import limit_handles, unlimited
from collection_jobs.conformance.checks.faults.table import faults, locked
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.running.configuration import PROFILES
from tests.mutants import exhausted, expiring, lagging, pooled, swelling
from tests.mutants.table import BUGS, ODD, Bug

NEW = (exhausted, expiring, lagging, pooled, swelling)
KINDS = ("failing resources", "many callers", "calls pending at the close", "passing time")
MINE = [bug for bug in BUGS if bug.store.__module__ in {one.__name__ for one in NEW}]
FEW = replace(PROFILES["quick"], sizes=(100, 6_000))


def judged(target: str | None, *names: str, seed: int = 0) -> Report:
    checks = [check for check in CHECKS if check.name in names]
    return verify(find_target(target), profile=FEW, checks=checks, seed=seed)


def reason(report: Report, law: str) -> str:
    return next(one.reason or "" for one in report.laws if one.id == law)


@pytest.mark.parametrize("target", [None, "memory:"])
def test_a_right_store_keeps_every_law(target: str | None) -> None:
    assert judged(target, *KINDS).findings == ()


def test_the_report_says_which_faults_made_calls_fail_and_which_were_not_tried() -> None:
    told = reason(judged(None, "failing resources"), "ERROR-1")
    assert "when opening, in mid-call and when closing: a limit of the files' size (" in told
    told = reason(judged("memory:", "failing resources"), "ERROR-1")
    assert "a renamed directory: it keeps no files in its directory" in told


def test_the_report_says_that_no_time_was_moved_for_an_adapter_with_a_thread() -> None:
    told = reason(judged(None, "passing time"), "GET-1")
    assert told.startswith("no time was moved, for the adapter does not run under a virtual clock")
    told = reason(judged("memory:", "passing time"), "GET-1")
    assert told == "the event loop's clock moved by up to 86,400 s between two calls"


def test_a_size_that_was_not_reached_is_not_checked() -> None:
    profile = replace(PROFILES["quick"], sizes=(100, 1_000_000), filling=0.5)
    growing = [check for check in CHECKS if check.name == "growing stores"]
    report = verify(find_target("memory:"), profile=profile, checks=growing)
    scale = next(law for law in report.laws if law.id == "SCALE-1")
    assert scale.verdict == "not checked"
    assert "of 1,000,000 jobs could be saved" in (scale.reason or "")


@pytest.mark.parametrize("bug", [bug for bug in MINE if bug.check == "passing time"])
def test_what_expires_is_found(bug: Bug) -> None:
    report = judged(f"{bug.store.__module__}:{bug.store.__name__}", bug.check)
    assert {finding.law for finding in report.findings} == bug.laws


@pytest.mark.release
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("bug", MINE, ids=lambda bug: bug.store.__name__)
def test_a_planted_bug_is_convicted_with_every_seed(bug: Bug, seed: int) -> None:
    report = judged(f"{bug.store.__module__}:{bug.store.__name__}", bug.check, seed=seed)
    found = {finding.law for finding in report.findings}
    assert bug.laws <= found <= bug.laws | bug.also
    for finding in report.findings:
        assert len(finding.history) <= 14
        assert "Span(" not in finding.message


# The parts


def test_there_are_faults_of_every_kind_and_more_of_them_in_a_longer_run() -> None:
    names = [fault.name for fault in faults(thoroughly=False)]
    assert set(names) == {fault.name for fault in faults(thoroughly=True)}
    assert len(names) < len(list(faults(thoroughly=True)))


def test_no_more_handles_are_left_than_was_asked_for(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as pool:
        assert pool.apply(_opened_beyond, (2, tmp_path)) == 2


def _opened_beyond(free: int, directory: Path) -> int:
    """How many files can be opened when so many handles are left."""
    limit_handles(free, directory)
    opened: list[int] = []
    try:
        while True:
            opened.append(os.open("/", os.O_RDONLY))
    except OSError:
        return len(opened)
    finally:
        for descriptor in opened:
            os.close(descriptor)
        unlimited(directory)


def test_a_locked_file_cannot_be_locked_by_another_process(tmp_path: Path) -> None:
    file = tmp_path / "jobs"
    file.write_bytes(b"jobs")
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as pool:
        assert pool.apply(_can_lock, (file,))
        with locked(tmp_path):
            assert not pool.apply(_can_lock, (file,))
        assert pool.apply(_can_lock, (file,))


def _can_lock(path: Path) -> bool:
    fcntl: Any = pytest.importorskip("fcntl")
    with path.open("rb+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


async def test_what_cancelled_calls_leave_is_counted(tmp_path: Path) -> None:
    before = Holdings.now()
    assert await Holdings.leaked(before, 64) is None
    descriptors = [os.open(tmp_path, os.O_RDONLY) for _ in range(64)]
    assert await Holdings.leaked(before, 64) == (
        "the process holds 64 more file handles than before"
    )
    for descriptor in descriptors:
        os.close(descriptor)
    left = [asyncio.create_task(asyncio.Event().wait()) for _ in range(64)]
    assert "64 more tasks" in str(await Holdings.leaked(before, 64))
    for task in left:
        task.cancel()


# A busy machine


@pytest.fixture
def busy() -> Iterator[None]:
    """Four processes that never rest."""
    context = multiprocessing.get_context("fork")
    started = [context.Process(target=_never_rest, daemon=True) for _ in range(4)]
    for process in started:
        process.start()
    yield
    for process in started:
        process.kill()
        process.join()


def _never_rest() -> None:
    while True:
        pass


GROWING = [one for one in MINE if one.store.__module__ == swelling.__name__]
SCALING = [one for one in ODD if one.__module__ == swelling.__name__]


@pytest.mark.release
@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("bug", GROWING, ids=lambda bug: bug.store.__name__)
def test_growth_is_found_on_a_busy_machine(bug: Bug) -> None:
    report = judged(f"{bug.store.__module__}:{bug.store.__name__}", bug.check)
    assert {finding.law for finding in report.findings} == bug.laws


@pytest.mark.release
@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("odd", SCALING, ids=lambda odd: odd.__name__)
def test_a_store_that_scales_is_acquitted_on_a_busy_machine(odd: type[Any]) -> None:
    for seed in range(3):
        report = judged(f"{odd.__module__}:{odd.__name__}", "growing stores", seed=seed)
        assert report.findings == ()
