"""Filling: a store with many jobs in it, made through the contract's own methods."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from collection_jobs.conformance.spec.calls import example_job
from collection_jobs.job import CollectionJob
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.status import JobStatus

__all__ = ["NEWEST", "RARE", "fill"]

RARE = JobStatus.FAILED
"""The status that only three jobs have, which lie in the middle of the store."""
NEWEST = datetime(2024, 3, 1, tzinfo=UTC)
"""When the newest job was created."""

_CALLERS = 64


async def fill(repository: CollectionJobRepository, size: int, seconds: float) -> int:
    """Save that many jobs, or as many as can be saved in the time.

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
        await repository.save(job)
        saved += 1
    return saved


def _jobs(size: int) -> Iterator[CollectionJob]:
    rare = range(size // 2 - 1, size // 2 + 2)
    for number in range(size):
        status = JobStatus.COMPLETED if number % 2 else JobStatus.PENDING
        yield example_job(
            f"job {number}",
            created_at=NEWEST - timedelta(minutes=size - 1 - number),
            status=RARE if number in rare else status,
            completed_symbols={"BTC": 500},
        )
