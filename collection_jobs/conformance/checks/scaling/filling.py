"""Filling: a store with many jobs in it, made through the contract's own methods."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from collection_jobs.conformance.spec.calls import example_job
from collection_jobs.job import CollectionJob
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.status import JobStatus

__all__ = ["DELETED", "NEWEST", "OLD", "RARE", "RARE_SOURCE", "RARE_SYMBOL", "fill"]

RARE = JobStatus.FAILED
"""The status that only three jobs have, which lie in the middle of the store."""
RARE_SOURCE, RARE_SYMBOL = "rare source", "RARE"
"""The source and the symbol of the same three jobs."""
_CALLERS = 64
"""Who save the jobs, each one after another."""
NEWEST = datetime(2024, 3, 1, tzinfo=UTC)
"""When the newest job was created."""
OLD = "job 0"
"""The oldest job."""
_GONE = ", deleted"
DELETED = f"job {_CALLERS}{_GONE}"
"""A job that was deleted: the second one of a caller."""


async def fill(repository: CollectionJobRepository, size: int, seconds: float) -> int:
    """Save that many jobs, and delete half as many others; or as many as there is time for.

    Args:
        repository: An empty store.
        size: How many jobs it is to have.
        seconds: When to stop.

    Returns:
        How many it has.
    """
    jobs = _jobs(size)
    until = time.monotonic() + seconds
    saved = await asyncio.gather(*(_save_each(repository, jobs, until) for _ in range(_CALLERS)))
    return sum(saved)


async def _save_each(
    repository: CollectionJobRepository, jobs: Iterator[CollectionJob], until: float
) -> int:
    saved = 0
    for job in jobs:
        if time.monotonic() >= until:
            break
        if saved % 2:  # what deleted jobs leave behind must cost nothing either
            gone = replace(job, id=f"{job.id}{_GONE}")
            await repository.save(gone)
            await repository.delete(gone.id)
        await repository.save(job)
        saved += 1
    return saved


_STATUSES = (JobStatus.PENDING, JobStatus.COMPLETED, JobStatus.RUNNING, JobStatus.CANCELLED)


def _jobs(size: int) -> Iterator[CollectionJob]:
    rare = range(size // 2 - 1, size // 2 + 2)
    for number in range(size):
        status = _STATUSES[number % len(_STATUSES)]
        created_at = NEWEST - timedelta(minutes=size - 1 - number)
        rarities = {"source": RARE_SOURCE, "symbols": ("BTC", "ETH", RARE_SYMBOL), "status": RARE}
        yield example_job(
            f"job {number}",
            **({"status": status} | (rarities if number in rare else {})),
            created_at=created_at,
            finished_at=created_at if status.is_final and number not in rare else None,
            completed_symbols={"BTC": 500},
            failed_symbols={"ETH": "timed out"} if number % 3 == 0 else {},
            metadata={"ticket": f"T-{number}"},
        )
