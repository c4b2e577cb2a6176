"""How a report of `verify` looks on a terminal."""

from __future__ import annotations

import shlex

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from collection_jobs.conformance import LAWS, Finding, Report
from collection_jobs.conformance.running.targets import shown_target

__all__ = ["sentence", "show_again", "show_report"]

_STYLES = {"holds": "green", "broken": "bold red", "not applicable": "dim", "not checked": "yellow"}
_SENTENCES = {
    "conforms": "conforms. Every law that applies was examined; none is broken.",
    "findings": "does not conform. {count} broken.",
    "incomplete": "incomplete. No law was found broken, but {count} went unchecked.",
}
_CLAIM_STYLES = {"confirmed": "green", "overstated": "bold red", "understated": "yellow"}


def show_report(report: Report, target: str | None, console: Console) -> None:
    """Print a report: the laws, what was tried, what the adapter claims, the findings, the verdict.

    Args:
        report: What to print.
        target: The target as it was given on the command line.
        console: Where to.
    """
    console.print(_table(report))
    for tried in dict.fromkeys(law.reason for law in report.laws if law.verdict == "holds"):
        console.print(Text(f"tried: {tried}", "dim"))
    _show_coverage(report, console)
    _show_claims(report, console)
    _show_signatures(report, console)
    _show_understated(report, console)
    for finding in report.findings:
        console.print()
        _show_finding(finding, console)
        if finding.token is not None:
            again = shlex.join(
                [*([] if target is None else [shown_target(target)]), "--reproduce", finding.token]
            )
            console.print(Text(f"reproduce: collection-jobs verify {again}", "dim"), soft_wrap=True)
    if report.findings:
        console.print()
        names = "from collection_jobs.conformance.prelude import *"
        console.print(Text(f"The names in the calls: {names}", "dim"))
    console.print()
    console.print(Text(f"Verdict: {sentence(report)}", "bold"))


def show_again(findings: list[Finding], console: Console) -> None:
    """Print what a token made again."""
    for finding in findings:
        _show_finding(finding, console)
    if not findings:
        console.print("The finding was not reproduced.")


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


def _table(report: Report) -> Table:
    title = f"{report.target} ({report.profile}, seed {report.seed})"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("law", no_wrap=True)
    table.add_column("what it promises", no_wrap=True)
    table.add_column("verdict")
    for law in report.laws:
        verdict = Text(law.verdict, _STYLES[law.verdict])
        if law.verdict in ("not applicable", "not checked"):
            verdict.append(f": {law.reason}")
        table.add_row(law.id, LAWS[law.id].title, verdict)
    return table


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
    static = report.signatures
    if isinstance(static, str):
        console.print(Text(f"signatures: not checked: {static}", "dim"))
    elif report.wrong_signatures is not None:
        console.print()
        console.print(Text("Wrong signatures (collection-jobs check says more):", "bold red"))
        console.print(Text(str(report.wrong_signatures)), soft_wrap=True)
    elif static is not None:
        asked = ", ".join(f"{run.name} {run.version}" for run in static.checkers if not run.reason)
        console.print(
            Text(f"signatures: correct, by {asked or 'inspection at run time alone'}", "dim")
        )


def _show_finding(finding: Finding, console: Console) -> None:
    console.print(Text(f"{finding.law}: {LAWS[finding.law].sentence}", "bold"))
    console.print(Text(finding.message))
    for line in finding.history:
        console.print(Text(f"    {line}", "cyan"), soft_wrap=True)
