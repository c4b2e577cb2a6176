"""The requests that are about leases: claims, renewals, and changes under a lease."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from collection_jobs.adapters.postgres.requests import ChangeStatus, RecordOutcome
from collection_jobs.lease import Lease

__all__ = ["ClaimJob", "ClaimNextJob", "FencedChange", "FencedOutcome", "RenewLease"]


class ClaimNextJob(NamedTuple):
    """Claim whichever job is the oldest: it is about no job that is known beforehand.

    Claims under one limit go one after another anyway. So that they hold no more than one
    connection meanwhile, they are about something in common, which no job is named like.
    """

    worker: str
    ttl: timedelta
    limit: str | None

    @property
    def ids(self) -> Sequence[str]:
        """What it is about."""
        return () if self.limit is None else (self.limit,)

    @property
    def weight(self) -> int:
        """The claim."""
        return 1


class ClaimJob(NamedTuple):
    """Claim a job."""

    job_id: str
    worker: str
    ttl: timedelta

    @property
    def ids(self) -> Sequence[str]:
        """The job."""
        return (self.job_id,)

    @property
    def weight(self) -> int:
        """The claim."""
        return 1


class RenewLease(NamedTuple):
    """Move the expiry of a lease."""

    lease: Lease
    ttl: timedelta

    @property
    def ids(self) -> Sequence[str]:
        """The job."""
        return (self.lease.job.id,)

    @property
    def weight(self) -> int:
        """The renewal."""
        return 1


class FencedChange(NamedTuple):
    """Change a job's status under a lease."""

    change: ChangeStatus
    lease: Lease

    @property
    def ids(self) -> Sequence[str]:
        """The job."""
        return self.change.ids

    @property
    def weight(self) -> int:
        """The change, and its text."""
        return self.change.weight


class FencedOutcome(NamedTuple):
    """Record what became of a symbol under a lease."""

    outcome: RecordOutcome
    lease: Lease

    @property
    def ids(self) -> Sequence[str]:
        """The job."""
        return self.outcome.ids

    @property
    def weight(self) -> int:
        """The outcome, and its text."""
        return self.outcome.weight
