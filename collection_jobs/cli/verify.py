"""The command `verify`: judge a repository by every law, in front of the user's eyes."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from types import FrameType
from typing import TextIO

import click
from hypothesis.configuration import set_hypothesis_home_dir
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from collection_jobs.conformance import LAWS, Report, TargetError, find_target, verify
from collection_jobs.conformance.checks import PROFILES

__all__ = ["verify_command"]

_EXIT_CODES = {"conforms": 0, "findings": 1, "incomplete": 3}
_COULD_NOT_RUN = 2
_INTERRUPTED = 130
_STYLES = {"holds": "green", "broken": "bold red", "not applicable": "dim", "not checked": "yellow"}
_CLAIM_STYLES = {"overstated": "bold red", "understated": "yellow"}
_SENTENCES = {
    "conforms": "conforms: every law that applies was examined, and none was found broken.",
    "findings": "does not conform: {count} broken.",
    "incomplete": "incomplete: no law was found broken, but {count} went unchecked.",
}


@click.command("verify")
@click.argument("target", required=False)
@click.option(
    "--profile",
    type=click.Choice(list(PROFILES)),
    default="standard",
    show_default=True,
    help="How hard to look.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Where all randomness comes from: the same seed gives the same programs.",
)
@click.option(
    "--json",
    "json_file",
    type=click.File("w", lazy=False, atomic=True),
    help="Write the report there; - is the standard output.",
)
def verify_command(target: str | None, profile: str, seed: int, json_file: TextIO | None) -> None:
    """Judge a repository by every law of the contract.

    TARGET is a repository URL (memory:, sqlite:///jobs.db) or module:attribute, the attribute
    being a factory: it takes an empty directory (a pathlib.Path) and returns an async context
    manager that gives the repository. Without TARGET, an SQLite file is judged. Jobs that are
    already behind a URL are never touched: new stores of the same engine are made beside it, and
    removed.

    Exits with 0 if the repository conforms, 1 if a law is broken, 2 if it could not be judged,
    3 if no law was found broken but one that applies went unchecked.
    """
    # With the JSON on the standard output, the table makes way for it.
    console = Console(stderr=json_file is not None and json_file.name == "-")
    try:
        with _terminable(), _without_traces():
            report = _run(target, profile, seed)
    except TargetError as error:
        click.echo(f"collection-jobs verify: {error}", err=True)
        sys.exit(_COULD_NOT_RUN)
    except KeyboardInterrupt:
        click.echo("collection-jobs verify: interrupted; its stores are removed", err=True)
        sys.exit(_INTERRUPTED)
    if json_file is not None:
        json.dump(report.to_json(), json_file, indent=2)
        json_file.write("\n")
    _show(report, console)
    sys.exit(_EXIT_CODES[report.verdict])


def _run(target: str | None, profile: str, seed: int) -> Report:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("opening", total=None)
        return verify(
            find_target(target),
            profile=profile,
            seed=seed,
            progress=lambda check, done, total: bars.update(
                task, description=check, completed=done, total=total
            ),
        )


@contextmanager
def _terminable() -> Generator[None]:
    """Let SIGTERM end the run as Ctrl-C does: with the stores removed."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


@contextmanager
def _without_traces() -> Generator[None]:
    """Keep Hypothesis from leaving a directory of its own where the user stands."""
    with TemporaryDirectory(prefix="collection-jobs-hypothesis-") as home:
        set_hypothesis_home_dir(home)
        yield


def _show(report: Report, console: Console) -> None:
    console.print(_table(report))
    for tried in dict.fromkeys(law.reason for law in report.laws if law.verdict == "holds"):
        console.print(Text(f"tried: {tried}", "dim"))
    for claim in report.claims:
        style = _CLAIM_STYLES.get(claim.verdict, "dim")
        console.print(Text(f"{claim.capability}: {claim.verdict}; {claim.how}", style))
    for finding in report.findings:
        console.print()
        console.print(Text(f"{finding.law}: {LAWS[finding.law].sentence}", "bold"))
        console.print(Text(finding.message))
        for line in finding.history:
            console.print(Text(f"    {line}", "cyan"), soft_wrap=True)
    if report.findings:
        console.print()
        console.print(
            "To repeat the calls: from collection_jobs.conformance.histories import *", style="dim"
        )
    console.print()
    console.print(Text(f"{report.target} {_sentence(report)}", "bold"))


def _table(report: Report) -> Table:
    title = f"{report.target} ({report.profile}, seed {report.seed})"
    table = Table(title=title, title_justify="left")
    for heading in ("law", "what it promises", "verdict"):
        table.add_column(heading)
    for law in report.laws:
        verdict = Text(law.verdict, _STYLES[law.verdict])
        if law.verdict in ("not applicable", "not checked"):
            verdict.append(f": {law.reason}")
        table.add_row(law.id, LAWS[law.id].title, verdict)
    return table


def _sentence(report: Report) -> str:
    verdict = {"findings": "broken", "incomplete": "not checked"}.get(report.verdict)
    count = sum(law.verdict == verdict for law in report.laws)
    laws = "1 law" if count == 1 else f"{count} laws"
    return _SENTENCES[report.verdict].format(count=laws)
