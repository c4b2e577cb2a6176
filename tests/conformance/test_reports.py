"""The reports for CI servers and for people: JUnit XML and one HTML page."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from markupsafe import escape
from rich.console import Console

from collection_jobs.cli.html import html_page
from collection_jobs.cli.report_file import write_report
from collection_jobs.cli.verify_view import sentence, show_report
from collection_jobs.conformance import LAWS, Report, verify
from collection_jobs.conformance.report.capability_report import Claim
from collection_jobs.conformance.report.junit import junit_xml
from collection_jobs.conformance.report.report import LawReport
from collection_jobs.conformance.spec.findings import Bar, Finding
from tests.conformance.support import command, target_of
from tests.mutants.sequential import DropsMicroseconds

RACE = Finding(
    "STATUS-2",
    "two callers were told True: <both> & \x01",
    ("A: await repository.update_status('a', JobStatus.RUNNING)", "B: the same"),
    (
        Bar("A", "update_status('a', RUNNING)", "returned True", 0, 7),
        Bar("B", "update_status('a', RUNNING)", "returned <True>", 2, None),
    ),
)


@pytest.fixture(scope="module")
def report() -> Report:
    found = verify(target_of(DropsMicroseconds, "planted & <odd>"), profile="quick", seed=3)
    laws = tuple(
        LawReport("STATUS-2", "broken", finding=RACE) if law.id == "STATUS-2" else law
        for law in found.laws
    )
    return Report(found.target, found.version, found.profile, found.seed, laws)


def test_the_junit_report_has_a_case_per_law_and_counts_them(report: Report) -> None:
    suite = ET.fromstring(junit_xml(report)).find("testsuite")  # noqa: S314 - our own text
    assert suite is not None
    cases = suite.findall("testcase")
    assert [case.get("name", "").split()[0] for case in cases] == list(LAWS)
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert suite.get(count) == str(len(suite.findall(f"testcase/{tag}")))
    failures = suite.findall("testcase/failure")
    assert [failure.get("message", "")[:11] for failure in failures] == [
        "repository.",
        "two callers",
    ]
    assert "await repository.get_by_id('a')" in (failures[0].text or "")
    assert suite.get("failures") == "2"


def test_the_page_shows_the_verdict_every_law_and_every_finding(report: Report) -> None:
    page = html_page(report, "does not conform.")
    for law in LAWS.values():
        assert escape(law.title) in page
    assert page.count("<h2 ") == 2
    assert "planted &amp; &lt;odd&gt;" in page
    assert "two callers were told True: &lt;both&gt; &amp;" in page
    assert "returned &lt;True&gt;" in page
    assert "<both>" not in page
    assert 'name="viewport"' in page


def test_the_page_draws_each_call_where_it_happened(report: Report) -> None:
    page = html_page(report, "does not conform.")
    assert 'style="left: 0.0%; width: 87.5%"' in page
    assert 'style="left: 25.0%; width: 75.0%"' in page


def test_the_page_needs_nothing_else(report: Report) -> None:
    page = html_page(report, "does not conform.")
    for outside in ("http:", "https:", "<script", "<link", "<img", "@import"):
        assert outside not in page


def test_the_command_writes_both(tmp_path: Path) -> None:
    ran = command(
        *("verify", "memory:", "--profile", "quick", "--junit", "laws.xml", "--html", "laws.html"),
        cwd=tmp_path,
    )
    assert ran.returncode in (0, 3), ran.stderr
    assert (tmp_path / "laws.xml").read_text().startswith("<?xml")
    assert "memory:" in (tmp_path / "laws.html").read_text()


@pytest.fixture
def silent(report: Report) -> Report:
    claims = (
        Claim("durable", declared=False, shown=True, how="4 processes were killed <at work>"),
        Claim("scales", declared=True, shown=True, how="the cost stays"),
    )
    laws = tuple(LawReport(law.id, "holds") for law in report.laws)
    return Report(report.target, report.version, report.profile, report.seed, laws, claims)


def test_what_is_not_declared_is_listed_and_leaves_the_verdict(silent: Report) -> None:
    assert silent.verdict == "conforms"
    assert silent.findings == ()
    assert sentence(silent).endswith("none is broken. It declares less than it does: durable.")
    found = silent.to_json()
    assert found["understated"] == ["durable"]
    durable, scales = found["capabilities"]
    assert durable["verdict"] == "understated"
    assert '"durable" in the class attribute capabilities' in durable["remedy"]
    assert "remedy" not in scales


def test_what_is_not_declared_stands_in_every_report(silent: Report) -> None:
    suite = ET.fromstring(junit_xml(silent)).find("testsuite")  # noqa: S314 - our own text
    assert suite is not None
    told = [
        one.get("value", "") for one in suite.findall("properties/property[@name='understated']")
    ]
    assert len(told) == 1
    assert told[0].startswith("durable: 4 processes were killed <at work>; declare ")
    assert suite.get("failures") == suite.get("errors") == "0"
    page = html_page(silent, sentence(silent))
    assert "durable: declares less than it does" in page
    assert "killed &lt;at work&gt;" in page
    text = io.StringIO()
    show_report(silent, None, Console(file=text, width=200))
    assert "durable: the adapter declares less than it does" in text.getvalue()
    assert text.getvalue().index("declares less than it does\n") < text.getvalue().index("Verdict:")


def test_what_an_adapter_says_drives_no_terminal_and_breaks_no_file(
    report: Report, tmp_path: Path
) -> None:
    said = "\x1b]0;title\x07 \ud800 \ufffe \0 " + "x" * 5_000
    finding = Finding("STATUS-2", said, (said,), token="TOKEN")  # noqa: S106 - of a finding
    laws = tuple(
        LawReport(law.id, "broken", finding=finding)
        if law.id == "STATUS-2"
        else LawReport(law.id, "not checked", said)
        for law in report.laws
    )
    odd = Report(report.target, report.version, report.profile, report.seed, laws)
    out = io.StringIO()
    show_report(odd, "shop:open", Console(file=out, width=80))
    out.getvalue().encode("utf-8")
    assert "\x1b" not in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) < 1_200
    assert "characters, in the JSON report" in out.getvalue()
    for name, text in (
        ("report.json", json.dumps(odd.to_json())),
        ("report.xml", junit_xml(odd)),
        ("report.html", html_page(odd, "does not conform.")),
    ):
        write_report(text, str(tmp_path / name))
        (tmp_path / name).read_text(encoding="utf-8")
    ET.parse(tmp_path / "report.xml")  # noqa: S314 - our own text
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "findings"


def test_each_report_has_the_command_that_reproduces_a_finding(report: Report) -> None:
    finding = Finding("STATUS-2", "two winners", ("a call",), token="TOKEN")  # noqa: S106 - of a finding
    other = Finding("STATUS-2", "two more winners", ("a call",), token="OTHER")  # noqa: S106 - of a finding
    laws = (LawReport("STATUS-2", "broken", finding=finding, others=(other,)),)
    found = replace(report, laws=laws, argument="shop:open store")
    assert found.findings == (finding, other)
    for text in (junit_xml(found), html_page(found, "does not conform.")):
        for token in ("TOKEN", "OTHER"):
            expected = f"collection-jobs verify 'shop:open store' --reproduce {token}"
            assert expected in text.replace("&#39;", "'")
    shown = found.to_json()["laws"][0]
    assert [one["reproduce"] for one in (shown["finding"], *shown["others"])] == ["TOKEN", "OTHER"]


def test_reasons_stand_below_the_table_once_each() -> None:
    laws = (
        LawReport("TIME-1", "not applicable", "no server is named"),
        LawReport("KEY-1", "not applicable", "it has no list_after"),
        LawReport("KEY-2", "not applicable", "it has no list_after"),
        LawReport("SAVE-1", "not checked", "time ran out"),
    )
    out = io.StringIO()
    show_report(Report("t", "1", "quick", 0, laws), None, Console(file=out, width=80))
    lines = [line.strip() for line in out.getvalue().splitlines()]
    assert "not applicable: KEY-1, KEY-2: it has no list_after" in lines
    assert "not checked: SAVE-1: time ran out" in lines
    (row,) = [line for line in lines if line.startswith("TIME-1 ")]
    assert row.split(maxsplit=1)[1].startswith("not applicable ")
    assert "no server is named" not in row
