"""How the parts of a job look on a terminal: status, progress, times, numbers."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from rich.console import Console
from rich.text import Text

from collection_jobs.job import CollectionJob
from collection_jobs.query import JobSummary
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus

__all__ = [
    "STATUS_STYLES",
    "ago",
    "bar",
    "console",
    "duration",
    "has_width",
    "instant",
    "span",
    "status",
    "took",
]

STATUS_STYLES = {
    JobStatus.PENDING: "yellow",
    JobStatus.RUNNING: "bold cyan",
    JobStatus.COMPLETED: "green",
    JobStatus.FAILED: "bold red",
    JobStatus.CANCELLED: "dim",
}
# Completed, failed, pending: the shapes differ too, for those who see no colours.
_BAR = (("━", "green"), ("\N{BOX DRAWINGS LIGHT DIAGONAL CROSS}", "red"), ("─", "dim"))
_ASCII_BAR = (("=", "green"), ("x", "red"), ("-", "dim"))


def console(*, stderr: bool = False) -> Console:
    """Return a terminal for text from a store: nothing in it is taken for markup."""
    return Console(markup=False, highlight=False, emoji=False, stderr=stderr)


def has_width(console: Console) -> bool:
    """Return whether what is printed has a width: on a terminal, or where COLUMNS is set."""
    return console.is_terminal or "COLUMNS" in os.environ


def status(job: CollectionJob | JobSummary) -> Text:
    """Return the status in its colour."""
    return Text(job.status.value, STATUS_STYLES[job.status])


def bar(stats: JobStats, width: int, *, ascii_only: bool) -> Text:
    """Return the outcomes as a bar; what there is at all is at least one cell long."""
    counts = (stats.completed, stats.failed, stats.pending)
    cells = [round(count / stats.total * width) for count in counts]
    for at, count in enumerate(counts):
        cells[at] = max(cells[at], 1) if count else 0
    # Rounding leaves some cells too many or too few: the longest part bears that.
    cells[cells.index(max(cells))] += width - sum(cells)
    shapes = _ASCII_BAR if ascii_only else _BAR
    parts = ((shape * n, style) for n, (shape, style) in zip(cells, shapes, strict=True))
    return Text.assemble(*parts)


def instant(value: datetime, *, seconds: bool = False) -> str:
    """Return an instant in UTC."""
    return value.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def span(start: datetime, end: datetime) -> str:
    """Return a range; one of whole days by its days."""
    days = all(
        (at.hour, at.minute, at.second, at.microsecond) == (0, 0, 0, 0) for at in (start, end)
    )
    return " to ".join(f"{at:%Y-%m-%d}" if days else instant(at) for at in (start, end))


def duration(value: timedelta) -> str:
    """Return a duration in its two greatest units."""
    seconds = max(int(value.total_seconds()), 0)
    units = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
    for (name, size), (lesser, part) in pairwise(units):
        if seconds >= size:
            return f"{seconds // size}{name} {seconds % size // part:02}{lesser}"
    return f"{seconds}s"


def took(job: CollectionJob | JobSummary, now: datetime | None = None) -> str:
    """How long the job ran, or has been running; nothing for one that never did."""
    if job.started_at is None:
        return ""
    ended = job.finished_at
    if ended is None and job.status is JobStatus.RUNNING:
        ended = now or datetime.now(UTC)
    return "" if ended is None else duration(ended - job.started_at)


def ago(value: datetime, now: datetime | None = None) -> str:
    """How long ago an instant was; one still to come, by another clock, is now."""
    return f"{duration((now or datetime.now(UTC)) - value)} ago"
