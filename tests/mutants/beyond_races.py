"""Repositories with one race each in what they have beyond the nine methods.

Each changes one thing of `Whole`, which is right; its docstring is the race.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime

from typing_extensions import override

from collection_jobs.errors import JobNotFoundError
from collection_jobs.job import CollectionJob
from collection_jobs.status import JobStatus
from tests.mutants.rows import Rows, age

Key = tuple[datetime, str]
RACES: dict[type[Rows], frozenset[str]] = {}


def race(*laws: str) -> Callable[[type[Rows]], type[Rows]]:
    """Enter a mutant, with exactly the laws that convict it when a job is pending."""

    def enter(mutant: type[Rows]) -> type[Rows]:
        RACES[mutant] = frozenset(laws)
        return mutant

    return enter


class Whole(Rows):
    """All the optional Protocols, each method under the one lock: right."""

    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        async with self.alone(job_id, "add_completed_symbol"):
            await self.complete(job_id, symbol, candles)

    async def complete(self, job_id: str, symbol: str, candles: int) -> None:
        job = await self.read(job_id)
        if job is None:
            raise JobNotFoundError(job_id)
        await self.write(job.with_completed_symbol(symbol, candles))

    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        wanted = list(jobs)
        async with self.alone("*", "save_many"):
            await self.check_all(wanted)
            await asyncio.sleep(0)
            for job in wanted:
                self.put(job)

    async def check_all(self, jobs: Iterable[CollectionJob]) -> None:
        for job in jobs:
            self.check_fresh(job, await self.read(job.id))

    async def list_after(
        self, status: JobStatus, after: Key | None = None, limit: int = 100
    ) -> list[CollectionJob]:
        found = [job for job in await self.scan() if job.status is status]
        return sorted((job for job in found if after is None or age(job) > after), key=age)[:limit]


@race("COMPLETED-2", "DELETE-1", "FAILED-2", "SAVE-3")
class CompletesWithoutALock(Whole):
    """add_completed_symbol reads, changes and writes, and others do between."""

    @override
    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        await self.complete(job_id, symbol, candles)


@race("MANY-3")
class WritesManyInTurn(Whole):
    """save_many holds the lock of the writers, and readers see it write one row after another."""

    @override
    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        wanted = list(jobs)
        async with self.alone("*", "save_many"):
            await self.check_all(wanted)
            for job in wanted:
                await self.write(job)


@race("MANY-1", "SAVE-3")
class ChecksManyTooEarly(Whole):
    """save_many compares the revisions before it takes the lock."""

    @override
    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        wanted = list(jobs)
        await self.check_all(wanted)
        async with self.alone("*", "save_many"):
            await asyncio.sleep(0)
            for job in wanted:
                self.put(job)


@race("MANY-3")
class TakesBackWhatItSaved(Whole):
    """save_many saves, finds the stale one, and puts the others back as they were."""

    @override
    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        wanted = list(jobs)
        async with self.alone("*", "save_many"):
            before = dict(self.rows)
            try:
                for job in wanted:
                    self.check_fresh(job, await self.read(job.id))
                    self.put(job)
            except BaseException:
                self.rows = before
                raise


@race("KEY-1")
class PagesInTwoSteps(Whole):
    """list_after selects the ids, then reads the jobs, and shows whatever they are by then."""

    @override
    async def list_after(
        self, status: JobStatus, after: Key | None = None, limit: int = 100
    ) -> list[CollectionJob]:
        page = await super().list_after(status, after, limit)
        jobs = [await self.read(job.id) for job in page]
        return [job for job in jobs if job is not None]
