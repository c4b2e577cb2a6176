"""Purges among concurrent calls: which jobs each can have deleted, so that the numbers are right.

A purge names no job, and tells only how many it deleted. To each job it is a deletion, or a look
that found the job not to match. So each job is asked for every way in which it has an order, and
the ways of all jobs are held against the numbers. A purge that never returned happened to all jobs
or to none. Which jobs a limit leaves out is not judged here, where nobody can tell what came first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from math import prod
from typing import Any

from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.history.search import Stuck, find_order
from collection_jobs.conformance.history.sequential_spec import JobOperation, Transition
from collection_jobs.conformance.history.timeline import bars, rows
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.model import (
    ABSENT,
    CLOCK_TOLERANCE,
    JobState,
    facts_of,
)
from collection_jobs.conformance.spec.operations import OPERATIONS
from collection_jobs.conformance.spec.purging import is_purged, purged
from collection_jobs.status import JobStatus

__all__ = ["FINER", "PurgeSearch", "Way"]

FINER = 4
"""How many instants of the finer clock are one of the history's, so that a purge and a count have
instants between any two that calls begin and end at, and never the same one."""

_DELETED, _KEPT, _ABSENT = "deleted", "kept", "absent"
"""What a purge was to one job: ``absent`` where it never happened."""
_MOST = 4
"""Of more purges in one history, nothing is concluded."""

_FINAL = (JobStatus.COMPLETED, JobStatus.CANCELLED)
_MOST_PLACES = 64
"""Of more instants at which the purges can have been, none is looked for."""

_Jobs = Mapping[str, Sequence[JobOperation]]
Way = tuple[str, ...]
"""What each of the purges was to one job."""


@dataclass(slots=True)
class PurgeSearch:
    """The purges of one history.

    Attributes:
        events: They, by when they began.
        exact: Whether they can have deleted only jobs that the history is about.
        ticks: When any call of the history began or ended.
        statuses: Of which status the jobs are that they delete.
        at: At which instant of the finer clock each is taken to have been; empty: at any.
        ways: For each job that a purge can have deleted, in which ways it has an order.
    """

    events: Sequence[Event]
    exact: bool
    ticks: frozenset[int] = frozenset()
    statuses: frozenset[JobStatus] = frozenset()
    at: tuple[int, ...] = ()
    ways: dict[str, list[Way]] = field(default_factory=dict[str, list[Way]])

    @staticmethod
    def of(events: Sequence[Event], *, exact: bool) -> PurgeSearch:
        """Find the purges among all calls."""
        found = [
            event
            for event in events
            if event.call.counts_jobs and OPERATIONS[event.call.method].writes
        ]
        all_of_them = events if found else ()
        ticks = {at for one in all_of_them for at in (one.began, one.ended) if at is not None}
        statuses = {status for one in found for status in one.call.argument("statuses")}
        return PurgeSearch(found, exact, frozenset(ticks), frozenset(statuses))

    @property
    def are_too_many(self) -> bool:
        """Whether there are too many to tell what they did."""
        return len(self.events) > _MOST

    def stuck(
        self, job_id: str, operations: Sequence[JobOperation], state: JobState
    ) -> tuple[Sequence[JobOperation], Stuck] | None:
        """Find the ways in which a job has an order.

        Returns:
            None where there is one; else the operations without an order that come furthest, and
            how far.
        """
        best: tuple[float, Sequence[JobOperation], Stuck] | None = None
        if not self._concerns(operations, state):
            found = find_order(operations, state)
            return None if found is None else (operations, found)
        if self.are_too_many:
            return None
        end = _end(operations)
        self.ways[job_id] = []
        for way in product(*map(_choices, self.events)):
            tried = [*operations, *self.operations(way, end)]
            found = find_order(tried, state)
            if found is None:
                self.ways[job_id].append(way)
            elif best is None or (found.open[0].ended or 0) > best[0]:
                best = found.open[0].ended or 0, tried, found
        return None if self.ways[job_id] or best is None else best[1:]

    def _concerns(self, operations: Sequence[JobOperation], state: JobState) -> bool:
        """Whether the job can have been one that a purge deletes."""
        if not self.events:
            return False
        changes = [one for one in operations if not one.reads]
        saved = (job for one in changes for job in one.call.jobs if job.status in self.statuses)
        known = (state.facts, *map(facts_of, saved))
        return any(
            is_purged(event.call, facts) is not False for facts in known for event in self.events
        ) or any(map(self._may_end, changes))

    def _may_end(self, one: JobOperation) -> bool:
        """Whether a change may end a job just now, and a purge be about such jobs."""
        if one.call.argument("status") not in _FINAL:
            return False
        outcome = one.event.outcome
        began = datetime.now(UTC) if outcome is None else outcome.began
        limits = (event.call.argument("before") for event in self.events)
        return any(limit > began - CLOCK_TOLERANCE for limit in limits)

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

    def finer(self, operations: Sequence[JobOperation], way: Way) -> Iterator[JobOperation]:
        """Yield the operations and what the purges are to the job, on the finer clock."""
        yield from map(_finer, operations)
        yield from self._placed(way, _end(operations))

    def _placed(self, way: Way, end: int) -> Iterator[JobOperation]:
        """Yield what the purges are to a job, on the finer clock; nothing if they are not."""
        if not way:
            return  # none can have deleted it
        made = (event for event, what in zip(self.events, way, strict=True) if what != _ABSENT)
        places = dict(zip(map(id, self.events), self.at, strict=False))
        for one, event in zip(self.operations(way, end), made, strict=True):
            place = places.get(id(event))
            yield _finer(one) if place is None else one._replace(began=place, ended=place)

    def placed(self, jobs: _Jobs, initial: Mapping[str, JobState]) -> Iterator[PurgeSearch]:
        """Yield the same with each purge at one instant, for all instants that explain the jobs.

        The jobs that a purge can have deleted are known by then: each was asked for its ways.
        """
        instants = [list(self._instants(event)) for event in self.events]
        if prod(map(len, instants)) > _MOST_PLACES:
            yield self
            return
        finer = {job_id: [*map(_finer, jobs[job_id])] for job_id in self.ways}
        for at in product(*instants):
            one = PurgeSearch(self.events, self.exact, self.ticks, self.statuses, at)
            if one._explains(finer, self.ways, initial) and one._can_be_right():
                yield one

    def _instants(self, event: Event) -> Iterator[int]:
        """Yield every instant of a purge that makes a difference, on the finer clock."""
        for at in sorted(self.ticks):
            if event.began <= at and (event.ended is None or at < event.ended):
                yield FINER * at + 2

    def _explains(
        self,
        finer: _Jobs,
        ways: Mapping[str, Sequence[Way]],
        initial: Mapping[str, JobState],
    ) -> bool:
        """Find the ways of jobs, of those without such instants; return whether each has one.

        Args:
            finer: The operations of each job, on the finer clock.
            ways: Its ways where the purges can have been at any instant.
            initial: What was known of each before.
        """
        for job_id, operations in finer.items():
            state = initial.get(job_id, ABSENT)
            end = _end(operations) // FINER + 1  # on the history's clock
            self.ways[job_id] = [
                way
                for way in ways[job_id]
                if find_order([*operations, *self._placed(way, end)], state) is None
            ]
            if not self.ways[job_id]:
                return False
        return True

    def torn(self, jobs: _Jobs) -> Finding:
        """Return the finding where each job is explained, and no instant explains all of them."""
        text = "deleted its jobs one after another: no one instant explains what was seen of them"
        return self._finding(self.events[-1], jobs, text)

    def wrong_numbers(self, jobs: _Jobs) -> Iterator[Finding]:
        """Hold the ways of all jobs against what the purges told."""
        if self.are_too_many or not self.events or self._can_be_right():
            return
        event = self.events[-1] if len(self.events) == 1 else self._culprit()
        came = "it can have deleted so many in no order of the calls"
        if event.outcome is None:
            came = "never returned, and deleted some of the jobs that match and left others"
        yield self._finding(event, jobs, came)

    def _finding(self, event: Event, jobs: _Jobs, came: str) -> Finding:
        calls = {id(one.event): one for of_job in jobs.values() for one in of_job}
        calls |= {id(event): JobOperation(event, event.began, event.ended, _same, reads=True)}
        shown = tuple(sorted(calls.values(), key=lambda one: one.began))
        outcome = "" if event.outcome is None else f" {event.outcome};"
        message = f"{event.client}'s {event.call}{outcome} {came}"
        law = OPERATIONS[event.call.method].laws.answer
        return Finding(law, message, rows(shown), bars(shown))

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


def _end(operations: Sequence[JobOperation]) -> int:
    return max((one.ended or one.began for one in operations), default=0) + 1


def _finer(one: JobOperation) -> JobOperation:
    ended = None if one.ended is None else FINER * one.ended
    return one._replace(began=FINER * one.began, ended=ended)


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
