"""The kit's explorer, frontrun and plain stress, side by side on the same planted races.

    python benchmarks/race_finders.py [NAME ...]

Each is given the program that the kit has shrunk for a race: a set-up and two clients or three. The
question is which of them sees that its answers have no explanation, in how many runs, and in how
many seconds of the processor. All three are judged by the same check of linearizability, on the
same history: that of the calls, and of reads after them.

- The kit runs every schedule of at most as many preemptions as the race needs.
- frontrun (https://pypi.org/project/frontrun/) runs its DPOR over asyncio tasks, as its
  documentation shows it: `explore(setup=..., workers=[...], invariant=...)`, with the passing of
  time explored, too, its own bound of two preemptions, up to 2,000 executions and a minute.
- Stress starts the clients as tasks of asyncio, each after none to three turns of the event loop,
  2,000 times. Each is judged, as the others are.

Run it from the root of the project, with the dependency group `bench`.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any, cast

import frontrun

sys.path.insert(0, str(Path(__file__).parent.parent))

from collection_jobs.conformance.checks.interleavings.explore import explore_pairs
from collection_jobs.conformance.checks.interleavings.pairs import pairs, triples
from collection_jobs.conformance.checks.interleavings.programs import (
    CLIENT_NAMES,
    ConcurrentProgram,
)
from collection_jobs.conformance.checks.interleavings.schedules import Frontier, Runner
from collection_jobs.conformance.history.checker import check
from collection_jobs.conformance.history.history import History
from collection_jobs.conformance.report.tokens import unpack
from collection_jobs.conformance.running.runner import ProgramRunner, invoke, observe
from collection_jobs.protocol import CollectionJobRepository
from tests.mutants import hidden, races, torn
from tests.mutants.race_table import BEYOND_PAIRS, RACES
from tests.mutants.rows import Rows

Store = AbstractAsyncContextManager[CollectionJobRepository]

MOST = 2_000
"""How many runs each may take."""
SECONDS = 60.0
"""How many seconds frontrun may take for one race."""
ROUNDS_OF_SILENCE = 5.0
"""After how many seconds a round of stress is taken for a deadlock."""


@dataclass(frozen=True)
class Search:
    """What one of them did for one race."""

    found: bool
    runs: int
    seconds: float

    def __str__(self) -> str:
        """Return the cells of the table."""
        return f"{'found' if self.found else '-'} | {self.runs:,} | {self.seconds:.2f}"


class Run:
    """One run of a program: its repository, and the history of its calls."""

    def __init__(self, repository: Callable[[], object], program: ConcurrentProgram) -> None:
        """Make the repository, and nothing of the program yet."""
        self.history = History()
        self._repository = cast("CollectionJobRepository", repository())
        self._program = program
        self._setup = self._caller("setup")

    def _caller(self, name: str, held: Any = None) -> ProgramRunner:
        def answer(call: Any) -> Any:
            return observe(invoke(call, self._repository))

        return ProgramRunner(name, answer, self.history, held)

    async def prepare(self) -> None:
        """Make the calls of the set-up."""
        await self._setup.run(self._program.setup)

    async def client(self, number: int) -> None:
        """Make the calls of one client."""
        caller = self._caller(CLIENT_NAMES[number], self._setup.held)
        await caller.run(self._program.clients[number])

    async def is_right(self) -> bool:
        """Read what can have changed, and change it; return whether the history is explained."""
        after = self._caller("after")
        reads, listings = self._program.reads
        for call in (*reads, *listings, *self._program.probes):
            await after.ask(call)
        return not check(self.history.events)


def with_the_kit(repository: type[Rows], program: ConcurrentProgram, preemptions: int) -> Search:
    """Search as the kit does: all schedules of few preemptions before any of more."""
    began = process_time()
    frontier = Frontier(program)
    with TemporaryDirectory() as directory:
        runner = Runner(lambda _: cast("Store", repository()), Path(directory))
        for bound in range(preemptions + 1):
            for _, execution in frontier.run(runner, bound):
                if execution.findings:
                    return Search(True, runner.runs, process_time() - began)
    return Search(False, runner.runs, process_time() - began)


def with_frontrun(repository: type[Rows], program: ConcurrentProgram) -> Search:
    """Search as the documentation of frontrun shows it."""

    def setup() -> Run:
        run = Run(repository, program)
        elsewhere(run.prepare())
        return run

    def worker(number: int) -> Callable[[Run], Coroutine[Any, Any, None]]:
        async def work(run: Run) -> None:
            await run.client(number)

        return work

    async def explore() -> Any:
        found = frontrun.explore(
            setup=setup,
            workers=[worker(number) for number in range(len(program.clients))],
            invariant=lambda run: elsewhere(run.is_right()),
            clock="explored",
            max_executions=MOST,
            total_timeout=SECONDS,
            reproduce_on_failure=0,
        )
        return await cast("Coroutine[Any, Any, Any]", found)

    began = process_time()
    result = asyncio.run(explore())
    return Search(result.property_holds is False, result.num_explored, process_time() - began)


def elsewhere(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end where no scheduler is at work: frontrun's callbacks are plain."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(asyncio.run(work)))
    thread.start()
    thread.join(ROUNDS_OF_SILENCE)
    return results[0] if results else False


def with_stress(repository: type[Rows], program: ConcurrentProgram) -> Search:
    """Let tasks run as they do, again and again."""
    random = Random(1)
    began = process_time()
    for number in range(1, MOST + 1):
        if not asyncio.run(_round(Run(repository, program), program, random)):
            return Search(True, number, process_time() - began)
    return Search(False, MOST, process_time() - began)


async def _round(run: Run, program: ConcurrentProgram, random: Random) -> bool:
    async def late(number: int) -> None:
        for _ in range(random.randrange(4)):
            await asyncio.sleep(0)
        await run.client(number)

    try:
        async with asyncio.timeout(ROUNDS_OF_SILENCE):
            await run.prepare()
            await asyncio.gather(*(late(number) for number in range(len(program.clients))))
            return await run.is_right()
    except TimeoutError:
        return False


def program_of(repository: type[Rows]) -> tuple[ConcurrentProgram, int]:
    """Return the program that the kit shrinks for a race, and how many preemptions it needs."""
    if repository in RACES:
        race = RACES[repository]
        preemptions, some = race.preemptions, pairs([race.stage])
    else:
        preemptions, some = 2, triples([BEYOND_PAIRS[repository].stage])
    for program in some:
        with TemporaryDirectory() as directory:
            found = explore_pairs(
                lambda _: cast("Store", repository()),
                preemptions=preemptions,
                directory=Path(directory),
                programs=[program],
            )
        for finding in found.findings:
            held = unpack(finding.token or "")
            return ConcurrentProgram(held["setup"], held["clients"]), held["preemptions"]
    raise ValueError(f"no program shows the race of {repository.__name__}")


def main(chosen: Sequence[str]) -> None:
    """Print the table, and below it how many races each has found."""
    print(f"frontrun {version('frontrun')}, Python {sys.version.split()[0]}")
    print(f"Races of {races.__name__}, {torn.__name__} and {hidden.__name__}\n")
    print("| race | the kit | runs | s | frontrun | runs | s | stress | runs | s |")
    print("|---|---|--:|--:|---|--:|--:|---|--:|--:|")
    totals: list[tuple[Search, ...]] = []
    for repository in (*RACES, *BEYOND_PAIRS):
        if chosen and repository.__name__ not in chosen:
            continue
        program, preemptions = program_of(repository)
        searches = (
            with_the_kit(repository, program, preemptions),
            with_frontrun(repository, program),
            with_stress(repository, program),
        )
        totals.append(searches)
        print(f"| {repository.__name__} | {' | '.join(map(str, searches))} |", flush=True)
    print()
    for at, name in enumerate(("the kit", "frontrun", "stress")):
        column = [searches[at] for searches in totals]
        found = sum(search.found for search in column)
        runs, seconds = sum(one.runs for one in column), sum(one.seconds for one in column)
        print(f"{name}: {found} of {len(column)} found, {runs:,} runs, {seconds:.1f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
