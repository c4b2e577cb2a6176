"""Stores with jobs in them, and the command line on them, for the tests of `jobs`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from collection_jobs import CollectionJob, JobStatus, open_repository
from collection_jobs.cli.app import app
from collection_jobs.cli.jobs import asking
from collection_jobs.conformance.spec.calls import example_job

NOW = datetime(2024, 3, 1, tzinfo=UTC)


def jobs(*arguments: str, width: int = 100, url: str = "", answer: str | None = None) -> Result:
    """Run `collection-jobs jobs` in this process, on a terminal of some width.

    Args:
        arguments: The command line behind `jobs`.
        width: Of the terminal.
        url: The store that the environment names.
        answer: What is typed; None: there is no terminal to type on.
    """
    environment = {"COLUMNS": str(width), "COLLECTION_JOBS_URL": url}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asking, "on_a_terminal", lambda: answer is not None)
        return CliRunner().invoke(app, ["jobs", *arguments], env=environment, input=answer)


def fill(directory: Path, made: Iterable[CollectionJob]) -> str:
    """An SQLite file with these jobs, by its URL."""
    url = f"sqlite:///{directory}/jobs.db"

    async def save() -> None:
        async with open_repository(url) as repository:
            for job in made:
                await repository.save(job)

    asyncio.run(save())
    return url


def stored(url: str, job_id: str) -> CollectionJob | None:
    """The job as the store has it now."""

    async def read() -> CollectionJob | None:
        async with open_repository(url, create=False) as repository:
            return await repository.get_by_id(job_id)

    return asyncio.run(read())


def one_of_each() -> list[CollectionJob]:
    """A job with each status, the oldest first, each named as its status."""
    started = NOW + timedelta(minutes=1)
    ticket = {"ticket": "T-1"}
    made = [example_job(status.value, created_at=NOW, metadata=ticket) for status in JobStatus]
    running = [job.start_running(at=started) for job in made]
    ended = NOW + timedelta(minutes=91)
    changed = {
        "running": running[1].with_completed_symbol("BTC", 744),
        "completed": running[2]
        .with_completed_symbol("BTC", 1_000)
        .with_completed_symbol("ETH", 234)
        .complete(at=ended),
        "failed": running[3].with_failed_symbol("ETH", "timed out").fail("no luck", at=ended),
        "cancelled": made[4].cancel(at=ended),
    }
    return [changed.get(job.id, job) for job in made]
