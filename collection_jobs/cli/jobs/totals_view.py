"""Totals as a table, as rows of fields, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from collection_jobs.cli.escape import escaped
from collection_jobs.cli.jobs.formatting import STATUS_STYLES
from collection_jobs.cli.jobs.totals import Sums, Totals, sum_of_all, sum_of_status
from collection_jobs.status import JobStatus

__all__ = ["as_json", "rows_of_fields", "table"]


def rows_of_fields(totals: Totals, *, with_symbols: bool) -> Iterator[tuple[object, ...]]:
    """Yield the fields of a row for each source and status that has jobs."""
    for source, of_source in totals.items():
        for status, sums in of_source.items():
            if sums.jobs:
                more = _numbers(sums) if with_symbols else ()
                yield (source, status.value, sums.jobs, *more)


def _numbers(sums: Sums) -> tuple[int, int, int, int]:
    stats = sums.symbols
    return stats.total, stats.completed, stats.failed, stats.total_candles


def table(totals: Totals, console: Console, *, with_symbols: bool) -> Table:
    """Return the totals as a table: a line for each status, or for each source."""
    by_status = {status: sum_of_status(totals, status) for status in JobStatus}
    if with_symbols:
        return _symbols_table(by_status)
    found = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, show_footer=True)
    found.add_column("source", footer="all", overflow="fold", max_width=console.width // 3)
    for status, sums in by_status.items():
        head = Text(status.value, STATUS_STYLES[status])
        found.add_column(head, justify="right", footer=f"{sums.jobs:,}", overflow="fold")
    everything = sum_of_all(by_status)
    found.add_column("jobs", justify="right", footer=f"{everything.jobs:,}", overflow="fold")
    for source, of_source in totals.items():
        numbers = [*(of_source[status].jobs for status in JobStatus), sum_of_all(of_source).jobs]
        found.add_row(escaped(source), *(f"{number:,}" for number in numbers))
    return found


def _symbols_table(by_status: Mapping[JobStatus, Sums]) -> Table:
    found = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, show_footer=True)
    everything = sum_of_all(by_status)
    found.add_column("status", footer="all")
    titles = ("jobs", "symbols", "completed", "failed", "candles")
    for title, value in zip(titles, (everything.jobs, *_numbers(everything)), strict=True):
        found.add_column(title, justify="right", footer=f"{value:,}", overflow="fold")
    for status, sums in by_status.items():
        numbers = (sums.jobs, *_numbers(sums))
        found.add_row(Text(status.value, STATUS_STYLES[status]), *(f"{n:,}" for n in numbers))
    return found


def as_json(totals: Totals, *, with_symbols: bool) -> dict[str, Any]:
    """Describe the totals."""
    by_status = {status: sum_of_status(totals, status) for status in JobStatus}
    return {
        "jobs": sum_of_all(by_status).jobs,
        "statuses": {
            status.value: _sums_json(sums, with_symbols=with_symbols)
            for status, sums in by_status.items()
        },
        "sources": {
            source: {
                status.value: _sums_json(sums, with_symbols=with_symbols)
                for status, sums in of_source.items()
            }
            for source, of_source in totals.items()
        },
    }


def _sums_json(sums: Sums, *, with_symbols: bool) -> dict[str, int]:
    if not with_symbols:
        return {"jobs": sums.jobs}
    stats = sums.symbols
    return {
        "jobs": sums.jobs,
        "symbols": stats.total,
        "completed_symbols": stats.completed,
        "failed_symbols": stats.failed,
        "pending_symbols": stats.pending,
        "candles": stats.total_candles,
    }
