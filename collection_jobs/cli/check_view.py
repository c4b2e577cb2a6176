"""How a static report looks on a terminal."""

from __future__ import annotations

import textwrap

from rich.console import Console
from rich.text import Text

from collection_jobs.conformance.static import CheckerRun, Fault, MethodReport, StaticReport

__all__ = ["show_static_report"]

_FACT_STYLES = {"fault": "not dim red", "change": "not dim green"}
_STYLES = {"conforms": "bold green", "findings": "bold red", "incomplete": "bold yellow"}


def show_static_report(report: StaticReport, console: Console | None = None) -> None:
    """Print a report: first what is wrong with each method, the verdict last."""
    console = console or Console(highlight=False)
    for method in report.methods:
        if method.faults:
            _show_method(console, method)
    for fault in report.faults:
        console.print(Text("the class as a whole", style="bold"))
        _show_facts(console, _fault_rows(fault))
    right = [method.name for method in report.methods if not method.faults]
    if right and len(right) < len(report.methods):
        console.print(Text.assemble(("right: ", "green"), ", ".join(right)))
    for run in report.checkers:
        console.print(_checker(run))
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


def _checker(run: CheckerRun) -> Text:
    name = run.name if run.version is None else f"{run.name} {run.version}"
    if run.reason is None:
        return Text(f"{name}: ran in {run.seconds:.2f} s", style="dim")
    return Text(f"{name}: no verdict: {run.reason}", style="yellow")


def _verdict(report: StaticReport) -> Text:
    faulty = sum(bool(method.faults) for method in report.methods)
    text = Text.assemble(f"{report.target}: ", (report.verdict, _STYLES[report.verdict]))
    if faulty:
        text.append(f" in {faulty} of {len(report.methods)} methods")
    return text
