"""Lease: a worker's claim on a job for some time, with the token that fences its writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import final

from collection_jobs.job import CollectionJob, check_job
from collection_jobs.validation import check_datetime, check_name, check_positive, shown, type_name

__all__ = ["MAX_TTL", "MIN_TTL", "Lease", "check_lease", "check_ttl"]

MIN_TTL: timedelta = timedelta(milliseconds=50)
"""The shortest time that a lease can be taken for."""

MAX_TTL: timedelta = timedelta(days=7)
"""The longest time that a lease can be taken for, or renewed for at once."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A worker's claim on a job: it is the worker's until the lease is lost.

    A repository gives leases out; a worker hands its lease back with every change that it makes, so
    that a change of a worker that has lost its job is refused. The ``token``, not the clock,
    decides: a lease that has expired is still current while nobody else has claimed the job. (A
    fencing token, as in M. Kleppmann, "How to do distributed locking", 2016, and as the sequencers
    of M. Burrows, "The Chubby lock service", OSDI 2006.)

    A lease is **current** from the claim that made it until the job is claimed again, leaves
    RUNNING, or is deleted, whoever does that. Renewing keeps the token.
    """

    job: CollectionJob
    """The job as it was stored when this lease was given out, RUNNING."""
    worker: str
    """Who claimed it, 1 to 255 characters, compared exactly."""
    token: int
    """The number of the claim, 1 or more. Of one id each claim has a greater one than those before,
    also across a deletion of the job."""
    expires_at: datetime
    """From when on another worker may claim the job, by the engine's clock, in UTC."""
    attempt: int
    """How many leases the job has had since it was made, or last made PENDING by
    ``update_status``; this one is counted, so the first is 1."""

    def __post_init__(self) -> None:
        """Check every field and put it into its normal form."""
        put = object.__setattr__  # the one way to set a field of a frozen instance
        put(self, "job", check_job(self.job))
        put(self, "worker", check_name("worker", self.worker))
        put(self, "token", check_positive("token", self.token))
        put(self, "expires_at", check_datetime("expires_at", self.expires_at))
        put(self, "attempt", check_positive("attempt", self.attempt))


def check_lease(value: Lease, job_id: str | None = None) -> Lease:
    """Accept a Lease, and only of the job that the call names.

    Args:
        value: The lease.
        job_id: The job; None accepts a lease of any.
    """
    if type(value) is not Lease:
        raise TypeError(f"lease must be a Lease, not {type_name(value)}: {shown(value)}")
    if job_id is not None and value.job.id != job_id:
        raise ValueError(
            f"lease must be one of job {shown(job_id)}, not of job {shown(value.job.id)}"
        )
    return value


def check_ttl(value: timedelta) -> timedelta:
    """Accept the time that a lease is taken for: a timedelta of 50 ms to 7 days."""
    if not issubclass(type(value), timedelta):
        raise TypeError(f"ttl must be a timedelta, not {type_name(value)}: {shown(value)}")
    ttl = timedelta(
        timedelta.days.__get__(value),
        timedelta.seconds.__get__(value),
        timedelta.microseconds.__get__(value),
    )
    if not MIN_TTL <= ttl <= MAX_TTL:
        raise ValueError(f"ttl must be 50 milliseconds to 7 days: {shown(value)}")
    return ttl
