"""The oracle on additions: jobs that are created where there are none, and never replaced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from collection_jobs.conformance.spec.calls import UNSEEN, Call, Outcome
from collection_jobs.conformance.spec.findings import Verbatim, Violation
from collection_jobs.conformance.spec.model import Facts, JobState, Judgement, facts_of, unexpected

__all__ = ["judge_added_part", "judge_addition", "judge_all_added"]


def judge_addition(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    """Judge an ``add``, by what is known of the job before it."""
    if outcome.error is not None:
        return state, unexpected(call, outcome, "ADD-1")
    return _added(state, call, outcome, (outcome.value,), "ADD-1")


def judge_all_added(call: Call, outcome: Outcome) -> tuple[Violation, ...]:
    """Judge what of an ``add_many`` is about none of its jobs: how many answers there are."""
    if outcome.error is not None:
        return () if call.job_ids else unexpected(call, outcome, "ADD-3")
    value, due = outcome.value, len(call.arguments[0])
    if value is UNSEEN or (_is_list(value) and len(cast("list[object]", value)) == due):
        return ()
    text = "{} {}; it should have returned a list of {} answers, one for each job"
    return (Violation("ADD-3", text, (call, outcome, due)),)


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def judge_added_part(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    """Judge what an ``add_many`` did to one job.

    Args:
        state: What is known of the job before the call.
        call: The call as far as it is about this job: it may be added more than once.
        outcome: What came of it, with the answers for this job only.
    """
    if outcome.error is not None:
        return state, unexpected(call, outcome, "ADD-3")
    jobs, value = call.arguments[0], outcome.value
    told: Sequence[object] = cast("list[object]", value) if _is_list(value) else ()
    return _added(state, call, outcome, told if len(told) == len(jobs) else (), "ADD-3")


def _added(
    state: JobState, call: Call, outcome: Outcome, answers: Sequence[object], law: str
) -> Judgement:
    """Judge additions of one job, of which the first creates it if there is none."""
    job = call.jobs[0]
    is_new = state.facts is None
    after = _created(state, facts_of(job), law) if is_new else _left(state)
    due = [is_new, *(False for _ in call.jobs[1:])]
    for answer, expected in zip(answers, due, strict=False):
        if answer is not expected:
            text = "{} {}; for the job {} it should have returned {}, because the job was {}stored"
            was = Verbatim("" if state.facts is not None else "not ")
            return after, (Violation("ADD-1", text, (call, outcome, job.id, expected, was)),)
    return after, ()


def _created(state: JobState, facts: Facts, law: str) -> JobState:
    """Return the state of a job that was made just now."""
    return JobState(
        facts,
        None,
        state.least,
        state.given,
        state.spent,
        law,
        state.former,
        "DELETE-2",
        state.tainted,
        lease=state.lease,
    )


def _left(state: JobState) -> JobState:
    return state.blaming("ADD-1") if state.blame == "GET-1" else state
