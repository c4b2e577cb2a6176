"""The report: a table of the faults, what callers were told, and what is wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.cluster.calls import Told
from benchmarks.cluster.outages import SLACK, Outage
from benchmarks.cluster.trial import Trial

__all__ = ["report", "write_page"]

_PAGE = Path(__file__).parents[2] / "docs" / "high-availability.md"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"

_MOST = 20
_TIMES = "cluster writes again (s) | all callers answered (s) | behind the cluster, at most (s)"


def report(trial: Trial) -> str:
    """Write it, in Markdown."""
    told = Counter(call.told for call in trial.calls)
    longest = max(call.ended - call.began for call in trial.calls)
    lines = [
        *_table(trial.outages),
        "",
        f"{len(trial.calls):,} calls, the longest of {longest:.1f} s: "
        + ", ".join(f"{told[kind.value]:,} {kind.value}" for kind in Told if told[kind.value]),
        f"{trial.jobs:,} jobs in the end; {trial.stale} time(s) a read showed less than was known",
        "",
        *_wrong(trial.wrong),
    ]
    return "\n".join(lines)


def write_page(text: str) -> None:
    """Put the report between the markers of its page."""
    before, begin, rest = _PAGE.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise SystemExit(f"{_PAGE} has lost its markers {_BEGIN} and {_END}")
    _PAGE.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}")


def _table(outages: Sequence[Outage]) -> list[str]:
    by_name: dict[str, list[Outage]] = defaultdict(list)
    for outage in outages:
        by_name[outage.fault.name].append(outage)
    lines = [
        f"| fault | times | another primary | {_TIMES} | may have happened | did not happen |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, some in by_name.items():
        behind = max(one.repository - one.cluster for one in some)
        cells = [
            *(name, f"{len(some)}", f"{sum(one.fault.moved for one in some)}"),
            *(_seconds([one.cluster for one in some]), _seconds([one.repository for one in some])),
            f"{max(behind, 0.0):.1f}",
            *(f"{sum(one.unsure for one in some)}", f"{sum(one.not_done for one in some)}"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _seconds(values: list[float]) -> str:
    """Write the median, and the greatest."""
    return f"{median(values):.1f} (to {max(values):.1f})"


def _wrong(wrong: Sequence[str]) -> list[str]:
    if not wrong:
        well = (
            "No acknowledged effect was lost, none came that was said not to have, no job had two"
        )
        return [f"{well} holders, and each caller was answered within {SLACK:g} s of the cluster."]
    more = [] if len(wrong) <= _MOST else [f"- and {len(wrong) - _MOST} more"]
    return [f"{len(wrong)} breaches:", *(f"- {one}" for one in wrong[:_MOST]), *more]
