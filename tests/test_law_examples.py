"""The page of laws keeps its word: each breach breaks its law alone, and each fix keeps it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from collection_jobs.conformance import LAWS
from tests.documentation import steady
from tests.law_examples import BEYOND, LEASED, PAGE, TABLE, broken, examine, example, page, section

# What they show depends on where a kill falls, or on how fast the machine is.
VARYING = {"DURABLE-1", "SCALE-1", "CANCEL-1", "KEY-3"}


def first_of_each_family() -> list[Any]:
    """Every law, of which the first of each family run each time, the rest before a release."""
    families = set[str]()
    marked: list[Any] = []
    for law in LAWS:
        family = law.partition("-")[0]
        marks = [pytest.mark.release] if family in families else []
        families.add(family)
        marked.append(pytest.param(law, marks=marks))
    return marked


@pytest.mark.parametrize("law", first_of_each_family())
def test_a_breach_breaks_its_law_alone_and_prints_what_the_page_shows(law: str) -> None:
    report = examine(law, example(law).target)
    assert broken(report) == [law]
    written = section(law, report)
    if law in VARYING:
        output = re.compile(r"(?<=```text\n).*?\n(?=[^ ]*```)", re.DOTALL)
        written = output.sub("", written)
        shown = output.sub("", PAGE.read_text("utf-8"))
    else:
        shown = PAGE.read_text("utf-8")
    assert steady(written) in steady(shown), "python -m tests.law_examples"


@pytest.mark.release
@pytest.mark.parametrize("law", [law for law in LAWS if example(law).fixed is not None])
def test_a_fix_of_its_own_keeps_the_law(law: str) -> None:
    report = examine(law, str(example(law).fixed))
    assert broken(report) == []


@pytest.mark.parametrize("law", ["STATUS-2", "CANCEL-1", "DURABLE-1", "SCALE-1", "ERROR-1"])
def test_the_repository_that_all_derive_from_keeps_every_law(law: str) -> None:
    # Each by the checks that look at it; together these five are all there are.
    report = examine(law, TABLE)
    assert broken(report) == []
    assert next(it for it in report.laws if it.id == law).verdict == "holds"


@pytest.mark.parametrize("law", ["MANY-3", "KEY-3"])
def test_the_one_with_the_capabilities_beyond_the_nine_methods_keeps_their_laws(law: str) -> None:
    report = examine(law, BEYOND)
    assert broken(report) == []
    assert next(it for it in report.laws if it.id == law).verdict == "holds"


@pytest.mark.parametrize("law", ["LEASE-2", pytest.param("LEASE-1", marks=pytest.mark.release)])
def test_the_one_with_leases_keeps_their_laws(law: str) -> None:
    report = examine(law, LEASED)
    assert broken(report) == []
    assert next(it for it in report.laws if it.id == law).verdict == "holds"


def test_the_page_has_every_law_and_no_other() -> None:
    assert page([""] * len(LAWS)) in PAGE.read_text("utf-8")
    assert re.findall(r"^## ([A-Z]+-\d)", PAGE.read_text("utf-8"), re.MULTILINE) == list(LAWS)
