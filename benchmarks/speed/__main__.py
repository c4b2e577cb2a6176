"""Measure, and write docs/benchmarks.md.

    python -m benchmarks.speed [--quick] [--only ENGINE ...] [--write] [--results FILE] [--render]

Run it from the root of the project, with the dependency group ``bench`` installed (``nox -s bench``
does both). ``--quick`` tries everything once on small stores, without the other libraries: it shows
that the benchmark works, and no more.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from benchmarks.speed import imports, memory_use
from benchmarks.speed.frame import Candidate, Effort, measure
from benchmarks.speed.memory_engine import candidates as in_memory
from benchmarks.speed.page import write_page
from benchmarks.speed.results import Results, machine
from benchmarks.speed.sqlite_engine import candidates as on_sqlite
from benchmarks.speed.sqlite_files import copy, make_ours
from benchmarks.speed.stalls import stalls
from benchmarks.speed.tables import tables
from benchmarks.speed.workload import GROUPS, WRITES

SQLITE_FULL, SQLITE_NORMAL = "SQLite, synchronous=FULL", "SQLite, synchronous=NORMAL"
MEMORY = "in memory"
ENGINES = ("sqlite", "memory", "figures")


def main() -> None:
    """Parse, measure, show."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", choices=ENGINES, default=ENGINES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, help="keep the figures in this JSON file")
    parser.add_argument("--render", action="store_true", help="measure nothing; render that file")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    asked = parser.parse_args()
    if asked.render:
        if asked.results is None:
            parser.error("--render needs --results FILE, which an earlier run wrote")
        results = Results.load(asked.results)
    else:
        results = asyncio.run(_measured(asked.only, asked.rounds, quick=asked.quick))
        if asked.results is not None:
            results.save(asked.results)
    if asked.write:
        write_page(results)
    print("\n".join(tables(results)))


async def _measured(engines: list[str], rounds: int, *, quick: bool) -> Results:
    began = perf_counter()
    with tempfile.TemporaryDirectory(prefix="collection-jobs-bench-") as name:
        directory = Path(name)
        results = Results(machine(directory))
        results.rounds = 1 if quick else rounds
        if "sqlite" in engines:
            await _sqlite(results, directory, quick=quick)
        if "memory" in engines:
            await _memory(results, quick=quick)
        if "figures" in engines:
            await _figures(results, directory, quick=quick)
    results.seconds = perf_counter() - began
    return results


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _effort(results: Results, *, quick: bool) -> Effort:
    if quick:
        return Effort(1, 0.001, (1, 16))
    return Effort(results.rounds, 0.03, (1, 16, 256))


async def _sqlite(results: Results, directory: Path, *, quick: bool) -> None:
    sizes = [200] if quick else [1_000, 100_000, 1_000_000]
    effort = _effort(results, quick=quick)
    stores: dict[int, list[Candidate]] = {}
    for size in sizes:
        _say(f"SQLite: making files of {size:,} jobs")
        stores[size] = await on_sqlite(directory, size, "FULL", others=not quick)
    _say("SQLite: measuring with synchronous=FULL")
    results.rates |= await measure(SQLITE_FULL, stores, GROUPS, effort)
    size = sizes[len(sizes) // 2]
    normal = {size: await on_sqlite(directory, size, "NORMAL", others=not quick)}
    _say("SQLite: measuring with synchronous=NORMAL")
    results.rates |= await measure(SQLITE_NORMAL, normal, WRITES, effort)


async def _memory(results: Results, *, quick: bool) -> None:
    sizes = [200] if quick else [1_000, 100_000, 1_000_000]
    _say("in memory: filling and measuring")
    stores = {size: in_memory(size) for size in sizes}
    results.rates |= await measure(MEMORY, stores, GROUPS, _effort(results, quick=quick))


async def _figures(results: Results, directory: Path, *, quick: bool) -> None:
    _say("stalls, imports, memory")
    size = 200 if quick else 100_000
    original = directory / f"{size}.db"
    if not original.exists():
        await make_ours(original, size)
    lags = await stalls(copy(original, "stalls"), size, 0.2 if quick else 5.0)
    results.figures |= {f"stall: {name}": lag for name, lag in lags.items()}
    results.figures["imports"] = imports.ratio(1 if quick else 25)
    results.figures["memory"] = memory_use.ratio(10_000 if quick else 1_000_000)


if __name__ == "__main__":
    main()
