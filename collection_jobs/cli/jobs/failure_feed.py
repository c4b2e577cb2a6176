"""FailureFeed: the failures of symbols as they come, of jobs that are looked at again and again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from collection_jobs.job import CollectionJob
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.query import JobSummary

__all__ = ["FailureFeed", "SeenFailure"]

_KEPT = 100


class SeenFailure(NamedTuple):
    """A failure that was seen to come.

    Attributes:
        at: When it was seen.
        job_id: The job.
        symbol: The symbol.
        error: Why it failed.
        is_permanent: Whether no retry can mend it.
    """

    at: datetime
    job_id: str
    symbol: str
    error: str
    is_permanent: bool


class FailureFeed:
    """The last failures that came since the first look.

    A job is read whole only where its summary says that more of its symbols are failed than at the
    look before.
    """

    def __init__(self) -> None:
        """Start before the first look."""
        self._failed: dict[str, int] = {}
        self._known: dict[str, dict[str, str]] = {}
        self._last: deque[SeenFailure] = deque(maxlen=_KEPT)

    @property
    def last(self) -> list[SeenFailure]:
        """The last failures, the oldest of them first."""
        return list(self._last)

    async def look(
        self, repository: CollectionJobRepository, jobs: Iterable[JobSummary], at: datetime
    ) -> None:
        """Take in what failed since the last look; what had failed before the first is no news."""
        for summary in jobs:
            before = self._failed.get(summary.id)
            self._failed[summary.id] = summary.stats.failed
            if not summary.stats.failed or summary.stats.failed <= (before or 0):
                continue
            job = await repository.get_by_id(summary.id)
            if job is not None:
                self._take_in(job, at, is_news=before is not None)

    def _take_in(self, job: CollectionJob, at: datetime, *, is_news: bool) -> None:
        known = self._known.get(job.id, {})
        self._known[job.id] = dict(job.failed_symbols)
        if is_news:
            self._last.extend(
                SeenFailure(at, job.id, symbol, error, symbol in job.permanent_failures)
                for symbol, error in job.failed_symbols.items()
                if known.get(symbol) != error
            )
