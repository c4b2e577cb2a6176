"""The table of jobs: as many columns as fit, the telling ones first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from collection_jobs.cli.escape import escaped
from collection_jobs.cli.jobs.formatting import bar, duration, instant, span, status, took
from collection_jobs.cli.jobs.leases import expiry
from collection_jobs.cli.jobs.rates import JobRate, Rates
from collection_jobs.query import JobSummary

__all__ = ["jobs_table"]

_GAP = 2
_LEAST_ERROR = 16
_LEAST_WORKER = 12


class _Column(NamedTuple):
    """One column.

    Attributes:
        title: Its head.
        rank: How early it is chosen where there is no room for all; 0: always.
        right: Whether it is set to the right.
    """

    title: str
    rank: int
    right: bool = False


# In the order in which they stand.
_COLUMNS = {
    "id": _Column("id", 0),
    "status": _Column("status", 0),
    "bar": _Column("", 4),
    "done": _Column("done", 0, right=True),
    "failed": _Column("failed", 2, right=True),
    "candles": _Column("candles", 2, right=True),
    "rate": _Column("candles/s", 1, right=True),
    "left": _Column("left", 1, right=True),
    "took": _Column("took", 3, right=True),
    "worker": _Column("worker", 1),
    "lease": _Column("lease ends", 1),
    "created": _Column("created (UTC)", 5),
    "source": _Column("source", 6),
    "timeframe": _Column("timeframe", 7),
    "range": _Column("candles of", 9),
    "error": _Column("error", 8),
}
# Left out where no job has such a thing.
_RARE = ("rate", "left", "worker", "lease", "error")
_Row = dict[str, Text]


def jobs_table(
    jobs: Sequence[JobSummary],
    console: Console,
    now: datetime | None = None,
    rates: Rates | None = None,
) -> Table:
    """Return the jobs as a table that is as wide as the console, at most.

    Columns that do not fit are left out, and what is too long ends in an ellipsis.

    Args:
        jobs: The jobs.
        console: Where the table is shown.
        now: The time; None takes the machine's.
        rates: The rates of the jobs, where they are watched.
    """
    now = now or datetime.now(UTC)
    rows = [_row(job, console, now, None if rates is None else rates.of(job.id)) for job in jobs]
    widths = {
        name: _natural(name, rows)
        for name in _COLUMNS
        if name not in _RARE or any(row[name] for row in rows)
    }
    widths = _fitting(widths, console.width)
    # The box has a blank between two columns, too.
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, _GAP - 1, 0, 0), show_edge=False)
    for name in (name for name in _COLUMNS if name in widths):
        column = _COLUMNS[name]
        table.add_column(
            column.title,
            width=widths[name],
            justify="right" if column.right else "left",
            no_wrap=True,
            overflow="ellipsis",
        )
    for row in rows:
        for name in ("id", "worker"):
            if name in widths:
                row[name] = _cut(row[name], widths[name])
        table.add_row(*(row[name] for name in _COLUMNS if name in widths))
    return table


def _row(job: JobSummary, console: Console, now: datetime, rate: JobRate | None) -> _Row:
    stats = job.stats
    width = 10 if console.width < 100 else 16
    return {
        "id": Text(escaped(job.id), "bold"),
        "status": status(job),
        "bar": bar(stats, width, ascii_only=console.options.ascii_only),
        "done": Text(f"{stats.completed:,}/{stats.total:,}"),
        "failed": Text(f"{stats.failed:,}" if stats.failed else "", "bold red"),
        "candles": Text(f"{stats.total_candles:,}"),
        "rate": Text("" if rate is None else f"{rate.candles:,.0f}", "cyan"),
        "left": Text("" if rate is None or rate.left is None else duration(rate.left), "cyan"),
        "took": Text(took(job, now)),
        "worker": Text("" if job.worker is None else escaped(job.worker)),
        "lease": _lease_end(job, now),
        "created": Text(instant(job.created_at), "dim"),
        "source": Text(escaped(job.source)),
        "timeframe": Text(escaped(job.timeframe)),
        "range": Text(span(job.start, job.end), "dim"),
        "error": Text(_first_error(job), "red"),
    }


def _lease_end(job: JobSummary, now: datetime) -> Text:
    if job.expires_at is None:
        return Text()
    return Text(expiry(job.expires_at, now), "" if job.expires_at > now else "bold red")


def _first_error(job: JobSummary) -> str:
    lines = (job.error_message or "").strip().splitlines()
    return escaped(lines[0]) if lines else ""


def _natural(name: str, rows: Sequence[_Row]) -> int:
    return max([cell_len(_COLUMNS[name].title), *(row[name].cell_len for row in rows)])


def _fitting(natural: dict[str, int], width: int) -> dict[str, int]:
    """Return the widths of the columns that fit, by their ranks; ids and errors give way."""
    worker = max(_LEAST_WORKER, width // 6)
    shortest = {"id": width // 3, "worker": worker, "error": _LEAST_ERROR}
    least = {name: min(cells, shortest.get(name, cells)) for name, cells in natural.items()}
    chosen: dict[str, int] = {}
    for name in sorted(least, key=lambda name: _COLUMNS[name].rank):
        if _total({**chosen, name: least[name]}) <= width or _COLUMNS[name].rank == 0:
            chosen[name] = least[name]
    spare = width - _total(chosen)
    for name in ("id", "worker", "error"):
        if name in chosen and spare > 0:
            more = min(spare, natural[name] - chosen[name])
            chosen[name], spare = chosen[name] + more, spare - more
    if spare < 0:  # a terminal narrower than any table: the ids give way
        chosen["id"] = max(chosen["id"] + spare, 4)
    return chosen


def _total(widths: dict[str, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)


def _cut(text: Text, width: int) -> Text:
    """Fit the text to a width: what is too long loses its middle, for ids differ at their ends."""
    if text.cell_len <= width:
        return text
    plain, tail = text.plain, (width - 1) // 2
    head = width - 1 - tail
    begin = next(at for at in range(len(plain), -1, -1) if cell_len(plain[:at]) <= head)
    end = next(at for at in range(len(plain) + 1) if cell_len(plain[at:]) <= tail)
    return Text(f"{plain[:begin]}…{plain[end:]}", text.style)
