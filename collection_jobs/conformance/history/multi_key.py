"""Several jobs at once: whether calls can have saved all of theirs at one instant.

Each job by itself may have an order of the calls on it, and still there may be none of them all:
somebody saw one of two jobs saved, and afterwards the other not yet. Such a call took effect at
one instant exactly when there is an instant, for each such call, so that every job has an order in
which the call is just there. There are only as many instants to try as there are begins and ends
of calls on its jobs. A call that never returned may have happened at none: then for no job.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from collection_jobs.conformance.history.history import Event, is_change
from collection_jobs.conformance.history.search import find_order
from collection_jobs.conformance.history.sequential_spec import JobOperation
from collection_jobs.conformance.history.timeline import bars, rows
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.model import ABSENT, JobState
from collection_jobs.conformance.spec.operations import OPERATIONS

__all__ = ["find_partial_save"]

_MOST_SEARCHES = 3_000
"""How many orders of one job are looked for; then nothing is concluded."""

_Jobs = Mapping[str, Sequence[JobOperation]]


def find_partial_save(jobs: _Jobs, initial: Mapping[str, JobState]) -> Iterator[Finding]:
    """Look for an instant for each call that saves several jobs.

    Args:
        jobs: The operations on each job, which have an order.
        initial: What is known of the jobs that were there before.

    Yields:
        The finding, unless there are such instants, or too many to try.
    """
    calls = {
        id(one.event): one.event
        for of_job in jobs.values()
        for one in of_job
        if OPERATIONS[one.event.call.method].laws.one_instant is not None
    }
    shared = [event for event in calls.values() if _changes_several(event, jobs)]
    if not shared:
        return
    shared.sort(key=lambda event: event.began)
    search = _Search(jobs, initial)
    if not search.place(shared) and search.left > 0:
        yield _finding(shared[search.furthest], jobs)


def _changes_several(event: Event, jobs: _Jobs) -> bool:
    """Whether a call changed several jobs, while others may have looked on."""
    if not is_change(event):
        return False
    ids = event.call.job_ids
    return len(ids) > 1 and any(
        one.event is not event and _may_see(one, event) for job_id in ids for one in jobs[job_id]
    )


def _may_see(one: JobOperation, event: Event) -> bool:
    """Whether an operation may have been made while the call was half done."""
    ends_after = one.ended is None or one.ended >= event.began
    return ends_after and (event.ended is None or one.began <= event.ended)


@dataclass(slots=True)
class _Search:
    """Tries instants for one call after another; what is placed stays while the rest is tried."""

    jobs: _Jobs
    initial: Mapping[str, JobState]
    left: int = _MOST_SEARCHES
    furthest: int = 0
    placed: dict[int, int | None] = field(default_factory=dict[int, "int | None"])

    def place(self, events: Sequence[Event], at: int = 0) -> bool:
        """Whether the calls from there on can be placed."""
        if at == len(events):
            return True
        event = events[at]
        self.furthest = max(self.furthest, at)
        for instant in _instants(event, self.jobs):
            self.placed[id(event)] = instant
            ordered = all(self._has_order(job_id) for job_id in event.call.job_ids)
            if ordered and self.place(events, at + 1):
                return True
            if self.left <= 0:
                return False
        del self.placed[id(event)]
        return False

    def _has_order(self, job_id: str) -> bool:
        self.left -= 1
        operations = list(self._placed(self.jobs[job_id]))
        return find_order(operations, self.initial.get(job_id, ABSENT)) is None

    def _placed(self, operations: Sequence[JobOperation]) -> Iterator[JobOperation]:
        """Put the operations on a doubled clock, which has an instant between any two."""
        for one in operations:
            ended = None if one.ended is None else 2 * one.ended
            if id(one.event) not in self.placed or one.reads:
                yield one._replace(began=2 * one.began, ended=ended)
                continue
            instant = self.placed[id(one.event)]
            if instant is not None:
                yield one._replace(began=instant, ended=instant)


def _instants(event: Event, jobs: _Jobs) -> Iterator[int | None]:
    """Every instant that makes a difference, on the doubled clock; None is never."""
    moments = {2 * event.began + 1}
    for job_id in event.call.job_ids:
        for one in jobs[job_id]:
            moments |= {2 * at + 1 for at in (one.began, one.ended) if at is not None}
    if event.ended is None:
        yield None
    for moment in sorted(moments):
        if moment > 2 * event.began and (event.ended is None or moment < 2 * event.ended):
            yield moment


def _finding(event: Event, jobs: _Jobs) -> Finding:
    ids = event.call.job_ids
    calls = {id(one.event): one for job_id in ids for one in jobs[job_id]}
    operations = tuple(sorted(calls.values(), key=lambda one: one.began))
    came = "was seen of some of its jobs and not of others"
    if event.ended is not None:
        came = f"{came}, which an instant later or earlier does not explain"
    law = OPERATIONS[event.call.method].laws.one_instant
    assert law is not None  # noqa: S101 - only such calls are placed; this tells the type checker
    message = f"{event.client}'s {event.call} {came}"
    return Finding(law, message, rows(operations), bars(operations))
