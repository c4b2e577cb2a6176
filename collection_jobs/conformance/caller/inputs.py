"""INPUT-1: every value that no method can take, given to every method that could be given it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from collection_jobs.conformance.calls import Call, Outcome, brief, code, example_job, make
from collection_jobs.conformance.findings import Finding
from collection_jobs.conformance.oracle.model import Facts, facts_of
from collection_jobs.conformance.store import OpenStore
from collection_jobs.job import CollectionJob
from collection_jobs.status import JobStatus

__all__ = ["check_inputs"]

LAW = "INPUT-1"

_WRONG_NAMES: tuple[tuple[Any, type[Exception]], ...] = (
    ("", ValueError),
    ("x" * 256, ValueError),
    (None, TypeError),
    (7, TypeError),
    (b"a", TypeError),
)
_WRONG_COUNTS: tuple[tuple[Any, type[Exception]], ...] = (
    (-1, ValueError),
    (-(10**30), ValueError),
    ("5", TypeError),
    (1.5, TypeError),
    (None, TypeError),
)
_WRONG_STATUSES: tuple[tuple[Any, type[Exception]], ...] = (
    ("running", TypeError),
    ("no such status", TypeError),
    (None, TypeError),
)
_WRONG_TEXTS: tuple[tuple[Any, type[Exception]], ...] = ((7, TypeError), (b"boom", TypeError))
_WRONG_TIMES: tuple[tuple[Any, type[Exception]], ...] = (
    (datetime(2024, 3, 1, 12), ValueError),  # noqa: DTZ001 - a naive one is what must be refused
    (date(2024, 3, 1), TypeError),
    ("2024-03-01", TypeError),
)
_WRONG_JOBS: tuple[tuple[Any, type[Exception]], ...] = (
    (None, TypeError),
    ("a", TypeError),
    ({"id": "a"}, TypeError),
)

WrongCall = tuple[Call, Any, type[Exception]]


def wrong_calls() -> Iterator[WrongCall]:
    """Each call with one wrong argument, that argument, and the type of error that is due."""
    pending, running = JobStatus.PENDING, JobStatus.RUNNING
    patterns: tuple[tuple[str, tuple[Any, ...], int, tuple[tuple[Any, type[Exception]], ...]], ...]
    patterns = (
        ("save", (None,), 0, _WRONG_JOBS),
        ("get_by_id", (None,), 0, _WRONG_NAMES),
        ("delete", (None,), 0, _WRONG_NAMES),
        ("list_by_status", (None,), 0, _WRONG_STATUSES),
        ("list_by_status", (pending, None), 1, _WRONG_COUNTS),
        ("list_by_status", (pending, 0, None), 2, _WRONG_COUNTS),
        ("list_recent", (None,), 0, _WRONG_COUNTS),
        ("list_recent", (0, None), 1, _WRONG_TIMES),
        ("update_status", (None, running), 0, _WRONG_NAMES),
        ("update_status", ("a", None), 1, _WRONG_STATUSES),
        ("update_status", ("a", running, None), 2, _WRONG_TEXTS),
        ("add_failed_symbol", (None, "BTC", "boom"), 0, _WRONG_NAMES),
        ("add_failed_symbol", ("a", None, "boom"), 1, _WRONG_NAMES),
        ("add_failed_symbol", ("a", "BTC", None), 2, (*_WRONG_TEXTS, (None, TypeError))),
        ("get_stats", (None,), 0, _WRONG_NAMES),
    )
    for method, arguments, at, values in patterns:
        for value, due in values:
            call = Call(method, (*arguments[:at], value, *arguments[at + 1 :]))
            yield call, value, due


def check_inputs(store: OpenStore) -> list[Finding]:
    """Give a store every wrong value: one finding, with the first that it takes, or none.

    The store must be open and empty. "Before the engine is touched" shows in that the stored job
    is as it was; that the engine was not even asked cannot be seen from outside.
    """
    job = example_job("a")
    store.run(make(Call("save", (job,)), store.repository))
    before = _stored(store)
    wrong: list[Finding] = []
    for call, value, due in wrong_calls():
        outcome = store.run(make(call, store.repository))
        message = _complaint(call, outcome, value, due)
        if message is None and _stored(store) != before:
            message = f"{call} {outcome}, and changed the stored job"
        if message is not None:
            history = (f"await repository.save({code(job)})", f"await {call}")
            wrong.append(Finding(LAW, message, history))
            before = _stored(store)
    if not wrong:
        return []
    others = "".join(f"; so does {finding.history[-1][6:]}" for finding in wrong[1:])
    first = wrong[0]
    return [Finding(LAW, _shortened(first.message + others), first.history)]


def _shortened(message: str) -> str:
    return message if len(message) <= 2000 else f"{message[:2000]}..."


def _stored(store: OpenStore) -> tuple[Facts, int | None] | None:
    job = store.run(make(Call("get_by_id", ("a",)), store.repository)).value
    return (facts_of(job), job.revision) if isinstance(job, CollectionJob) else None


def _complaint(call: Call, outcome: Outcome, value: Any, due: type[Exception]) -> str | None:
    """What is wrong with the answer to a wrong call, or None."""
    if not isinstance(outcome.error, due):
        return f"{call} {outcome}; a {due.__name__} is due for {brief(value)}"
    if not _shows(str(outcome.error), value):
        return f"{call} {outcome}; the message should show the value {brief(value)}"
    return None


def _shows(message: str, value: Any) -> bool:
    """Whether a message shows a value: in any spelling, or its beginning where it is long."""
    spellings = [repr(value), code(value)]
    if not isinstance(value, str) or value:
        spellings.append(str(value))
    if value == "":
        spellings.append('""')
    return any(spelling[:20] in message for spelling in spellings)
