"""The kit on trial with stores that were written without a look at its checks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from collection_jobs.conformance import LAWS, Report, find_target, verify
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.running.configuration import PROFILES
from tests.conformance.test_real_mutants import HARD, LIGHT, first_of_each
from tests.mutants import (
    eccentric,
    mishandling,
    misnaming,
    misordering,
    misrecording,
    misrepresenting,
)
from tests.mutants.tried import ONE, RIGHT, TRIED, Tried

MODULES = (eccentric, mishandling, misnaming, misordering, misrecording, misrepresenting)


def judged(store: type[object], name: str) -> Report:
    target = find_target(f"{store.__module__}:{store.__name__}")
    checks = [check for check in CHECKS if check.name == name]
    profile = replace(PROFILES["quick"], walks=2) if name == ONE else HARD
    return verify(target, profile=profile, checks=checks, deadline=2.0)


@pytest.mark.parametrize("one", first_of_each(TRIED, lambda one: one.store.__module__, 1))
def test_a_mutant_is_convicted_of_its_laws(one: Tried) -> None:
    report = judged(one.store, one.check)
    found = {finding.law for finding in report.findings}
    assert found, report
    assert found <= one.laws, report.findings


@pytest.mark.parametrize("store", first_of_each(RIGHT, lambda store: store.__module__, 1))
def test_an_eccentric_store_is_acquitted(store: type[object]) -> None:
    target = find_target(f"{store.__module__}:{store.__name__}")
    report = verify(target, profile=LIGHT)
    assert report.findings == ()
    assert not [claim for claim in report.claims if claim.verdict == "overstated"]


def test_the_mutants_are_of_every_kind() -> None:
    modules = {one.store.__module__ for one in TRIED} | {one.__module__ for one in RIGHT}
    assert modules == {module.__name__ for module in MODULES}
    assert len(TRIED) >= 60
    assert len(RIGHT) >= 10
    assert min(Counter(one.check for one in TRIED).values()) >= 1
    assert {law for one in TRIED for law in one.laws} <= set(LAWS)
