"""The command `verify`: verify a repository against every law, and show the progress.

The examination runs in a process of its own (`collection_jobs.conformance.isolated`), so that
nothing that an adapter does can end the command without a word.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from collection_jobs.cli import verify_view as view
from collection_jobs.cli.failure import Failure
from collection_jobs.cli.last_findings import findings_of, keep_findings
from collection_jobs.cli.report_file import ReportFile, write_report
from collection_jobs.cli.verify_run import INTERRUPTED, RunOutcome, run_isolated
from collection_jobs.conformance.isolated.messages import (
    ExaminationRequest,
    NotExamined,
    Reproduced,
    Verified,
)
from collection_jobs.conformance.isolated.supervisor import ProcessEnded, StoodStill
from collection_jobs.conformance.report.report import Report
from collection_jobs.conformance.report.tokens import unpack
from collection_jobs.conformance.running.configuration import PROFILES
from collection_jobs.conformance.running.deadline import DEFAULT_DEADLINE
from collection_jobs.conformance.running.targets import shown_target
from collection_jobs.conformance.verdicts import unfinished_report

__all__ = ["verify_command"]

_NOT_REPRODUCED = 4
_EXIT_CODES = {"conforms": 0, "findings": 1, "incomplete": 3}


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
    "--deadline",
    type=click.FloatRange(min=0.01, max=3600),
    default=DEFAULT_DEADLINE,
    show_default=True,
    metavar="SECONDS",
    help="A call that has not returned by then is a finding.",
)
@click.option(
    "--law",
    "laws",
    multiple=True,
    metavar="LAW",
    help="Only examine this law, as in SAVE-1; may be repeated.",
)
@click.option(
    "--check",
    "checks",
    multiple=True,
    metavar="CHECK",
    help="Only make this check, as in interleavings; may be repeated.",
)
@click.option(
    "--json",
    "json_file",
    type=ReportFile(),
    help="Write the report to FILE as JSON; - is standard output.",
)
@click.option(
    "--junit",
    "junit_file",
    type=ReportFile(),
    help="Write the report to FILE as JUnit XML, for CI servers.",
)
@click.option(
    "--html", "html_file", type=ReportFile(), help="Write the report to FILE as one HTML page."
)
@click.option(
    "--reproduce",
    "token",
    help="Only reproduce one finding, by the token printed with it.",
)
@click.option(
    "--rerun-failed",
    is_flag=True,
    help="Only try again what was broken the last time, from this directory.",
)
@click.option(
    "-q",
    "--quiet",
    is_flag=True,
    help="Only show what is broken or was not checked, and the verdict.",
)
@click.option(
    "--show-output",
    is_flag=True,
    help="Show at the end what the adapter printed, logged or warned.",
)
def verify_command(
    target: str | None,
    profile: str,
    seed: int,
    deadline: float,
    laws: tuple[str, ...],
    checks: tuple[str, ...],
    json_file: str | None,
    junit_file: str | None,
    html_file: str | None,
    token: str | None,
    rerun_failed: bool,
    quiet: bool,
    show_output: bool,
) -> None:
    """Verify a repository against every law of the contract.

    TARGET is a repository URL (memory:, sqlite:///jobs.db, postgresql://host/db) or
    module:attribute, where the attribute is a factory: it takes an empty directory (a pathlib.Path)
    and returns an async context manager that gives the repository. The class of an adapter is one,
    if a directory, or nothing, is all that it takes. Without TARGET, an SQLite file is verified.
    Jobs at a URL are never touched: new stores of the same engine are created next to it, and
    removed afterwards.

    With --law or --check, only parts are examined, and the verdict is incomplete unless a law is
    broken.

    The adapter runs in a process of its own. What it prints, logs or warns goes to a file, which is
    named at the end if there is anything in it.

    Exits with 0 if the repository conforms, 1 if a law is broken, 2 if the verification could not
    run or its process ended, 3 if no law was found broken but one that applies was not checked, 4
    if --reproduce did not show the finding again, and 130 if it was interrupted.
    """
    files = [file for file in (json_file, junit_file, html_file) if file is not None]
    # With a report on the standard output, the table makes way for it.
    console = Console(stderr="-" in files)
    if files.count("-") > 1:
        raise Failure("only one report can be written to the standard output")
    if token is not None:
        _check_token(token)
    request = ExaminationRequest(
        target, profile, seed, deadline, token, checks=checks or None, laws=laws
    )
    if rerun_failed:
        if token is not None or laws or checks or files:
            raise Failure("--rerun-failed goes with no selection and no report: give it alone")
        tokens = findings_of(target)
        if tokens:
            sys.exit(_rerun(request, tokens, console, show_output=show_output))
        click.echo(f"nothing is known to be broken in {_name(request)}: all is verified", err=True)
    outcome = run_isolated(request)
    try:
        code = _show(outcome, request, console, (json_file, junit_file, html_file), quiet=quiet)
    finally:
        _show_output(outcome.output, show=show_output)
    sys.exit(code)


def _rerun(
    request: ExaminationRequest, tokens: Mapping[str, str], console: Console, *, show_output: bool
) -> int:
    """Try each finding again that is kept; return the exit code."""
    again = list[str]()
    for law, token in tokens.items():
        outcome = run_isolated(replace(request, token=token))
        match outcome.result:
            case Reproduced(findings) if not findings:
                click.echo(f"{law}: not broken again")
            case Reproduced():
                again.append(law)
                _show(outcome, request, console, (None, None, None))
            case _:
                return _show(outcome, request, console, (None, None, None))
        _show_output(outcome.output, show=show_output)
    told = f"{len(again)} of {len(tokens)} findings of the last time were made again"
    click.echo(f"{told}: {', '.join(again)}" if again else f"{told}: verify without --rerun-failed")
    return _EXIT_CODES["findings"] if again else _NOT_REPRODUCED


def _check_token(token: str) -> None:
    """Refuse what is no token before a process is started for it."""
    try:
        unpack(token)
    except ValueError as error:
        raise _failure(str(error)) from error


def _show(
    outcome: RunOutcome,
    request: ExaminationRequest,
    console: Console,
    files: tuple[str | None, str | None, str | None],
    *,
    quiet: bool = False,
) -> int:
    """Show what came of it; return the exit code."""
    match outcome.result:
        case NotExamined(message):
            raise _failure(message)
        case ProcessEnded():
            raise _failure(_unfinished(outcome.result, outcome, request))
        case Reproduced(findings):
            view.show_again(list(findings), console)
            return _EXIT_CODES["findings"] if findings else _NOT_REPRODUCED
        case Verified(report):
            argument = None if request.target is None else shown_target(request.target)
            report = replace(report, argument=argument)
            _keep(request.target, report)
        case StoodStill(finding):
            report = unfinished_report(
                _name(request),
                request.profile,
                request.seed,
                [*outcome.findings, finding],
                "the examination could not go on: a call blocks the whole interpreter",
            )
        case _:
            view.show_interrupted(
                outcome.findings, outcome.done, outcome.total, request.target, console
            )
            return INTERRUPTED
    _write(report, files)
    show = view.show_what_is_wrong if quiet else view.show_report
    show(report, request.target, console)
    return _EXIT_CODES[report.verdict]


def _keep(target: str | None, report: Report) -> None:
    """Keep the findings for --rerun-failed, or say why not."""
    unkept = keep_findings(target, report)
    if unkept is not None:
        click.echo(f"--rerun-failed will know nothing of these findings: {unkept}", err=True)


def _write(report: Report, files: Sequence[str | None]) -> None:
    json_file, junit_file, html_file = files
    try:
        if json_file is not None:
            write_report(f"{json.dumps(report.to_json(), indent=2)}\n", json_file)
        if junit_file is not None:
            from collection_jobs.conformance.report.junit import junit_xml

            write_report(junit_xml(report), junit_file)
        if html_file is not None:
            from collection_jobs.cli.html import html_page

            write_report(html_page(report, view.sentence(report)), html_file)
    except OSError as error:
        raise Failure(f"the report cannot be written: {error}") from error


def _unfinished(ended: ProcessEnded, outcome: RunOutcome, request: ExaminationRequest) -> str:
    """Say in one line how the examination ended."""
    text = f"the examination {ended.how} {ended.where}; seed {request.seed}"
    if outcome.findings:
        laws = dict.fromkeys(finding.law for finding in outcome.findings)
        text += f"; found until then: {', '.join(laws)}"
    return text


def _failure(message: str) -> Failure:
    """Return what ends the command with one line, from which the secrets of URLs are removed."""
    return Failure(" ".join(message.split()))


def _name(request: ExaminationRequest) -> str:
    return "the default target" if request.target is None else shown_target(request.target)


def _show_output(output: Path | None, *, show: bool) -> None:
    """Name the file of what the adapter printed, if there is one, or show it."""
    if output is None:
        return
    if not show:
        click.echo(f"What the adapter printed, logged or warned is in {output}", err=True)
        return
    with output.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            click.echo(line, nl=False, err=True)
    output.unlink()
