"""Where the time of a read on SQLite goes: into the driver, into building jobs, into the adapter.

In the processor time of the event loop's thread, which other work on the machine lengthens little:
so it tells apart what the clock cannot, a microsecond in thirty. Each figure is the lower quartile
of many short slices that take turns.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from time import thread_time
from typing import Any

from benchmarks.speed.sqlite_limit import Blocking, Connections, Recorded
from benchmarks.speed.workload import Call, Workload
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository

READS = ("get_by_id", "get_stats", "list_recent")
_CALLS = 2048  # so that each of 256 callers makes eight

Microseconds = dict[str, dict[str, float]]
"""By the method, then by what does it."""


async def anatomy(path: Path, size: int, rounds: int) -> Microseconds:
    """Measure the microseconds of each method: bare, with jobs built, and by the adapter."""
    found: dict[str, dict[str, list[float]]] = {method: defaultdict(list) for method in READS}
    work = Workload(size, seed=0)
    connections = Connections(path, "FULL")
    bare = Recorded(connections)
    blocking = Blocking(connections.main, lambda: None)
    async with SQLiteCollectionJobRepository(path) as repository:
        for _ in range(rounds):
            for method, taken in found.items():
                calls = _CALLS // 4 if method == "list_recent" else _CALLS
                (phase,) = work.phases(method, calls, 1)
                bare.prepare(phase)
                (made,) = phase.callers
                await _ours(repository, [made])  # its pages are as warm as the others' are then
                taken["driver"].append(_blocking(bare, made))
                taken["driver, jobs built"].append(_blocking(blocking, made))
                for callers in (1, 16, 256):
                    dealt = [made[n::callers] for n in range(callers)]
                    taken[f"adapter, {callers} callers"].append(await _ours(repository, dealt))
    connections.close()
    return {
        method: {what: quantiles(values)[0] for what, values in taken.items()}
        for method, taken in found.items()
    }


def _blocking(store: Any, calls: list[Call]) -> float:
    bound = [(getattr(store, name), args) for name, args in calls]
    began = thread_time()
    for call, args in bound:
        call(*args)
    return (thread_time() - began) / len(bound) * 1e6


async def _ours(repository: Any, callers: list[list[Call]]) -> float:
    bound = [[(getattr(repository, name), args) for name, args in calls] for calls in callers]
    began = thread_time()
    await asyncio.gather(*map(_caller, bound))
    return (thread_time() - began) / sum(map(len, bound)) * 1e6


async def _caller(calls: list[tuple[Callable[..., Any], tuple[Any, ...]]]) -> None:
    for call, args in calls:
        await call(*args)
