"""The oracle: what the contract says of one job, one call after another.

It shares no code with the adapters nor with the entity: it has its own table of the lifecycle and
its own rules. Each function takes the state of a job, a call that names the job and what came of
it, and gives the state afterwards and every law that was broken. After a violation the state is
what the contract asks for, not what the store then holds. The same functions judge a sequence of
calls, and tell the linearizability check whether an order of concurrent calls is possible. Which
function judges which method stands in the registry of operations.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from collection_jobs.conformance.spec.calls import Call, NoAnswer, Outcome
from collection_jobs.conformance.spec.findings import Verbatim, Violation
from collection_jobs.conformance.spec.model import (
    NO_LEASE,
    Facts,
    JobState,
    Judgement,
    Span,
    seen,
    storable,
    unexpected,
)
from collection_jobs.errors import CollectionJobError, JobNotFoundError, UnknownSymbolError
from collection_jobs.job import CollectionJob
from collection_jobs.stats import JobStats

__all__ = [
    "PERMITTED",
    "changed",
    "judge_completion",
    "judge_deletion",
    "judge_failure",
    "judge_read",
    "judge_refusal",
    "judge_stats",
    "judge_status",
    "permits",
    "with_failure",
    "with_status",
]

_Item = TypeVar("_Item", tuple[str, int], tuple[str, str], tuple[str, datetime])

PERMITTED = frozenset(
    {
        ("pending", "running"),
        ("pending", "failed"),
        ("pending", "cancelled"),
        ("running", "completed"),
        ("running", "failed"),
        ("running", "cancelled"),
        ("running", "pending"),
        ("failed", "pending"),
    }
)
"""The changes of status that the lifecycle permits."""


def judge_read(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    """Judge what ``get_by_id`` showed of a job."""
    if outcome.error is not None:
        return state, unexpected(call, outcome, "GET-1")
    job = outcome.value
    if job is None:
        if state.facts is None:
            return state, ()
        return state, (Violation(state.blame, "{} returned None; the job is stored", (call,)),)
    if not isinstance(job, CollectionJob):
        return state, (
            Violation("GET-1", "{} {}; a CollectionJob or None is due", (call, outcome)),
        )
    if state.facts is None:
        # Another job in its place is due to the read, whatever was done to this id before.
        law = state.blame if job.id == call.arguments[0] else "GET-1"
        return state, (Violation(law, "{} {}; there is no such job", (call, outcome)),)
    return seen(state, job, call, state.blame)


def judge_deletion(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    """Judge a ``delete``."""
    if outcome.error is not None:
        return state, unexpected(call, outcome, "DELETE-1")
    there = state.facts is not None
    after = state
    if there:
        spent, lease = state.spent | state.given, state.lease.anew()
        after = JobState(spent=spent, blame="DELETE-1", former=state.facts, lease=lease)
    if outcome.value is not there:
        text = "{} {}; it should have returned {}, because the job was {}stored"
        values = (call, outcome, there, Verbatim("" if there else "not "))
        return after, (Violation("DELETE-1", text, values),)
    return after, ()


def judge_status(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    """Judge an ``update_status``."""
    if outcome.error is not None:
        return state, unexpected(call, outcome, "STATUS-1")
    status = str(call.arguments[1].value)
    error_message: str | None = call.arguments[2] if len(call.arguments) > 2 else None
    facts = state.facts
    permitted = permits(facts, status)
    after = state.blaming("STATUS-1") if state.blame == "GET-1" else state
    if permitted and facts is not None:
        span = Span(outcome.began, outcome.ended)
        after = changed(state, with_status(facts, status, error_message, span), "STATUS-3")
        if status == "pending" and after.lease is not NO_LEASE:
            after = after._replace(lease=after.lease.anew())
    if outcome.value is not permitted:
        text = "{} {}; it should have returned {}, because the job was {}"
        values = (call, outcome, permitted, Verbatim(facts.status if facts else "not stored"))
        return after, (Violation("STATUS-1", text, values),)
    return after, ()


def permits(facts: Facts | None, status: str) -> bool:
    """Return whether there is such a job and its lifecycle permits the change."""
    return facts is not None and (facts.status, status) in PERMITTED


def with_status(facts: Facts, status: str, error_message: str | None, span: Span) -> Facts:
    """Return the facts after a change of status that was made at some time."""
    started_at, finished_at = facts.started_at, facts.finished_at
    if status == "running":
        started_at, finished_at = span, None
    elif status == "pending":
        started_at, finished_at = None, None
    else:
        finished_at = span
    message = None if error_message is None else storable(error_message)
    # By position, as in `facts_of`: this is made for every change of status that a search tries.
    lifecycle = (status, started_at, finished_at, message)
    return Facts._make((*facts[:7], *lifecycle, *facts[11:]))


def changed(state: JobState, facts: Facts, blame: str, *, surely: bool = False) -> JobState:
    """Return the state after a change that took effect.

    Args:
        state: The state before.
        facts: The job's fields afterwards.
        blame: The law that is broken when the next read shows other ones.
        surely: Whether it raises the revision also where the fields are the same.
    """
    least = state.least if state.revision is None else state.revision
    if least is not None and (surely or facts != state.facts):
        least += 1
    lease = state.lease
    if facts.status != "running" and lease.may_be_held:
        lease = lease.ended()
    earlier = state.earlier
    if earlier is None and state.facts is not None and state.blame != "GET-1":
        earlier = state.facts, state.blame
    return JobState(
        facts,
        None,
        least,
        state.given,
        state.spent,
        blame,
        tainted=state.tainted,
        lease=lease,
        earlier=earlier,
    )


def judge_failure(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    """Judge an ``add_failed_symbol``."""
    recorded = None
    if state.facts is not None:
        recorded = with_failure(state.facts, *call.arguments[1:3], permanent=False)
    return _add_outcome(state, call, outcome, "FAILED", recorded)


def with_failure(facts: Facts, symbol: str, error: str, *, permanent: bool) -> Facts:
    """Return the facts after a failure of a symbol: it is counted, and a cursor stays."""
    others = _of_others(facts.failed_symbols, symbol)
    count = sum(number for name, number in facts.failure_counts if name == symbol)
    marked = facts.permanent_failures - {symbol}
    return facts._replace(
        completed_symbols=_of_others(facts.completed_symbols, symbol),
        failed_symbols=others | {(symbol, storable(error))},
        permanent_failures=marked | {symbol} if permanent else marked,
        failure_counts=_of_others(facts.failure_counts, symbol) | {(symbol, count + 1)},
    )


def _with_completion(facts: Facts, symbol: str, candles: int) -> Facts:
    """Return the facts after a completion of a symbol: its failures stay counted."""
    return facts._replace(
        completed_symbols=_of_others(facts.completed_symbols, symbol) | {(symbol, candles)},
        failed_symbols=_of_others(facts.failed_symbols, symbol),
        permanent_failures=facts.permanent_failures - {symbol},
        cursors=_of_others(facts.cursors, symbol),
    )


def _of_others(items: frozenset[_Item], symbol: str) -> frozenset[_Item]:
    return frozenset(item for item in items if item[0] != symbol)


def judge_completion(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    """Judge an ``add_completed_symbol``."""
    recorded = None
    if state.facts is not None:
        recorded = _with_completion(state.facts, *call.arguments[1:3])
    return _add_outcome(state, call, outcome, "COMPLETED", recorded)


def _add_outcome(
    state: JobState, call: Call, outcome: Outcome, family: str, recorded: Facts | None
) -> Judgement:
    """Judge the recording of one outcome, which leaves these facts where there is a job."""
    law = f"{family}-1"
    facts = state.facts
    if facts is None or recorded is None or call.arguments[1] not in facts.symbols:
        return judge_refusal(state, call, outcome, f"{family}-3")
    if outcome.error is not None:
        return state, unexpected(call, outcome, law)
    after = changed(state, recorded, law)
    if outcome.value is not None:
        text = "{} {}; {} returns None"
        return after, (Violation(law, text, (call, outcome, Verbatim(call.method))),)
    return after, ()


def judge_refusal(state: JobState, call: Call, outcome: Outcome, law: str) -> Judgement:
    """Judge a call about a symbol of a job where there is no such job, or no such symbol of it."""
    after = state.blaming(law) if state.blame == "GET-1" else state
    error = outcome.error
    due: type[CollectionJobError] = UnknownSymbolError
    ids = call.arguments[:2]
    if state.facts is None:
        due, ids = JobNotFoundError, call.arguments[:1]
    if isinstance(error, due) and error.args == ids:
        return after, ()
    text = "{} {}; it should have raised {} with the ids"
    violation = Violation(law, text, (call, outcome, Verbatim(due.__name__)))
    allowed = CollectionJobError | LookupError | ValueError | NoAnswer
    if error is None or isinstance(error, allowed):
        return after, (violation,)
    return after, (unexpected(call, outcome, law)[0], violation)


def judge_stats(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    """Judge what ``get_stats`` showed of a job."""
    if outcome.error is not None:
        return state, unexpected(call, outcome, "STATS-1")
    due: JobStats | None = None
    if state.facts is not None:
        due = JobStats(
            total=len(state.facts.symbols),
            completed=len(state.facts.completed_symbols),
            failed=len(state.facts.failed_symbols),
            total_candles=sum(candles for _, candles in state.facts.completed_symbols),
        )
    if state.tainted or (outcome.value == due and type(outcome.value) is type(due)):
        return state, ()
    law = "DELETE-1" if state.facts is None and state.blame == "DELETE-1" else "STATS-1"
    return state, (Violation(law, "{} {}; it should have returned {}", (call, outcome, due)),)
