"""verify --law, --check, --rerun-failed and --quiet: parts of an examination, and its report."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from collection_jobs.cli import last_findings
from collection_jobs.cli.app import app
from collection_jobs.cli.last_findings import findings_of, keep_findings
from collection_jobs.cli.verify_view import show_report, show_what_is_wrong
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.report.report import Report
from collection_jobs.conformance.selection import select_checks
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.laws import LAWS
from collection_jobs.conformance.verdicts import unfinished_report

STORES = """
from datetime import datetime
from pathlib import Path
from collection_jobs import CollectionJob, InMemoryCollectionJobRepository

class Lenient(InMemoryCollectionJobRepository):
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        return await super().list_recent(max(limit, 0), since)

def lenient(directory: Path) -> Lenient:
    return Lenient()
"""
PART = ("--law", "INPUT-1", "--check", "wrong-inputs")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "shop_stores.py").write_text(STORES)
    monkeypatch.chdir(tmp_path)

    def cache(name: str, *, appauthor: bool) -> Path:
        return tmp_path / "cache"

    monkeypatch.setattr(last_findings, "user_cache_path", cache)
    return tmp_path


def verify(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["verify", "--profile", "quick", *arguments])


def verdicts(result: Result) -> dict[str, tuple[str, str | None]]:
    report = json.loads(result.stdout)
    return {law["id"]: (law["verdict"], law.get("reason")) for law in report["laws"]}


def test_checks_are_chosen_by_name_and_by_law() -> None:
    names = [check.name for check in CHECKS]
    assert [check.name for check in select_checks(None, ())] == names
    assert [check.name for check in select_checks(["One-Caller"], ())] == ["one caller"]
    for law in LAWS:
        due = [check.name for check in CHECKS if law in check.laws]
        assert [check.name for check in select_checks(None, [law.casefold()])] == due


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--check", "one-caler"), "there is no check 'one-caler'; did you mean one-caller?"),
        (("--law", "SAV-1"), "there is no law 'SAV-1'; did you mean SAVE-1?"),
        (("--law", "nonsense"), "there is no law 'nonsense'; there are SAVE-1, SAVE-2,"),
        (
            ("--check", "interleavings", "--law", "GET-1"),
            "the check interleavings does not examine the law GET-1",
        ),
        (("--rerun-failed", "--law", "GET-1"), "--rerun-failed goes with no selection"),
    ],
)
def test_what_there_is_not_is_refused_in_a_line(arguments: tuple[str, ...], said: str) -> None:
    refused = verify("memory:", *arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_law_that_was_asked_for_holds_and_the_others_are_left_open() -> None:
    made = verify("memory:", "--law", "INPUT-1", "--json", "-")
    assert made.exit_code == 3
    found = verdicts(made)
    assert found["INPUT-1"][0] == "holds"
    assert found["SAVE-1"] == ("not checked", "it was not asked for")
    assert found["DURABLE-1"][0] == "not applicable"


def test_a_law_of_which_a_check_was_left_out_does_not_hold() -> None:
    made = verify("memory:", "--check", "wrong-inputs", "--check", "cancelled calls", "--json", "-")
    assert made.exit_code == 3
    found = verdicts(made)
    assert found["INPUT-1"][0] == found["CANCEL-1"][0] == "holds"
    verdict, reason = found["SAVE-1"]
    assert (verdict, reason) == ("not checked", "left out: one caller, large stores")


def test_a_quiet_report_shows_what_is_wrong_and_nothing_else() -> None:
    target = "shop_stores:lenient"
    whole, quiet = verify(target, *PART), verify(target, *PART, "--quiet")
    assert (whole.exit_code, quiet.exit_code) == (1, 1)
    # What it says stands word for word in the whole report, whose finding and verdict it has.
    lines = {line.rstrip() for line in whole.stdout.splitlines()}
    assert {line.rstrip() for line in quiet.stdout.splitlines()} <= lines
    start = whole.stdout.index("\nINPUT-1: ")
    assert quiet.stdout.endswith(whole.stdout[start:])
    shown = quiet.stdout.removesuffix(whole.stdout[start:])
    assert shown.startswith("shop_stores:lenient (quick, seed 0)\nnot checked: SAVE-1, ")
    for left_out in ("what it promises", "not applicable", "durable: ", "RecordsCursors: "):
        assert left_out in whole.stdout
        assert left_out not in shown


@pytest.mark.parametrize("width", [40, 80])
def test_the_verdict_on_a_law_is_seen_on_every_width(width: int) -> None:
    console = Console(width=width, record=True, file=StringIO())
    show_report(report("left out", SAVE_1="one"), "shop:a", console)
    shown = {tuple(line.split()[:2]) for line in console.export_text().splitlines()}
    assert {("SAVE-1", "broken"), ("COMPLETED-1", "not")} <= shown


def test_a_quiet_report_of_what_is_right_is_its_verdict() -> None:
    console = Console(width=80, record=True, file=StringIO())
    looked_at = report("left out")
    whole = tuple(replace(law, verdict="holds", reason=None) for law in looked_at.laws)
    show_what_is_wrong(replace(looked_at, laws=whole), "shop:a", console)
    title, nothing, verdict = console.export_text().splitlines()
    assert (title, nothing) == ("shop (quick, seed 0)", "")
    assert verdict.startswith("Verdict: conforms.")


def test_what_was_broken_is_tried_again_until_it_is_mended(here: Path) -> None:
    target = "shop_stores:lenient"
    assert verify(target, *PART).exit_code == 1
    again = verify(target, "--rerun-failed")
    assert again.exit_code == 1
    assert "findings of the last time were made again: INPUT-1" in again.stdout.replace("\n", " ")
    (here / "shop_stores.py").write_text(STORES.replace("max(limit, 0)", "limit"))
    mended = verify(target, "--rerun-failed")
    assert mended.exit_code == 4
    assert "INPUT-1: not broken again\n" in mended.stdout


def test_where_nothing_is_known_to_be_broken_all_is_verified() -> None:
    nothing = verify("no_stores:lenient", "--rerun-failed")
    assert "nothing is known to be broken in no_stores:lenient: all is verified" in nothing.stderr
    assert "cannot import 'no_stores'" in nothing.stderr


def report(reason: str, **tokens: str) -> Report:
    """A report of these broken laws, each with its token, and of others that were not examined."""
    broken = [Finding(law.replace("_", "-"), "broken", (), token=it) for law, it in tokens.items()]
    return unfinished_report("shop", "quick", 0, broken, reason)


def test_tokens_are_kept_of_what_is_broken_and_of_what_was_not_looked_at() -> None:
    keep_findings("shop:a", report("left out", SAVE_1="one", LIST_1="two"))
    keep_findings("shop:a", report("left out", SAVE_1="three"))
    assert findings_of("shop:a") == {"SAVE-1": "three", "LIST-1": "two"}
    assert findings_of("shop:b") == {}
    looked_at = report("left out")
    whole = tuple(replace(law, verdict="holds", reason=None) for law in looked_at.laws)
    keep_findings("shop:a", replace(looked_at, laws=whole))
    assert findings_of("shop:a") == {}


def test_findings_that_cannot_be_kept_or_read_are_no_findings(here: Path) -> None:
    (here / "cache").write_text("no directory")
    why = keep_findings("shop:a", report("left out", SAVE_1="one"))
    assert why is not None
    assert str(here / "cache") in why
    assert keep_findings("shop:a", report("left out")) is None
    assert findings_of("shop:a") == {}
    (here / "cache").unlink()
    assert keep_findings("shop:a", report("left out", SAVE_1="one")) is None
    (kept,) = (here / "cache" / "findings").iterdir()
    for text in ("", "[]", "{", '{"SAVE-1": 7}'):
        kept.write_text(text)
        assert findings_of("shop:a") == {}
