"""Transitions: a call and its answer, prepared to be tried on many states of a job.

The oracle says what a call may do (`model.judge`); a transition asks it, and answers only with the
state afterwards, or None where the answer that came back is impossible in that state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from collection_jobs.conformance.history.history import Event, is_change
from collection_jobs.conformance.spec.calls import Call, Outcome
from collection_jobs.conformance.spec.findings import Violation
from collection_jobs.conformance.spec.leasing import is_claimable
from collection_jobs.conformance.spec.listings import Listed, sort_key
from collection_jobs.conformance.spec.model import (
    Facts,
    JobState,
    Span,
    admitted,
    facts_of,
)
from collection_jobs.conformance.spec.operations import OPERATIONS, judge, listing_of, part_of
from collection_jobs.conformance.spec.queries import admitted_summary, facts_of_summary
from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease
from collection_jobs.query import JobSummary

__all__ = [
    "JobOperation",
    "Transition",
    "listed",
    "missed",
    "operation",
    "passed_over",
    "transition",
    "why",
    "without_revision",
]

Transition = Callable[[JobState], JobState | None]
"""The state after an answer, or None where it is impossible."""


class JobOperation(NamedTuple):
    """What an event did to one job: one event is one operation, a listing one for each job."""

    event: Event
    began: int
    ended: int | None
    step: Transition
    reads: bool
    """Whether it leaves the job as it is: then it can be placed as soon as it fits."""
    shown: CollectionJob | None = None
    """The job as a read showed it."""
    facts: Facts | None = None
    """The facts of the job as a read showed it."""
    summary: JobSummary | None = None
    """What a read showed of the job where it did not show it whole."""
    part: Call | None = None
    """What the event's call did to this job, where it did something to others, too."""
    is_plain: bool = False
    """Whether ``step`` is the oracle's word on the call and its outcome, and nothing else."""

    @property
    def call(self) -> Call:
        """The call, as far as it is about this job."""
        return self.event.call if self.part is None else self.part


def operation(event: Event, job_id: str, wall: Span) -> JobOperation:
    """Return the operation of a call on one job.

    Args:
        event: The call.
        job_id: The job, which the call names.
        wall: Between which times a call that never returned may have happened.
    """
    job = None if event.outcome is None else event.outcome.value
    if isinstance(job, CollectionJob):
        return listed(event, job)
    part = event.call.of(job_id)
    outcome = None if event.outcome is None else part_of(event.call, job_id, event.outcome)
    return JobOperation(
        event,
        event.began,
        event.ended,
        _step(part, outcome, wall),
        reads=not is_change(event),
        part=None if part is event.call or part == event.call else part,
        is_plain=True,
    )


def listed(event: Event, job: Listed) -> JobOperation:
    """Return the read of a job that a call showed; a listing, too, was one to that job."""
    if isinstance(job, JobSummary):
        return _summarized(event, job)
    found, revision = facts_of(job), job.revision

    def step(state: JobState) -> JobState | None:
        return None if state.facts is None else admitted(state, found, revision)

    return JobOperation(event, event.began, event.ended, step, reads=True, shown=job, facts=found)


def _summarized(event: Event, summary: JobSummary) -> JobOperation:
    found = facts_of_summary(summary)

    def step(state: JobState) -> JobState | None:
        return admitted_summary(state, summary, found)

    return JobOperation(event, event.began, event.ended, step, reads=True, summary=summary)


def missed(event: Event) -> JobOperation:
    """Return what a listing tells of a job that it left out: that it did not match."""
    call, matches = event.call, listing_of(event.call).matches

    def step(state: JobState) -> JobState | None:
        out = state.facts is not None and matches(call, state.facts) is True
        return None if out else state

    return JobOperation(event, event.began, event.ended, step, reads=True)


def passed_over(event: Event) -> JobOperation:
    """Return what a call that picked no job, or a younger one, tells of a job: it was not free."""
    call, outcome = event.call, event.outcome
    assert outcome is not None  # noqa: S101 - only such calls tell anything; this tells the type checker
    taken = outcome.value.job if isinstance(outcome.value, Lease) else None
    first = None if taken is None else (taken.created_at, taken.id)

    def step(state: JobState) -> JobState | None:
        if is_claimable(state, call, outcome) is not True or state.facts is None:
            return state
        return state if first is not None and sort_key(state.facts) > first else None

    return JobOperation(event, event.began, event.ended, step, reads=True)


def without_revision(operation: JobOperation) -> JobOperation:
    """Return the same operation, of which only the job's fields are believed."""
    summary = operation.summary
    found = operation.facts if summary is None else facts_of_summary(summary)
    if found is None:
        return operation

    def step(state: JobState) -> JobState | None:
        if state.facts is None:
            return None
        blank = state._replace(revision=None, least=None, spent=frozenset())
        if summary is not None:
            after = admitted_summary(blank, replace(summary, revision=0), found)
        else:
            after = admitted(blank, found, 0)
        return None if after is None else after._replace(revision=None, least=None)

    return operation._replace(step=step, is_plain=False)


def why(operation: JobOperation, state: JobState) -> tuple[Violation, ...]:
    """Say what the oracle has against an operation in a state where it does not fit."""
    call, outcome = operation.call, operation.event.outcome
    if outcome is None:
        return ()
    if call.job_is_in_answer and operation.reads:
        text = "{} {}; an older job that could be taken was passed over"
        return (Violation("LEASE-1", text, (call, outcome)),)
    if call.counts_jobs:
        text = "{} {}; in no order of the calls is that right of this job"
        return (Violation(OPERATIONS[call.method].laws.answer, text, (call, outcome)),)
    if not call.is_listing:
        return judge(state, call, part_of(operation.event.call, _only_id(call), outcome))[1]
    listing = listing_of(call)
    law = listing.law
    shown = operation.shown or operation.summary
    if shown is None:
        return (Violation(law, "{} left out a job that matches", (call,)),)
    if state.facts is None:
        return (Violation(law, "{} showed a job that is not stored", (call,)),)
    return listing.judge_item(state, shown, call, law)


def _only_id(call: Call) -> str:
    return next(iter(call.job_ids), "")


def _step(call: Call, outcome: Outcome | None, wall: Span) -> Transition:
    if outcome is None:
        return _may_happen(call, wall)
    return transition(call, outcome)


def transition(call: Call, outcome: Outcome) -> Transition:
    """Return the transition of a call that came back, as far as it is about one job."""
    return _judged(call, outcome, OPERATIONS[call.method].possible(call, outcome))


def _judged(
    call: Call, outcome: Outcome, possible: Callable[[Facts | None], bool] | None = None
) -> Transition:
    def step(state: JobState) -> JobState | None:
        if possible is not None and not possible(state.facts):
            return None
        after, violations = judge(state, call, outcome)
        return None if violations else after

    return step


def _may_happen(call: Call, wall: Span) -> Transition:
    """Apply a call that never returned as if it had succeeded."""
    return _judged(call, Outcome(wall.first, wall.last, OPERATIONS[call.method].success))
