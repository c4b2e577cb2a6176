"""Linearizability: whether some order of the calls explains a history of several clients.

ATOMIC-1 asks that each call takes effect at one instant between its call and its return (Herlihy
and Wing, "Linearizability: a correctness condition for concurrent objects", TOPLAS 1990). A history
keeps it when the calls have an order that keeps to who was done before whom, and in which the
oracle has nothing to say against any of them. The property is local: a history keeps it when its
part for each job does, so each job is judged by itself. A listing is to each job one more read.
Calls that save several jobs at one instant are looked at once more when that is done (`multi_key`).
"""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from collection_jobs.conformance.history.attribution import Explanation, explain
from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.history.listings import (
    Ages,
    judge_shown,
    readings,
)
from collection_jobs.conformance.history.multi_key import find_torn
from collection_jobs.conformance.history.search import find_order
from collection_jobs.conformance.history.sequential_spec import Operation, operation
from collection_jobs.conformance.history.timeline import bars, draw, rows
from collection_jobs.conformance.report.findings import Bar
from collection_jobs.conformance.spec.model import ABSENT, Breach, JobState, Span, unexpected
from collection_jobs.conformance.spec.operations import OPERATIONS

__all__ = ["Refusal", "check"]

_NOTHING: Mapping[str, JobState] = MappingProxyType({})
_LONG = 1_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """A history, or what it says of one job, that no order explains.

    Attributes:
        law: The law that is broken; `attribution` says how it is found.
        message: Which calls cannot stand beside each other, and why.
        timeline: The calls that matter: who, when, what came back; and how far an order goes.
        job_id: The job; None when a call is wrong whatever the other calls did.
        bars: The calls of the timeline as data.
    """

    law: str
    message: str
    timeline: tuple[str, ...]
    job_id: str | None = None
    bars: tuple[Bar, ...] = ()


def check(events: Sequence[Event], initial: Mapping[str, JobState] = _NOTHING) -> list[Refusal]:
    """Look for an order of the calls on each job.

    Args:
        events: The history; calls that never came back may have happened or not.
        initial: What is known of the jobs that were there before; every other id was never used.

    Returns:
        What no order explains: nothing when the history is linearizable; at most one refusal for
        each job, one for each listing, and one for each call that raised what it may not.
    """
    with _collector_paused(len(events)):
        return _check(events, initial)


@contextmanager
def _collector_paused(size: int) -> Generator[None]:
    """Spare a long history the collector, which would look through all of it again and again."""
    pause = size > _LONG and gc.isenabled()
    if pause:
        gc.disable()
    try:
        yield
    finally:
        if pause:
            gc.enable()


def _check(events: Sequence[Event], initial: Mapping[str, JobState]) -> list[Refusal]:
    refusals: list[Refusal] = []
    believed: list[Event] = []
    for event in events:
        breach = _wrong_error(event)
        if breach is None:
            believed.append(event)
        else:
            refusals.append(_alone(event, breach))
            # What it did before it raised is anybody's guess, and no longer the question.
            believed.append(Event(event.client, event.call, event.began))
    jobs, listings = _by_job(believed, initial)
    ages = Ages(believed if listings else (), initial)
    ids = tuple(jobs)
    for event in listings:
        refusals += [_alone(event, breach) for breach in judge_shown(event, ages)][:1]
        for job_id, reading in readings(event, ids, ages):
            jobs.setdefault(job_id, []).append(reading)
    for job_id, operations in jobs.items():
        state = initial.get(job_id, ABSENT)
        if find_order(operations, state) is not None:
            refusals.append(_refusal(job_id, explain(operations, state, events)))
    return refusals or _together(jobs, initial)


def _together(
    jobs: Mapping[str, Sequence[Operation]], initial: Mapping[str, JobState]
) -> list[Refusal]:
    """Whether each job has an order, and several that were saved at once have none together."""
    found = find_torn(jobs, initial)
    if found is None:
        return []
    return [Refusal(found.law, found.message, rows(found.operations), bars=bars(found.operations))]


def _wrong_error(event: Event) -> Breach | None:
    """The breach of a call that raised what no order can make right."""
    error = None if event.outcome is None else event.outcome.error
    if event.outcome is None or error is None:
        return None
    operation = OPERATIONS[event.call.method]
    if isinstance(error, operation.refusals):
        return None
    return unexpected(event.call, event.outcome, operation.laws.answer)[0]


def _alone(event: Event, breach: Breach) -> Refusal:
    return Refusal(breach.law, breach.message, (str(event),))


def _by_job(
    events: Sequence[Event], initial: Mapping[str, JobState]
) -> tuple[dict[str, list[Operation]], list[Event]]:
    """The calls on each job, and the listings that came back."""
    jobs: dict[str, list[Operation]] = {job_id: [] for job_id in initial}
    listings: list[Event] = []
    wall = _wall(events)
    for event in events:
        if event.call.is_listing and event.outcome is not None:
            listings.append(event)
        for job_id in event.call.job_ids:
            if job_id in jobs:
                jobs[job_id].append(operation(event, job_id, wall))
            else:
                jobs[job_id] = [operation(event, job_id, wall)]
    return jobs, listings


def _wall(events: Iterable[Event]) -> Span:
    """Between which times on the wall the history was made."""
    outcomes = [event.outcome for event in events if event.outcome is not None]
    if not outcomes:
        now = datetime.now(UTC)
        return Span(now, now)
    return Span(min(one.began for one in outcomes), max(one.ended for one in outcomes))


def _refusal(job_id: str, why: Explanation) -> Refusal:
    return Refusal(why.law, why.message, draw(why), job_id, bars(why.operations))
