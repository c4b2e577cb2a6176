"""The lifecycle of a collection job: its statuses and the one table of permitted changes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

__all__ = ["TRANSITIONS", "JobStatus"]


class JobStatus(StrEnum):
    """Where a collection job stands in its lifecycle."""

    PENDING = "pending"
    """Waiting for a worker."""
    RUNNING = "running"
    """Claimed by a worker, which is collecting its symbols."""
    COMPLETED = "completed"
    """Ended; final."""
    FAILED = "failed"
    """Ended with an error; may be retried."""
    CANCELLED = "cancelled"
    """Given up on purpose; final."""

    @property
    def is_final(self) -> bool:
        """Whether a job with this status can never change its status again."""
        return not TRANSITIONS[self]

    def can_become(self, status: JobStatus) -> bool:
        """Whether the lifecycle permits the change from this status to ``status``."""
        return status in TRANSITIONS[self]


TRANSITIONS: Mapping[JobStatus, frozenset[JobStatus]] = MappingProxyType(
    {
        JobStatus.PENDING: frozenset({JobStatus.RUNNING, JobStatus.FAILED, JobStatus.CANCELLED}),
        JobStatus.RUNNING: frozenset(
            {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.PENDING}
        ),
        JobStatus.FAILED: frozenset({JobStatus.PENDING}),
        JobStatus.COMPLETED: frozenset(),
        JobStatus.CANCELLED: frozenset(),
    }
)
"""From each status, the statuses that it may become. Every other place derives from this table."""
