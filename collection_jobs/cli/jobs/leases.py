"""Leases as the commands show them: who works on a job, and until when."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from collection_jobs.cli.jobs.formatting import duration
from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease
from collection_jobs.leasing import LeasesJobs
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.status import JobStatus

__all__ = ["Leased", "expiry", "lease_json", "with_leases"]

_AT_ONCE = 50


class Leased(NamedTuple):
    """Jobs, and who works on them.

    Attributes:
        jobs: The jobs, each as it was when its lease was read, if it has one.
        leases: The leases of those that have one, by the jobs' ids.
    """

    jobs: list[CollectionJob]
    leases: dict[str, Lease]


async def with_leases(repository: CollectionJobRepository, jobs: Sequence[CollectionJob]) -> Leased:
    """Read the leases of those of the jobs that have one; where none are kept, none has."""
    leases = await _leases_of(repository, jobs) if isinstance(repository, LeasesJobs) else {}
    return Leased([leases[job.id].job if job.id in leases else job for job in jobs], leases)


async def _leases_of(repository: LeasesJobs, jobs: Sequence[CollectionJob]) -> dict[str, Lease]:
    running = [job.id for job in jobs if job.status is JobStatus.RUNNING]
    found: dict[str, Lease] = {}
    for first in range(0, len(running), _AT_ONCE):
        part = running[first : first + _AT_ONCE]
        leases = await asyncio.gather(*map(repository.get_lease, part))
        found |= {lease.job.id: lease for lease in leases if lease is not None}
    return found


def expiry(expires_at: datetime, now: datetime) -> str:
    """Return when a lease expires, or for how long it has been expired, by this clock."""
    left = expires_at - now
    return f"in {duration(left)}" if expires_at > now else f"expired {duration(-left)} ago"


def lease_json(lease: Lease) -> dict[str, Any]:
    """Describe a lease."""
    return {
        "worker": lease.worker,
        "expires_at": lease.expires_at.isoformat(),
        "attempt": lease.attempt,
    }
