"""The kit on trial, with real files, processes, signals, cancellations and thousands of jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from collection_jobs.conformance import LAWS, Report, find_target, verify
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.running.configuration import PROFILES
from tests.mutants import (
    races,
    sequential,
    torn,
)
from tests.mutants.origins import ORIGINS
from tests.mutants.real import BUGS, ODD
from tests.mutants.table import Bug

HARD = replace(
    PROFILES["quick"],
    rounds=14,
    cancellations=3,
    kills=30,
    sizes=(100, 6_000),
    repetitions=2,
    filling=1.5,
)
SMALL = replace(HARD, stored=160, altered=100, symbols=300, repeated=40)
LIGHT = replace(SMALL, rounds=1, cancellations=1, kills=4, sizes=(50, 1_000), filling=1)
IN_USE = [check for check in CHECKS if check.name in {bug.check for bug in BUGS}]


LARGE = "large stores"


def judged(
    store: type[Any], check: str | None = None, seed: int = 0, *, but: str | None = None
) -> Report:
    checks = [one for one in IN_USE if check in (None, one.name) and one.name != but]
    profile = LIGHT if check is None else HARD
    target = find_target(f"{store.__module__}:{store.__name__}")
    # Those that are hung never answer anyway.
    return verify(target, profile=profile, checks=checks, seed=seed, deadline=1.0)


def first_of_each(items: Iterable[Any], kind: Callable[[Any], object], count: int) -> list[Any]:
    """All of them, of which the first of each kind run each time, and the rest before a release."""
    seen = Counter[object]()
    marked: list[Any] = []
    for item in items:
        seen[kind(item)] += 1
        marks = [pytest.mark.release] if seen[kind(item)] > count else []
        marked.append(pytest.param(item, marks=marks, id=getattr(item, "store", item).__name__))
    return marked


@pytest.mark.parametrize("bug", first_of_each(BUGS, lambda bug: bug.check, 1))
def test_a_planted_bug_is_convicted_by_its_laws(bug: Bug) -> None:
    report = judged(bug.store, bug.check)
    found = {finding.law for finding in report.findings}
    assert bug.laws <= found <= bug.laws | bug.also, report.findings
    assert report.verdict == "findings"
    for finding in report.findings:
        assert finding.message
        assert 1 <= len(finding.history) <= 40, finding


def kind_of_odd(store: type[Any]) -> str:
    """The store's module; those that have a check of their own in view count as one."""
    alone = ("tests.mutants.stores", "tests.mutants.unusual")
    return store.__module__ if store.__module__ in alone else "others"


@pytest.mark.parametrize("odd", first_of_each(ODD, kind_of_odd, 1))
def test_an_odd_but_right_store_is_acquitted(odd: type[Any]) -> None:
    report = judged(odd, but=LARGE)
    assert report.findings == ()
    assert not [claim for claim in report.claims if claim.verdict == "overstated"]


@pytest.mark.release
@pytest.mark.parametrize("odd", ODD)
def test_an_odd_but_right_store_is_acquitted_when_it_is_large(odd: type[Any]) -> None:
    assert judged(odd, LARGE).findings == ()


def test_there_are_enough_mutants_of_every_kind() -> None:
    assert len(BUGS) >= 25
    assert len(ODD) >= 8
    assert min(Counter(bug.check for bug in BUGS).values()) >= 3
    assert frozenset[str]().union(*(bug.laws for bug in BUGS)) <= set(LAWS)
    # What one caller sees of a small store has mutants of its own.
    checks = [check for check in IN_USE if check.name != LARGE]
    assert {law for check in checks for law in check.laws} <= {
        law for bug in BUGS for law in (*bug.laws, *bug.also)
    }


def test_every_origin_is_that_of_a_mutant() -> None:
    planted = {bug.store.__name__ for bug in BUGS}
    planted |= {mutant.__name__ for mutant in sequential.BUGS}
    assert set(ORIGINS) <= planted | set(vars(races)) | set(vars(torn))


def test_what_a_store_can_do_and_does_not_say_is_told_and_is_no_finding() -> None:
    silent = next(store for store in ODD if store.__name__ == "SaysNothing")
    report = judged(silent, but=LARGE)
    understated = [claim.capability for claim in report.understated]
    assert understated == ["durable", "shared", "scales"]
    assert {claim.verdict for claim in report.claims[3:]} == {"not declared"}
    assert report.findings == ()


def test_what_a_store_says_and_cannot_do_is_told_and_is_a_finding() -> None:
    boaster = next(bug for bug in BUGS if bug.store.__name__ == "ClaimsToBeDurable")
    report = judged(boaster.store, boaster.check)
    claims = {claim.capability: claim.verdict for claim in report.claims}
    assert claims["durable"] == "overstated"
    assert report.verdict == "findings"
