"""What `jobs watch` draws: the rate of all, the jobs with theirs, and the last failures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from collection_jobs.cli.escape import escaped
from collection_jobs.cli.jobs.failure_feed import SeenFailure
from collection_jobs.cli.jobs.rates import JobRate, Rates, rate_text
from collection_jobs.cli.jobs.table import jobs_table
from collection_jobs.query import JobSummary
from collection_jobs.status import JobStatus

__all__ = ["watch_view"]

_MOST_FAILURES = 5
_ABOVE_JOBS = 3
"""A blank, and the head of the table."""
_GAP = 2


def watch_view(
    jobs: Sequence[JobSummary],
    rates: Rates,
    failures: Sequence[SeenFailure],
    console: Console,
    now: datetime,
) -> RenderableType:
    """Draw some jobs as they are now, as many as this console has lines for."""
    if not jobs:
        return Text("no jobs yet", "dim")
    last = failures[-min(_MOST_FAILURES, max(console.height // 4, 1)) :]
    head = _headline(jobs, rates.of_all(), console.width)
    room = console.height - len(head) - _ABOVE_JOBS - (len(last) + 1 if last else 0) - 1
    parts: list[RenderableType] = [*head, Text()]
    parts.append(jobs_table(jobs[: max(room, 1)], console, now, rates))
    if last:
        parts += [Text(), _failures(last, console)]
    return Group(*parts)


def _headline(jobs: Sequence[JobSummary], rate: JobRate | None, width: int) -> list[Text]:
    """Return how many jobs there are of each status, and how fast they go: a line, or two."""
    counts = {status: sum(job.status is status for job in jobs) for status in JobStatus}
    parts = [f"{number:,} {status.value}" for status, number in counts.items() if number]
    workers = len({job.worker for job in jobs if job.worker is not None})
    if workers:
        parts.append(f"{workers:,} worker{'' if workers == 1 else 's'}")
    text = Text(", ".join(parts), "bold", no_wrap=True, overflow="ellipsis")
    if rate is None:
        return [text]
    told = rate_text(rate)
    if len(text) + len(told) + _GAP <= width:
        return [text.append(f"; {told}", "not bold cyan")]
    return [text, Text(told, "cyan", no_wrap=True, overflow="ellipsis")]


def _failures(failures: Sequence[SeenFailure], console: Console) -> Table:
    """Return the last failures, a line each: when, of which job and symbol, and why."""
    names = [(escaped(one.job_id), escaped(one.symbol)) for one in failures]
    widths = [len("00:00:00")]
    for at, share in enumerate((3, 5)):
        widest = max(cell_len(one[at]) for one in names)
        widths.append(min(widest, console.width // share))
    widths.append(max(console.width - sum(widths) - _GAP * len(widths), 1))
    table = Table.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
    for width, style in zip(widths, ("dim", "", "", "red"), strict=True):
        table.add_column(width=width, style=style, no_wrap=True, overflow="ellipsis")
    for one, (job_id, symbol) in zip(failures, names, strict=True):
        lines = one.error.strip().splitlines()
        kind = "permanent: " if one.is_permanent else ""
        error = kind + (escaped(lines[0]) if lines else "failed")
        table.add_row(f"{one.at:%H:%M:%S}", job_id, symbol, error)
    return table
