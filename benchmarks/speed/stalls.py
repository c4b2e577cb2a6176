"""How long the event loop is kept from other tasks while 256 callers use one SQLite repository.

A ticker sleeps for a millisecond at a time; its lag is by how much later it wakes, or the processor
time that the process got meanwhile, if that is less: what other programs take is no fault of its
own. Commits are durable (synchronous=FULL). The figure is the lag's 99th percentile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from time import process_time
from typing import Any

from benchmarks.speed.jobs import ERROR, SYMBOLS, job_id
from benchmarks.speed.workload import PAGE
from collection_jobs import JobStatus
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository

CALLERS = 256
_TICK = 0.001

_Call = Callable[[Any, str], Awaitable[object]]

_CALLS: dict[str, list[_Call]] = {
    "no call at all": [],
    "get_by_id": [lambda repository, it: repository.get_by_id(it)],
    "list_recent": [lambda repository, it: repository.list_recent(PAGE)],
    "get_running_jobs": [lambda repository, it: repository.get_running_jobs()],
    "add_failed_symbol": [
        lambda repository, it: repository.add_failed_symbol(it, SYMBOLS[3], ERROR)
    ],
    "all of these, and changes of status": [
        lambda repository, it: repository.get_by_id(it),
        lambda repository, it: repository.list_recent(PAGE),
        lambda repository, it: repository.get_running_jobs(),
        lambda repository, it: repository.add_failed_symbol(it, SYMBOLS[3], ERROR),
        lambda repository, it: repository.update_status(it, JobStatus.RUNNING),
        lambda repository, it: repository.update_status(it, JobStatus.PENDING),
    ],
}


async def stalls(path: Path, size: int, seconds: float) -> dict[str, float]:
    """Return the 99th percentile of the lag in seconds, for each kind of call, on our store."""
    async with SQLiteCollectionJobRepository(path) as repository:
        return {
            name: await _percentile(repository, calls, size, seconds)
            for name, calls in _CALLS.items()
        }


async def _percentile(repository: Any, calls: list[_Call], size: int, seconds: float) -> float:
    callers = [
        asyncio.create_task(_caller(repository, calls, size, Random(number)))
        for number in range(CALLERS if calls else 0)
    ]
    lags: list[float] = []
    await asyncio.sleep(seconds / 10)  # until all are at work
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while (began := loop.time()) < end:
        computed = process_time()
        await asyncio.sleep(_TICK)
        lags.append(min(loop.time() - began, process_time() - computed) - _TICK)
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    return max(0.0, sorted(lags)[int(len(lags) * 0.99)])


async def _caller(repository: Any, calls: list[_Call], size: int, random: Random) -> None:
    while True:
        await random.choice(calls)(repository, job_id(random.randrange(size)))
