"""Stores whose costs grow with the number of jobs, though they say that they scale."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from typing_extensions import override

from collection_jobs import CollectionJob, JobStats, JobStatus
from tests.mutants.stores import FileStore, Memory, TableStore
from tests.mutants.table import breaks

GROWING = "growing stores"


@breaks(GROWING, "SCALE-1")
class LooksAtEveryJob(Memory):
    """Finds a job by looking at each."""

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        return next((job for job in self._jobs.values() if job.id == job_id), None)


@breaks(GROWING, "SCALE-1")
class FiltersByStatus(Memory):
    """Walks through all jobs, oldest first, until enough of them have the status."""

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        found: list[CollectionJob] = []
        for _, job_id in self._index.by_age().ascending():
            job = self._jobs[job_id]
            if job.status is status:
                found.append(job)
            if len(found) >= limit + offset:
                break
        return found[offset:]


@breaks(GROWING, "SCALE-1")
class SortsWhenAsked(Memory):
    """Sorts all jobs to show the newest."""

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        jobs = sorted(self._jobs.values(), key=lambda job: (job.created_at, job.id), reverse=True)
        return [job for job in jobs if since is None or job.created_at >= since][:limit]


@breaks(GROWING, "SCALE-1")
class CountsEveryOutcome(Memory):
    """Counts the outcomes of a job among those of all."""

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        outcomes = [
            (job.id, symbol) for job in self._jobs.values() for symbol in job.completed_symbols
        ]
        job = self._jobs.get(job_id)
        return None if job is None or not outcomes else JobStats.from_job(job)


@breaks(GROWING, "SCALE-1")
class CopiesToWrite(Memory):
    """Copies all jobs to change one, so that readers need no lock."""

    @override
    def _put(self, job: CollectionJob) -> None:
        self._jobs = dict(self._jobs)
        super()._put(job)


@breaks(GROWING, "SCALE-1")
class ScansToUpdate(Memory):
    """Updates the status in all jobs WHERE the id is the one."""

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        changed = False
        for job in list(self._jobs.values()):
            if job.id == job_id:
                changed = await super().update_status(job_id, status, error_message)
        return changed


@breaks(GROWING, "SCALE-1")
class HasNoIndexes(TableStore):
    """Has a primary key, and no index for the listings."""

    schema: ClassVar[str] = "\n".join(
        line for line in TableStore.schema.splitlines() if "CREATE INDEX" not in line
    )


@breaks(GROWING, "SCALE-1")
class HasOneIndexTooFew(TableStore):
    """Has an index by age, in which a rare status is far between."""

    schema: ClassVar[str] = "\n".join(
        line for line in TableStore.schema.splitlines() if "by_status" not in line
    )


@breaks(GROWING, "SCALE-1")
class ComparesInLowerCase(TableStore):
    """Wraps the column that the index is on in a function, when it deletes."""

    @override
    async def delete(self, job_id: str) -> bool:
        return await self.run(
            lambda connection: (
                connection.execute(
                    "DELETE FROM jobs WHERE lower(id) = lower(?)", (job_id,)
                ).rowcount
                > 0
            )
        )


@breaks(GROWING, "SCALE-1")
class RewritesEverything(FileStore):
    """Writes all jobs anew at each change, and says that it scales."""

    waits_for_disk: ClassVar[bool] = False
    capabilities: ClassVar[frozenset[str]] = frozenset({"durable", "shared", "scales"})
