"""Totals: how many jobs of each source and status there are, and the sums over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from collection_jobs.cli.jobs.queries import count, oldest_first
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.query import JobQuery
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus

__all__ = [
    "NO_JOBS",
    "Sums",
    "Totals",
    "counts_by_source",
    "sum_of_all",
    "sum_of_status",
    "sums_by_source",
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


def sum_of_status(totals: Totals, status: JobStatus) -> Sums:
    """Sum up the jobs of a status over all sources."""
    sums = NO_JOBS
    for of_source in totals.values():
        sums = sums.plus(of_source[status].symbols, of_source[status].jobs)
    return sums


def sum_of_all(sums: Mapping[JobStatus, Sums]) -> Sums:
    """Sum up the jobs of all statuses."""
    found = NO_JOBS
    for one in sums.values():
        found = found.plus(one.symbols, one.jobs)
    return found
