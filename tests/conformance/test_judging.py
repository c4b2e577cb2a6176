"""A history is judged anew only where none that was judged before explains it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from collection_jobs import CollectionJob, JobStatus
from collection_jobs.conformance.checks.interleavings import judging
from collection_jobs.conformance.checks.interleavings.judging import Judged, judge_run
from collection_jobs.conformance.history import checker
from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.spec.calls import Call, Outcome, example_job
from collection_jobs.conformance.spec.findings import Finding

START = datetime.now(UTC) - timedelta(seconds=1)
CLAIM = Call("update_status", ("a", JobStatus.RUNNING))
LOOK = Call("get_by_id", ("a",))


def came(value: object) -> Outcome:
    return Outcome(START, START + timedelta(seconds=0.1), value)


def running(at: datetime, revision: int | None = 2) -> CollectionJob:
    return example_job().with_status(JobStatus.RUNNING, at=at).with_revision(revision)


def history(first: object, second: object, after: object, *, overlap: bool) -> tuple[Event, ...]:
    """Two claims, one after the other or both at once, and a read."""
    ends = (5, 6) if overlap else (4, 6)
    begins = (3, 4) if overlap else (3, 5)
    return (
        Event("setup", Call("save", (example_job(),)), 1, 2, came(None)),
        Event("A", CLAIM, begins[0], ends[0], came(first)),
        Event("B", CLAIM, begins[1], ends[1], came(second)),
        Event("after", LOOK, 7, 8, came(after)),
    )


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events each history has that is checked."""
    seen: list[int] = []
    real = checker.check

    def check(events: Sequence[Event]) -> list[Finding]:
        seen.append(len(events))
        return real(events)

    monkeypatch.setattr(judging, "check", check)
    return seen


def test_the_same_answers_are_judged_once(checked: list[int]) -> None:
    kept: Judged = {}
    for seconds in (0.1, 0.2):  # the adapter's clock tells another time in each run
        job = running(START + timedelta(seconds=seconds))
        assert judge_run(history(True, False, job, overlap=True), 0, kept) == ()
    assert len(checked) == 1


def test_answers_that_an_order_explains_are_explained_where_less_order_is_asked(
    checked: list[int],
) -> None:
    kept: Judged = {}
    job = running(START)
    assert judge_run(history(True, False, job, overlap=False), 0, kept) == ()
    assert judge_run(history(True, False, job, overlap=True), 0, kept) == ()
    assert len(checked) == 1


def test_but_not_where_more_is_asked(checked: list[int]) -> None:
    kept: Judged = {}
    job = running(START)
    assert judge_run(history(False, True, job, overlap=True), 0, kept) == ()
    findings = judge_run(history(False, True, job, overlap=False), 0, kept)
    assert [finding.law for finding in findings] == ["STATUS-1"]
    assert len(checked) == 2


@pytest.mark.parametrize(
    "other",
    [
        history(True, True, running(START), overlap=True),
        history(1, False, running(START), overlap=True),
        history(True, False, running(START, revision=None), overlap=True),
        history(True, False, running(START - timedelta(hours=1)), overlap=True),
        history(True, False, example_job().with_revision(2), overlap=True),
        history(True, False, None, overlap=True),
    ],
    ids=["a value", "a type", "a revision", "a time", "a job", "no job"],
)
def test_other_answers_are_judged(other: tuple[Event, ...], checked: list[int]) -> None:
    kept: Judged = {}
    assert judge_run(history(True, False, running(START), overlap=True), 0, kept) == ()
    assert judge_run(other, 0, kept) == judge_run(other, 0, {}) != ()
    assert len(checked) == 3


def test_of_a_value_that_cannot_be_compared_each_history_is_judged(checked: list[int]) -> None:
    kept: Judged = {}
    for _ in range(2):
        judge_run(history(True, object(), running(START), overlap=True), 0, kept)
    assert len(checked) == 2


def test_what_shows_without_its_probes_is_told_without_them() -> None:
    events = history(True, True, running(START), overlap=True)
    probe = Event("after", Call("delete", ("a",)), 9, 10, came(False))
    assert judge_run((*events, probe), 1, {}) == judge_run(events, 0, {}) != ()
    assert judge_run((*events[:2], probe), 1, {}) != ()
