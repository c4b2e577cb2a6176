"""The check of large stores on trial: each mutant is convicted, each odd store acquitted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from collection_jobs import CollectionJob
from collection_jobs.conformance import Report, find_target, verify
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.checks.sequential.bulk.shrinking import with_first_symbols
from collection_jobs.conformance.running.configuration import PROFILES
from collection_jobs.conformance.spec.calls import example_job
from tests.mutants import bulk, bulk_limits, bulk_right
from tests.mutants.real import BUGS, ODD
from tests.mutants.table import Bug

LARGE = [check for check in CHECKS if check.name == bulk.LARGE]
# Each takes seconds to be shrunk: all of them are tried before a release, in test_real_mutants.
FEW = ("RunningByPages", "TimesAsFloats", "CountsAPage", "LocalTimes", "LengthsOfTwoBytes")
MINE = [bug for bug in BUGS if bug.check == bulk.LARGE and bug.store.__name__ in FEW]
RIGHT = [store for store in ODD if store is bulk_right.PackedLog]


def judged(store: type[Any], seed: int = 0) -> Report:
    target = find_target(f"{store.__module__}:{store.__name__}")
    return verify(target, profile=PROFILES["quick"], checks=LARGE, seed=seed)


@pytest.mark.parametrize("bug", MINE, ids=lambda bug: bug.store.__name__)
def test_a_planted_bug_is_convicted_by_its_laws(bug: Bug) -> None:
    report = judged(bug.store)
    found = {finding.law for finding in report.findings}
    assert bug.laws <= found <= bug.laws | bug.also, report.findings
    for finding in report.findings:
        assert 1 <= len(finding.history) <= 12, finding.history
        assert finding.token


@pytest.mark.release
@pytest.mark.parametrize("store", bulk_limits.BUGS, ids=lambda store: store.__name__)
def test_a_limit_of_statements_and_documents_is_found_in_standard(store: type[Any]) -> None:
    target = find_target(f"{store.__module__}:{store.__name__}")
    report = verify(target, profile=replace(PROFILES["standard"], altered=0), checks=LARGE)
    found = {finding.law for finding in report.findings}
    assert bulk_limits.BUGS[store] <= found, report.findings
    assert all(len(finding.history) <= 12 for finding in report.findings)


@pytest.mark.parametrize("odd", RIGHT, ids=lambda odd: odd.__name__)
def test_an_odd_but_right_store_is_acquitted(odd: type[Any]) -> None:
    assert judged(odd).findings == ()


@pytest.mark.parametrize("most", [1, 7, 39, 40])
def test_a_job_is_left_its_first_symbols_and_what_is_known_of_them(most: int) -> None:
    symbols = tuple(f"S{number:02}" for number in range(40))
    job = example_job(
        "a",
        symbols=symbols,
        completed_symbols=dict.fromkeys(symbols[::2], 5),
        failed_symbols=dict.fromkeys(symbols[1::2], "boom"),
        permanent_failures=frozenset(symbols[1::4]),
        failure_counts=dict.fromkeys(symbols[1::2], 2),
    )
    left = with_first_symbols(job, most)
    assert isinstance(left, CollectionJob)
    assert left.symbols == symbols[:most]
    assert {*left.completed_symbols, *left.failed_symbols} == set(symbols[:most])
    assert left.permanent_failures == set(symbols[1:most:4])
    assert with_first_symbols("a", most) == "a"
