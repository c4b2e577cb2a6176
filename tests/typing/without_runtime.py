"""An adapter that imports the types for type checkers only, and runs without the package."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from collection_jobs import CollectionJob, CollectionJobRepository, JobStats, JobStatus


class Jobs:
    """The least that type-checks: it keeps the ids of what it was given."""

    def __init__(self) -> None:
        self.jobs: dict[str, CollectionJob] = {}

    async def save(self, job: CollectionJob) -> None:
        self.jobs[job.id] = job

    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        return self.jobs.get(job_id)

    async def delete(self, job_id: str) -> bool:
        return self.jobs.pop(job_id, None) is not None

    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        return [job for job in self.jobs.values() if job.status is status][offset:][:limit]

    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        return list(self.jobs.values())[:limit]

    async def get_running_jobs(self) -> list[CollectionJob]:
        return list(self.jobs.values())

    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        return job_id in self.jobs

    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None: ...

    async def get_stats(self, job_id: str) -> JobStats | None:
        return None


def as_repository() -> CollectionJobRepository:
    return Jobs()


async def main() -> None:
    repository = as_repository()
    if await repository.get_by_id("one") is not None or await repository.delete("one"):
        sys.exit("an empty repository has no job")
    if "collection_jobs" in sys.modules:
        sys.exit("the package was loaded")


if __name__ == "__main__":
    asyncio.run(main())
