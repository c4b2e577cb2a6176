"""The requests: what each write asks of PostgreSQL, which jobs it is about, and how much it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from collection_jobs.job import CollectionJob

__all__ = [
    "ChangeStatus",
    "DeleteJob",
    "RecordOutcome",
    "Request",
    "SaveJobs",
    "SetCursor",
    "job_weight",
    "text_weight",
]

_TEXT = 250
_IN_JSON = 6
"""Characters that JSON takes at most for one."""


class Request(Protocol):
    """What one call asks for."""

    @property
    def ids(self) -> Sequence[str]:
        """The jobs that it is about, each once."""
        ...

    @property
    def weight(self) -> int:
        """How much it is to send, in symbols, outcomes and quarters of a kilobyte of text."""
        ...


class SaveJobs(NamedTuple):
    """Store jobs whole, all or none of them; of two copies of one job, the later one last."""

    jobs: Sequence[CollectionJob]
    ids: Sequence[str]
    weight: int

    @classmethod
    def of(cls, jobs: Sequence[CollectionJob]) -> SaveJobs:
        """Ask for some jobs."""
        return cls(jobs, tuple({job.id for job in jobs}), sum(map(job_weight, jobs)))


class DeleteJob(NamedTuple):
    """Remove a job."""

    job_id: str

    @property
    def ids(self) -> Sequence[str]:
        """The job."""
        return (self.job_id,)

    @property
    def weight(self) -> int:
        """The id."""
        return 1


class ChangeStatus(NamedTuple):
    """Change a job's status, where the lifecycle permits it."""

    job_id: str
    status: str
    error_message: str | None

    @property
    def ids(self) -> Sequence[str]:
        """The job."""
        return (self.job_id,)

    @property
    def weight(self) -> int:
        """The change, and its text."""
        return 1 + text_weight(self.error_message)


class RecordOutcome(NamedTuple):
    """Record what became of a symbol: a number of candles or an error, and None for the other.

    Attributes:
        permanent: Whether no retry can mend an error.
    """

    job_id: str
    symbol: str
    candles: int | None
    error: str | None
    permanent: bool = False

    @property
    def ids(self) -> Sequence[str]:
        """The job."""
        return (self.job_id,)

    @property
    def weight(self) -> int:
        """The outcome, and its text."""
        return 1 + text_weight(self.error)


class SetCursor(NamedTuple):
    """Record up to where a symbol was collected."""

    job_id: str
    symbol: str
    until: datetime

    @property
    def ids(self) -> Sequence[str]:
        """The job."""
        return (self.job_id,)

    @property
    def weight(self) -> int:
        """The cursor."""
        return 1


def job_weight(job: CollectionJob) -> int:
    """Count the symbols, outcomes and entries of a job, and quarters of a kilobyte of text."""
    failed = job.failed_symbols
    many = len(job.symbols) + len(job.completed_symbols) + len(failed)
    many += len(job.failure_counts) + len(job.cursors)
    if failed:
        many += sum(map(len, failed.values())) // _TEXT
    if job.metadata:
        many += len(job.metadata) + _IN_JSON * sum(map(len, job.metadata.values())) // _TEXT
    return many if job.error_message is None else many + text_weight(job.error_message)


def text_weight(text: str | None) -> int:
    """Count the quarters of a kilobyte of a text."""
    return 0 if text is None else len(text) // _TEXT
