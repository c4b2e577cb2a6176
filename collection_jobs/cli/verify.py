"""The command `verify`: verify a repository against every law, and show the progress."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import TextIO

import click
from hypothesis.configuration import set_hypothesis_home_dir
from platformdirs import user_cache_path
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from collection_jobs.cli import verify_view as view
from collection_jobs.cli.failure import Failure
from collection_jobs.cli.html import html_page
from collection_jobs.conformance import (
    Finding,
    Report,
    TargetError,
    find_target,
    reproduce,
    verify,
)
from collection_jobs.conformance.report.junit import junit_xml
from collection_jobs.conformance.running.configuration import PROFILES
from collection_jobs.conformance.static.check import signatures_of

__all__ = ["verify_command"]

_EXIT_CODES = {"conforms": 0, "findings": 1, "incomplete": 3}
_INTERRUPTED = 130
_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@click.command("verify")
@click.argument("target", required=False)
@click.option(
    "--profile",
    type=click.Choice(list(PROFILES)),
    default="standard",
    show_default=True,
    help="How thoroughly to look.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of all random choices: the same seed makes the same programs.",
)
@click.option(
    "--json",
    "json_file",
    type=click.File("w", lazy=False, atomic=True),
    help="Write the report to FILE as JSON; - is standard output.",
)
@click.option(
    "--junit",
    "junit_file",
    type=click.File("w", encoding="utf-8", lazy=False, atomic=True),
    help="Write the report to FILE as JUnit XML, for CI servers.",
)
@click.option(
    "--html",
    "html_file",
    type=click.File("w", encoding="utf-8", lazy=False, atomic=True),
    help="Write the report to FILE as one HTML page.",
)
@click.option(
    "--reproduce",
    "token",
    help="Only reproduce one finding, by the token printed with it.",
)
def verify_command(
    target: str | None,
    profile: str,
    seed: int,
    json_file: TextIO | None,
    junit_file: TextIO | None,
    html_file: TextIO | None,
    token: str | None,
) -> None:
    """Verify a repository against every law of the contract.

    TARGET is a repository URL (memory:, sqlite:///jobs.db, postgresql://host/db) or
    module:attribute, where the attribute is a factory: it takes an empty directory (a pathlib.Path)
    and returns an async context manager that gives the repository. Without TARGET, an SQLite file
    is verified. Jobs at a URL are never touched: new stores of the same engine are created next to
    it, and removed afterwards.

    Exits with 0 if the repository conforms, 1 if a law is broken, 2 if the verification could not
    run, and 3 if no law was found broken but one that applies was not checked.
    """
    # With the JSON on the standard output, the table makes way for it.
    console = Console(stderr=json_file is not None and json_file.name == "<stdout>")
    with _ending():
        if token is not None:
            found = _reproduce(target, token)
            view.show_again(found, console)
            sys.exit(_EXIT_CODES["findings" if found else "conforms"])
        report = _run(target, profile, seed)
    if json_file is not None:
        json.dump(report.to_json(), json_file, indent=2)
        json_file.write("\n")
    if junit_file is not None:
        junit_file.write(junit_xml(report))
    if html_file is not None:
        html_file.write(html_page(report, view.sentence(report)))
    view.show_report(report, target, console)
    sys.exit(_EXIT_CODES[report.verdict])


@contextmanager
def _ending() -> Generator[None]:
    """Turn what ends a run early into one line and an exit code, and leave nothing behind."""
    try:
        _leave_no_traces()
        with _interrupts.noted():
            yield
    except (TargetError, ValueError) as error:
        raise Failure(str(error)) from error
    except KeyboardInterrupt:
        click.echo("collection-jobs verify: interrupted; its stores are removed", err=True)
        sys.exit(_INTERRUPTED)


def _reproduce(target: str | None, token: str) -> list[Finding]:
    return reproduce(find_target(target), token, interrupted=_interrupts)


def _run(target: str | None, profile: str, seed: int) -> Report:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("opening", total=None)

        def tell(check: str, done: int, total: int) -> None:
            bars.update(task, description=check, completed=done, total=total)

        report = verify(
            find_target(target),
            profile=profile,
            seed=seed,
            progress=tell,
            interrupted=_interrupts,
        )
        tell("signatures", 0, 1)
        return replace(report, signatures=signatures_of(report.adapter))


class _Interrupts:
    """Ctrl-C and SIGTERM end the run between two stores; a second one ends it at once."""

    def __init__(self) -> None:
        self.came = False

    def __call__(self) -> bool:
        return self.came

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.came:
            raise KeyboardInterrupt
        self.came = True

    @contextmanager
    def noted(self) -> Generator[None]:
        former = {number: signal.signal(number, self._note) for number in _ENDING_SIGNALS}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


_interrupts = _Interrupts()


def _leave_no_traces() -> None:
    """Keep Hypothesis from leaving a directory of its own where the user stands."""
    # Not in a temporary one: its table of Unicode takes seconds to make.
    set_hypothesis_home_dir(user_cache_path("collection-jobs", appauthor=False) / "hypothesis")
