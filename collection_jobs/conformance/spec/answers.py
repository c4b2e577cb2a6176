"""Answers: what a call gives to later reads, and what can be told of its answer at a glance.

Both only spare the search for an order of concurrent calls some work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from collection_jobs.conformance.spec.calls import Call, Outcome
from collection_jobs.conformance.spec.judge import permits
from collection_jobs.conformance.spec.model import Facts, facts_of, storable
from collection_jobs.errors import JobNotFoundError, LeaseLostError
from collection_jobs.stats import JobStats

__all__ = [
    "DELETION",
    "Possible",
    "gives_completion",
    "gives_deletion",
    "gives_failure",
    "gives_jobs",
    "gives_running",
    "gives_status",
    "if_absent",
    "if_counted",
    "if_found",
    "if_permitted",
    "if_stored",
]

DELETION = "a deletion"
"""What a call gives that may remove a job."""

Possible = Callable[[Facts | None], bool]
"""Whether an answer is possible for a job of these facts."""


def gives_deletion(call: Call) -> Iterator[object]:
    """Tell that a job may be gone."""
    yield DELETION


def gives_running(call: Call) -> Iterator[object]:
    """Tell that a job may be RUNNING."""
    yield "running"


def gives_status(call: Call) -> Iterator[object]:
    """Tell the status."""
    yield str(call.arguments[1].value)


def gives_failure(call: Call) -> Iterator[object]:
    """Tell the failed symbol, and its error as it is stored."""
    yield call.arguments[1], storable(call.arguments[2])


def gives_completion(call: Call) -> Iterator[object]:
    """Tell the completed symbol, and its candles."""
    yield call.arguments[1], call.arguments[2]


def gives_jobs(call: Call) -> Iterator[object]:
    """Tell the statuses and the outcomes of whole jobs."""
    for facts in map(facts_of, call.jobs):
        yield facts.status
        yield from facts.failed_symbols
        yield from facts.completed_symbols


def if_permitted(call: Call, outcome: Outcome) -> Possible | None:
    """Hold a change of status against the lifecycle."""
    if outcome.error is not None:
        return None  # its lease was lost
    status, value = str(call.arguments[1].value), outcome.value
    return lambda facts: permits(facts, status) is value


def if_stored(call: Call, outcome: Outcome) -> Possible:
    """Hold a deletion against whether there is a job."""
    value = outcome.value
    return lambda facts: (facts is not None) is value


def if_found(call: Call, outcome: Outcome) -> Possible | None:
    """Hold a recorded outcome against whether there is a job."""
    if isinstance(outcome.error, LeaseLostError):
        return None
    absent = isinstance(outcome.error, JobNotFoundError)
    return lambda facts: (facts is None) is absent


def if_absent(call: Call, outcome: Outcome) -> Possible:
    """Hold an addition against whether there is a job."""
    value = outcome.value
    return lambda facts: (facts is None) is value


def if_counted(call: Call, outcome: Outcome) -> Possible | None:
    """Hold stats against the number of failures."""
    stats = outcome.value
    if type(stats) is not JobStats:
        return None
    return lambda facts: facts is not None and len(facts.failed_symbols) == stats.failed
