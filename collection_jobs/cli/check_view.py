"""How a static report looks on a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import click
from rich.console import Console
from rich.text import Text

from collection_jobs.conformance.static import (
    CheckerRun,
    Fault,
    Location,
    MethodReport,
    StaticReport,
)

__all__ = ["show_static_report"]

_FACT_STYLES = {"fault": "not dim red", "change": "not dim green", "allowed": "not dim yellow"}
_STYLES = {"conforms": "bold green", "findings": "bold red", "incomplete": "bold yellow"}


def show_static_report(
    report: StaticReport, form: str = "text", console: Console | None = None
) -> None:
    """Print a report.

    Args:
        report: It.
        form: ``text``: for people; ``concise``: a line for each fault, as ``file:line: message``;
            ``github``: the same as annotations of a GitHub workflow.
        console: Where to print text.
    """
    if form == "text":
        _show_text(report, console or Console(highlight=False))
        return
    line = _github_line if form == "github" else _concise_line
    for method in report.methods:
        for fault in method.faults if method.is_wrong else ():
            click.echo(line(method.location, f"{method.name}: {fault.message}: {fault.change}"))
    for fault in report.faults:
        click.echo(line(report.location, f"{fault.message}: {fault.change}"))
    for run in report.checkers:
        if run.reason is not None:
            click.echo(line(report.location, f"{run.name} gave no verdict: {run.reason}"))


def _concise_line(where: Location | None, message: str) -> str:
    return f"{where or 'no source'}: {message}"


def _github_line(where: Location | None, message: str) -> str:
    """Return a workflow command, escaped as GitHub's own toolkit does it.

    See https://docs.github.com/actions/reference/workflow-commands-for-github-actions.
    """
    place = "" if where is None else str(where)
    file, _, line = place.rpartition(":")
    file = _escaped(file).replace(":", "%3A").replace(",", "%2C")
    return f"::error{f' file={file},line={line}' if file else ''}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _show_text(report: StaticReport, console: Console) -> None:
    """Print first what is wrong with each method, the verdict last."""
    for method in report.methods:
        if method.faults:
            _show_method(console, method)
    for fault in report.faults:
        console.print(Text("the class as a whole", style="bold"))
        _show_facts(console, _fault_rows(fault))
    right = [method.name for method in report.methods if not method.faults]
    if right and len(right) < len(report.methods):
        console.print(Text.assemble(("right: ", "green"), ", ".join(right)))
    for hint in report.hints:
        console.print(Text.assemble(("hint: ", "yellow"), hint))
    for run in report.checkers:
        console.print(_checker(run, report.methods))
    console.print(_verdict(report))


def _show_method(console: Console, method: MethodReport) -> None:
    head = Text.assemble((method.name, "bold"))
    if method.location is not None:
        head.append(f"  {method.location}", style="cyan")
    rows = [("expected", method.expected), ("found", method.found or "nothing")]
    if method.rejected_by:
        rows.append(("rejected by", ", ".join(method.rejected_by)))
    else:
        rows.append(("seen by", "no type checker; found by inspecting the class at run time"))
    for fault in method.faults:
        rows += _fault_rows(fault)
    if method.allowed is not None:
        rows.append(("allowed", method.allowed))
    console.print(head)
    _show_facts(console, rows)


def _fault_rows(fault: Fault) -> list[tuple[str, str]]:
    return [("fault", fault.message), ("change", fault.change)]


def _show_facts(console: Console, rows: list[tuple[str, str]]) -> None:
    """Print names and values in two columns: rich's own tables cost a tenth of the command."""
    indent = 4 + max(len(name) for name, _ in rows)
    width = max(console.width - indent, 20)
    for name, value in rows:
        text = Text(f"  {name}".ljust(indent), style="dim")
        wrapped = textwrap.wrap(value, width, break_on_hyphens=False)
        text.append(f"\n{' ' * indent}".join(wrapped), style=_FACT_STYLES.get(name, "not dim"))
        console.print(text)
    console.print()


def _checker(run: CheckerRun, methods: Sequence[MethodReport]) -> Text:
    name = run.name if run.version is None else f"{run.name} {run.version}"
    if run.reason is None:
        text = Text(f"{name}: ran in {run.seconds:.2f} s", style="dim")
        unseen = [method.name for method in methods if run.name in method.unseen_by]
        if unseen:
            which = "any method" if len(unseen) == len(methods) else f"all of {', '.join(unseen)}"
            text.append(f"; it does not see {which}: inspected at run time", style="yellow")
        return text
    return Text(f"{name}: no verdict: {run.reason}", style="yellow")


def _verdict(report: StaticReport) -> Text:
    faulty = sum(method.is_wrong for method in report.methods)
    allowed = sum(bool(method.faults) for method in report.methods) - faulty
    text = Text.assemble(f"{report.target}: ", (report.verdict, _STYLES[report.verdict]))
    if faulty:
        text.append(f" in {faulty} of {len(report.methods)} methods")
    if allowed:
        text.append(f"; the faults of {allowed} are allowed")
    return text
