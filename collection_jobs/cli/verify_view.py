"""How a report of `verify` looks on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from collection_jobs.cli.escape import escaped_lines
from collection_jobs.conformance import LAWS, Finding, Report
from collection_jobs.conformance.report.report import reproduce_command
from collection_jobs.conformance.running.targets import shown_target

__all__ = ["sentence", "show_again", "show_interrupted", "show_report", "show_what_is_wrong"]

_STYLES = {"holds": "green", "broken": "bold red", "not applicable": "dim", "not checked": "yellow"}
_SENTENCES = {
    "conforms": "conforms. Every law that applies was examined; none is broken.",
    "findings": "does not conform. {count} broken.",
    "incomplete": "incomplete. No law was found broken, but {count} went unchecked.",
}
_MOST_CALLS, _MOST_COMMENTS = 12, 24
"""How many calls of a finding are printed, and how many comments on them; the JSON report has all.
"""
_MOST_CHARACTERS = 1_000
"""How many characters of a line."""
_CLAIM_STYLES = {"confirmed": "green", "overstated": "bold red", "understated": "yellow"}


def show_report(report: Report, target: str | None, console: Console) -> None:
    """Print a report: the laws, what was tried, what the adapter claims, the findings, the verdict.

    Args:
        report: What to print.
        target: The target as it was given on the command line.
        console: Where to.
    """
    console.print(_table(report))
    _show_reasons(report, console, "not applicable")
    _show_reasons(report, console, "not checked")
    if report.less:
        console.print(Text(report.less, "yellow"))
    for tried in dict.fromkeys(one for law in report.laws for one in law.tried):
        console.print(Text(f"tried: {_printable(tried)}", "dim"))
    _show_coverage(report, console)
    _show_claims(report, console)
    _show_signatures(report, console)
    _show_conclusion(report, target, console)


def show_what_is_wrong(report: Report, target: str | None, console: Console) -> None:
    """Print of a report what keeps it from a better verdict, and the verdict.

    Args:
        report: What to print.
        target: The target as it was given on the command line.
        console: Where to.
    """
    console.print(Text(_title(report)))
    _show_reasons(report, console, "not checked")
    if report.less:
        console.print(Text(report.less, "yellow"))
    _show_conclusion(report, target, console)


def _show_conclusion(report: Report, target: str | None, console: Console) -> None:
    _show_wrong_signatures(report, console)
    _show_understated(report, console)
    _show_findings(report.findings, target, console)
    if report.findings:
        console.print()
        names = "from collection_jobs.conformance.prelude import *"
        console.print(Text(f"The names in the calls: {names}", "dim"))
    console.print()
    console.print(Text(f"Verdict: {sentence(report)}", "bold"))


def show_interrupted(
    findings: Sequence[Finding], done: int, total: int, target: str | None, console: Console
) -> None:
    """Print what was found before the user ended the run.

    Args:
        findings: What was found.
        done: How many checks had ended.
        total: Of how many; 0 while that is not known.
        target: The target as it was given on the command line.
        console: Where to.
    """
    first = {finding.law: finding for finding in reversed(findings)}
    laws = ", ".join(law for law in LAWS if law in first)
    checks = f"{done} checks of {total} done" if total else "no check done"
    text = f"interrupted: {checks}; found so far: {laws or 'nothing'}; its stores are removed"
    click.echo(f"collection-jobs verify: {text}", err=True)
    _show_findings([first[law] for law in LAWS if law in first], target, console)


def _show_findings(findings: Sequence[Finding], target: str | None, console: Console) -> None:
    for finding in findings:
        console.print()
        _show_finding(finding, console)
        if finding.token is not None:
            argument = None if target is None else shown_target(target)
            again = reproduce_command(argument, finding.token)
            console.print(Text(f"reproduce: {again}", "dim"), soft_wrap=True)


def show_again(findings: list[Finding], console: Console) -> None:
    """Print what a token made again."""
    for finding in findings:
        _show_finding(finding, console)
    if not findings:
        console.print(
            "The finding was not reproduced. If it comes from real tasks, processes or kills, their"
            " timing decides: try again, also while the machine is busy. Otherwise the adapter has"
            " changed since, or it depends on something outside of its store.",
            soft_wrap=True,
        )


def sentence(report: Report) -> str:
    """Put the verdict into words."""
    less = ", ".join(claim.capability for claim in report.understated)
    return f"{_verdict(report)}{f' It declares less than it does: {less}.' if less else ''}"


def _verdict(report: Report) -> str:
    verdict = {"findings": "broken", "incomplete": "not checked"}.get(report.verdict)
    count = sum(law.verdict == verdict for law in report.laws)
    laws = "1 law" if count == 1 else f"{count} laws"
    if report.verdict == "findings" and not count:
        return "does not conform. No law was found broken, but signatures are wrong."
    return _SENTENCES[report.verdict].format(count=laws)


def _title(report: Report) -> str:
    return f"{report.target} ({report.profile}, seed {report.seed})"


def _table(report: Report) -> Table:
    table = Table(title=_title(report), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("law", no_wrap=True)
    # In front of the longest column, for on a phone or in a narrow window the right end is cut off.
    table.add_column("verdict", no_wrap=True)
    table.add_column("what it promises")
    for law in report.laws:
        verdict = Text(law.verdict, _STYLES[law.verdict])
        table.add_row(law.id, verdict, LAWS[law.id].title)
    return table


def _show_reasons(report: Report, console: Console, verdict: str) -> None:
    """Print why laws have a verdict that says that they were not examined, each reason once."""
    laws = [law for law in report.laws if law.verdict == verdict]
    for reason in dict.fromkeys(law.reason for law in laws):
        ids = ", ".join(law.id for law in laws if law.reason == reason)
        console.print(Text(f"{verdict}: {ids}: {_printable(str(reason))}", _STYLES[verdict]))


def _show_coverage(report: Report, console: Console) -> None:
    """Show how many classes of values were tried, and each that was not."""
    if report.coverage is None:
        return
    console.print(Text(f"values: {report.coverage.summary}", "dim"))
    for line in report.coverage.untried:
        console.print(Text(f"not tried: {line}", "yellow"))


def _show_claims(report: Report, console: Console) -> None:
    for claim in report.claims:
        verdict = Text(claim.verdict, _CLAIM_STYLES.get(claim.verdict, "dim"))
        console.print(Text.assemble((f"{claim.capability}: ", "dim"), verdict, f" ({claim.how})"))


def _show_understated(report: Report, console: Console) -> None:
    """Show the false claims that break no law where the findings stand."""
    for claim in report.understated:
        console.print()
        console.print(Text(f"{claim.capability}: the adapter declares less than it does", "bold"))
        console.print(Text(f"{claim.how}"))
        console.print(Text(f"Either {claim.remedy}."))


def _show_signatures(report: Report, console: Console) -> None:
    """Show who found the signatures correct, or why nobody looked at them."""
    static = report.signatures
    if isinstance(static, str):
        console.print(Text(f"signatures: not checked: {static}", "dim"))
    elif static is not None and report.wrong_signatures is None:
        asked = ", ".join(f"{run.name} {run.version}" for run in static.checkers if not run.reason)
        console.print(
            Text(f"signatures: correct, by {asked or 'inspection at run time alone'}", "dim")
        )


def _show_wrong_signatures(report: Report, console: Console) -> None:
    if report.wrong_signatures is not None:
        console.print()
        console.print(Text("Wrong signatures (collection-jobs check says more):", "bold red"))
        console.print(Text(str(report.wrong_signatures)), soft_wrap=True)


def _show_finding(finding: Finding, console: Console) -> None:
    console.print(Text(f"{finding.law}: {LAWS[finding.law].sentence}", "bold"))
    console.print(Text(_printable(finding.message)))
    for line in _fewer(finding.history):
        console.print(Text(f"    {_printable(line)}", "cyan"), soft_wrap=True)


def _fewer(history: Sequence[str]) -> list[str]:
    """Return at most so many calls, and so many comments on them: the last ones tell the most."""
    left_out = {
        number
        for kind in (True, False)
        for number in _too_many(
            [at for at, line in enumerate(history) if line.startswith("#") is kind],
            _MOST_COMMENTS if kind else _MOST_CALLS,
        )
    }
    lines: list[str] = []
    for number, line in enumerate(history):
        if number not in left_out:
            lines.append(line)
        elif number - 1 not in left_out:
            lines.append(f"# ... {len(left_out)} more lines, in the JSON report ...")
    return lines


def _too_many(numbers: list[int], most: int) -> list[int]:
    """Return those to leave out, behind the first three, so that no more than the most are left."""
    return [] if len(numbers) <= most else numbers[3 : len(numbers) - (most - 4)]


def _printable(line: str) -> str:
    """Return a line without what drives a terminal, and without the middle where it is long."""
    line = "\n".join(escaped_lines(line))
    if len(line) <= _MOST_CHARACTERS:
        return line
    left_out = len(line) - _MOST_CHARACTERS
    half = _MOST_CHARACTERS // 2
    return f"{line[:half]} ... {left_out:,} characters, in the JSON report ... {line[-half:]}"
