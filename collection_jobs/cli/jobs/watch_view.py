"""What `jobs watch` draws: the pace of all, the jobs with theirs, and the last failures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from collection_jobs.cli.escape import escaped
from collection_jobs.cli.jobs.failure_feed import SeenFailure
from collection_jobs.cli.jobs.rates import Pace, Rates, pace_text
from collection_jobs.cli.jobs.table import jobs_table
from collection_jobs.query import JobSummary
from collection_jobs.status import JobStatus

__all__ = ["watch_view"]

_MOST_FAILURES = 5
_ABOVE_JOBS = 4
"""The headline, a blank, and the head of the table."""


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
    room = console.height - _ABOVE_JOBS - (len(last) + 1 if last else 0) - 1  # the cursor's
    parts: list[RenderableType] = [_headline(jobs, rates.of_all()), Text()]
    parts.append(jobs_table(jobs[: max(room, 1)], console, now, rates))
    if last:
        parts += [Text(), _failures(last, console)]
    return Group(*parts)


def _headline(jobs: Sequence[JobSummary], pace: Pace | None) -> Text:
    counts = {status: sum(job.status is status for job in jobs) for status in JobStatus}
    parts = [f"{number:,} {status.value}" for status, number in counts.items() if number]
    workers = len({job.worker for job in jobs if job.worker is not None})
    if workers:
        parts.append(f"{workers:,} worker{'' if workers == 1 else 's'}")
    text = Text(", ".join(parts), "bold")
    return text if pace is None else text.append(f"; {pace_text(pace)}", "not bold cyan")


def _failures(failures: Sequence[SeenFailure], console: Console) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    for share in (3, 5):
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=console.width // share)
    table.add_column(no_wrap=True, overflow="ellipsis", style="red")
    for one in failures:
        lines = one.error.strip().splitlines()
        kind = "permanent: " if one.is_permanent else ""
        error = kind + (escaped(lines[0]) if lines else "failed")
        table.add_row(f"{one.at:%H:%M:%S}", escaped(one.job_id), escaped(one.symbol), error)
    return table
