"""Conflicts: whether the calls of two clients are about the same job, and one can change it."""

from __future__ import annotations

from collections.abc import Sequence

from collection_jobs.conformance.checks.interleavings.programs import ConcurrentProgram
from collection_jobs.conformance.spec.calls import Held, Step, id_of
from collection_jobs.conformance.spec.operations import OPERATIONS
from collection_jobs.conformance.spec.signatures import (
    COUNTS_JOBS,
    TAKES_A_JOB,
    jobs_named,
)
from collection_jobs.job import CollectionJob
from collection_jobs.status import JobStatus

__all__ = ["can_conflict", "ids_of"]


def can_conflict(program: ConcurrentProgram) -> bool:
    """Return whether two clients are about the same job, and one of them changes it.

    What the lifecycle forbids before another has changed the status changes nothing.
    """
    steps = [step for client in program.clients for step in client]
    if not any(OPERATIONS[step.method].writes for step in steps):
        return False
    status = _status_after(program.setup)
    if any(_is_forbidden(step, status) for step in steps):
        return False
    if any(step.method in TAKES_A_JOB or step.method in COUNTS_JOBS for step in steps):
        return True  # whichever they are
    ids = [{one for step in client for one in ids_of(step)} for client in program.clients]
    return all(ids) and bool(set[str].intersection(*ids))


def _status_after(setup: Sequence[Step]) -> JobStatus | None:
    """Return the status of job ``a`` before the clients begin; None where there is none."""
    status: JobStatus | None = None
    for step in setup:
        if "a" not in ids_of(step):
            continue
        if step.method == "delete":
            status = None
        elif step.method == "claim":
            status = JobStatus.RUNNING
        for argument in step.arguments:
            if isinstance(argument, JobStatus):
                status = argument
            elif isinstance(argument, CollectionJob):
                status = argument.status
    return status


def _is_forbidden(step: Step, status: JobStatus | None) -> bool:
    wanted = [one for one in step.arguments if isinstance(one, JobStatus)]
    if "a" not in ids_of(step) or not wanted:
        return False
    return status is None or not status.can_become(wanted[0])


def ids_of(step: Step) -> set[str]:
    """Return the ids of the jobs that a step names; a job that is held is the first one."""
    return {
        "a" if isinstance(one, Held) else id_of(one)
        for one in jobs_named(step.method, step.arguments)
    }
