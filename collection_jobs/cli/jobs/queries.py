"""What the commands read of a store, by the contract's nine methods alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace
from datetime import datetime

from collection_jobs.capabilities import PagesByKey
from collection_jobs.job import CollectionJob
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus

__all__ = ["StatusTotals", "jobs_with", "recent", "totals"]

_PAGE = 500
_NOTHING = JobStats(total=0, completed=0, failed=0, total_candles=0)


@dataclass(frozen=True, slots=True)
class StatusTotals:
    """The sums over all the jobs with one status.

    Attributes:
        jobs: How many there are.
        symbols: The sums of their stats; ``total`` counts symbols.
    """

    jobs: int = 0
    symbols: JobStats = _NOTHING

    def plus(self, job: CollectionJob) -> StatusTotals:
        """Add one job to the sums."""
        old, more = self.symbols, JobStats.from_job(job)
        sums = JobStats(
            total=old.total + more.total,
            completed=old.completed + more.completed,
            failed=old.failed + more.failed,
            total_candles=old.total_candles + more.total_candles,
        )
        return replace(self, jobs=self.jobs + 1, symbols=sums)


async def recent(
    repository: CollectionJobRepository,
    limit: int,
    *,
    statuses: Collection[JobStatus] = (),
    since: datetime | None = None,
) -> list[CollectionJob]:
    """Read the newest jobs first, of some statuses only and not from before ``since``.

    The contract lists the newest of all statuses, and the oldest of one. A rare status is read
    whole; for the others the newest jobs are looked through, further back each time, until there
    are enough.
    """
    if not statuses:
        return await repository.list_recent(limit, since)
    rare = [await repository.list_by_status(status, _PAGE) for status in statuses]
    if all(len(jobs) < _PAGE for jobs in rare):
        jobs = [job for page in rare for job in page if since is None or job.created_at >= since]
        jobs.sort(key=lambda job: (job.created_at, job.id), reverse=True)
        return jobs[:limit]
    window = max(_PAGE, 2 * limit)
    while True:
        looked = await repository.list_recent(window, since)
        jobs = [job for job in looked if job.status in statuses]
        if len(jobs) >= limit or len(looked) < window:
            return jobs[:limit]
        window *= 4


async def totals(repository: CollectionJobRepository) -> dict[JobStatus, StatusTotals]:
    """Sum up every status, page by page: a job that changes meanwhile may be missed."""
    sums = dict.fromkeys(JobStatus, StatusTotals())
    for status in JobStatus:
        async for job in jobs_with(repository, status):
            sums[status] = sums[status].plus(job)
    return sums


async def jobs_with(
    repository: CollectionJobRepository, status: JobStatus
) -> AsyncIterator[CollectionJob]:
    """Give every job with one status, oldest first, page by page."""
    after: tuple[datetime, str] | None = None
    offset = 0
    while True:
        if isinstance(repository, PagesByKey):
            page = await repository.list_after(status, after, _PAGE)
        else:
            page = await repository.list_by_status(status, _PAGE, offset)
        for job in page:
            yield job
        if len(page) < _PAGE:
            return
        after, offset = (page[-1].created_at, page[-1].id), offset + len(page)
