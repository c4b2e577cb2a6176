"""Counts among concurrent calls: whether there is an instant at which so many jobs matched.

A count names no job. There are only as many instants to try as there are begins and ends of calls
during it; at each, every job is asked for all that it can have been counted as, in some order of
the calls on it. The count is right where these add up to it at one of the instants.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.history.purges import FINER, PurgeSearch, Way
from collection_jobs.conformance.history.search import find_order
from collection_jobs.conformance.history.sequential_spec import JobOperation
from collection_jobs.conformance.history.timeline import bars, rows
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.model import ABSENT, JobState
from collection_jobs.conformance.spec.operations import OPERATIONS
from collection_jobs.conformance.spec.queries import is_count, matches
from collection_jobs.status import JobStatus

__all__ = ["wrong_counts"]

_LONG = 400
"""Of histories with more operations, the counts are not judged: it would take too long."""
_UNTOUCHED: Way = ()
"""The way of a job that no purge can have deleted."""
_STATUSES = tuple(str(status.value) for status in JobStatus)

_Jobs = Mapping[str, Sequence[JobOperation]]


def wrong_counts(
    events: Sequence[Event],
    jobs: _Jobs,
    initial: Mapping[str, JobState],
    purges: PurgeSearch,
) -> Iterator[Finding]:
    """Look for an instant for each count.

    Args:
        events: All the calls.
        jobs: The operations on each job, which have an order; there are no other jobs.
        initial: What is known of the jobs that were there before.
        purges: The purges of the history, and their ways.
    """
    for event in events:
        if not event.call.counts_jobs or OPERATIONS[event.call.method].writes:
            continue
        outcome = event.outcome
        if outcome is None:
            continue
        if not is_count(outcome.value):
            yield _finding(event, jobs, "a mapping of every JobStatus to a number is due")
        elif sum(map(len, jobs.values())) <= _LONG and not purges.are_too_many:
            search = _Search(event, jobs, initial, purges)
            if not search.is_right():
                yield _finding(event, jobs, "at no instant of the call were there so many")


@dataclass(frozen=True, slots=True)
class _Search:
    """One count, and what its jobs can have been counted as."""

    event: Event
    jobs: _Jobs
    initial: Mapping[str, JobState]
    purges: PurgeSearch

    def is_right(self) -> bool:
        """Whether there is an instant at which the jobs add up to what was counted."""
        outcome = self.event.outcome
        assert outcome is not None  # noqa: S101 - only such are judged; this tells the type checker
        value = cast("Mapping[JobStatus, int]", outcome.value)
        wanted = tuple(value[status] for status in JobStatus)
        quiet = {job_id for job_id in self.jobs if not self._is_busy(job_id)}
        sure: dict[str, frozenset[str | None]] = {}
        for instant in self._instants():
            choices: list[frozenset[str | None]] = []
            for job_id in self.jobs:
                known = sure.get(job_id)
                if known is None:
                    known = frozenset(self._counted_as(job_id, instant))
                if job_id in quiet:
                    sure[job_id] = known
                choices.append(known)
            if _add_up(choices, wanted):
                return True
        return False

    def _is_busy(self, job_id: str) -> bool:
        """Whether anything but a read may be made of a job during the call."""
        return job_id in self.purges.ways or any(
            not one.reads
            and (self.event.ended is None or one.began <= self.event.ended)
            and (one.ended is None or one.ended >= self.event.began)
            for one in self.jobs[job_id]
        )

    def _instants(self) -> Iterator[int]:
        """Yield every instant that makes a difference, on the finer clock."""
        event = self.event
        assert event.ended is not None  # noqa: S101 - it came back; this tells the type checker
        moments = {event.began}
        others = [one for of_job in self.jobs.values() for one in of_job if not one.reads]
        for began, ended in (
            *((one.began, one.ended) for one in others),
            *((one.began, one.ended) for one in self.purges.events),
        ):
            moments |= {at for at in (began, ended) if at is not None}
        # Before a purge that is at the same moment, and behind it.
        sides = (1, 3) if self.purges.events else (1,)
        for at in sorted(moments):
            if event.began <= at < event.ended:
                yield from (FINER * at + side for side in sides)

    def _counted_as(self, job_id: str, instant: int) -> Iterator[str | None]:
        """Yield all that a job can have been counted as at an instant; None: it was not counted."""
        operations = self.jobs[job_id]
        state = self.initial.get(job_id, ABSENT)
        ways = self.purges.ways.get(job_id) or [_UNTOUCHED]
        for status in (None, *_STATUSES):
            look = self._look(status, instant)
            for way in ways:
                made = self.purges.finer(operations, way)
                if find_order([*made, look], state) is None:
                    yield status
                    break

    def _look(self, status: str | None, instant: int) -> JobOperation:
        says = matches(self.event.call)

        def step(state: JobState) -> JobState | None:
            facts = state.facts
            answer = False if facts is None else says(facts)
            if status is None:
                return None if answer is True else state
            is_it = facts is not None and facts.status == status and answer is not False
            return state if is_it else None

        return JobOperation(self.event, instant, instant, step, reads=True)


def _add_up(choices: Sequence[frozenset[str | None]], wanted: tuple[int, ...]) -> bool:
    """Whether one choice of each can give these numbers."""
    reached = {tuple(0 for _ in wanted)}
    for choice in choices:
        after: set[tuple[int, ...]] = set()
        for counted in reached:
            for status in choice:
                if status is None:
                    after.add(counted)
                    continue
                at = _STATUSES.index(status)
                if counted[at] < wanted[at]:
                    after.add((*counted[:at], counted[at] + 1, *counted[at + 1 :]))
        reached = after
    return wanted in reached


def _finding(event: Event, jobs: _Jobs, why: str) -> Finding:
    calls = {id(one.event): one for of_job in jobs.values() for one in of_job}
    calls[id(event)] = JobOperation(event, event.began, event.ended, _same, reads=True)
    shown = tuple(sorted(calls.values(), key=lambda one: one.began))
    law = OPERATIONS[event.call.method].laws.answer
    return Finding(law, f"{event}; {why}", rows(shown), bars(shown))


def _same(state: JobState) -> JobState:
    return state
