"""The domains of values: every kind of field has one, and what was not tried is said."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from collection_jobs.cli.verify_view import show_report
from collection_jobs.conformance import Report, find_target, reproduce, verify
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.report.coverage import Coverage
from collection_jobs.conformance.running.zones import ZONES
from collection_jobs.conformance.spec.calls import Call, code
from collection_jobs.conformance.spec.domains import (
    CHOSEN,
    DOMAINS,
    INSTANTS,
    SIZES,
    classes_of,
    classes_of_field,
    values_of,
)
from collection_jobs.conformance.spec.drawn_jobs import awkward_jobs
from collection_jobs.conformance.spec.instants import IN_ZONES, in_zone
from collection_jobs.conformance.spec.listings import MOST_RECENT
from collection_jobs.fields import FIELDS, FieldKind
from tests.mutants.bulk import LARGE

CHECK = [check for check in CHECKS if check.name == LARGE]


def test_every_kind_of_field_has_a_domain() -> None:
    assert set(DOMAINS) == set(FieldKind), "add the domain of a new kind to spec/domains.py"


@pytest.mark.parametrize("kind", FieldKind)
def test_a_value_belongs_to_one_class(kind: FieldKind) -> None:
    values = values_of(DOMAINS[kind])
    assert len(set(values)) == len(values)


def test_every_field_is_one_that_a_caller_chooses_but_the_revision() -> None:
    assert [field.name for field in FIELDS if field not in CHOSEN] == ["revision"]


@pytest.mark.parametrize("field", CHOSEN, ids=lambda field: field.name)
def test_the_awkward_jobs_have_a_value_of_every_class_in_every_field(field: object) -> None:
    one = next(it for it in CHOSEN if it is field)
    tried = {name for job in awkward_jobs() for name in classes_of(one, getattr(job, one.name))}
    missing = set(classes_of_field(one)) - tried
    # How many items there are is for the large jobs.
    assert not {name for name in missing if " item" not in name or one.kind not in SIZES} - {
        "empty" if one.name == "metadata" else ""
    }


@pytest.mark.parametrize("name", ZONES)
def test_both_sides_of_a_fold_of_each_zone_are_tried(name: str) -> None:
    zone = ZoneInfo(name)
    local = [instant.astimezone(zone) for instant in INSTANTS["in a fold"]]
    twice = {one.replace(tzinfo=None, fold=0) for one in local if one.fold}
    assert twice & {one.replace(tzinfo=None) for one in local if not one.fold}


@pytest.mark.parametrize("name", IN_ZONES)
def test_an_instant_in_a_zone_is_the_same_and_its_code_gives_it(name: str) -> None:
    from collection_jobs.conformance import prelude

    for instant in values_of(INSTANTS):
        given = in_zone(name, instant)
        shown: datetime = eval(code(given), dict(vars(prelude)))  # noqa: S307 - that it can be is tested
        assert shown.astimezone(UTC) == instant
        assert shown.utcoffset() == given.utcoffset()


def test_the_oracle_compares_a_key_in_a_fold_of_another_zone() -> None:
    fold = datetime(2024, 10, 27, 1, 30, tzinfo=UTC)
    reaches = MOST_RECENT.reaches
    assert reaches is not None
    call = Call("list_recent", (5, fold.astimezone(ZoneInfo("Europe/Berlin"))))
    assert reaches(call)((fold, "a"))
    assert not reaches(call)((fold.replace(minute=29), "a"))


def test_a_class_that_was_not_tried_is_printed() -> None:
    coverage = Coverage((("source", "plain"), ("source", "blanks")), ("saved", "read"))
    coverage.note("saved", [("source", "plain"), ("source", "blanks")])
    coverage.note("read", [("source", "plain")])
    assert coverage.untried == ("source: blanks, read",)
    assert coverage.summary == "1 of 2 classes of 1 fields were saved and read"


def judged(target: str | None, profile: str) -> Report:
    return verify(find_target(target), profile=profile, checks=CHECK)


def test_what_quick_does_not_try_stands_in_the_report() -> None:
    report = judged("memory:", "quick")
    assert report.coverage is not None
    assert report.to_json()["values"]["not_tried"] == list(report.coverage.untried)
    assert report.coverage.untried == ("symbols: 20,000 items or more, saved or read or listed",)
    text = StringIO()
    show_report(report, None, Console(file=text, width=200))
    assert f"not tried: {report.coverage.untried[0]}" in text.getvalue()


@pytest.mark.release
def test_standard_tries_every_class_in_every_way_on_sqlite() -> None:
    report = judged(None, "standard")
    assert report.findings == ()
    assert report.coverage is not None
    assert report.coverage.untried == ()
    assert "reopened and read after a kill" in report.coverage.summary


def test_a_finding_of_many_jobs_is_told_in_two_lines_and_made_again() -> None:
    target = find_target("tests.mutants.bulk:RunningByPages")
    (finding,) = verify(target, profile="quick", checks=CHECK).findings
    assert finding.message == (
        "repository.get_running_jobs() returned 100 jobs where 101 are due: it lacks 'job 99'"
    )
    save, listing = finding.history
    assert save == (
        "await repository.save_many(tuple(example_job(f'job {number}',"
        " status=JobStatus.RUNNING) for number in range(101)))"
    )
    assert listing == "await repository.get_running_jobs()"
    assert finding.token is not None
    assert [one.law for one in reproduce(target, finding.token)] == ["RUNNING-1"]
