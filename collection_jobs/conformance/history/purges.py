"""Purges among concurrent calls: which jobs each can have deleted, so that the numbers are right.

A purge names no job, and tells only how many it deleted. To each job it is a deletion, or a look
that found the job not to match. So each job is asked for every way in which it has an order, and
the ways of all jobs are held against the numbers. A purge that never returned happened to all jobs
or to none. Which jobs a limit leaves out is not judged here, where nobody can tell what came first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.history.search import find_order
from collection_jobs.conformance.history.sequential_spec import JobOperation, Transition
from collection_jobs.conformance.history.timeline import bars, rows
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.model import JobState
from collection_jobs.conformance.spec.operations import OPERATIONS
from collection_jobs.conformance.spec.purging import is_purged, purged

__all__ = ["PurgeSearch", "Way"]

_DELETED, _KEPT, _ABSENT = "deleted", "kept", "absent"
"""What a purge was to one job: ``absent`` where it never happened."""
_MOST = 4
"""Of more purges in one history, nothing is concluded."""

Way = tuple[str, ...]
"""What each of the purges was to one job."""


@dataclass(slots=True)
class PurgeSearch:
    """The purges of one history.

    Attributes:
        events: They, by when they began.
        exact: Whether they can have deleted only jobs that the history is about.
        ways: For each job, in which ways it has an order.
    """

    events: Sequence[Event]
    exact: bool
    ways: dict[str, list[Way]] = field(default_factory=dict[str, list[Way]])

    @staticmethod
    def of(events: Iterable[Event], *, exact: bool) -> PurgeSearch:
        """Find the purges among all calls."""
        found = [
            event
            for event in events
            if event.call.counts_jobs and OPERATIONS[event.call.method].writes
        ]
        return PurgeSearch(found, exact)

    @property
    def are_too_many(self) -> bool:
        """Whether there are too many to tell what they did."""
        return len(self.events) > _MOST

    def stuck(
        self, job_id: str, operations: Sequence[JobOperation], state: JobState
    ) -> Sequence[JobOperation] | None:
        """Find the ways in which a job has an order.

        Returns:
            None where there is one; else the operations without an order that come furthest.
        """
        best: tuple[float, Sequence[JobOperation]] | None = None
        end = max((one.ended or one.began for one in operations), default=0) + 1
        self.ways[job_id] = []
        for way in product(*map(_choices, self.events)):
            tried = [*operations, *self.operations(way, end)]
            found = find_order(tried, state)
            if found is None:
                self.ways[job_id].append(way)
            elif best is None or (found.open[0].ended or 0) > best[0]:
                best = found.open[0].ended or 0, tried
        return None if self.ways[job_id] or best is None else best[1]

    def operations(self, way: Way, end: int) -> Iterator[JobOperation]:
        """Yield what the purges are to a job in one of its ways.

        Args:
            way: The way.
            end: When one that never returned is over, if it happened.
        """
        for event, what in zip(self.events, way, strict=True):
            if what != _ABSENT:
                ended = max(end, event.began) if event.ended is None else event.ended
                step = _deletes(event) if what == _DELETED else _keeps(event)
                yield JobOperation(event, event.began, ended, step, reads=what == _KEPT)

    def wrong_numbers(self, jobs: Mapping[str, Sequence[JobOperation]]) -> Iterator[Finding]:
        """Hold the ways of all jobs against what the purges told."""
        if self.are_too_many or not self.events or self._can_be_right():
            return
        event = self.events[-1] if len(self.events) == 1 else self._culprit()
        came = "it can have deleted so many in no order of the calls"
        if event.outcome is None:
            came = "never returned, and deleted some of the jobs that match and left others"
        calls = {id(one.event): one for of_job in jobs.values() for one in of_job}
        calls |= {id(event): JobOperation(event, event.began, event.ended, _same, reads=True)}
        shown = tuple(sorted(calls.values(), key=lambda one: one.began))
        outcome = "" if event.outcome is None else f" {event.outcome};"
        message = f"{event.client}'s {event.call}{outcome} {came}"
        law = OPERATIONS[event.call.method].laws.answer
        yield Finding(law, message, rows(shown), bars(shown))

    def _culprit(self) -> Event:
        """Return the first purge that cannot be right, were the others free to tell anything."""
        for at, event in enumerate(self.events):
            if not self._can_be_right(only=at):
                return event
        return self.events[0]

    def _can_be_right(self, only: int | None = None) -> bool:
        """Whether each job has a way such that all numbers are right."""
        known: set[tuple[Any, ...]] = {tuple(0 for _ in self.events)}
        for ways in self.ways.values():
            known = {
                after
                for before in known
                for way in set(ways)
                if (after := self._after(before, way, only)) is not None
            }
        return any(self._is_told(one, only) for one in known)

    def _after(self, before: tuple[Any, ...], way: Way, only: int | None) -> tuple[Any, ...] | None:
        """Count one more job; None where it does not go with the others."""
        after = list(before)
        for at, (event, what) in enumerate(zip(self.events, way, strict=True)):
            if only is not None and at != only:
                continue
            if event.outcome is not None:
                after[at] += what == _DELETED
                if after[at] > event.outcome.value:
                    return None
            elif not _is_limited(event):
                happened = what if what == _ABSENT else _DELETED
                if before[at] not in (0, happened):
                    return None
                after[at] = happened
        return tuple(after)

    def _is_told(self, counted: tuple[Any, ...], only: int | None) -> bool:
        return all(
            event.outcome is None
            or not self.exact
            or counted[at] == event.outcome.value
            or (only is not None and at != only)
            for at, event in enumerate(self.events)
        )


def _choices(event: Event) -> tuple[str, ...]:
    if event.outcome is not None:
        return (_KEPT, _DELETED)
    return (_ABSENT, _DELETED) if _is_limited(event) else (_ABSENT, _KEPT, _DELETED)


def _is_limited(event: Event) -> bool:
    """Whether a call that never returned may have left jobs because of its limit."""
    return bool(event.call.argument("limit") < _UNLIMITED)


_UNLIMITED = 1_000


def _deletes(event: Event) -> Transition:
    call = event.call

    def step(state: JobState) -> JobState | None:
        return None if is_purged(call, state.facts) is False else purged(state)

    return step


def _keeps(event: Event) -> Transition:
    call, outcome = event.call, event.outcome
    is_full = outcome is not None and outcome.value == call.argument("limit")

    def step(state: JobState) -> JobState | None:
        return None if is_purged(call, state.facts) is True and not is_full else state

    return step


def _same(state: JobState) -> JobState:
    return state
