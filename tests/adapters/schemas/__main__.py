"""Keep a database of the current version of the schema, as the release writes it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from collection_jobs import JobStatus
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository
from collection_jobs.adapters.sqlite.schema import SQLITE_SCHEMA_VERSION
from collection_jobs.lease import MAX_TTL
from tests.adapters.schemas import DELETED, FOLDER, JOBS, text


async def fill(path: Path) -> None:
    """Save every job, the running one under a lease, and delete one."""
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.save_many((DELETED, DELETED, DELETED, *JOBS))
        for job in JOBS:
            if job.status is JobStatus.RUNNING:
                await repository.save(job.give_back())
                await repository.claim(job.id, "it's a worker", MAX_TTL)
                await repository.save(job)
        await repository.delete(DELETED.id)


def main() -> None:
    """Write the dump of the current version, unless there is one."""
    kept = FOLDER / f"{SQLITE_SCHEMA_VERSION}.sql"
    if kept.exists():
        sys.exit(f"{kept.name} is kept already; a changed schema is a new version")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "jobs.db"
        asyncio.run(fill(path))
        kept.write_text(text(path), encoding="utf-8")


if __name__ == "__main__":
    main()
