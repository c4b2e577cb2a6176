"""Rates: how fast jobs are collected, from what they had at one look after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple

from collection_jobs.cli.jobs.formatting import duration
from collection_jobs.query import JobSummary
from collection_jobs.status import JobStatus

__all__ = ["JobRate", "Rates", "rate_text"]

_WINDOW = 60.0
"""Over how many seconds a rate is taken."""
_LONGEST = timedelta(days=1_000)


class JobRate(NamedTuple):
    """How fast a job, or several, are collected.

    Attributes:
        candles: Candles a second.
        left: How long it takes to give the symbols that are left an outcome, at the rate at which
            they were given one so far; None: it cannot be told.
    """

    candles: float
    left: timedelta | None


class _Look(NamedTuple):
    at: float
    candles: int
    done: int


class Rates:
    """The rates of jobs that are looked at again and again.

    A rate is taken over the last minute, or since the first look. Before anything was seen to
    change, there is none.
    """

    def __init__(self) -> None:
        """Start before the first look."""
        self._looks: dict[str, deque[_Look]] = {}
        self._left: dict[str, int] = {}

    def look(self, jobs: Iterable[JobSummary], at: float) -> None:
        """Take in what the jobs have at some time.

        Args:
            jobs: The jobs that are watched; of those that are left out nothing is kept.
            at: The time, in seconds of a clock that does not jump.
        """
        former, self._looks, self._left = self._looks, {}, {}
        for job in jobs:
            looks = former.get(job.id, deque())
            stats = job.stats
            looks.append(_Look(at, stats.total_candles, stats.completed + stats.failed))
            while len(looks) > 2 and looks[1].at <= at - _WINDOW:
                looks.popleft()
            self._looks[job.id] = looks
            if job.status is JobStatus.RUNNING:
                self._left[job.id] = stats.pending

    def of(self, job_id: str) -> JobRate | None:
        """Return the rate of one job, if it runs and has been seen to change."""
        return self._rate_of([job_id] if job_id in self._left else [])

    def of_all(self) -> JobRate | None:
        """Return the rate of all that run, together."""
        return self._rate_of(list(self._left))

    def _rate_of(self, ids: list[str]) -> JobRate | None:
        candles = done = 0.0
        for job_id in ids:
            first, last = self._looks[job_id][0], self._looks[job_id][-1]
            seconds = last.at - first.at
            if seconds > 0:
                candles += max(last.candles - first.candles, 0) / seconds
                done += max(last.done - first.done, 0) / seconds
        if not candles and not done:
            return None
        left = sum(self._left[job_id] for job_id in ids)
        seconds_left = left / done if done else _LONGEST.total_seconds()
        is_told = seconds_left < _LONGEST.total_seconds()
        return JobRate(candles, timedelta(seconds=seconds_left) if is_told else None)


def rate_text(rate: JobRate) -> str:
    """Return candles a second, and the time left where it can be told."""
    shown = f"{rate.candles:,.0f}" if rate.candles >= 10 else f"{rate.candles:.1f}"
    left = "" if rate.left is None else f", {duration(rate.left)} left"
    return f"{shown} candles/s{left}"
