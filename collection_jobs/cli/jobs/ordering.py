"""The orders in which summaries are listed, and the page of them that is asked for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from heapq import nlargest
from typing import Any

from collection_jobs.cli.jobs.queries import PAGE, newest_first, oldest_first
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.query import JobQuery, JobSummary

__all__ = ["ORDERS", "page_of_summaries"]

_NEVER = datetime.min.replace(tzinfo=UTC)

_RANKS: Mapping[str, Callable[[JobSummary], Any]] = {
    "finished": lambda one: (one.finished_at or _NEVER, one.created_at, one.id),
    "failed": lambda one: (one.stats.failed, one.created_at, one.id),
    "candles": lambda one: (one.stats.total_candles, one.created_at, one.id),
}
"""What the jobs are ordered by, the greatest first; all that match have to be looked through."""

ORDERS: tuple[str, ...] = ("newest", "oldest", *_RANKS)
"""The orders, the usual one first."""


async def page_of_summaries(
    repository: CollectionJobRepository, query: JobQuery, order: str, limit: int, skipped: int
) -> AsyncGenerator[JobSummary]:
    """Yield the summaries of one page, in an order, as they are read.

    Args:
        repository: The store.
        query: Which jobs.
        order: One of `ORDERS`.
        limit: The most summaries of a page.
        skipped: How many there are on the pages before it.
    """
    rank = _RANKS.get(order)
    if rank is not None:
        ranked = await _greatest(oldest_first(repository, query), rank, skipped + limit)
        for summary in ranked[skipped:]:
            yield summary
        return
    found = (newest_first if order == "newest" else oldest_first)(repository, query)
    async with aclosing(found) as summaries:
        at = 0
        async for summary in summaries:
            if at >= skipped:
                yield summary
            at += 1
            if at == skipped + limit:
                return


async def _greatest(
    found: AsyncIterator[JobSummary], rank: Callable[[JobSummary], Any], number: int
) -> list[JobSummary]:
    """Return the greatest of all, without holding more than some of them."""
    kept = list[JobSummary]()
    async for summary in found:
        kept.append(summary)
        if len(kept) >= 2 * number + PAGE:
            kept = nlargest(number, kept, key=rank)
    return nlargest(number, kept, key=rank)
