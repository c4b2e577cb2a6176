"""What the commands read of a store: summaries and counts, also where an adapter cannot find.

An adapter that has `FindsJobs` is asked for summaries, which it reads without the outcomes. Of
another one the jobs are read, page by page, by the contract's nine methods.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from collection_jobs.capabilities import FindsJobs, PagesByKey
from collection_jobs.cli.jobs.leases import with_leases
from collection_jobs.job import CollectionJob
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.query import JobQuery, JobSummary
from collection_jobs.status import JobStatus

__all__ = ["PAGE", "count", "jobs_with", "newest_first", "oldest_first", "summaries_of"]

PAGE = 500
_SPAN = timedelta(hours=1)
_WIDER = 4
_SHORTEST = timedelta(microseconds=1)
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


async def count(repository: CollectionJobRepository, query: JobQuery) -> Mapping[JobStatus, int]:
    """Count the jobs that match, by status."""
    if isinstance(repository, FindsJobs):
        return await repository.count(query)
    counts = dict.fromkeys(JobStatus, 0)
    for status in _statuses(query):
        async for job in jobs_with(repository, status):
            counts[status] += query.matches(job)
    return counts


async def oldest_first(
    repository: CollectionJobRepository, query: JobQuery
) -> AsyncGenerator[JobSummary]:
    """Yield summaries of the jobs that match, oldest first, page by page."""
    if not isinstance(repository, FindsJobs):
        found = await _all(repository, query)
        for summary in sorted(found, key=_age):
            yield summary
        return
    after: tuple[datetime, str] | None = None
    while page := await repository.find(query, PAGE, after):
        for summary in page:
            yield summary
        after = _age(page[-1])


async def newest_first(
    repository: CollectionJobRepository, query: JobQuery
) -> AsyncGenerator[JobSummary]:
    """Yield summaries of the jobs that match, newest first.

    The contract finds the oldest first. So the time before now is gone through backwards, in spans
    that are made wider where few jobs were created, and narrower where many were.
    """
    if not isinstance(repository, FindsJobs):
        async for summary in _newest_of_all(repository, query):
            yield summary
        return
    first, end = query.created_from or _FIRST, query.created_before or _LAST
    if end > (now := datetime.now(UTC)):  # jobs of the future stand before the others
        future = replace(query, created_from=max(now, first), created_before=query.created_before)
        for summary in reversed([one async for one in oldest_first(repository, future)]):
            yield summary
        end = now
    span = _SPAN
    while first < end:
        start = max(first, end - span) if end - _FIRST > span else first
        part = replace(query, created_from=start, created_before=end)
        there = sum((await repository.count(part)).values())
        if there > PAGE and end - start > _SHORTEST:
            span = max((end - start) / _WIDER, _SHORTEST)
            continue
        for summary in reversed([one async for one in oldest_first(repository, part)]):
            yield summary
        span = span * _WIDER if there < PAGE / _WIDER and span < _LAST - _FIRST else span
        end = start


async def _newest_of_all(
    repository: CollectionJobRepository, query: JobQuery
) -> AsyncGenerator[JobSummary]:
    """Look through the newest jobs of all, further back each time."""
    window, seen = PAGE, set[str]()
    while True:
        looked = await repository.list_recent(window, query.created_from)
        new = [job for job in looked if job.id not in seen]
        for summary in await summaries_of(repository, filter(query.matches, new)):
            yield summary
        if len(looked) < window:
            return
        seen.update(job.id for job in new)
        window *= _WIDER


async def _all(repository: CollectionJobRepository, query: JobQuery) -> list[JobSummary]:
    found = list[JobSummary]()
    for status in _statuses(query):
        jobs = [job async for job in jobs_with(repository, status) if query.matches(job)]
        found += await summaries_of(repository, jobs)
    return found


def _statuses(query: JobQuery) -> list[JobStatus]:
    return [one for one in JobStatus if query.statuses is None or one in query.statuses]


def _age(summary: JobSummary) -> tuple[datetime, str]:
    return summary.created_at, summary.id


async def summaries_of(
    repository: CollectionJobRepository, jobs: Iterable[CollectionJob]
) -> list[JobSummary]:
    """Summarise jobs that were read, with their leases."""
    read, leases = await with_leases(repository, list(jobs))
    return [JobSummary.from_job(job, leases.get(job.id)) for job in read]


async def jobs_with(
    repository: CollectionJobRepository, status: JobStatus
) -> AsyncGenerator[CollectionJob]:
    """Yield every job with one status, oldest first, page by page."""
    after: tuple[datetime, str] | None = None
    offset = 0
    while True:
        if isinstance(repository, PagesByKey):
            page = await repository.list_after(status, after, PAGE)
        else:
            page = await repository.list_by_status(status, PAGE, offset)
        for job in page:
            yield job
        if len(page) < PAGE:
            return
        after, offset = (page[-1].created_at, page[-1].id), offset + len(page)
