"""Measure, and write docs/benchmarks.md.

    python -m benchmarks.speed [--quick] [--only ENGINE ...] [--kind reads|writes] [--sizes N ...]
        [--callers N ...] [--rounds N] [--minutes N] [--stores DIRECTORY] [--results FILE]
        [--render] [--write]

Run it from the root of the project, with the dependency group ``bench`` installed (``nox -s bench``
does both). PostgreSQL is measured on a new server, or on the one at COLLECTION_JOBS_POSTGRES_URL,
which should be durable. ``--quick`` tries everything once on small stores, without the other
libraries: it shows that the benchmark works, and no more. ``--stores`` keeps the filled stores,
PostgreSQL's databases included, for later runs.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from benchmarks.speed import imports, memory_use
from benchmarks.speed.anatomy import anatomy
from benchmarks.speed.frame import Candidate, Effort, measure
from benchmarks.speed.long_texts import longest_lags
from benchmarks.speed.memory_engine import candidates as in_memory
from benchmarks.speed.page import write_page
from benchmarks.speed.results import Results, machine
from benchmarks.speed.sqlite_engine import BY_HAND, OTHERS, OUR_OWN, original
from benchmarks.speed.sqlite_engine import candidates as on_sqlite
from benchmarks.speed.sqlite_files import copy
from benchmarks.speed.stalls import stalls
from benchmarks.speed.tables import tables
from benchmarks.speed.workload import GROUPS, METHODS, READS, WRITES
from collection_jobs.adapters.sqlite.settings import Synchronous

SQLITE_FULL, SQLITE_NORMAL = "SQLite, synchronous=FULL", "SQLite, synchronous=NORMAL"
MEMORY = "in memory"
POSTGRES = "PostgreSQL"
ENGINES = ("sqlite", "sqlite_normal", "postgres", "memory", "figures")


def main() -> None:
    """Parse, measure, show."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", choices=ENGINES, default=ENGINES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--minutes", type=float, default=6, help="the most for each engine, or one round"
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--kind", choices=["reads", "writes"], help="only these methods")
    parser.add_argument(
        "--callers", type=int, nargs="*", help="default: 1 16 256; 64, too, on servers"
    )
    parser.add_argument("--stores", type=Path, help="keep the filled stores here, for later runs")
    parser.add_argument(
        "--results", type=Path, help="keep the figures here, with those of other engines"
    )
    parser.add_argument("--render", action="store_true", help="measure nothing; render that file")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    asked = parser.parse_args()
    if asked.render:
        if asked.results is None:
            parser.error("--render needs --results FILE, which an earlier run wrote")
        results = Results.load(asked.results)
    else:
        results = asyncio.run(_measured(asked))
        if asked.results is not None:
            if asked.results.exists():
                results = Results.load(asked.results).updated(results)
            results.save(asked.results)
    if asked.write:
        write_page(results)
    print("\n".join(tables(results)))


async def _measured(asked: argparse.Namespace) -> Results:
    began = perf_counter()
    with tempfile.TemporaryDirectory(prefix="collection-jobs-bench-", dir=asked.stores) as name:
        run = _Run(asked, Path(name))
        for engine in asked.only:
            _say(engine)
            await getattr(run, engine)()
    run.results.seconds = perf_counter() - began
    return run.results


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class _Run:
    """One run: a method for each of the engines that can be asked for."""

    def __init__(self, asked: argparse.Namespace, directory: Path) -> None:
        self.quick: bool = asked.quick
        rounds = 1 if self.quick else asked.rounds
        self.results = Results(machine(directory))
        self._directory = directory
        self._keep = asked.stores is not None
        self._stores = asked.stores or directory
        self._sizes: list[int] = [200] if self.quick else asked.sizes
        self._middle = self._sizes[len(self._sizes) // 2]
        # A slice that only computes is long, so that each of 256 callers makes many calls in it.
        self._long = 0.001 if self.quick else 0.1
        self._errors = 8 if self.quick else 800
        self._groups: tuple[str, ...] = {"reads": READS, "writes": WRITES}.get(asked.kind, GROUPS)
        self._asked_callers: list[int] | None = asked.callers
        self._effort = Effort(
            rounds,
            asked.minutes * 60,
            0.001 if self.quick else 0.02,
            self._callers(1, 16, 256),
        )

    def _callers(self, *default: int) -> tuple[int, ...]:
        return (1, 16) if self.quick else tuple(self._asked_callers or default)

    async def sqlite(self) -> None:
        """With synchronous=FULL: a commit waits for the disk.

        The slowest others are in the middle size only: they would take most of the time, and how
        they grow is their own affair.
        """
        stores = {
            size: await self._on_sqlite(size, "FULL", slowest=size == self._middle)
            for size in self._sizes
        }
        effort = replace(self._effort, slice_seconds=self._long, by_processor=frozenset(READS))
        self.results.rates |= await measure(SQLITE_FULL, stores, self._groups, effort)

    async def sqlite_normal(self) -> None:
        """With synchronous=NORMAL only writes are others, and they hardly wait for the disk."""
        stores = {
            size: await self._on_sqlite(size, "NORMAL", slowest=size == self._middle)
            for size in self._sizes
        }
        groups = tuple(it for it in WRITES if it in self._groups)
        effort = replace(self._effort, slice_seconds=self._long, by_processor=frozenset(METHODS))
        self.results.rates |= await measure(SQLITE_NORMAL, stores, groups, effort)

    async def _on_sqlite(
        self, size: int, synchronous: Synchronous, *, slowest: bool
    ) -> list[Candidate]:
        names = OUR_OWN if self.quick else (*OUR_OWN, *(OTHERS if slowest else [BY_HAND]))
        return await on_sqlite(self._stores, self._directory, size, synchronous, names)

    async def postgres(self) -> None:
        """With 64 callers, too, which is where pools are at their best."""
        from benchmarks.speed.postgres_engine import databases
        from benchmarks.speed.postgres_server import a_durable_server

        effort = replace(self._effort, callers=self._callers(1, 16, 64, 256))
        with a_durable_server() as server:
            filled = databases(server, self._sizes, keep=self._keep)
            async with filled as (version, stores):
                self.results.machine += f", PostgreSQL {version}"
                self.results.rates |= await measure(POSTGRES, stores, self._groups, effort)
            longest = await longest_lags(server, self._errors)
            self.results.figures |= {
                f"long texts: PostgreSQL: {name}": lag for name, lag in longest.items()
            }

    async def memory(self) -> None:
        """Return the repository in memory."""
        stores = {size: in_memory(size) for size in self._sizes}
        effort = replace(self._effort, by_processor=frozenset(METHODS))
        self.results.rates |= await measure(MEMORY, stores, self._groups, effort)

    async def figures(self) -> None:
        """Return the event loop's stalls, the import, and the memory of jobs in memory."""
        size = self._middle
        path = copy(await original(self._stores, size), self._directory / "stalls.db")
        lags = await stalls(path, size, 0.2 if self.quick else 5.0)
        self.results.anatomy = await anatomy(path, size, 4 if self.quick else 20)
        figures = self.results.figures
        figures |= {f"stall: {name}": lag for name, lag in lags.items()}
        longest = await longest_lags(f"sqlite:///{self._directory}/long_texts.db", self._errors)
        figures |= {f"long texts: SQLite: {name}": lag for name, lag in longest.items()}
        figures["imports"] = imports.ratio(1 if self.quick else 25)
        started = imports.start_up(path, 1 if self.quick else 25)
        figures |= {f"start: {name}": value for name, value in started.items()}
        figures["memory"] = memory_use.ratio(10_000 if self.quick else 1_000_000)


if __name__ == "__main__":
    main()
