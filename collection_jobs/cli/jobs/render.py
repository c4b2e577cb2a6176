"""One job, its numbers, and those of a whole store, as they look on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from collection_jobs.cli.escape import escaped, escaped_lines
from collection_jobs.cli.jobs.formatting import ago, bar, instant, span, status, took
from collection_jobs.cli.jobs.leases import expiry
from collection_jobs.cli.jobs.rates import JobRate, rate_text
from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus

__all__ = ["job_view", "stats_view"]

_WIDEST_BAR = 60


def job_view(
    job: CollectionJob,
    console: Console,
    now: datetime | None = None,
    lease: Lease | None = None,
    rate: JobRate | None = None,
) -> RenderableType:
    """Everything about a job: what it collects, how far it is, when, and each outcome."""
    now = now or datetime.now(UTC)
    stats = JobStats.from_job(job)
    parts: list[RenderableType] = [
        Text.assemble((escaped(job.id), "bold"), "  ", status(job)),
        Text(
            f"{escaped(job.source)}, {escaped(job.timeframe)} candles"
            f" from {span(job.start, job.end)} UTC",
            "dim",
        ),
        Text(),
        _progress(stats, console),
        *([Text(rate_text(rate), "cyan")] if rate is not None else []),
        Text(),
        _facts(job, now, lease),
    ]
    if job.completed_symbols or job.failed_symbols:
        parts += [Text(), _outcomes(job)]
    done = job.completed_symbols.keys() | job.failed_symbols.keys()
    pending = [symbol for symbol in job.symbols if symbol not in done]
    if pending:
        parts += [Text(), _pending(pending)]
    if job.cursors:
        parts += [Text(), _cursors(job)]
    return Group(*parts)


def stats_view(job_id: str, stats: JobStats, console: Console) -> RenderableType:
    """Return the numbers of one job."""
    return Group(Text(escaped(job_id), "bold"), _progress(stats, console))


def _progress(stats: JobStats, console: Console) -> RenderableType:
    percent = f" {int(stats.progress * 100)} %"
    width = max(min(console.width - len(percent), _WIDEST_BAR), 10)
    drawn = bar(stats, width, ascii_only=console.options.ascii_only)
    drawn.append(percent, "bold")
    numbers = Text(f"{stats.completed:,} of {_counted(stats.total, 'symbol')} completed")
    numbers.append(", ").append(f"{stats.failed:,} failed", "red" if stats.failed else "")
    numbers.append(f", {stats.pending:,} pending; {_counted(stats.total_candles, 'candle')}")
    return Group(drawn, numbers)


def _facts(job: CollectionJob, now: datetime, lease: Lease | None) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, text in _times(job, now):
        table.add_row(name, text)
    if lease is not None:
        attempt = Text.assemble(escaped(lease.worker), (f"  attempt {lease.attempt:,}", "dim"))
        table.add_row("worker", attempt)
        table.add_row("lease", _when(lease.expires_at, expiry(lease.expires_at, now)))
    if job.error_message is not None:
        table.add_row("error", Text("\n".join(escaped_lines(job.error_message)), "red"))
    if job.metadata:
        table.add_row("metadata", Text("\n".join(_metadata(job))))
    if job.revision is not None:
        table.add_row("revision", f"{job.revision}")
    return table


def _metadata(job: CollectionJob) -> Iterator[str]:
    for key in sorted(job.metadata)[:_SHOWN_METADATA]:
        # Indented, or a value's second line could be taken for another key.
        value = "\n  ".join(escaped_lines(job.metadata[key]))
        yield f"{escaped(key)}: {value}" if value else f"{escaped(key)}:"
    rest = len(job.metadata) - _SHOWN_METADATA
    if rest > 0:
        yield f"and {rest:,} more"


def _times(job: CollectionJob, now: datetime) -> Iterator[tuple[str, Text]]:
    yield "created", _when(job.created_at, ago(job.created_at, now))
    if job.started_at is not None:
        running = job.status is JobStatus.RUNNING
        yield "started", _when(job.started_at, f"running for {took(job, now)}" if running else "")
    if job.finished_at is not None:
        lasted = took(job, now)
        yield "finished", _when(job.finished_at, f"took {lasted}" if lasted else "")


def _when(at: datetime, note: str) -> Text:
    text = Text(f"{instant(at, seconds=True)} UTC")
    return text.append(f"  {note}" if note else "", "dim")


def _outcomes(job: CollectionJob) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("symbol", overflow="fold", max_width=40)
    table.add_column("candles", justify="right")
    if job.failed_symbols:
        table.add_column("times", justify="right")
        table.add_column("error", overflow="fold")
    for symbol in job.symbols:
        if symbol in job.completed_symbols:
            candles = f"{job.completed_symbols[symbol]:,}"
            table.add_row(Text(escaped(symbol)), Text(candles, "green"))
        elif symbol in job.failed_symbols:
            lines = escaped_lines(job.failed_symbols[symbol])
            kind = "permanent" if symbol in job.permanent_failures else "failed"
            times = job.failure_counts.get(symbol)
            table.add_row(
                Text(escaped(symbol)),
                Text(kind, "red"),
                "" if times is None else f"{times:,}",
                Text("\n".join(lines)),
            )
    return table


def _pending(symbols: list[str]) -> RenderableType:
    shown = ", ".join(map(escaped, symbols[:_SHOWN_PENDING]))
    rest = len(symbols) - _SHOWN_PENDING
    text = Text.assemble(("pending  ", "dim"), shown + (f" and {rest:,} more" if rest > 0 else ""))
    return Padding(text, 0)


def _cursors(job: CollectionJob) -> Table:
    """Return how far symbols were collected that have no outcome that stays."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for number, (symbol, until) in enumerate(job.cursors.items()):
        if number == _SHOWN_PENDING:
            table.add_row("", f"and {len(job.cursors) - number:,} more")
            break
        share = (until - job.start) / (job.end - job.start)
        told = f"{escaped(symbol)} to {instant(until, seconds=True)} UTC"
        table.add_row("" if number else "cursors", f"{told}  {int(share * 100)} %")
    return table


_SHOWN_PENDING = 50
_SHOWN_METADATA = 50


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
