"""Changes of status by a person: what the lifecycle permits, against whatever workers do."""

from __future__ import annotations

from collection_jobs.cli.failure import Refused
from collection_jobs.cli.jobs.store import existing
from collection_jobs.errors import StaleJobError
from collection_jobs.job import CollectionJob
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.status import JobStatus

__all__ = ["cancelled", "retried"]

StatusChange = tuple[CollectionJob, CollectionJob]
"""The job before and after."""


async def retried(repository: CollectionJobRepository, job: CollectionJob) -> StatusChange:
    """Make a failed job pending.

    Not by ``update_status``: that would also take a job from the worker that claimed it meanwhile,
    for RUNNING may become PENDING. A copy with its revision is saved only if nobody did.
    """
    while job.status is JobStatus.FAILED:
        changed = job.give_back()
        try:
            await repository.save(changed)
        except StaleJobError:
            job = await existing(repository, job.id)
        else:
            return job, changed
    hint = {
        JobStatus.PENDING: "a worker will take it",
        JobStatus.RUNNING: "cancel it, or wait until it ends",
    }.get(job.status, "that is final: save a new one")
    raise Refused(f"job {job.id!r} is {job.status}, but only a failed job can be retried; {hint}")


async def cancelled(
    repository: CollectionJobRepository, job: CollectionJob, reason: str | None
) -> StatusChange:
    """Cancel a job that can be cancelled."""
    while job.status.can_become(JobStatus.CANCELLED):
        if await repository.update_status(job.id, JobStatus.CANCELLED, reason):
            return job, job.cancel(reason)
        job = await existing(repository, job.id)
    hint = "retry it first" if job.status is JobStatus.FAILED else "that is final"
    raise Refused(
        f"job {job.id!r} is {job.status}, but only a pending or running job can be cancelled;"
        f" {hint}"
    )
