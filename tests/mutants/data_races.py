"""Repositories with one race each in failures, cursors, finds and purges, over a pretended engine.

Each changes one thing of `Whole`, which is right; its docstring is the race.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime

from typing_extensions import override

from collection_jobs.errors import JobNotFoundError
from collection_jobs.job import CollectionJob
from collection_jobs.query import JobQuery, JobSummary
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus
from tests.mutants.rows import Rows, age

Key = tuple[datetime, str]
RACES: dict[type[Rows], frozenset[str]] = {}
_FINAL = (JobStatus.COMPLETED, JobStatus.CANCELLED)


def race(*laws: str) -> Callable[[type[Rows]], type[Rows]]:
    """Enter a mutant, with exactly the laws that convict it."""

    def enter(mutant: type[Rows]) -> type[Rows]:
        RACES[mutant] = frozenset(laws)
        return mutant

    return enter


class Whole(Rows):
    """The four Protocols, each method under the one lock or in one look at the rows: right."""

    async def add_failure(
        self, job_id: str, symbol: str, error: str, *, permanent: bool = False
    ) -> None:
        async with self.alone(job_id, "add_failure"):
            job = await self.existing(job_id)
            await self.write(job.with_failed_symbol(symbol, error, permanent=permanent))

    async def set_cursor(self, job_id: str, symbol: str, until: datetime) -> None:
        async with self.alone(job_id, "set_cursor"):
            job = await self.existing(job_id)
            moved = job.with_cursor(symbol, until)
            if moved is not job:
                await self.write(moved)

    async def existing(self, job_id: str) -> CollectionJob:
        job = await self.read(job_id)
        if job is None:
            raise JobNotFoundError(job_id)
        return job

    async def find(
        self, query: JobQuery, limit: int = 100, after: Key | None = None
    ) -> list[JobSummary]:
        found = sorted(filter(query.matches, await self.scan()), key=age)
        behind = [job for job in found if after is None or age(job) > after]
        return [await self.summary(job) for job in behind[:limit]]

    async def summary(self, job: CollectionJob) -> JobSummary:
        return JobSummary.from_job(job)

    async def count(self, query: JobQuery) -> Mapping[JobStatus, int]:
        counts = dict.fromkeys(JobStatus, 0)
        for job in filter(query.matches, await self.scan()):
            counts[job.status] += 1
        return counts

    async def delete_finished(
        self, before: datetime, *, statuses: Collection[JobStatus] = _FINAL, limit: int = 1000
    ) -> int:
        async with self.alone("*", "delete_finished"):
            return self.remove_all(await self.due(before, statuses, limit))

    async def due(
        self, before: datetime, statuses: Collection[JobStatus], limit: int
    ) -> list[CollectionJob]:
        query = JobQuery(statuses=statuses, finished_before=before)
        return sorted(filter(query.matches, await self.scan()), key=age)[:limit]

    def remove_all(self, jobs: list[CollectionJob]) -> int:
        return len([self.rows.pop(job.id, None) for job in jobs])


@race("CURSOR-1", "DELETE-1", "FAILED-2", "FAILURE-2", "SAVE-3")
class FailsWithoutALock(Whole):
    """Reads the count, adds one and writes, and others do so between."""

    @override
    async def add_failure(
        self, job_id: str, symbol: str, error: str, *, permanent: bool = False
    ) -> None:
        job = await self.existing(job_id)
        await self.write(job.with_failed_symbol(symbol, error, permanent=permanent))


@race("FAILED-2", "FAILURE-2")
class CountsApart(Whole):
    """UPDATE of the error under the lock; the count is the one that was read before it."""

    @override
    async def add_failure(
        self, job_id: str, symbol: str, error: str, *, permanent: bool = False
    ) -> None:
        known = (await self.existing(job_id)).failure_counts.get(symbol, 0) + 1
        async with self.alone(job_id, "add_failure"):
            job = (await self.existing(job_id)).with_failed_symbol(
                symbol, error, permanent=permanent
            )
            await self.write(job._changed(failure_counts={**job.failure_counts, symbol: known}))


@race("CURSOR-1", "DELETE-1", "FAILED-2", "FAILURE-2", "SAVE-3")
class MovesWithoutALock(Whole):
    """Reads the job, sets a cursor in it and writes it, and others change it between."""

    @override
    async def set_cursor(self, job_id: str, symbol: str, until: datetime) -> None:
        job = await self.existing(job_id)
        await self.write(job.with_cursor(symbol, until))


@race("FIND-3")
class CountsEachStatus(Whole):
    """One SELECT count(*) for each status: a job that is claimed between is counted twice."""

    @override
    async def count(self, query: JobQuery) -> Mapping[JobStatus, int]:
        counts = dict.fromkeys(JobStatus, 0)
        for status in JobStatus:
            jobs = [job for job in await self.scan() if job.status is status]
            counts[status] = len(list(filter(query.matches, jobs)))
        return counts


@race("FIND-3")
class CountsPages(Whole):
    """Counts a page of one job after another, as a loop over find does."""

    @override
    async def count(self, query: JobQuery) -> Mapping[JobStatus, int]:
        counts = dict.fromkeys(JobStatus, 0)
        after: Key | None = None
        while page := await self.find(query, 1, after):
            counts[page[0].status] += 1
            after = page[0].created_at, page[0].id
        return counts


@race("FIND-1", "FIND-2")
class StatsLater(Whole):
    """Reads the outcomes in a second statement, whose jobs have gone on."""

    @override
    async def summary(self, job: CollectionJob) -> JobSummary:
        now = await self.read(job.id)
        shown = JobSummary.from_job(job)
        return shown if now is None else replace(shown, stats=JobStats.from_job(now))


@race("FIND-1")
class FindsIds(Whole):
    """Finds ids, and shows what has become of their jobs: some do not match any more."""

    @override
    async def summary(self, job: CollectionJob) -> JobSummary:
        now = await self.read(job.id)
        return JobSummary.from_job(job if now is None else now)


@race("PURGE-1", "FIND-3")
class PurgesOneByOne(Whole):
    """One DELETE after another, each under the lock, for others to see."""

    @override
    async def delete_finished(
        self, before: datetime, *, statuses: Collection[JobStatus] = _FINAL, limit: int = 1000
    ) -> int:
        deleted = 0
        while deleted < limit:
            async with self.alone("*", "delete_finished"):
                due = await self.due(before, statuses, 1)
                if not due:
                    break
                deleted += self.remove_all(due)
        return deleted


@race("PURGE-1")
class PurgesIds(Whole):
    """Finds ids without the lock, and deletes what has them then."""

    @override
    async def delete_finished(
        self, before: datetime, *, statuses: Collection[JobStatus] = _FINAL, limit: int = 1000
    ) -> int:
        due = await self.due(before, statuses, limit)
        async with self.alone("*", "delete_finished"):
            await asyncio.sleep(0)
            return len([job for job in due if self.rows.pop(job.id, None) is not None])


@race("PURGE-1")
class TellsWhatItFound(Whole):
    """Returns how many it found; what another deleted meanwhile is counted by both."""

    @override
    async def delete_finished(
        self, before: datetime, *, statuses: Collection[JobStatus] = _FINAL, limit: int = 1000
    ) -> int:
        found = await self.due(before, statuses, limit)
        async with self.alone("*", "delete_finished"):
            self.remove_all(await self.due(before, statuses, limit))
        return len(found)


@race("ATOMIC-1")
class WritesAllCursors(Whole):
    """Writes the column of all cursors as it was read, under a lock of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.moving = asyncio.Lock()

    @override
    async def set_cursor(self, job_id: str, symbol: str, until: datetime) -> None:
        async with self.moving:
            cursors = (await self.existing(job_id)).with_cursor(symbol, until).cursors
            async with self.alone(job_id, "set_cursor"):
                job = await self.existing(job_id)
                ended = job.completed_symbols
                left = {name: at for name, at in cursors.items() if name not in ended}
                await self.write(replace(job, cursors=left))
