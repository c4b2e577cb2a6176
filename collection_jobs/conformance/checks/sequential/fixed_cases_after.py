"""Fixed programs about what shows only later: after the same again, or at the next change.

What a store keeps beside its jobs (counters, indexes, queues of what is to be done) is wrong long
before it shows: when a job comes back, when the store was empty, at the third time round, or when
one method has changed what another keeps an index of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from itertools import product

from collection_jobs.conformance.spec.calls import Change, Held, Program, Step, example_job
from collection_jobs.conformance.spec.operations import operations
from collection_jobs.job import CollectionJob
from collection_jobs.query import JobQuery
from collection_jobs.status import JobStatus

__all__ = ["programs_of_after_effects"]

_STATUSES = tuple(JobStatus)
_TIMES = 5

_AGES: tuple[datetime, ...] = tuple(
    datetime.fromisoformat(f"{text}+00:00")
    for text in (
        "0002-01-01T00:00:00",
        "0033-04-03T00:00:00",
        "0987-06-05T00:00:00",
        "1000-01-01T00:00:00",
        "1583-01-01T00:00:00",
        "1899-12-31T23:59:59.999999",
        "1969-12-31T23:59:59.999999",
        "1970-01-01T00:00:00",
        "2001-09-09T01:46:39",
        "2001-09-09T01:46:40",
        "2024-03-01T00:00:00",
        "2024-03-01T00:00:00.000001",
        "2024-03-01T00:00:00.000010",
        "2024-03-01T00:00:00.500000",
        "2024-03-01T00:00:00.510000",
        "2024-03-01T00:00:01",
        "2286-11-20T17:46:40",
        "9000-01-01T00:00:00.000001",
        "9000-01-01T00:00:00.000002",
        "9999-12-31T00:00:00",
    )
)
"""Instants that are in order, which their digits put into another, and a float into none."""


def programs_of_after_effects(capabilities: Collection[str]) -> Iterator[Program]:
    """Yield the programs, each for a new store.

    Args:
        capabilities: What the adapter can do beyond the nine methods.
    """
    yield tuple(_emptied())
    yield tuple(_come_back())
    yield tuple(_symbols_of_others())
    yield tuple(_again_and_again())
    yield tuple(_saved_back())
    yield tuple(_ages({one.name for one in operations(capabilities)}))


def _saved(job: CollectionJob) -> Iterator[Step]:
    """Save a job and read it: what is wrong then is due to no later call."""
    yield Step("save", (job,))
    yield Step("get_by_id", (job.id,))


def _listed() -> Iterator[Step]:
    yield Step("get_running_jobs")
    yield Step("list_recent")
    for status in _STATUSES:
        yield Step("list_by_status", (status,))


def _emptied() -> Iterator[Step]:
    """Delete the only job there is: its copy is stale for ever, though it is created again."""
    for number in range(_TIMES):
        yield Step("save", (example_job("a", source=f"source {number}"),))
        yield Step("get_by_id", ("a",), keep=f"copy {number}")
        yield Step("delete", ("a",))
        yield Step("list_recent")
        yield Step("save", (example_job("a"),))
        yield Step("get_by_id", ("a",))
        for copy in range(number + 1):
            yield Step("save", (Held(f"copy {copy}"),))
        yield Step("get_by_id", ("a",))
        yield Step("delete", ("a",))


def _come_back() -> Iterator[Step]:
    """Create a job again that had outcomes, and make each change: nothing of the former is left."""
    outcomes = {"completed_symbols": {"BTC": 5}, "failed_symbols": {"ETH": "boom"}}
    three = ("BTC", "ETH", "XRP")
    rich = example_job("a", symbols=three, error_message="boom", metadata={"k": "v"}, **outcomes)
    changes = (
        Step("add_failed_symbol", ("a", "XRP", "late")),
        Step("update_status", ("a", JobStatus.RUNNING)),
        Step("save", (Held("job", (Change("with_completed_symbol", ("XRP", 1)),)),)),
        Step("update_status", ("a", JobStatus.FAILED, "late")),
    )
    for change in changes:
        yield from _saved(rich)
        yield Step("add_failed_symbol", ("a", "XRP", "of the former"))
        yield Step("get_by_id", ("a",))
        yield Step("update_status", ("a", JobStatus.RUNNING))
        yield Step("get_by_id", ("a",))
        yield Step("delete", ("a",))
        yield Step("save", (example_job("a", symbols=three),))
        yield Step("get_by_id", ("a",), keep="job")
        yield change
        yield Step("get_by_id", ("a",))
        yield Step("get_stats", ("a",))
        yield from _listed()
        yield Step("delete", ("a",))


def _symbols_of_others() -> Iterator[Step]:
    """Record failures of symbols that only another job has, or had, or that this one had."""
    for job_id, symbols in (
        ("a", ("BTC", "OLD")),
        ("a", ("BTC",)),
        ("b", ("ETH",)),
        ("gone", ("XRP",)),
    ):
        yield from _saved(example_job(job_id, symbols=symbols))
    yield Step("delete", ("gone",))
    for job_id, symbol in product(("a", "b", "gone"), ("BTC", "ETH", "OLD", "XRP")):
        yield Step("add_failed_symbol", (job_id, symbol, "boom"))
        yield Step("get_by_id", (job_id,))


def _again_and_again() -> Iterator[Step]:
    """Go round the lifecycle several times, by each of its ways back to PENDING."""
    yield from _saved(example_job("a"))
    for number in range(_TIMES):
        for status in (JobStatus.RUNNING, JobStatus.PENDING, JobStatus.RUNNING, JobStatus.FAILED):
            yield Step("update_status", ("a", status, f"message {number}"))
            yield Step("get_by_id", ("a",))
        yield Step("add_failed_symbol", ("a", "BTC", f"error {number}"))
        yield Step("get_by_id", ("a",))
        yield Step("get_stats", ("a",))
        yield Step("update_status", ("a", JobStatus.PENDING))
        yield Step("get_by_id", ("a",))
        yield from _listed()


def _saved_back() -> Iterator[Step]:
    """Save a job with each status over each that update_status gave it, and list it."""
    ways: dict[JobStatus, tuple[JobStatus, ...]] = {
        JobStatus.PENDING: (),
        JobStatus.RUNNING: (JobStatus.RUNNING,),
        JobStatus.COMPLETED: (JobStatus.RUNNING, JobStatus.COMPLETED),
        JobStatus.FAILED: (JobStatus.FAILED,),
        JobStatus.CANCELLED: (JobStatus.CANCELLED,),
    }
    for steps, status in product(ways.values(), _STATUSES):
        yield from _saved(example_job("a"))
        for step in steps:
            yield Step("update_status", ("a", step))
            yield Step("get_by_id", ("a",))
        yield Step("save", (example_job("a", status=status),))
        yield Step("get_by_id", ("a",))
        yield from _listed()


def _ages(names: Collection[str]) -> Iterator[Step]:
    """List jobs of ages whose digits are in another order than they, since and behind each."""
    jobs = [
        example_job(f"job {number}", created_at=age)
        for number, age in enumerate(_AGES[1::2] + _AGES[::2])
    ]
    for job in jobs:
        yield from _saved(job)
    yield Step("list_recent")
    yield Step("list_by_status", (JobStatus.PENDING,))
    for job in jobs:
        yield Step("list_recent", (100, job.created_at))
        key = job.created_at, job.id
        if "list_after" in names:
            yield Step("list_after", (JobStatus.PENDING, key))
        if "find" in names:
            yield Step("find", (JobQuery(), 100, key))
            yield Step("find", (JobQuery(created_from=job.created_at, source="binance"), 3))
