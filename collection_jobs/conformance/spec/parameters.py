"""Kinds of parameters: what each takes for an example, and every value that it refuses.

A parameter's kind follows from its name, which means the same in every signature. What draws its
values at random is in `checks.sequential.strategies`, by kind as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from collection_jobs.conformance.spec.calls import example_job, example_lease
from collection_jobs.conformance.spec.signatures import CallParameter
from collection_jobs.fields import FieldKind
from collection_jobs.job import CollectionJob
from collection_jobs.query import JobQuery
from collection_jobs.status import JobStatus

__all__ = ["Kind", "Wrong", "kind_of", "wrong_values"]


class Wrong(NamedTuple):
    """One wrong argument.

    Attributes:
        argument: What is given.
        value: What in it is wrong: the message of the error has to show it.
        due: The type of error.
    """

    argument: Any
    value: Any
    due: type[Exception]


Example = Callable[[str, int], Any]
"""From the id of a job and a number: another number, another value where there are several."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of parameter.

    Attributes:
        name: How it is called.
        example: A plain value.
        wrong: The values that it refuses, beside the None that it takes only as its default.
        is_incidental: Whether another value leaves what the call is about: it may be made plainer.
        holds_ids: Whether ids of jobs are in it.
        few: So few values that concurrent calls meet; of what holds ids they are drawn otherwise.
        domain: The kind of fields whose domain its values are of; None where they have none.
        beside: The values that it refuses beside the plain id of a job.
    """

    name: str
    example: Example
    wrong: tuple[Wrong, ...] = ()
    is_incidental: bool = False
    holds_ids: bool = False
    few: tuple[Any, ...] = ()
    domain: FieldKind | None = None
    beside: tuple[Wrong, ...] = ()


def _wrong(due: type[Exception], values: Iterable[Any]) -> Iterator[Wrong]:
    return (Wrong(value, value, due) for value in values)


_NAIVE = datetime(2024, 3, 1, 12)  # noqa: DTZ001 - a naive one is what must be refused
_NAMES = (
    *_wrong(ValueError, ("", "x" * 256, "a\0b", "a\ud800b")),
    *_wrong(TypeError, (7, b"a")),
)
_COUNTS = (*_wrong(ValueError, (-1, -(10**30))), *_wrong(TypeError, ("5", 1.5)))
_CANDLES = (*_COUNTS, *_wrong(ValueError, (2**63, 2**70)))
_STATUSES = tuple(_wrong(TypeError, ("running", "no such status")))
_TEXTS = tuple(_wrong(TypeError, (7, b"boom")))
_TIMES = (*_wrong(ValueError, (_NAIVE,)), *_wrong(TypeError, (date(2024, 3, 1), "2024-03-01")))
_KEYS = (
    *_wrong(TypeError, ("a", 7, ("2024-03-01", "a"), (datetime(2024, 3, 1, tzinfo=UTC), None))),
    *_wrong(ValueError, ((_NAIVE, "a"),)),
)
# The entity is final: no store would keep the fields of a subclass.
_Subclass = type("CollectionJobSubclass", (CollectionJob,), {"__slots__": ()})
_SUBCLASSED = _Subclass(
    **{item.name: getattr(example_job("a"), item.name) for item in fields(CollectionJob)}
)
_Annotated = type("CollectionJobWithDesk", (CollectionJob,), {"__slots__": ("desk",)})
_ANNOTATED = _Annotated(
    **{item.name: getattr(example_job("a"), item.name) for item in fields(CollectionJob)}
)
object.__setattr__(_ANNOTATED, "desk", "east")
_JOBS = tuple(_wrong(TypeError, ("a", {"id": "a"}, _SUBCLASSED, _ANNOTATED)))
_SEVERAL_JOBS = (
    *_wrong(TypeError, (7,)),
    *(
        Wrong((example_job("a", source="not saved"), one.value), one.value, one.due)
        for one in (*_wrong(TypeError, (None,)), *_JOBS)
    ),
)


def _example_job(job_id: str, number: int) -> CollectionJob:
    return example_job(job_id, source=f"source {number}") if number else example_job(job_id)


_JOB_ID = Kind("id", lambda job_id, number: job_id, _NAMES, holds_ids=True)
_JOB = Kind("job", _example_job, _JOBS, is_incidental=True, holds_ids=True)
_SOME_JOBS = Kind(
    "jobs",
    lambda job_id, number: (_example_job(job_id, number),),
    _SEVERAL_JOBS,
    is_incidental=True,
    holds_ids=True,
)
_SYMBOLS = ("BTC", "ETH")
_SYMBOL = Kind("symbol", lambda job_id, number: _SYMBOLS[number % 2], _NAMES, few=_SYMBOLS)
_TEXT = Kind(
    "text",
    lambda job_id, number: "timed out",
    _TEXTS,
    is_incidental=True,
    few=("timeout", "banned", "refused", "no route", "reset", "gone"),
    domain=FieldKind.TEXT,
)
_CANDLES_OF_A_SYMBOL = Kind(
    "candles",
    lambda job_id, number: number + 1,
    _CANDLES,
    is_incidental=True,
    few=tuple(range(1, 10)),
    domain=FieldKind.COUNTS,
)
_STATUS = Kind("status", lambda job_id, number: JobStatus.PENDING, _STATUSES, few=tuple(JobStatus))
_LIMIT = Kind("limit", lambda job_id, number: 0, _COUNTS, is_incidental=True, few=(1, 2))
_OFFSET = Kind("offset", lambda job_id, number: 0, _COUNTS, is_incidental=True)
_TIME = Kind("time", lambda job_id, number: None, _TIMES, domain=FieldKind.INSTANT)
_KEY = Kind("key", lambda job_id, number: None, _KEYS, holds_ids=True)

_FEW_QUERIES = (
    JobQuery(),
    JobQuery(statuses=(JobStatus.PENDING, JobStatus.FAILED)),
    JobQuery(symbol="BTC", with_failures=True),
    JobQuery(source="binance", created_from=datetime(2024, 3, 1, 12, tzinfo=UTC)),
)

_TTLS = (
    *_wrong(ValueError, (timedelta(), timedelta(milliseconds=49), timedelta(seconds=-20))),
    *_wrong(ValueError, (timedelta(days=7, microseconds=1),)),
    *_wrong(TypeError, (20, 1.5, "20")),
)
_MOST = (*_wrong(ValueError, (0, -1)), *_wrong(TypeError, ("5", 1.5)))
_STRANGER = example_lease("another job")
_WORKER = Kind(
    "worker",
    lambda job_id, number: f"worker {number}",
    _NAMES,
    few=("worker 0", "worker 1"),
)
_TTL = Kind("ttl", lambda job_id, number: timedelta(hours=1), _TTLS, few=(timedelta(hours=1),))
_SOURCE = Kind("source of a job", lambda job_id, number: "binance", _NAMES, few=("binance",))
_MOST_RUNNING = Kind("most running", lambda job_id, number: 1, _MOST, few=(1, 2))
_LEASE = Kind(
    "lease",
    lambda job_id, number: example_lease(job_id),
    tuple(_wrong(TypeError, ("a", 7, example_job("a")))),
    holds_ids=True,
    beside=(Wrong(_STRANGER, "another job", ValueError),),
)

_PERMANENT = Kind(
    "permanent",
    lambda job_id, number: number % 2 == 0,
    tuple(_wrong(TypeError, (1, 0, "yes"))),
    is_incidental=True,
    few=(True, False),
)
_FIRST = example_job("a").start
_CURSOR = Kind(
    "cursor",
    lambda job_id, number: _FIRST + timedelta(hours=number % 8_000),
    _TIMES,
    few=tuple(_FIRST + timedelta(days=days) for days in (1, 2, 3)),
)
_QUERY = Kind(
    "query",
    lambda job_id, number: _FEW_QUERIES[number % len(_FEW_QUERIES)],
    tuple(_wrong(TypeError, ("binance", 7, {"source": "binance"}, JobStatus.PENDING))),
    is_incidental=True,
    few=_FEW_QUERIES,
)
_BEFORE = Kind(
    "end of a past",
    lambda job_id, number: datetime(2024, 6, 1, tzinfo=UTC),
    _TIMES,
    few=(datetime(2024, 6, 1, tzinfo=UTC), datetime(2300, 1, 1, tzinfo=UTC)),
)
_ENDED = (JobStatus.COMPLETED, JobStatus.CANCELLED)
_FINAL = Kind(
    "final statuses",
    lambda job_id, number: _ENDED,
    (
        *_wrong(ValueError, ((JobStatus.FAILED,), (JobStatus.COMPLETED, JobStatus.RUNNING))),
        *_wrong(TypeError, (7, "completed", ("completed",), JobStatus.COMPLETED)),
    ),
    few=(_ENDED, _ENDED[:1], _ENDED[1:]),
)

_KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "job_id": _JOB_ID,
        "job": _JOB,
        "jobs": _SOME_JOBS,
        "symbol": _SYMBOL,
        "error": _TEXT,
        "error_message": _TEXT,
        "candles": _CANDLES_OF_A_SYMBOL,
        "status": _STATUS,
        "limit": _LIMIT,
        "offset": _OFFSET,
        "since": _TIME,
        "after": _KEY,
        "worker": _WORKER,
        "ttl": _TTL,
        "source": _SOURCE,
        "most_running": _MOST_RUNNING,
        "lease": _LEASE,
        "permanent": _PERMANENT,
        "until": _CURSOR,
        "query": _QUERY,
        "before": _BEFORE,
        "statuses": _FINAL,
    }
)
"""The kind of each parameter, by its name."""


def kind_of(parameter: str) -> Kind:
    """Return the kind of the parameters of a name.

    Raises:
        LookupError: No signature was known to have such a parameter.
    """
    kind = _KINDS.get(parameter)
    if kind is None:
        raise LookupError(
            f"no kind is known of the parameter {parameter!r}: add it to spec/parameters.py"
        )
    return kind


def wrong_values(parameter: CallParameter) -> tuple[Wrong, ...]:
    """Return the values that a parameter refuses: None is one, unless it is its default."""
    kind = kind_of(parameter.name)
    wrong = kind.wrong
    if not parameter.is_required and parameter.default is None:
        return (*wrong, *kind.beside)
    return (*wrong, Wrong(None, None, TypeError))
