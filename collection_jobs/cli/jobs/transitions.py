"""Changes of status by a person: what the lifecycle permits, against whatever workers do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from collection_jobs.cli.failure import Refused
from collection_jobs.cli.jobs.store import existing
from collection_jobs.errors import LeaseLostError, StaleJobError
from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease
from collection_jobs.leasing import LeasesJobs
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.status import JobStatus

__all__ = [
    "StatusChange",
    "cancelled",
    "has_expired",
    "not_cancelled",
    "not_released",
    "not_retried",
    "released",
    "released_if_expired",
    "retried",
]

_OPERATOR = "collection-jobs jobs"
"""Who claims a job for the moment in which a command gives it back."""
_MOMENT = timedelta(seconds=30)


class StatusChange(NamedTuple):
    """What became of a job.

    Attributes:
        former: The job before.
        changed: The job after.
        worker: Whose lease the change ended; None where there was none.
    """

    former: CollectionJob
    changed: CollectionJob
    worker: str | None = None


async def retried(
    repository: CollectionJobRepository, job: CollectionJob, *, permanent: bool = False
) -> StatusChange:
    """Make a failed job pending, if there is a symbol in it that a retry can mend.

    With ``permanent``, its permanent failures are to be tried again, too: their marks are removed.

    Not by ``update_status``: that would also take a job from the worker that claimed it meanwhile,
    for RUNNING may become PENDING. A copy with its revision is saved only if nobody did. Where jobs
    are leased, the job is then claimed and given back, unless a worker was faster: else its
    attempts would go on being counted, and workers that give up after some would never try it.
    """
    while job.status is JobStatus.FAILED:
        if permanent:
            job = replace(job, permanent_failures=frozenset())
        elif job.permanent_failures and not job.symbols_left:
            raise _nothing_left(job)
        changed = await _given_back(repository, job)
        if changed is not None:
            if isinstance(repository, LeasesJobs):
                lease = await repository.claim(job.id, _OPERATOR, _MOMENT)
                if lease is not None:
                    await _ended(repository, lease)
            return StatusChange(job, changed)
        job = await existing(repository, job.id)
    raise not_retried(job)


async def cancelled(
    repository: CollectionJobRepository, job: CollectionJob, reason: str | None
) -> StatusChange:
    """Cancel a job that can be cancelled."""
    while job.status.can_become(JobStatus.CANCELLED):
        if await repository.update_status(job.id, JobStatus.CANCELLED, reason):
            return StatusChange(job, job.cancel(reason))
        job = await existing(repository, job.id)
    raise not_cancelled(job)


async def released(repository: CollectionJobRepository, job: CollectionJob) -> StatusChange:
    """Make a running job pending, whoever works on it; a lease of it ends.

    A job that failed meanwhile is not to be retried by this, so each way is fenced: by the lease
    where there is one, else by the revision.
    """
    while job.status is JobStatus.RUNNING:
        lease = await repository.get_lease(job.id) if isinstance(repository, LeasesJobs) else None
        if isinstance(repository, LeasesJobs) and lease is not None:
            if await _ended(repository, lease):
                return StatusChange(lease.job, lease.job.give_back(), lease.worker)
        else:
            changed = await _given_back(repository, job)
            if changed is not None:
                return StatusChange(job, changed)
        job = await existing(repository, job.id)
    raise not_released(job)


async def released_if_expired(
    repository: CollectionJobRepository, job: CollectionJob
) -> StatusChange:
    """Make a job pending whose lease has expired, by the clock of its store.

    The job is claimed first, which the store permits only if the lease has expired: a worker that
    renewed it at the last moment keeps its job.
    """
    if isinstance(repository, LeasesJobs):
        former = await repository.get_lease(job.id)
        lease = None
        if former is not None:
            lease = await repository.claim(job.id, _OPERATOR, _MOMENT)
        if former is not None and lease is not None and await _ended(repository, lease):
            return StatusChange(former.job, lease.job.give_back(), former.worker)
    raise Refused(f"the lease of job {job.id!r} has not expired, or no longer exists")


def has_expired(expires_at: datetime | None) -> bool:
    """Return whether there is a lease that seems to have expired, by the clock of this machine."""
    return expires_at is not None and expires_at <= datetime.now(UTC)


async def _given_back(
    repository: CollectionJobRepository, job: CollectionJob
) -> CollectionJob | None:
    """Save a copy that is pending, with its revision; None if the job was changed meanwhile."""
    changed = job.give_back()
    try:
        await repository.save(changed)
    except StaleJobError:
        return None
    return changed


async def _ended(repository: LeasesJobs, lease: Lease) -> bool:
    try:
        return await repository.update_status(lease.job.id, JobStatus.PENDING, lease=lease)
    except LeaseLostError:
        return False


def _nothing_left(job: CollectionJob) -> Refused:
    failures = len(job.permanent_failures)
    return Refused(
        f"job {job.id!r} has nothing that a retry can mend: {failures:,} permanent"
        f" failure{'' if failures == 1 else 's'}, which --permanent tries again all the same"
    )


def not_retried(job: CollectionJob) -> Refused:
    """Return why a job cannot be retried."""
    hint = {
        JobStatus.PENDING: "a worker will take it",
        JobStatus.RUNNING: "release it, cancel it, or wait until it ends",
    }.get(job.status, "that is final: save a new one")
    return Refused(f"job {job.id!r} is {job.status}, but only a failed job can be retried; {hint}")


def not_cancelled(job: CollectionJob) -> Refused:
    """Return why a job cannot be cancelled."""
    hint = "retry it first" if job.status is JobStatus.FAILED else "that is final"
    return Refused(
        f"job {job.id!r} is {job.status}, but only a pending or running job can be cancelled;"
        f" {hint}"
    )


def not_released(job: CollectionJob) -> Refused:
    """Return why a job cannot be released."""
    hint = {
        JobStatus.PENDING: "a worker will take it",
        JobStatus.FAILED: "retry it",
    }.get(job.status, "that is final: save a new one")
    return Refused(
        f"job {job.id!r} is {job.status}, but only a running job can be released; {hint}"
    )
