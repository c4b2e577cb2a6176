"""What an adapter gives out may be no job at all: a finding, and never a failure of the kit."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Any

import pytest

from collection_jobs import CollectionJob, InMemoryCollectionJobRepository
from collection_jobs.conformance import verify
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.running.configuration import PROFILES
from collection_jobs.conformance.spec.calls import example_job, example_lease
from collection_jobs.conformance.spec.well_formed import (
    Unusable,
    has_order,
    is_well_formed,
    usable,
)
from collection_jobs.fields import FIELDS, FieldKind
from collection_jobs.query import JobSummary
from tests.conformance.support import target_of
from tests.mutants.bulk import put
from tests.mutants.unleased import InMemory

FEW_WALKS = replace(PROFILES["quick"], walks=4)
NAMES = [field.name for field in FIELDS]
RUN_EACH_TIME = ("created_at",)
# Those that look at what listings show and at what callers hold.
ONE_CALLER = ("one caller",)
SEVERAL = ("large stores", "interleavings", "concurrent calls", "killed workers", "growing stores")


def spoilt(field: str, value: object) -> type[InMemory]:
    """A repository that spoils a field of every third job as it is stored, past all checks."""

    class Spoils(InMemory):
        def __init__(self) -> None:
            super().__init__()
            self._puts = 0

        def _put(self, job: CollectionJob) -> None:
            self._puts += 1
            super()._put(job)
            if self._puts % 3 == 0:
                self._jobs[job.id] = put(self._jobs[job.id], **{field: value})

    return Spoils


def judged(field: str, value: object, names: tuple[str, ...]) -> Any:
    checks = [check for check in CHECKS if check.name in names]
    return verify(target_of(spoilt(field, value)), profile=FEW_WALKS, checks=checks)


@pytest.mark.parametrize(
    "field",
    [pytest.param(it, marks=() if it in RUN_EACH_TIME else pytest.mark.release) for it in NAMES],
)
def test_one_caller_is_told_of_it(field: str) -> None:
    assert judged(field, object(), ONE_CALLER).findings


@pytest.mark.release
@pytest.mark.parametrize(
    "value", [None, object(), "x", [None]], ids=["none", "any", "text", "list"]
)
@pytest.mark.parametrize("field", NAMES)
def test_it_ends_no_check(field: str, value: object) -> None:
    report = judged(field, value, ONE_CALLER + SEVERAL)
    # These values are right in some fields.
    kinds = {it.name: it.kind for it in FIELDS}
    may_be_right = kinds[field] in (FieldKind.NAME, FieldKind.TEXT) or value is None
    assert report.findings or may_be_right, (field, value)


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_it_is_told_from_a_job(field: Any) -> None:
    job = example_job("a")
    assert is_well_formed(job)
    assert is_well_formed(JobSummary.from_job(job))
    wrong = put(job, **{field.name: object()})
    assert not is_well_formed(wrong)
    assert has_order(wrong) is (field.kind is not FieldKind.INSTANT)


def broken(value: Any, **fields: object) -> Any:
    """A copy with fields put past all checks; None stays None."""
    if value is None:
        return None
    changed = copy(value)
    for name, field in fields.items():
        object.__setattr__(changed, name, field)
    return changed


ANSWERS: dict[str, Callable[[Any], object]] = {
    "claim_next token": lambda lease: broken(lease, token=None),
    "claim_next job": lambda lease: broken(lease, job=None),
    "claim expires_at": lambda lease: broken(lease, expires_at="soon"),
    "renew job": lambda lease: broken(lease, job=object()),
    "find id": lambda found: [broken(one, id=[]) for one in found],
    "find items": lambda found: [None for _ in found],
    "get_stats total": lambda stats: broken(stats, total=None),
    "count type": str,
}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(it, marks=() if it == "claim_next token" else pytest.mark.release)
        for it in ANSWERS
    ],
)
def test_an_answer_that_is_none_of_its_type_is_a_finding_and_ends_no_check(answer: str) -> None:
    method = answer.partition(" ")[0]

    async def spoilt_call(self: Any, *arguments: Any, **keywords: Any) -> object:
        self.calls = getattr(self, "calls", 0) + 1
        value = await getattr(InMemoryCollectionJobRepository, method)(self, *arguments, **keywords)
        return ANSWERS[answer](value) if self.calls % 3 == 0 else value

    store: Any = type("Answers", (InMemoryCollectionJobRepository,), {method: spoilt_call})
    checks = [
        check
        for check in CHECKS
        if check.name in ("one caller", "concurrent calls", "many callers")
    ]
    report = verify(target_of(store), profile=FEW_WALKS, checks=checks)
    assert report.findings


def test_what_no_judge_can_look_into_is_shown_and_nothing_else_is_changed() -> None:
    job = example_job("a")
    jobs = [job]
    assert usable(jobs) is jobs
    assert usable(job) is job
    lease = example_lease()
    assert usable(lease) is lease
    for wrong in (broken(lease, token=None), broken(lease, job=None), broken(job, id=[])):
        told = usable(wrong)
        assert isinstance(told, Unusable)
        assert repr(told).startswith(type(wrong).__name__)
        assert usable([job, wrong]) == [job, told]
