"""Fixed programs about finding, counting and purging jobs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import cycle, islice, product

from collection_jobs.conformance.spec.calls import (
    SPOIL,
    WAIT,
    Change,
    Held,
    Program,
    Step,
    example_job,
)
from collection_jobs.conformance.spec.capabilities import LEASES, METHODS
from collection_jobs.conformance.spec.domain_queries import (
    jobs_to_find,
    paired_queries,
    single_queries,
)
from collection_jobs.conformance.spec.domains import FEW_INSTANTS
from collection_jobs.conformance.spec.drawn_jobs import rich_job
from collection_jobs.conformance.spec.instants import IN_ZONES, in_zone
from collection_jobs.job import CollectionJob
from collection_jobs.lease import MIN_TTL
from collection_jobs.query import JobQuery
from collection_jobs.status import JobStatus

__all__ = ["counting", "finding", "purging"]

_ALL = JobQuery()
_TTL = timedelta(hours=1)
_UNTIL_EXPIRED = timedelta(milliseconds=95)
"""After so long a lease of `MIN_TTL` has expired, by any clock."""
_MICROSECOND = timedelta(microseconds=1)
_FINAL = (JobStatus.COMPLETED, JobStatus.CANCELLED)


def finding(pool: tuple[str, ...], capabilities: Collection[str]) -> Iterator[Program]:
    """Yield programs about ``find``."""
    yield (*_saved(jobs_to_find()), *_asked(single_queries()), *_asked_on(single_queries()))
    yield (*_saved(jobs_to_find()), *_asked(paired_queries()), *_asked_on(paired_queries(every=2)))
    yield tuple(_pages(pool))
    yield tuple(_summaries())
    if LEASES in capabilities:
        yield tuple(_leases())


def counting() -> Iterator[Program]:
    """Yield programs about ``count``: the same queries, and the same changes."""
    jobs = list(jobs_to_find())
    queries = [*islice(single_queries(), 0, None, 2), *paired_queries(every=2)]
    yield (
        Step("count", (_ALL,)),
        *_saved(jobs),
        *(Step("count", (query,)) for query in queries),
        Step(SPOIL, (Step("count", (_ALL,)),)),
        *(
            step
            for job in jobs[::2]
            for step in (Step("delete", (job.id,)), Step("count", (_ALL,)))
        ),
    )


def _saved(jobs: Iterable[CollectionJob]) -> Iterator[Step]:
    for job in jobs:
        yield Step("save", (job,))
        yield Step("get_by_id", (job.id,))


def _asked(queries: Iterable[JobQuery]) -> Iterator[Step]:
    for query in queries:
        yield Step("find", (query,))
        yield Step("count", (query,))


def _asked_on(queries: Iterable[JobQuery]) -> Iterator[Step]:
    """Go on behind some job: a second page has the conditions of the first, and one more."""
    elders = sorted((job.created_at, job.id) for job in jobs_to_find())[:6]
    for query, key, limit in zip(queries, cycle(elders), cycle((100, 2, 1, 3, 5)), strict=False):
        yield Step("find", (query, limit, key))


def _pages(pool: tuple[str, ...]) -> Iterator[Step]:
    """Pages behind every job, behind jobs that are gone, and behind keys that no job ever had."""
    names = [*pool, *(f"{name[:250]} x" for name in pool)]
    jobs = [
        rich_job(
            name,
            created_at=FEW_INSTANTS[number % 4 if number > len(pool) else 0],
            status=JobStatus.RUNNING if number == 2 else JobStatus.PENDING,
            source="kraken" if number % 3 == 1 else "binance",
        )
        for number, name in enumerate(names)
    ]
    keys: list[tuple[datetime, str] | None] = [(job.created_at, job.id) for job in jobs]
    keys += [(FEW_INSTANTS[0], "m"), (FEW_INSTANTS[-2], "a"), (FEW_INSTANTS[-1], "\U0001f600")]
    keys += [(in_zone(zone, FEW_INSTANTS[0]), pool[0]) for zone in IN_ZONES]
    queries = (_ALL, JobQuery(source="binance"), JobQuery(symbol="XRP", source="kraken"))
    yield from _saved(jobs)
    for query, limit in product(queries, (0, 1, 3, 10**30)):
        yield Step("find", (query, limit))
    for key in keys:
        for query, limit in zip(queries, (100, 2, 1), strict=True):
            yield Step("find", (query, limit, key))
    yield Step("delete", (jobs[1].id,))
    yield from (Step("find", (_ALL, 2, key)) for key in keys[:4])
    yield Step(SPOIL, (Step("find", (_ALL,)),))


def _summaries() -> Iterator[Step]:
    """Find a job after every kind of change: what is shown of it is as it is stored."""
    failing, plain = JobQuery(with_failures=True), JobQuery(with_failures=False)
    copy = Held("job", (Change("with_completed_symbol", ("ETH", 5)),))
    changes: tuple[Step, ...] = (
        Step("add_failed_symbol", ("a", "BTC", "boom")),
        Step("add_failed_symbol", ("a", "ETH", "boom")),
        Step("update_status", ("a", JobStatus.RUNNING)),
        Step("save", (copy,)),
        Step("update_status", ("a", JobStatus.FAILED, "2 of 3 symbols failed")),
        Step("update_status", ("a", JobStatus.PENDING)),
        Step("save", (example_job("a", symbols=("XRP", "BTC"), completed_symbols={"XRP": 2}),)),
        Step("update_status", ("a", JobStatus.CANCELLED, "by hand")),
        Step("save", (rich_job("a", created_at=FEW_INSTANTS[0], metadata={"ticket": "T-2"}),)),
        Step("delete", ("a",)),
        Step("save", (example_job("a", source="kraken"),)),
    )
    yield from _saved((rich_job("a"), rich_job("b", status=JobStatus.COMPLETED)))
    for change in changes:
        yield Step("get_by_id", ("a",), keep="job")
        yield change
        yield Step("get_by_id", ("a",))
        for query in (_ALL, failing, plain):
            yield Step("find", (query,))
            yield Step("count", (query,))
    yield Step("save", (example_job("late", finished_at=FEW_INSTANTS[1]),))
    yield Step("find", (JobQuery(finished_before=FEW_INSTANTS[2]),))


def _leases() -> Iterator[Step]:
    """Find jobs under leases: made, renewed, expired, claimed anew and ended in every way."""
    lease = Held("lease")
    find, claim = Step("find", (_ALL,)), Step("claim", ("a", "worker", _TTL), keep="lease")
    yield from _saved((rich_job("a"), rich_job("b", status=JobStatus.RUNNING)))
    for ending in (
        Step("update_status", ("a", JobStatus.PENDING, None, lease)),
        Step("update_status", ("a", JobStatus.CANCELLED)),
        Step("save", (rich_job("a", status=JobStatus.PENDING),)),
        Step("delete", ("a",)),
    ):
        yield Step("save", (rich_job("a"),))
        yield claim
        yield find
        yield Step("renew", (lease, 5 * _TTL), keep="lease")
        yield find
        yield Step("add_failed_symbol", ("a", "BTC", "timeout", lease))
        yield find
        yield ending
        yield find
    yield Step("save", (rich_job("a"),))
    yield Step("claim", ("a", "dead", MIN_TTL))
    yield Step(WAIT, (_UNTIL_EXPIRED,))
    yield find
    yield Step("claim", ("a", "next", _TTL))
    yield find


def purging(capabilities: Collection[str]) -> Iterator[Program]:
    """Yield programs about ``delete_finished``."""
    looks = tuple(
        Step(name, (_ALL,)) for name in ("find", "count") if METHODS[name] in capabilities
    )
    for final in ((JobStatus.COMPLETED,), _FINAL, (JobStatus.CANCELLED,), ()):
        yield (*_purged_at_bounds(final), *looks)
    yield (*_nothing_comes_back(), *looks)
    yield tuple(_purged_in_batches(_in_one_order()))
    yield tuple(_purged_in_batches(_in_two_orders()))


_NOON = FEW_INSTANTS[0]


def _ended() -> Iterator[CollectionJob]:
    """Yield jobs of every status that ended at, before and after an instant, or never."""
    ends = (_NOON - _MICROSECOND, _NOON, _NOON + _MICROSECOND, None, _NOON - timedelta(days=9))
    for status, (number, end) in product(JobStatus, enumerate(ends)):
        yield rich_job(
            f"{status.value} {number}",
            status=status,
            finished_at=end,
            created_at=_NOON + timedelta(days=(number * 3) % 5),
        )


def _purge(before: datetime, final: tuple[JobStatus, ...] = _FINAL, *limit: int) -> Step:
    return Step("delete_finished", (before, final, *limit))


def _purged_at_bounds(final: tuple[JobStatus, ...]) -> Iterator[Step]:
    jobs = list(_ended())
    yield Step("delete_finished", (_NOON,))
    yield from _saved(jobs)
    zones = list(IN_ZONES)
    for number, microseconds in enumerate((-(10**12), -1, 0, 1, 2)):
        before = in_zone(zones[number], _NOON + timedelta(microseconds=microseconds))
        yield _purge(before, final)
        yield from (Step("get_by_id", (job.id,)) for job in jobs)
        yield _purge(before, final)
    yield Step("list_recent")
    yield from (Step("list_by_status", (status,)) for status in JobStatus)
    yield Step("delete_finished", (FEW_INSTANTS[-1],))
    yield from (Step("get_by_id", (job.id,)) for job in jobs)
    yield from (Step("get_stats", (job.id,)) for job in jobs[:8])
    yield Step("update_status", (jobs[0].id, JobStatus.CANCELLED))
    yield _purge(_NOON)
    yield Step("get_by_id", (jobs[0].id,))


def _nothing_comes_back() -> Iterator[Step]:
    """Use the ids of purged jobs again: no outcome, no revision and no copy of them is left."""
    for status in _FINAL:
        yield from _saved((rich_job("b"), rich_job("a", status=status)))
        yield Step("get_by_id", ("a",), keep="job")
        yield Step("delete_finished", (FEW_INSTANTS[-1],))
        yield from (Step(method, ("a",)) for method in ("get_by_id", "get_stats"))
        yield Step("delete", ("a",))
        yield Step("update_status", ("a", JobStatus.RUNNING))
        yield Step("add_failed_symbol", ("a", "BTC", "boom"))
        yield from _saved((example_job("a", symbols=("BTC", "ETH", "XRP")),))
        yield Step("get_stats", ("a",))
        yield Step("save", (Held("job", (Change("with_failed_symbol", ("BTC", "late")),)),))
        yield from (Step("get_by_id", (job_id,)) for job_id in "ab")
        yield Step("list_recent")


def _in_one_order() -> Iterator[CollectionJob]:
    """Yield jobs that ended in the order in which they were created, some at one instant."""
    for number, name in enumerate("fbdaceZ"):
        at = FEW_INSTANTS[0] + timedelta(minutes=number // 2)
        status = _FINAL[number % 2]
        yield rich_job(name, status=status, created_at=at, finished_at=at + timedelta(hours=1))


def _in_two_orders() -> Iterator[CollectionJob]:
    """Yield jobs of which those that ended first were not created first."""
    for number, name in enumerate("fbdaceZ"):
        yield rich_job(
            name,
            status=_FINAL[number % 2],
            created_at=FEW_INSTANTS[0] + timedelta(minutes=(number * 3) % 7),
            finished_at=FEW_INSTANTS[0] + timedelta(hours=(number * 5) % 7),
        )


def _purged_in_batches(ended: Iterator[CollectionJob]) -> Iterator[Step]:
    jobs = [*ended, rich_job("left", status=JobStatus.FAILED), rich_job("runs")]
    before = FEW_INSTANTS[0] + timedelta(days=1)
    for limits in ((0, 1, 2, 1, 100), (3, 10**30, 1)):
        yield from _saved(jobs)
        for limit in limits:
            yield _purge(before, _FINAL, limit)
            yield from (Step("get_by_id", (job.id,)) for job in jobs)
        yield Step("list_recent")
