"""What other callers notice while 100,000 finished jobs are deleted in batches.

    python -m benchmarks.purge [URL] [--jobs 100000] [--batches 100 1000] [--callers 4]

The callers work on jobs that run, in a process of their own, as workers do: each records outcomes,
reads jobs, lists them and claims new ones, one call right after the other. Printed are the
milliseconds that a call of theirs takes, without a purge beside it and with one for each size of
its batches: the median, the 99th percentile and the longest. The URL is that of any store, which
must be empty; without one, it is a new SQLite file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from collection_jobs import CollectionJob, JobQuery, JobStatus, open_repository

START = datetime(2024, 1, 1, tzinfo=UTC)
SYMBOLS = tuple(f"SYMBOL-{n}/USDT" for n in range(10))
LIVE, TOGETHER = 1_000, 500
SECONDS_ALONE = 5.0
TTL = timedelta(hours=1)


def a_job(job_id: str, **changes: Any) -> CollectionJob:
    """Return a job of ten symbols, half of them collected."""
    values: dict[str, Any] = {
        "source": "binance",
        "symbols": SYMBOLS,
        "timeframe": "1m",
        "start": START,
        "end": START + timedelta(days=31),
        "created_at": START,
        "completed_symbols": dict.fromkeys(SYMBOLS[::2], 44_640),
    }
    return CollectionJob(id=job_id, **values | changes)


async def fill(store: Any, jobs: int) -> None:
    """Store so many finished jobs, and those that the callers work on, unless they are there."""
    finished = [
        a_job(
            f"finished {n:08}",
            created_at=START + timedelta(seconds=n),
            status=JobStatus.COMPLETED,
            finished_at=START + timedelta(seconds=n),
            failed_symbols={SYMBOLS[1]: "HTTP 429: too many requests"},
            metadata={"ticket": f"T-{n}"},
        )
        for n in range(jobs)
    ]
    live = [a_job(f"live {n:04}", status=JobStatus.RUNNING) for n in range(LIVE)]
    for first in range(0, jobs, TOGETHER):
        await store.add_many(finished[first : first + TOGETHER])
    await store.add_many(live)


async def call(url: str, callers: int) -> None:
    """Make the callers' calls until the input ends; print how long each took."""
    taken: list[float] = []
    numbers = count()
    async with open_repository(url) as repository:
        store: Any = repository

        async def work(ended: asyncio.Event) -> None:
            while not ended.is_set():
                number = next(numbers)
                job_id, symbol = f"live {number * 7 % LIVE:04}", SYMBOLS[number % len(SYMBOLS)]
                for one in (
                    lambda: store.add_failed_symbol(job_id, symbol, "HTTP 429"),  # noqa: B023 - called at once
                    lambda: store.get_by_id(job_id),  # noqa: B023 - called at once
                    lambda: store.find(JobQuery(statuses=[JobStatus.RUNNING]), limit=10),
                    lambda: store.add_completed_symbol(job_id, symbol, 5),  # noqa: B023 - called at once
                    lambda: store.list_by_status(JobStatus.RUNNING, limit=5),
                ):
                    began = perf_counter()
                    await one()
                    taken.append(perf_counter() - began)

        ended = asyncio.Event()
        calls = [asyncio.create_task(work(ended)) for _ in range(callers)]
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        ended.set()
        await asyncio.gather(*calls)
    print(json.dumps(taken), flush=True)


class Callers:
    """The process of the callers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Take over a process that makes calls."""
        self._process = process

    @classmethod
    async def started(cls, url: str, callers: int) -> Callers:
        """Start them."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.purge", url, "--callers", str(callers), "--call"),
            stdin=pipe,
            stdout=pipe,
            limit=2**30,
        )
        assert process.stdout is not None  # noqa: S101 - it was made with one
        if await process.stdout.readline() != b"ready\n":
            raise SystemExit("the callers' process failed")
        return cls(process)

    async def end(self) -> list[float]:
        """End them, and return the seconds of each call."""
        output, _ = await self._process.communicate(b"end\n")
        taken: list[float] = json.loads(output)
        return sorted(taken)


async def purge(url: str, batch: int) -> tuple[int, float]:
    """Delete all that is finished; return how many jobs that were, and in how many seconds."""
    deleted, began = 0, perf_counter()
    async with open_repository(url) as repository:
        store: Any = repository
        while number := await store.delete_finished(datetime.now(UTC), limit=batch):
            deleted += number
    return deleted, perf_counter() - began


async def main(url: str, jobs: int, batches: list[int], callers: int) -> None:
    """Measure the callers alone, and beside a purge with each size of its batches."""
    async with open_repository(url) as repository:
        await fill(repository, jobs)
    print(f"{callers} callers in another process, ms a call{'':14} median     p99     max   calls")
    alone = await Callers.started(url, callers)
    await asyncio.sleep(SECONDS_ALONE)
    show("without a purge", await alone.end())
    for batch in batches:
        async with open_repository(url) as repository:
            await fill(repository, jobs)
        beside = await Callers.started(url, callers)
        deleted, seconds = await purge(url, batch)
        show(
            f"beside {deleted:,} deletions, {batch} at once, {seconds:.1f} s",
            await beside.end(),
        )


def show(what: str, taken: list[float]) -> None:
    """Print a line of the table."""
    values = (taken[len(taken) // 2], taken[len(taken) * 99 // 100], taken[-1])
    print(f"{what:50}", *(f"{1_000 * one:7.2f}" for one in values), f"{len(taken):7,}", flush=True)


@contextmanager
def a_url(given: str | None) -> Generator[str]:
    """Give the URL of a store."""
    if given is not None:
        yield given
        return
    with TemporaryDirectory() as folder:
        yield f"sqlite:///{folder}/jobs.db"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?")
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--batches", type=int, nargs="+", default=[100, 1_000])
    parser.add_argument("--callers", type=int, default=4)
    parser.add_argument("--call", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    with a_url(asked.url) as store_url:
        if asked.call:
            asyncio.run(call(store_url, asked.callers))
        else:
            asyncio.run(main(store_url, asked.jobs, asked.batches, asked.callers))
