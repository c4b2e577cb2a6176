"""What a release that has the made-up field of ``test_made_up_field`` does; run by it.

    python made_up_field.py documents|sqlite|postgres|verify ...

It prints what the test compares.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from collection_jobs import CollectionJob, InMemoryCollectionJobRepository, open_repository
from collection_jobs.conformance import Target, verify
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.documents import from_json, to_json

FIELD = "desk"


def documents(*paths: str) -> None:
    """Read documents of former releases, and one of this."""
    for path in paths:
        job = from_json(Path(path).read_bytes())
        assert getattr(job, FIELD) is None
        assert from_json(to_json(with_field(job))) == with_field(job)
        print(job.id)  # noqa: T201 - it is what the test compares


def sqlite(dump: str, path: str) -> None:
    """Open a file that a former release wrote."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(Path(dump).read_text(encoding="utf-8"))
    asyncio.run(_use(f"sqlite:///{path}"))


def postgres(url: str) -> None:
    """Open a schema that a former release wrote."""
    asyncio.run(_use(url))


async def _use(url: str) -> None:
    async with open_repository(url) as repository:
        for job in await repository.list_recent():
            assert getattr(job, FIELD) is None
            await repository.save(with_field(job))
            assert await repository.get_by_id(job.id) == with_field(job)
            assert with_field(job) in await repository.list_by_status(job.status)
            print(job.id)  # noqa: T201 - it is what the test compares


def with_field(job: CollectionJob) -> CollectionJob:
    """Give a copy of a job that has a value in the field."""
    changes: Any = {FIELD: "east \u00e9"}
    return replace(job, **changes)


class Drops(InMemoryCollectionJobRepository):
    """An adapter that does not know the field."""

    async def save(self, job: CollectionJob) -> None:
        await super().save(job._changed(**{FIELD: None}))


def _maker(
    adapter: type[InMemoryCollectionJobRepository],
) -> Callable[[Path], InMemoryCollectionJobRepository]:
    return lambda directory: adapter()


def check() -> None:
    """Judge the adapter that drops the field, and one that does not."""
    caller = [check for check in CHECKS if check.name == "one caller"]
    for adapter in (Drops, InMemoryCollectionJobRepository):
        target = Target(adapter.__name__, _maker(adapter))
        report = verify(target, profile="quick", checks=caller)
        for finding in report.findings:
            print(adapter.__name__, finding.law, finding.message)  # noqa: T201


COMMANDS: dict[str, Callable[..., None]] = {
    "documents": documents,
    "sqlite": sqlite,
    "postgres": postgres,
    "verify": check,
}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
