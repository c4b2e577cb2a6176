"""The requests that are about leases: claims, renewals, and changes under a lease."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from collection_jobs.adapters.postgres.requests import ChangeStatus, RecordOutcome, SetCursor
from collection_jobs.errors import LeaseLostError
from collection_jobs.lease import Lease

__all__ = [
    "ClaimJob",
    "ClaimNextJob",
    "FencedChange",
    "FencedCursor",
    "FencedOutcome",
    "RenewLease",
    "lease_lost",
    "token_of",
]

_GREATEST_TOKEN = 2**63 - 1
_NEVER = -1


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


class FencedCursor(NamedTuple):
    """Record up to where a symbol was collected under a lease."""

    cursor: SetCursor
    lease: Lease

    @property
    def ids(self) -> Sequence[str]:
        """The job."""
        return self.cursor.ids

    @property
    def weight(self) -> int:
        """The cursor."""
        return self.cursor.weight


def token_of(lease: Lease) -> int:
    """Give a token as a bigint; one that no store gives out becomes one never stored."""
    return lease.token if lease.token <= _GREATEST_TOKEN else _NEVER


def lease_lost(lease: Lease) -> LeaseLostError:
    """Say that a lease is not current."""
    return LeaseLostError(lease.job.id, lease.worker)
