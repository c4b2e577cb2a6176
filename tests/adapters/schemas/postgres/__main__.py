"""Keep a schema of the current version on PostgreSQL, as the release writes it."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys

from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.adapters.postgres.migrations import POSTGRES_SCHEMA_VERSION
from tests.adapters.postgres_server import Database, a_server
from tests.adapters.schemas.postgres import FOLDER, JOBS, SCHEMA


async def fill(database: Database) -> None:
    """Save every job, and delete one."""
    repository = PostgresCollectionJobRepository(database.url, schema=SCHEMA)
    async with repository:
        for job in JOBS:
            await repository.save(job)
        await repository.delete(JOBS[0].id)
        await repository.save(JOBS[0])


def text(database: Database) -> str:
    """Give the schema as SQL, without what only psql understands."""
    command = ["pg_dump", "--inserts", "--no-owner", f"--schema={SCHEMA}", database.url]
    dumped = subprocess.run(command, check=True, capture_output=True, text=True)
    # PostgresSettings that older servers do not know are of no use to the tests.
    lines = [
        line
        for line in dumped.stdout.splitlines()
        if line and not re.match(r"--|\\|SET transaction_timeout", line)
    ]
    of = f"a schema of version {POSTGRES_SCHEMA_VERSION}, named {SCHEMA}"
    head = f"-- Made by pg_dump --inserts of {of}."
    return "\n".join([head, *lines, ""])


def main() -> None:
    """Write the dump of the current version, unless there is one."""
    kept = FOLDER / f"{POSTGRES_SCHEMA_VERSION}.sql"
    if kept.exists():
        sys.exit(f"{kept.name} is kept already; a changed schema is a new version")
    with a_server() as server:
        asyncio.run(fill(server))
        kept.write_text(text(server), encoding="utf-8")


if __name__ == "__main__":
    main()
