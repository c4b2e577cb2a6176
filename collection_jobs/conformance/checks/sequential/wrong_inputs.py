"""INPUT-1: every value that no method can take, given to every method that could be given it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import fields
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, cast

from collection_jobs.conformance.running.configuration import Examination, Plan
from collection_jobs.conformance.running.open_store import OpenStore
from collection_jobs.conformance.running.runner import make
from collection_jobs.conformance.spec.calls import Call, Outcome, brief, code, example_job
from collection_jobs.conformance.spec.capabilities import METHODS, available
from collection_jobs.conformance.spec.findings import Finding, Violation
from collection_jobs.conformance.spec.model import Facts, facts_of
from collection_jobs.job import CollectionJob
from collection_jobs.status import JobStatus

__all__ = ["examine_wrong_inputs"]

_LAW = "INPUT-1"

_EXAMPLE = example_job("a")
_FIELDS = {item.name: getattr(_EXAMPLE, item.name) for item in fields(_EXAMPLE)}

_WRONG_NAMES: tuple[tuple[Any, type[Exception]], ...] = (
    ("", ValueError),
    ("x" * 256, ValueError),
    ("a\0b", ValueError),
    ("a\ud800b", ValueError),
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
_WRONG_CANDLES: tuple[tuple[Any, type[Exception]], ...] = (
    *_WRONG_COUNTS,
    (2**63, ValueError),
    (2**70, ValueError),
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
_WRONG_KEYS: tuple[tuple[Any, type[Exception]], ...] = (
    ("a", TypeError),
    (7, TypeError),
    (("2024-03-01", "a"), TypeError),
    ((datetime(2024, 3, 1, tzinfo=UTC), None), TypeError),
    ((datetime(2024, 3, 1, 12), "a"), ValueError),  # noqa: DTZ001 - as above
)
# The entity is final: no store would keep the fields of a subclass.
_Subclass = type("CollectionJobSubclass", (CollectionJob,), {"__slots__": ()})
_WRONG_JOBS: tuple[tuple[Any, type[Exception]], ...] = (
    (None, TypeError),
    ("a", TypeError),
    ({"id": "a"}, TypeError),
    (_Subclass(**_FIELDS), TypeError),
)

WrongCall = tuple[Call, Any, type[Exception]]


def wrong_calls(capabilities: Collection[str] = frozenset()) -> Iterator[WrongCall]:
    """Each call with one wrong argument, that argument, and the type of error that is due.

    Args:
        capabilities: What the adapter can do beyond the nine methods.
    """
    for pattern in available((*_patterns(), *_patterns_beyond()), capabilities):
        for value, due in pattern.values:
            before, after = pattern.arguments[: pattern.at], pattern.arguments[pattern.at + 1 :]
            yield Call(pattern.method, (*before, value, *after)), value, due
    if METHODS["save_many"] in capabilities:
        job = example_job("a", source="not saved")
        for value, due in _WRONG_JOBS:
            yield Call("save_many", ((job, value),)), value, due


class _Pattern(NamedTuple):
    """A call, and the values that its argument at one place cannot have."""

    method: str
    arguments: tuple[Any, ...]
    at: int
    values: tuple[tuple[Any, type[Exception]], ...]


def _patterns_beyond() -> Iterator[_Pattern]:
    recorded, pages = "add_completed_symbol", "list_after"
    yield _Pattern(recorded, (None, "BTC", 1), 0, _WRONG_NAMES)
    yield _Pattern(recorded, ("a", None, 1), 1, _WRONG_NAMES)
    yield _Pattern(recorded, ("a", "BTC", None), 2, _WRONG_CANDLES)
    yield _Pattern("save_many", (None,), 0, ((None, TypeError), (7, TypeError)))
    yield _Pattern(pages, (None,), 0, _WRONG_STATUSES)
    yield _Pattern(pages, (JobStatus.PENDING, None, 0), 1, _WRONG_KEYS)
    yield _Pattern(pages, (JobStatus.PENDING, None, None), 2, _WRONG_COUNTS)


def _patterns() -> Iterator[_Pattern]:
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
    return (_Pattern(*pattern) for pattern in patterns)


def examine_wrong_inputs(plan: Plan) -> Examination:
    """Give a store every wrong value; one finding, with the first that it takes, or none.

    "Before the engine is touched" shows in that the stored job is as it was; that the engine was
    not even asked cannot be seen from outside.
    """
    calls = list(wrong_calls(plan.capabilities))
    with plan.new_store() as store:
        findings = _findings(store, calls)
    return Examination(findings, f"{len(calls)} calls with a wrong argument each")


def _findings(store: OpenStore, calls: Iterable[WrongCall]) -> list[Finding]:
    job = example_job("a")
    store.run(make(Call("save", (job,)), store.repository))
    before = _stored(store)
    wrong: list[Finding] = []
    for call, value, due in calls:
        outcome = store.run(make(call, store.repository))
        violation = _violation(call, outcome, value, due)
        if violation is None and _stored(store) != before:
            violation = Violation(_LAW, f"{call} {outcome}, and changed the stored job")
        if violation is not None:
            history = (f"await repository.save({code(job)})", f"await {call}")
            wrong.append(Finding(_LAW, violation.message, history))
            before = _stored(store)
    if not wrong:
        return []
    first, *others = wrong
    return [Finding(_LAW, _shortened(first.message + _and_more(others)), first.history)]


def _and_more(others: list[Finding]) -> str:
    """Name the first three of the other findings' calls, and say how many there are."""
    calls = ", ".join(finding.history[-1].removeprefix("await ") for finding in others[:3])
    if len(others) <= 3:
        return f"; and {len(others)} more: {calls}" if others else ""
    return f"; and {len(others)} more; the first three: {calls}"


def _shortened(message: str) -> str:
    return message if len(message) <= 2000 else f"{message[:2000]}..."


def _stored(store: OpenStore) -> tuple[Facts, int | None] | None:
    job = store.run(make(Call("get_by_id", ("a",)), store.repository)).value
    return (facts_of(job), job.revision) if isinstance(job, CollectionJob) else None


def _violation(call: Call, outcome: Outcome, value: Any, due: type[Exception]) -> Violation | None:
    """What is wrong with the answer to a wrong call, or None."""
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
