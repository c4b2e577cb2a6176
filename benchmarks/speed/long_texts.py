"""How long the event loop is kept from other tasks while the longest texts are written and read.

One caller works with jobs of 50 MB of errors, each as long as the contract permits: half of them of
characters that JSON writes as six. A ticker sleeps for a millisecond at a time, as in `stalls`; the
figure is the longest lag.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import process_time
from typing import Any

from benchmarks.speed.jobs import new_job
from collection_jobs import CollectionJob, open_repository
from collection_jobs.free_text import MAX_TEXT_BYTES

_TICK = 0.001


def _long_job(number: int, errors: int) -> CollectionJob:
    failed = {f"S{n:03}": ("\x01" if n % 2 else "x") * MAX_TEXT_BYTES for n in range(errors)}
    first = new_job(number)
    return CollectionJob(
        id=first.id,
        source=first.source,
        symbols=tuple(failed),
        timeframe=first.timeframe,
        start=first.start,
        end=first.end,
        failed_symbols=failed,
    )


async def longest_lags(url: str, errors: int = 800) -> dict[str, float]:
    """Return the longest lag in seconds, for each kind of call, on an empty store."""
    jobs = [_long_job(number, errors) for number in range(2)]
    async with open_repository(url) as repository:
        store: Any = repository
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "save": lambda: store.save(jobs[0]),
            "save again": lambda: store.save(jobs[0]),
            "save_many": lambda: store.save_many(jobs),
            "get_by_id": lambda: store.get_by_id(jobs[0].id),
            "list_recent": lambda: store.list_recent(),
            "get_stats": lambda: store.get_stats(jobs[0].id),
            "delete": lambda: store.delete(jobs[0].id),
        }
        return {name: await _longest_lag(call) for name, call in calls.items()}


async def _longest_lag(call: Callable[[], Awaitable[object]]) -> float:
    loop = asyncio.get_running_loop()
    longest = 0.0
    calling = asyncio.ensure_future(call())
    while not calling.done():
        began, computed = loop.time(), process_time()
        await asyncio.sleep(_TICK)
        longest = max(longest, min(loop.time() - began, process_time() - computed) - _TICK)
    await calling
    return longest
