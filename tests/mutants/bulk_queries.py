"""Stores that find, count, add and purge few jobs rightly, and not many."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path

from typing_extensions import override

from collection_jobs import (
    CollectionJob,
    InMemoryCollectionJobRepository,
    JobQuery,
    JobStatus,
    JobSummary,
)
from tests.mutants.bulk import LARGE
from tests.mutants.table import breaks

_PAGE, _BATCH = 1_000, 500
_ALL = 10**6


class LargeWithAll(InMemoryCollectionJobRepository):
    """The in-memory repository with every capability, made in a directory."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory


@breaks(LARGE, "FIND-3")
class CountsAPage(LargeWithAll):
    """Counts what a page of a search has, which is never more than 1,000."""

    @override
    async def count(self, query: JobQuery) -> Mapping[JobStatus, int]:
        counts = await super().count(query)
        return {status: min(count, _PAGE) for status, count in counts.items()}


@breaks(LARGE, "FIND-1")
class FiltersAPage(LargeWithAll):
    """Reads a page of candidates, and then looks which of these have the metadata."""

    @override
    async def find(
        self, query: JobQuery, limit: int = 100, after: tuple[datetime, str] | None = None
    ) -> list[JobSummary]:
        found = await super().find(query, limit, after)
        if not query.metadata:
            return found
        page = await super().find(replace(query, metadata=None), _PAGE, after)
        candidates = {job.id for job in page}
        return [job for job in found if job.id in candidates]


@breaks(LARGE, "FIND-1")
class JoinsSixtyTables(LargeWithAll):
    """Joins a table for each entry of the metadata, and leaves out what the engine cannot join."""

    @override
    async def find(
        self, query: JobQuery, limit: int = 100, after: tuple[datetime, str] | None = None
    ) -> list[JobSummary]:
        if query.metadata is not None:
            query = replace(query, metadata=dict(islice(query.metadata.items(), 60)))
        return await super().find(query, limit, after)


@breaks(LARGE, "PURGE-1")
class PurgesWholeBatches(LargeWithAll):
    """Deletes batches of 500 until there are as many as were asked for, or more."""

    @override
    async def delete_finished(
        self,
        before: datetime,
        *,
        statuses: Collection[JobStatus] = (JobStatus.COMPLETED, JobStatus.CANCELLED),
        limit: int = 1_000,
    ) -> int:
        deleted = 0
        while True:
            size = limit if not isinstance(limit, int) else min(limit, _BATCH)
            some = await super().delete_finished(before, statuses=statuses, limit=size)
            deleted += some
            if deleted >= limit or some < size:
                return deleted


@breaks(LARGE, "PURGE-1", also=("DELETE-1", "LIST-1"))
class PurgesABatch(LargeWithAll):
    """Deletes one batch of 500, and leaves the rest to the next call."""

    @override
    async def delete_finished(
        self,
        before: datetime,
        *,
        statuses: Collection[JobStatus] = (JobStatus.COMPLETED, JobStatus.CANCELLED),
        limit: int = 1_000,
    ) -> int:
        some = limit if not isinstance(limit, int) else min(limit, _BATCH)
        return await super().delete_finished(before, statuses=statuses, limit=some)


@breaks(LARGE, "ADD-1", also=("ADD-3", "GET-1", "LIST-1"))
class AddsABatch(LargeWithAll):
    """Sends one batch of 500 rows, and takes those behind it for there already."""

    @override
    async def add_many(self, jobs: Iterable[CollectionJob]) -> list[bool]:
        every = list(jobs)
        added = await super().add_many(every[:_BATCH])
        return [*added, *(False for _ in every[_BATCH:])]
