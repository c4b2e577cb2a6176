"""Fixed programs that ask the same again after each change: what a store keeps of its answers.

A cache that every method clears but one shows only where the same call was made before that method
and after it. So every read is made, with the same arguments, between any two of the changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta

from collection_jobs.conformance.spec.calls import Change, Held, Program, Step, example_job
from collection_jobs.conformance.spec.capabilities import LEASES
from collection_jobs.conformance.spec.domains import FEW_INSTANTS
from collection_jobs.conformance.spec.drawn_jobs import rich_job
from collection_jobs.conformance.spec.operations import Operation, operations
from collection_jobs.conformance.spec.signatures import jobs_named
from collection_jobs.job import CollectionJob
from collection_jobs.query import JobQuery
from collection_jobs.status import JobStatus

__all__ = ["programs_of_reading_again"]

_SYMBOLS = ("BTC", "ETH", "XRP")
_TTL = timedelta(hours=1)
_QUERIES = (
    JobQuery(),
    JobQuery(source="binance"),
    JobQuery(symbol="ETH", statuses=(JobStatus.PENDING, JobStatus.COMPLETED)),
    JobQuery(with_failures=True),
)


def programs_of_reading_again(capabilities: Collection[str]) -> Iterator[Program]:
    """Yield the programs, each for a new store.

    Args:
        capabilities: What the adapter can do beyond the nine methods.
    """
    able = operations(capabilities)
    reads = list(_reads(able))
    yield tuple(_between(reads, _of_the_nine()))
    yield tuple(_between(reads, _beyond(able)))
    if LEASES in capabilities:
        yield tuple(_between(reads, _of_leases()))


def _between(reads: list[Step], changes: Iterator[Step]) -> Iterator[Step]:
    for job in (
        *(rich_job(status.value, status=status) for status in JobStatus),
        example_job("a", symbols=_SYMBOLS),
    ):
        yield Step("save", (job,))
        yield Step("get_by_id", (job.id,))
    yield from reads
    for change in changes:
        yield change
        # First, so that what a change did wrong is not laid to the listings.
        yield from (Step("get_by_id", (job_id,)) for job_id in _ids_of(change))
        yield from reads


def _ids_of(change: Step) -> Iterator[str]:
    for named in jobs_named(change.method, change.arguments):
        if isinstance(named, CollectionJob):
            yield named.id


def _reads(able: Collection[Operation]) -> Iterator[Step]:
    """Yield every call that changes nothing, on one job and on all that there are."""
    for one in able:
        if one.writes:
            continue
        if one.takes("query"):
            yield from (one.step("a", query=query) for query in _QUERIES)
        elif one.takes("status"):
            some = JobStatus if one.capability is None else (JobStatus.PENDING, JobStatus.FAILED)
            yield from (one.step("a", status=status) for status in some)
        else:
            yield one.step("a")


def _of_the_nine() -> Iterator[Step]:
    yield Step("add_failed_symbol", ("a", "ETH", "boom"))
    yield Step("update_status", ("a", JobStatus.RUNNING))
    yield Step("update_status", ("a", JobStatus.FAILED, "boom"))
    yield Step("save", (rich_job("a", status=JobStatus.COMPLETED),))
    yield Step("delete", ("a",))
    yield Step("save", (example_job("a", symbols=_SYMBOLS),))
    yield Step("get_by_id", ("a",), keep="job")
    yield Step("save", (Held("job", (Change("with_completed_symbol", ("ETH", 7)),)),))
    yield Step("delete", (JobStatus.RUNNING.value,))


def _beyond(able: Collection[Operation]) -> Iterator[Step]:
    """Yield a change by each method beyond the nine that is not about leases."""
    bare, rich = example_job("a", symbols=_SYMBOLS), rich_job("a", status=JobStatus.COMPLETED)
    for one in able:
        if one.capability in (None, LEASES) or not one.writes:
            continue
        if one.takes("jobs"):
            yield Step(one.name, ((rich, rich_job(f"by {one.name}"), bare),))
            yield Step("delete", ("a",))
            yield Step(one.name, ((bare,),))
        elif one.takes("job"):
            yield Step("delete", ("a",))
            yield Step(one.name, (bare,))
        elif one.takes("symbol"):
            yield from (one.step("a", 1, symbol=symbol) for symbol in _SYMBOLS[:2])
        else:
            yield Step("save", (rich,))
            yield one.step("a", before=FEW_INSTANTS[-1])
            yield Step("save", (bare,))


def _of_leases() -> Iterator[Step]:
    lease = Held("lease")
    yield Step("claim", ("a", "worker", _TTL), keep="lease")
    yield Step("add_failed_symbol", ("a", "ETH", "boom", lease))
    yield Step("renew", (lease, 2 * _TTL))
    yield Step("update_status", ("a", JobStatus.PENDING, None, lease))
    yield Step("claim_next", ("worker", _TTL, None, None), keep="lease")
    yield Step("claim_next", ("worker", _TTL, None, 9), keep="lease")
    yield Step("update_status", ("a", JobStatus.COMPLETED, None, lease))
