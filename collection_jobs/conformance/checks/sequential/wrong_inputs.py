"""INPUT-1: every value that no method can take, given to every method that could be given it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, cast

from collection_jobs.conformance.running.configuration import Examination, Plan
from collection_jobs.conformance.running.open_store import OpenStore
from collection_jobs.conformance.running.runner import answered
from collection_jobs.conformance.spec.calls import Call, Outcome, brief, code, example_job
from collection_jobs.conformance.spec.findings import Finding, Violation
from collection_jobs.conformance.spec.model import Facts, facts_of
from collection_jobs.conformance.spec.operations import operations
from collection_jobs.conformance.spec.parameters import wrong_values
from collection_jobs.job import CollectionJob

__all__ = ["examine_wrong_inputs", "wrong_calls"]

_LAW = "INPUT-1"

_NAMED = 3
"""How many of further calls a finding names."""

WrongCall = tuple[Call, Any, type[Exception]]
"""A call, what in it is wrong, and the type of error that is due."""


def wrong_calls(capabilities: Collection[str] = frozenset()) -> Iterator[WrongCall]:
    """Yield each call with one wrong argument, that argument, and the type of error that is due.

    Args:
        capabilities: What the adapter can do beyond the nine methods.
    """
    for operation in operations(capabilities):
        for parameter in operation.parameters_of(capabilities):
            for wrong in wrong_values(parameter):
                call = operation.call("a", **{parameter.name: wrong.argument})
                yield call, wrong.value, wrong.due


def examine_wrong_inputs(plan: Plan) -> Examination:
    """Give a store every wrong value; one finding for each method, with the first that it takes.

    "Before the engine is touched" shows in that the stored job is as it was; that the engine was
    not even asked cannot be seen from outside.
    """
    calls = list(wrong_calls(plan.capabilities))
    with plan.new_store() as store:
        findings = _findings(store, calls)
    return Examination(findings, f"{len(calls)} calls with a wrong argument each")


def _findings(store: OpenStore, calls: Iterable[WrongCall]) -> list[Finding]:
    job = example_job("a")
    store.run(answered(Call("save", (job,)), store.repository))
    before = _stored(store)
    wrong = defaultdict[str, list[Finding]](list)
    for call, value, due in calls:
        outcome = store.run(answered(call, store.repository))
        violation = _violation(call, outcome, value, due)
        if violation is None and _stored(store) != before:
            violation = Violation(_LAW, f"{call} {outcome}, and changed the stored job")
        if violation is not None:
            history = (f"await repository.save({code(job)})", f"await {call}")
            wrong[call.method].append(Finding(_LAW, violation.message, history))
            before = _stored(store)
    return [
        Finding(_LAW, f"{first.message}{_others(others)}", first.history)
        for first, *others in wrong.values()
    ]


def _others(wrong: Sequence[Finding]) -> str:
    """Tell how many other calls were wrong, and name the first of them."""
    if not wrong:
        return ""
    calls = "; ".join(finding.history[-1].removeprefix("await ") for finding in wrong[:_NAMED])
    if len(wrong) <= _NAMED:
        return f"; and {len(wrong)} more: {calls}"
    return f"; and {len(wrong)} more; the first {_NAMED}: {calls}"


def _stored(store: OpenStore) -> tuple[Facts, int | None] | None:
    job = store.run(answered(Call("get_by_id", ("a",)), store.repository)).value
    return (facts_of(job), job.revision) if isinstance(job, CollectionJob) else None


def _violation(call: Call, outcome: Outcome, value: Any, due: type[Exception]) -> Violation | None:
    """Tell what is wrong with the answer to a wrong call, or None."""
    if not isinstance(outcome.error, due):
        return Violation(_LAW, f"{call} {outcome}; a {due.__name__} is due for {brief(value)}")
    if not _shows(str(outcome.error), value):
        text = f"{call} {outcome}; the message should show the value {brief(value)}"
        return Violation(_LAW, text)
    return None


def _shows(message: str, value: Any) -> bool:
    """Whether a message shows a value: in any spelling, or its beginning where it is long."""
    if isinstance(value, tuple):  # the part of it that is wrong will do
        parts = cast("tuple[object, ...]", value)
        return any(_shows(message, part) for part in parts) or repr(parts) in message
    spellings = [repr(value), code(value)]
    if not isinstance(value, str) or value:
        spellings.append(str(value))
    if value == "":
        spellings.append('""')
    return any(spelling[:20] in message for spelling in spellings)
