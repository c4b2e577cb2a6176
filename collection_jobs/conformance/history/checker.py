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
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import cast

from collection_jobs.conformance.history.attribution import attribute
from collection_jobs.conformance.history.claims import add_claims, find_too_many
from collection_jobs.conformance.history.counts import wrong_counts
from collection_jobs.conformance.history.history import Event, is_hung
from collection_jobs.conformance.history.listings import (
    Ages,
    judge_shown,
    readings,
)
from collection_jobs.conformance.history.multi_key import find_partial_save
from collection_jobs.conformance.history.purges import PurgeSearch
from collection_jobs.conformance.history.sequential_spec import JobOperation, operation
from collection_jobs.conformance.history.timeline import bars, draw
from collection_jobs.conformance.spec.calls import NoAnswer
from collection_jobs.conformance.spec.findings import Finding, Violation
from collection_jobs.conformance.spec.listings import Listed
from collection_jobs.conformance.spec.model import ABSENT, JobState, Span, unexpected
from collection_jobs.conformance.spec.operations import OPERATIONS
from collection_jobs.errors import RepositoryError

__all__ = ["check", "check_among"]

_NOTHING: Mapping[str, JobState] = MappingProxyType({})
_LONG = 1_000


def check(events: Sequence[Event], initial: Mapping[str, JobState] = _NOTHING) -> list[Finding]:
    """Look for an order of the calls on each job.

    Args:
        events: The history; calls that never returned may have happened or not.
        initial: What is known of the jobs that were there before; every other id was never used.

    Returns:
        What no order explains: nothing when the history is linearizable; at most one finding for
        each job, one for each listing, and one for each call that raised what it may not.
    """
    with _collector_paused(len(events)):
        return _check(events, initial)


def check_among(ids: Collection[str], events: Sequence[Event]) -> list[Finding]:
    """Hold calls against the laws.

    Args:
        ids: The jobs that the calls are about; none of them was there before.
        events: The calls. Listings may show other jobs: these are passed over.

    Returns:
        What no order of the calls explains; first of all, calls that gave no answer.
    """
    hung = [event for event in events if is_hung(event)]
    told = [_only(ids, event) for event in events]
    with _collector_paused(len(events)):
        findings = _check(told, _NOTHING, frozenset(ids))
    if hung:
        text = f"{hung[0].call} gave no answer while the others ran"
        findings.insert(0, Finding("ATOMIC-1", text, tuple(map(str, hung))))
    return findings


def _only(ids: Collection[str], event: Event) -> Event:
    """Return the event as if there were no other jobs; without an answer it never returned."""
    outcome = event.outcome
    if outcome is None or isinstance(outcome.error, NoAnswer):
        return Event(event.client, event.call, event.began)
    value = outcome.value
    if not isinstance(value, list):
        return event
    jobs = cast("list[object]", value)
    mine = [job for job in jobs if not isinstance(job, Listed) or job.id in ids]
    return replace(event, outcome=replace(outcome, value=mine))


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


def _check(
    events: Sequence[Event],
    initial: Mapping[str, JobState],
    among: frozenset[str] | None = None,
) -> list[Finding]:
    findings: list[Finding] = []
    believed: list[Event] = []
    for event in events:
        violation = _wrong_error(event) or _no_number(event)
        if violation is None:
            believed.append(event)
        else:
            findings.append(_alone(event, violation))
            # What it did before it raised is anybody's guess, and no longer the question.
            believed.append(Event(event.client, event.call, event.began))
    jobs, listings = _by_job(believed, initial)
    add_claims(believed, jobs, among, _wall(believed))
    ages = Ages(believed if listings else (), initial)
    ids = tuple(jobs)
    for event in listings:
        findings += [_alone(event, violation) for violation in judge_shown(event, ages)][:1]
        for job_id, reading in readings(event, ids, ages):
            jobs.setdefault(job_id, []).append(reading)
    purges = PurgeSearch.of(believed, exact=among is None)
    for job_id, operations in jobs.items():
        state = initial.get(job_id, ABSENT)
        stuck = purges.stuck(job_id, operations, state)
        if stuck is not None:
            found = attribute(*stuck, state, events)
            law, message = found.violation.law, found.violation.message
            drawn = bars(found.operations)
            findings.append(Finding(law, message, draw(found), drawn, job_id=job_id))
    return findings or list(_of_several_jobs(believed, jobs, initial, purges))


def _of_several_jobs(
    events: Sequence[Event],
    jobs: Mapping[str, Sequence[JobOperation]],
    initial: Mapping[str, JobState],
    purges: PurgeSearch,
) -> Iterator[Finding]:
    """Judge what shows only with all jobs, each of which has an order by itself."""
    yield from find_too_many(events)
    if not purges.events:
        yield from find_partial_save(jobs, initial)
        yield from wrong_counts(events, jobs, initial, purges) if purges.exact else ()
        return
    wrong = list(purges.wrong_numbers(jobs))
    if wrong or purges.are_too_many:
        yield from wrong
        return
    placed = list(purges.placed(jobs, initial))
    if not placed:
        yield purges.torn(jobs)
    elif purges.exact:
        told = [list(wrong_counts(events, jobs, initial, one)) for one in placed]
        yield from min(told, key=len)


def _wrong_error(event: Event) -> Violation | None:
    """Return the violation of a call that raised what no order can make right."""
    error = None if event.outcome is None else event.outcome.error
    if event.outcome is None or error is None:
        return None
    operation = OPERATIONS[event.call.method]
    if isinstance(error, operation.refusals):
        return None
    if isinstance(error, RepositoryError):
        # Whatever the method, it is one failure of the engine, and no answer that may be wrong.
        text = "{} {}, though the engine serves each of these calls alone"
        return Violation("ERROR-1", text, (event.call, event.outcome))
    return unexpected(event.call, event.outcome, operation.laws.answer)[0]


def _no_number(event: Event) -> Violation | None:
    """Return the violation of a purge that does not say how many jobs it deleted."""
    outcome, operation = event.outcome, OPERATIONS[event.call.method]
    if not (event.call.counts_jobs and operation.writes) or outcome is None:
        return None
    limit: int = event.call.argument("limit")
    if type(outcome.value) is int and 0 <= outcome.value <= limit:
        return None
    text = f"{{}} {{}}; the number of deleted jobs is due, at most {limit}"
    return Violation(operation.laws.answer, text, (event.call, outcome))


def _alone(event: Event, violation: Violation) -> Finding:
    return Finding(violation.law, violation.message, (str(event),))


def _by_job(
    events: Sequence[Event], initial: Mapping[str, JobState]
) -> tuple[dict[str, list[JobOperation]], list[Event]]:
    """Return the calls on each job, and the listings that came back."""
    jobs: dict[str, list[JobOperation]] = {job_id: [] for job_id in initial}
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
