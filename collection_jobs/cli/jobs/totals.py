"""Totals: how many jobs of each source and status there are, and the sums over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from collection_jobs.cli.escape import escaped
from collection_jobs.cli.jobs.formatting import STATUS_STYLES
from collection_jobs.cli.jobs.queries import count, oldest_first
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.query import JobQuery
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus

__all__ = [
    "NO_JOBS",
    "Sums",
    "Totals",
    "as_json",
    "counts_by_source",
    "rows_of_totals",
    "sums_by_source",
    "view",
]

_NOTHING = JobStats(total=0, completed=0, failed=0, total_candles=0)


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums over some jobs.

    Attributes:
        jobs: How many there are.
        symbols: The sums of their stats; ``total`` counts symbols.
    """

    jobs: int = 0
    symbols: JobStats = _NOTHING

    def plus(self, stats: JobStats, jobs: int = 1) -> Sums:
        """Add one job, or the sums over several."""
        old = self.symbols
        sums = JobStats(
            total=old.total + stats.total,
            completed=old.completed + stats.completed,
            failed=old.failed + stats.failed,
            total_candles=old.total_candles + stats.total_candles,
        )
        return replace(self, jobs=self.jobs + jobs, symbols=sums)


NO_JOBS = Sums()
Totals = Mapping[str, Mapping[JobStatus, Sums]]
"""The sums by source and status; every source that is named has every status."""


async def counts_by_source(repository: CollectionJobRepository, query: JobQuery) -> Totals:
    """Count the jobs of each source and status, without reading them.

    The contract counts the jobs of a source that is named. Which sources there are is seen from
    summaries, of which no more are read than needed: the counts of the known ones tell whether one
    is missing.
    """
    if query.source is not None:
        return {query.source: _as_sums(await count(repository, query))}
    missing = sum((await count(repository, query)).values())
    found = dict[str, Mapping[JobStatus, Sums]]()
    if not missing:
        return found
    async for summary in oldest_first(repository, query):
        if summary.source in found:
            continue
        of_source = await count(repository, replace(query, source=summary.source))
        found[summary.source] = _as_sums(of_source)
        missing -= sum(of_source.values())
        if missing <= 0:
            break
    return dict(sorted(found.items()))


def _as_sums(counts: Mapping[JobStatus, int]) -> dict[JobStatus, Sums]:
    return {status: Sums(counts.get(status, 0)) for status in JobStatus}


async def sums_by_source(repository: CollectionJobRepository, query: JobQuery) -> Totals:
    """Sum up all jobs from their summaries: one that changes meanwhile may be missed."""
    found = dict[str, dict[JobStatus, Sums]]()
    async for summary in oldest_first(repository, query):
        of_source = found.setdefault(summary.source, dict.fromkeys(JobStatus, NO_JOBS))
        of_source[summary.status] = of_source[summary.status].plus(summary.stats)
    return dict(sorted(found.items()))


def _of_status(totals: Totals, status: JobStatus) -> Sums:
    sums = NO_JOBS
    for of_source in totals.values():
        sums = sums.plus(of_source[status].symbols, of_source[status].jobs)
    return sums


def _of_all(sums: Mapping[JobStatus, Sums]) -> Sums:
    found = NO_JOBS
    for one in sums.values():
        found = found.plus(one.symbols, one.jobs)
    return found


def rows_of_totals(totals: Totals, *, with_symbols: bool) -> Iterator[tuple[object, ...]]:
    """Yield the fields of a row for each source and status that has jobs."""
    for source, of_source in totals.items():
        for status, sums in of_source.items():
            if sums.jobs:
                more = _numbers(sums) if with_symbols else ()
                yield (source, status.value, sums.jobs, *more)


def _numbers(sums: Sums) -> tuple[int, int, int, int]:
    stats = sums.symbols
    return stats.total, stats.completed, stats.failed, stats.total_candles


def view(totals: Totals, console: Console, *, with_symbols: bool) -> Table:
    """Return the totals as a table: a line for each status, or for each source."""
    by_status = {status: _of_status(totals, status) for status in JobStatus}
    if with_symbols:
        return _symbols_view(by_status)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, show_footer=True)
    table.add_column("source", footer="all", overflow="fold", max_width=console.width // 3)
    for status, sums in by_status.items():
        head = Text(status.value, STATUS_STYLES[status])
        table.add_column(head, justify="right", footer=f"{sums.jobs:,}", overflow="fold")
    everything = _of_all(by_status)
    table.add_column("jobs", justify="right", footer=f"{everything.jobs:,}", overflow="fold")
    for source, of_source in totals.items():
        numbers = [*(of_source[status].jobs for status in JobStatus), _of_all(of_source).jobs]
        table.add_row(escaped(source), *(f"{number:,}" for number in numbers))
    return table


def _symbols_view(by_status: Mapping[JobStatus, Sums]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, show_footer=True)
    everything = _of_all(by_status)
    table.add_column("status", footer="all")
    titles = ("jobs", "symbols", "completed", "failed", "candles")
    for title, value in zip(titles, (everything.jobs, *_numbers(everything)), strict=True):
        table.add_column(title, justify="right", footer=f"{value:,}", overflow="fold")
    for status, sums in by_status.items():
        numbers = (sums.jobs, *_numbers(sums))
        table.add_row(Text(status.value, STATUS_STYLES[status]), *(f"{n:,}" for n in numbers))
    return table


def as_json(totals: Totals, *, with_symbols: bool) -> dict[str, Any]:
    """Describe the totals."""
    by_status = {status: _of_status(totals, status) for status in JobStatus}
    return {
        "jobs": _of_all(by_status).jobs,
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
