"""The pace of an adapter decides how much is tried, and how long that is said to take."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from collection_jobs import CollectionJob, InMemoryCollectionJobRepository
from collection_jobs.conformance import find_target, verify
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.running.configuration import PROFILES
from collection_jobs.conformance.running.deadline import OPENING_STORE, listen_to_calls
from collection_jobs.conformance.running.open_store import OpenStore
from collection_jobs.conformance.running.pace import Pace, less_work, measure_pace
from collection_jobs.conformance.running.stores import Stores
from tests.conformance.support import target_of
from tests.mutants.bulk import RunningByPages
from tests.mutants.cancelling import DropsTheBatch
from tests.mutants.leaking import LosesOneOfTheReaders
from tests.mutants.real import BUGS
from tests.mutants.sequential import DeletesSoftly, OrdersIdsAsUtf16, TruncatesErrors
from tests.mutants.stores import FileStore

QUICK, STANDARD = PROFILES["quick"], PROFILES["standard"]


class SlowToOpen(InMemoryCollectionJobRepository):
    @override
    async def __aenter__(self) -> Any:
        time.sleep(0.05)  # noqa: ASYNC251 - it blocks, as opening a file does
        return await super().__aenter__()


class SlowToRead(InMemoryCollectionJobRepository):
    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        await asyncio.sleep(0.02)
        return await super().get_by_id(job_id)


def test_what_a_fast_adapter_is_given_is_the_whole_profile() -> None:
    for profile in PROFILES.values():
        pace = Pace(opening=0.003, call=0.000_3)
        assert pace.fitted(profile) == profile
        assert pace.told(profile) == ""


def test_of_a_slow_adapter_less_is_tried_but_some_of_each() -> None:
    pace = Pace(opening=0.25, call=0.05)
    fitted = pace.fitted(STANDARD)
    assert (fitted.at_once, fitted.twice) == (4, False)
    for name in ("walks", "rounds", "cancellations", "kills", "scripts"):
        assert 1 <= getattr(fitted, name) <= getattr(STANDARD, name)
    assert fitted.walks < STANDARD.walks
    assert fitted.smaller > 1
    told = pace.told(STANDARD)
    assert told.startswith("opening a store takes 250 ms and a call 50 ms, so less was tried: ")
    assert f"{fitted.walks} of {STANDARD.walks} walks" in told
    assert f"large stores of 1/{fitted.smaller} of the size" in told


@pytest.mark.parametrize(
    ("number", "cost", "expected"),
    [(100, 0.1, 100), (100, 0.11, 25), (100, 0.4, 25), (100, 0.41, 6), (100, 1e9, 1), (0, 9.0, 0)],
)
def test_less_is_a_quarter_or_a_quarter_of_that(number: int, cost: float, expected: int) -> None:
    assert less_work(number, cost, patience=10) == expected


def test_a_cost_of_the_same_order_gives_the_same_work() -> None:
    """So a machine that is half as fast for a while makes the same programs."""
    works = {Pace(0.02, call).fitted(STANDARD).smaller for call in (0.004, 0.006, 0.010)}
    assert len(works) == 1


@pytest.mark.parametrize("mutant", [OrdersIdsAsUtf16, TruncatesErrors, DeletesSoftly])
def test_several_programs_at_once_show_what_each_of_them_shows_alone(mutant: type[Any]) -> None:
    checks = [check for check in CHECKS if check.name == "one caller"]
    alone, at_once = (
        verify(target_of(mutant), profile=replace(QUICK, walks=0, at_once=n), checks=checks)
        for n in (1, 4)
    )
    assert alone.findings
    # Not the same calls: programs of about the same length are made at a time.
    assert sorted((it.law, len(it.history)) for it in at_once.findings) == sorted(
        (it.law, len(it.history)) for it in alone.findings
    )


@pytest.mark.parametrize("mutant", [RunningByPages, LosesOneOfTheReaders, DropsTheBatch])
def test_several_at_once_convict_as_one_after_another_does(mutant: type[Any]) -> None:
    (bug,) = [one for one in BUGS if one.store is mutant]
    checks = [check for check in CHECKS if check.name == bug.check]
    target = find_target(f"{mutant.__module__}:{mutant.__name__}")
    report = verify(target, profile=replace(QUICK, at_once=4), checks=checks)
    found = {finding.law for finding in report.findings}
    assert bug.laws <= found <= bug.laws | bug.also, report.findings


class AnswersOneAtATime(InMemoryCollectionJobRepository):
    """Finds nothing where somebody else is asking: what callers see who ask at once."""

    def __init__(self) -> None:
        super().__init__()
        self.asking = 0

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        self.asking += 1
        alone = self.asking == 1
        await asyncio.sleep(0)
        self.asking -= 1
        return await super().get_by_id(job_id) if alone else None


@pytest.mark.parametrize(
    ("check", "laws"), [("large stores", set[str]()), ("many callers", {"ATOMIC-1"})]
)
def test_what_is_wrong_only_at_once_is_told_where_callers_are_at_work(
    check: str, laws: set[str]
) -> None:
    checks = [one for one in CHECKS if one.name == check]
    report = verify(target_of(AnswersOneAtATime), profile=replace(QUICK, at_once=4), checks=checks)
    assert {finding.law for finding in report.findings} == laws


def test_several_stores_are_open_at_once_and_gone_at_the_end(tmp_path: Path) -> None:
    stores = Stores(find_target(None), tmp_path, lambda: False)
    with stores.open_several(3) as opened:
        assert len(opened.repository) == len(list(tmp_path.iterdir())) == 3
    assert not list(tmp_path.iterdir())


def test_the_pace_is_measured() -> None:
    assert measure_pace(lambda: OpenStore(SlowToOpen())).opening >= 0.05
    assert measure_pace(lambda: OpenStore(SlowToRead())).call >= 0.01


def test_a_call_that_takes_longer_with_every_job_makes_large_stores_smaller(tmp_path: Path) -> None:
    assert measure_pace(lambda: OpenStore(InMemoryCollectionJobRepository())).growth == 0
    pace = measure_pace(lambda: OpenStore(FileStore(tmp_path)))
    assert pace.growth > 0
    steady = replace(pace, growth=0.0)
    assert pace.fitted(STANDARD).smaller > steady.fitted(STANDARD).smaller
    assert "more with a thousand jobs, so less was tried: large stores of 1/" in pace.told(STANDARD)


def test_a_report_says_what_was_left_out() -> None:
    impatient = replace(QUICK, patience=0.05)
    checks = [check for check in CHECKS if check.name == "interleavings"]
    report = verify(target_of(SlowToRead), profile=impatient, checks=checks)
    assert "so less was tried: " in report.less
    assert report.to_json()["less"] == report.less
    (covered,) = {law.reason for law in report.laws if law.id == "STATUS-2"}
    assert "the others were left out, for a run takes long" in str(covered)


@pytest.mark.release
def test_the_work_of_a_profile_is_about_what_it_says() -> None:
    begun: list[str] = []
    listen_to_calls(lambda methods: begun.extend(methods[-1:]))
    verify(target_of(InMemoryCollectionJobRepository), profile="quick")
    openings = begun.count(OPENING_STORE)
    assert QUICK.openings / 3 <= openings <= QUICK.openings * 3
