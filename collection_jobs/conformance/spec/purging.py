"""The oracle on purges: which of the finished jobs one deletes, and how many it says there were.

Where fewer are to be deleted than match, the contract says "oldest first". That can be read as
those that ended first, or as those that were created first: either is right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from collection_jobs.conformance.spec.calls import UNSEEN, Call, Outcome
from collection_jobs.conformance.spec.findings import Verbatim, Violation
from collection_jobs.conformance.spec.instants import in_utc
from collection_jobs.conformance.spec.listings import sort_key
from collection_jobs.conformance.spec.model import Facts, JobState, Judgement, Span, unexpected
from collection_jobs.conformance.spec.queries import Match, is_before

__all__ = [
    "is_purged",
    "judge_purge",
    "judge_purge_by_age",
    "judge_purged",
    "purged",
]

_LAW = "PURGE-1"


def is_purged(call: Call, facts: Facts | None) -> Match:
    """Return whether a job is one that a purge deletes, its limit aside."""
    if facts is None or facts.status not in {str(one.value) for one in call.argument("statuses")}:
        return False
    return is_before(facts.finished_at, in_utc(call.argument("before")))


def purged(state: JobState) -> JobState:
    """Return what is known of an id whose job a purge deleted."""
    spent = state.spent | state.given
    return JobState(spent=spent, blame=_LAW, former=state.facts, lease=state.lease.anew())


def _left(state: JobState) -> JobState:
    return state.blaming(_LAW) if state.blame == "GET-1" else state


def judge_purged(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    """Judge what a purge without a limit did to one job: how many it deleted is not asked."""
    if outcome.error is not None:
        return state, unexpected(call, outcome, _LAW)
    return (purged(state) if is_purged(call, state.facts) else _left(state)), ()


def judge_purge(
    states: Mapping[str, JobState], call: Call, outcome: Outcome
) -> tuple[dict[str, JobState], list[Violation]]:
    """Judge a ``delete_finished`` that deletes first what ended first."""
    return _judge(states, call, outcome, _by_end)


def judge_purge_by_age(
    states: Mapping[str, JobState], call: Call, outcome: Outcome
) -> tuple[dict[str, JobState], list[Violation]]:
    """Judge a ``delete_finished`` that deletes first what was created first."""
    return _judge(states, call, outcome, sort_key)


def _by_end(facts: Facts) -> tuple[datetime, str]:
    ended = facts.finished_at
    if isinstance(ended, Span):
        ended = ended.first
    assert ended is not None  # noqa: S101 - it has ended; this tells the type checker
    return ended, facts.id


def _judge(
    states: Mapping[str, JobState],
    call: Call,
    outcome: Outcome,
    order: Callable[[Facts], tuple[datetime, str]],
) -> tuple[dict[str, JobState], list[Violation]]:
    if outcome.error is not None:
        return {}, list(unexpected(call, outcome, _LAW))
    limit: int = call.argument("limit")
    stored = [state.facts for state in states.values() if state.facts is not None]
    sure = sorted((one for one in stored if is_purged(call, one)), key=order)
    unsure = [one for one in stored if is_purged(call, one) is None]
    number = outcome.value
    if unsure and type(number) is int and number > min(limit, len(sure)):
        sure = sorted((*sure, *unsure), key=order)
    due = [facts.id for facts in sure[:limit]]
    gone = set(due)
    after = {
        job_id: purged(state) if job_id in gone else _left(state)
        for job_id, state in states.items()
    }
    if number is UNSEEN or (type(number) is int and number == len(due)):
        return after, []
    text = "{} {}; it should have deleted {}, and said how many: {}"
    ids = Verbatim(f"[{', '.join(map(ascii, due))}]" if len(due) <= _FEW else "all that match")
    return after, [Violation(_LAW, text, (call, outcome, ids, len(due)))]


_FEW = 12
