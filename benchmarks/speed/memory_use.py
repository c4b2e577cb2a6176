"""How much memory a repository in memory takes, against what its jobs alone take.

    python -m benchmarks.speed.memory_use jobs|repository NUMBER

prints by how many bytes the process grew. Each is measured in a process of its own: what one
leaves behind would be lent to the next.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from pathlib import Path

from benchmarks.speed.jobs import new_job
from collection_jobs import InMemoryCollectionJobRepository


def ratio(number: int) -> float:
    """How many times the memory of the jobs alone a repository of so many takes."""
    return _grown("repository", number) / _grown("jobs", number)


def _grown(what: str, number: int) -> int:
    command = [sys.executable, "-m", "benchmarks.speed.memory_use", what, str(number)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _resident() -> int:
    """Return the bytes of the process that are in memory; Linux only."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


async def _keep(number: int) -> InMemoryCollectionJobRepository:
    repository = InMemoryCollectionJobRepository()
    for n in range(number):
        await repository.save(new_job(n))
    return repository


def _main(what: str, number: int) -> None:
    gc.collect()
    before = _resident()
    kept = [new_job(n) for n in range(number)] if what == "jobs" else asyncio.run(_keep(number))
    gc.collect()
    print(_resident() - before)
    del kept


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
