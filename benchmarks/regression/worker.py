"""One state of the package: fills a store, and times the calls that it is asked for.

Reads JSON lines such as ``{"group": ..., "calls": ..., "callers": ...}``, and answers with the
seconds a call by method.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from time import perf_counter, process_time
from typing import Any

from benchmarks.speed.jobs import stored_job
from benchmarks.speed.workload import Phase, Workload
from collection_jobs import open_repository

_TOGETHER = 500


async def main(url: str, size: int, clock: str) -> None:
    """Serve until there is no more input."""
    now = process_time if clock == "processor" else perf_counter
    work = Workload(size, seed=0)
    async with open_repository(url) as repository:
        store: Any = repository
        for first in range(0, size, _TOGETHER):
            jobs = [stored_job(n, size) for n in range(first, min(size, first + _TOGETHER))]
            await store.save_many(jobs)
        gc.collect()
        gc.freeze()
        _say({})
        while line := sys.stdin.readline():
            asked = json.loads(line)
            phases = work.phases(asked["group"], asked["calls"], asked["callers"])
            taken = {
                phase.method: await _seconds(store, phase, now) / phase.calls for phase in phases
            }
            taken.pop(None, None)
            _say(taken)


async def _seconds(store: Any, phase: Phase, now: Any) -> float:
    bound = [[(getattr(store, name), args) for name, args in calls] for calls in phase.callers]
    gc.collect()
    began = now()
    await asyncio.gather(*[_make(calls) for calls in bound])
    seconds: float = now() - began
    return seconds


async def _make(calls: list[tuple[Any, tuple[Any, ...]]]) -> None:
    for call, args in calls:
        await call(*args)


def _say(taken: dict[Any, float]) -> None:
    print(json.dumps(taken), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
