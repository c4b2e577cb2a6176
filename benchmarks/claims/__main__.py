"""Claims a second, with 1, 16 and 64 workers, of each candidate, in one run.

    python -m benchmarks.claims [--rounds 5] [--jobs 4000] [--workers 1 16 64]

In each round every candidate claims as many jobs as all others, in random order, one right after
the other; a ratio is the median, over the rounds, of the ratios within a round. Each job is claimed
once, and none is left, or the run fails.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import defaultdict
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from benchmarks.claims.candidates import CANDIDATES, OURS, Candidate, Claim
from benchmarks.speed.postgres_server import a_durable_server

Rates = dict[str, list[float]]


async def claims_a_second(candidate: Candidate, url: str, workers: int, jobs: int) -> float:
    """Let workers claim all jobs; return how many a second."""
    await candidate.fill(url, jobs)
    got: list[object] = []

    async def work(claim: Claim) -> None:
        while (claimed := await claim()) is not None:
            got.append(claimed)

    async with candidate.open(url, workers) as claims:
        began = perf_counter()
        await asyncio.gather(*map(work, claims))
        seconds = perf_counter() - began
    if len(got) != jobs or len(set(got)) != jobs:
        raise SystemExit(
            f"{candidate.name}: {jobs} jobs, {len(got)} claims, of {len(set(got))} different jobs"
        )
    return jobs / seconds


async def measure(url: str, workers: int, rounds: int, jobs: int) -> Rates:
    """Measure every candidate in each round."""
    rates: Rates = defaultdict(list)
    random = Random(workers)
    for number in range(rounds):
        print(f"{workers} workers: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        for candidate in random.sample(CANDIDATES, len(CANDIDATES)):
            rates[candidate.name].append(await claims_a_second(candidate, url, workers, jobs))
    return rates


def table(measured: dict[int, Rates]) -> str:
    """Write claims a second, and how many times as many ours are."""
    lines = ["| workers | " + " | ".join(it.name for it in CANDIDATES) + " |"]
    lines.append("|---:" * (1 + len(CANDIDATES)) + "|")
    for workers, rates in measured.items():
        cells = [f"{workers}"]
        for candidate in CANDIDATES:
            theirs = rates[candidate.name]
            ratio = median(ours / other for ours, other in zip(rates[OURS], theirs, strict=True))
            beside = "" if candidate.name == OURS else f" ({ratio:.1f}x)"
            cells.append(f"{median(theirs):,.0f}{beside}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=4000, help="of 16 workers and more")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 16, 64])
    arguments = parser.parse_args()
    measured: dict[int, Rates] = {}
    with a_durable_server() as url:
        for workers in arguments.workers:
            jobs = arguments.jobs if workers >= 16 else arguments.jobs // 4
            measured[workers] = asyncio.run(measure(url, workers, arguments.rounds, jobs))
    print(table(measured))


if __name__ == "__main__":
    main()
