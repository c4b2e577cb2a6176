"""Reads of many jobs: each of them, every listing around its usual bounds, and all of its pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from collection_jobs.conformance.checks.sequential.bulk.oracle import BulkOracle
from collection_jobs.conformance.spec.calls import Call, Step
from collection_jobs.conformance.spec.operations import OPERATIONS, Operation, operations
from collection_jobs.conformance.spec.signatures import argument_of
from collection_jobs.status import JobStatus

__all__ = ["each", "everything", "listings", "newest", "pages", "whole"]

_ALL = 1_000_000
_FEW = 3


def each(ids: Iterable[str], *, stats: bool = False) -> Iterator[Step]:
    """Read each of some jobs, with its stats if so asked."""
    for job_id in ids:
        yield Step("get_by_id", (job_id,))
        if stats:
            yield Step("get_stats", (job_id,))


def _listings_of(capabilities: frozenset[str]) -> Iterator[tuple[Operation, JobStatus | None]]:
    """Yield every listing, for every status where it is of one."""
    for operation in operations(capabilities):
        if operation.listing is None:
            continue
        of_a_status = operation.takes("status")
        for status in JobStatus if of_a_status else (None,):
            yield operation, status


def whole(capabilities: frozenset[str]) -> Iterator[Step]:
    """Yield every listing once, whole."""
    for operation, status in _listings_of(capabilities):
        yield operation.step("a", status=status, limit=_ALL)


def listings(
    oracle: BulkOracle, capabilities: frozenset[str], marks: Iterable[int]
) -> Iterator[Step]:
    """Yield every listing, as it is called with nothing given, and about every mark.

    Args:
        oracle: Knows how many jobs there are.
        capabilities: What the adapter can do beyond the nine methods.
        marks: Limits and offsets.
    """
    for operation, status in _listings_of(capabilities):
        # Without arguments that may be left out: their defaults are a bound like any other.
        yield operation.step("a", status=status)
        if not operation.takes("limit"):
            continue
        yield operation.step("a", status=status, limit=_ALL)
        size = _size(oracle, operation.step("a", status=status, limit=_ALL))
        for mark in marks if operation.takes("offset") or not operation.takes("after") else ():
            if mark <= size + 1:
                yield operation.step("a", status=status, limit=mark)
                if operation.takes("offset"):
                    yield operation.step("a", status=status, limit=_FEW, offset=mark)
        if operation.takes("offset") and size > _FEW:
            yield operation.step("a", status=status, limit=_ALL, offset=size - _FEW)


def _size(oracle: BulkOracle, step: Step) -> int:
    return len(_whole(oracle, step))


def _whole(oracle: BulkOracle, step: Step) -> Sequence[str]:
    listing = _operation(step).listing
    assert listing is not None  # noqa: S101 - only listings are asked; this tells the type checker
    return listing.whole(oracle.states, Call(step.method, step.arguments))


def _operation(step: Step) -> Operation:
    return OPERATIONS[step.method]


def pages(
    oracle: BulkOracle,
    capabilities: frozenset[str],
    size: int,
    between: Callable[[], Iterable[Step]] = tuple,
    most: int = 50,
) -> Iterator[Step]:
    """Go through every listing that has pages, by offset and by key, page after page.

    Args:
        oracle: Knows the last job of each page.
        capabilities: What the adapter can do beyond the nine methods.
        size: How many jobs a page has.
        between: What is done between two pages.
        most: After how many pages to stop.
    """
    for operation, status in _listings_of(capabilities):
        if not (operation.takes("offset") or operation.takes("after")):
            continue
        after: Any = None
        for number in range(most):
            given = {"status": status, "limit": size, "offset": number * size, "after": after}
            step = operation.step("a", **given)
            shown = _page(oracle, step)
            yield step
            if len(shown) < size:
                break
            after = _key(oracle, shown[-1])
            yield from between()


def _page(oracle: BulkOracle, step: Step) -> Sequence[str]:
    found = _whole(oracle, step)
    offset = argument_of(step.method, step.arguments, "offset", 0)
    return found[offset : offset + argument_of(step.method, step.arguments, "limit")]


def _key(oracle: BulkOracle, job_id: str) -> tuple[datetime, str]:
    facts = oracle.states[job_id].facts
    assert facts is not None  # noqa: S101 - it is on a page; this tells the type checker
    return facts.created_at, job_id


def everything(oracle: BulkOracle, capabilities: frozenset[str], every: int = 1) -> Iterator[Step]:
    """Read every job that was ever stored, or each of so many, and every listing whole."""
    yield from each(list(oracle.states)[::every])
    yield from (Step("get_stats", (job_id,)) for job_id in list(oracle.states)[::20])
    yield from whole(capabilities)


def newest() -> Iterator[Step]:
    """List every job once."""
    yield Step("list_recent", (_ALL,))
