"""JobStats: how far a collection job has come, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collection_jobs.job import CollectionJob

__all__ = ["JobStats"]


@dataclass(frozen=True, slots=True)
class JobStats:
    """The aggregates of one job's outcomes."""

    total: int
    """The number of symbols of the job."""
    completed: int
    """The number of symbols whose candles were collected."""
    failed: int
    """The number of symbols that failed."""
    total_candles: int
    """The number of candles collected, over all completed symbols."""

    @classmethod
    def from_job(cls, job: CollectionJob) -> JobStats:
        """Compute the stats of a job: this is their definition."""
        return cls(
            total=len(job.symbols),
            completed=len(job.completed_symbols),
            failed=len(job.failed_symbols),
            total_candles=sum(job.completed_symbols.values()),
        )

    @property
    def pending(self) -> int:
        """The number of symbols that have no outcome yet."""
        return self.total - self.completed - self.failed

    @property
    def progress(self) -> float:
        """The share of the symbols that have an outcome, 0.0 to 1.0."""
        return (self.completed + self.failed) / self.total
