"""The oracle on what is recorded of a symbol beside its outcome: permanent failures and cursors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from collection_jobs.conformance.spec.calls import Call, Outcome
from collection_jobs.conformance.spec.findings import Verbatim, Violation
from collection_jobs.conformance.spec.instants import in_utc
from collection_jobs.conformance.spec.judge import changed, judge_refusal, with_failure
from collection_jobs.conformance.spec.model import Facts, JobState, Judgement, unexpected

__all__ = ["judge_cursor", "judge_permanent_failure"]


def judge_permanent_failure(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    """Judge an ``add_failure``, be the failure permanent or not."""
    _, symbol, error = call.arguments[:3]
    permanent: bool = call.argument("permanent")

    def recorded(facts: Facts) -> Facts:
        return with_failure(facts, symbol, error, permanent=permanent)

    return _judge(state, call, outcome, "FAILURE-1", recorded)


def judge_cursor(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    """Judge a ``set_cursor``: of a symbol that has completed it changes nothing."""
    _, symbol, given = call.arguments[:3]
    until: datetime = in_utc(given)
    facts = state.facts
    if facts is not None and symbol in facts.symbols:
        if state.tainted and isinstance(outcome.error, ValueError):
            return state, ()  # nobody knows which range the store has
        if not state.tainted and not facts.start <= until <= facts.end:
            return _outside(state, call, outcome)
    if facts is not None and symbol in dict(facts.completed_symbols):
        return _ignored(state, call, outcome)

    def recorded(facts: Facts) -> Facts:
        others = frozenset(item for item in facts.cursors if item[0] != symbol)
        return facts._replace(cursors=others | {(symbol, until)})

    return _judge(state, call, outcome, "CURSOR-1", recorded)


def _outside(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    after = state.blaming("CURSOR-1") if state.blame == "GET-1" else state
    if isinstance(outcome.error, ValueError):
        return after, ()
    text = "{} {}; it should have raised ValueError, for the job's range is {} to {}"
    facts = state.facts
    assert facts is not None  # noqa: S101 - the caller looked; this tells the type checker
    return after, (Violation("CURSOR-1", text, (call, outcome, facts.start, facts.end)),)


def _ignored(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    after = state.blaming("CURSOR-1") if state.blame == "GET-1" else state
    if outcome.error is not None:
        return after, unexpected(call, outcome, "CURSOR-1")
    return after, _no_answer_is_due(call, outcome, "CURSOR-1")


def _judge(
    state: JobState, call: Call, outcome: Outcome, law: str, recorded: Callable[[Facts], Facts]
) -> Judgement:
    facts = state.facts
    if facts is None or call.arguments[1] not in facts.symbols:
        return judge_refusal(state, call, outcome, law)
    if outcome.error is not None:
        return state, unexpected(call, outcome, law)
    # A cursor that was set again to the same instant is a change, too.
    after = changed(state, recorded(facts), law, surely=True)
    return after, _no_answer_is_due(call, outcome, law)


def _no_answer_is_due(call: Call, outcome: Outcome, law: str) -> tuple[Violation, ...]:
    if outcome.value is None:
        return ()
    text = "{} {}; {} returns None"
    return (Violation(law, text, (call, outcome, Verbatim(call.method))),)
