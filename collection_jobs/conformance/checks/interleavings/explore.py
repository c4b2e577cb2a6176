"""Interleavings: pairs of calls under every schedule of few preemptions, and a random search.

Bounded exhaustiveness is that of CHESS (Musuvathi and Qadeer, "Iterative context bounding for
systematic testing of multithreaded programs", PLDI 2007): nearly all races show with one or two
preemptions, and there are few schedules of so few. Here a preemption is to let another client go
on at a suspension of one that could have gone on itself; switches away from one that has to wait
are free, and all of them are explored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from collection_jobs.conformance.checks.interleavings.conflicts import can_conflict
from collection_jobs.conformance.checks.interleavings.engine_runs import EngineRunner
from collection_jobs.conformance.checks.interleavings.inert_loop import Unsupported
from collection_jobs.conformance.checks.interleavings.pairs import pairs
from collection_jobs.conformance.checks.interleavings.programs import (
    ConcurrentProgram,
    OpenRepository,
)
from collection_jobs.conformance.checks.interleavings.random_programs import search_programs
from collection_jobs.conformance.checks.interleavings.schedules import (
    Frontier,
    Prefix,
    Runner,
    RunsPrograms,
)
from collection_jobs.conformance.checks.interleavings.shrinking import (
    Witness,
    present,
    shrink_witness,
)
from collection_jobs.conformance.running.watchdog import Blocked, watched
from collection_jobs.conformance.spec.findings import Finding

__all__ = [
    "Exploration",
    "explore_on_engine",
    "explore_pairs",
    "explore_random",
    "seconds_of_a_run",
]

_Progress = Callable[[int, int], None]

_SHARES = (8, 64, 512, 1_416)
"""How many schedules of one number of preemptions each program gets before any gets more."""
_MEASURED = 5
"""How often the cost of a run is measured."""
_PART_FOR_TIMERS = 2
"""What part of the runs that may be made comes on top, for schedules in which timers fire early."""
_MOST_SCHEDULES = sum(_SHARES)
"""How many schedules of one program and one number of preemptions are run at most."""


@dataclass(frozen=True, slots=True)
class Exploration:
    """What was explored and what was found.

    Attributes:
        findings: One for each law that was broken, each with a shortest program.
        programs: How many programs were run: pairs of calls, or programs drawn at random.
        runs: How many runs they took.
        preemptions: Up to how many preemptions every schedule was run; None for a random search.
        unsupported: Why the adapter cannot run under the deterministic loop; None if it can.
        kind: What the programs are called in a report.
        cut: How many programs had more schedules within that than were run.
        limit: Which limit ended the exploration of those.
        beyond: How many programs were run under every schedule of one preemption more.
        at: Where the preemptions were, where they were not at every suspension alone.
        timed: How many programs were run under schedules in which a timer fires early, too.
        timed_preemptions: Up to how many preemptions, the early timer included.
        timed_cut: How many of these programs have more such schedules than were run.
    """

    findings: tuple[Finding, ...]
    programs: int
    runs: int
    preemptions: int | None
    unsupported: str | None = None
    kind: str = "pairs"
    cut: int = 0
    limit: str = ""
    beyond: int = 0
    at: str = ""
    timed: int = 0
    timed_preemptions: int = 0
    timed_cut: int = 0

    @property
    def pairs(self) -> int:
        """The number of programs, which are pairs."""
        return self.programs

    def __str__(self) -> str:
        """Say what was covered, as a sentence for a report."""
        if self.unsupported is not None:
            return f"cannot run under the deterministic loop: {self.unsupported}"
        covered = f"{self.programs:,} {self.kind}, each under a schedule of its own{self.at}"
        if self.preemptions is not None:
            many = "" if self.preemptions == 1 else "s"
            covered = (
                f"{self.programs:,} {self.kind}, all schedules of up to"
                f" {self.preemptions} preemption{many}{self.at}"
            )
            if self.beyond:
                covered += f", {self.beyond:,} under those of {self.preemptions + 1}"
            if self.cut:
                covered += f" ({self.cut:,} {self.kind} not fully explored: {self.limit})"
            covered += self._timed()
        broken = ", ".join(sorted(finding.law for finding in self.findings))
        return f"{covered}: {f'broken: {broken}' if broken else 'none broke a law'}"

    def _timed(self) -> str:
        if not self.timed:
            return ""
        cut = f" ({self.timed_cut:,} not under all of them)" if self.timed_cut else ""
        many = "" if self.timed_preemptions == 1 else "s"
        bound = f"up to {self.timed_preemptions} preemption{many}"
        return f"; {self.timed:,} of them also with early timers, {bound}{cut}"


def explore_pairs(
    open_repository: OpenRepository,
    *,
    preemptions: int,
    directory: Path,
    muted: frozenset[str] = frozenset(),
    progress: _Progress | None = None,
    max_runs: int | None = None,
    programs: Iterable[ConcurrentProgram] | None = None,
    kind: str = "pairs",
    early_timers: bool = True,
    threads: bool = True,
) -> Exploration:
    """Run every pair of calls under every schedule of at most so many preemptions.

    The same adapter gives the same answer each time, on a busy machine too. A pair that broke a law
    is not run on; a law is reported once, with the program of fewest preemptions and then of fewest
    calls.

    Args:
        open_repository: Opens a store in a directory of its own.
        preemptions: The bound.
        directory: Where the directories are made.
        muted: Laws whose violations are known already.
        progress: Told how many programs of how many are done.
        max_runs: How many runs to make, beyond the first few of each program; the exploration says
            which bound it reached with so many.
        programs: What to run instead of every pair at every stage; `pairs.triples` has more.
        kind: What to call them in a report.
        early_timers: Whether a timer may fire early, at the price of a preemption.
        threads: Whether the adapter's threads may be run in steps.
    """
    search = _Search(Runner(open_repository, directory, early_timers, threads), muted, max_runs)
    every = list(pairs() if programs is None else programs)
    return _explore(
        search, every, preemptions, progress, Exploration((), len(every), 0, 0, kind=kind)
    )


def explore_on_engine(
    runner: EngineRunner,
    programs: Sequence[ConcurrentProgram],
    *,
    preemptions: int,
    muted: frozenset[str] = frozenset(),
    progress: _Progress | None = None,
    max_runs: int,
    kind: str = "pairs",
) -> Exploration:
    """Run programs on the adapter's real engine, under every schedule of few preemptions.

    Args:
        runner: Runs them; its store is closed at the end.
        programs: The programs.
        preemptions: The bound.
        muted: Laws whose violations are known already.
        progress: Told how many programs of how many are done.
        max_runs: How many runs to make, beyond the first few of each program.
        kind: What to call them in a report.
    """
    search = _Search(runner, muted, max_runs)
    explored = Exploration((), len(programs), 0, 0, kind=kind)
    return _explore(search, programs, preemptions, progress, explored)


def _explore(
    search: _Search,
    programs: Sequence[ConcurrentProgram],
    preemptions: int,
    progress: _Progress | None,
    explored: Exploration,
) -> Exploration:
    """Run every schedule of no preemption, then of one, and so on, up to the bound."""
    frontiers = [Frontier(program) for program in programs]

    def tell(rounds: int, done: int) -> None:
        if progress is not None:
            progress(rounds * len(frontiers) + done, len(frontiers) * (preemptions + 1))

    def explore() -> Exploration:
        reached = beyond = 0
        for bound in range(preemptions + 1):
            left = _round(search, frontiers, bound, partial(tell, bound))
            if bound > 0 and search.is_spent and left:
                # The higher bound is not claimed, and what it had left cuts no lower one.
                beyond = len(frontiers) - len(left)
                break
            search.cut |= left
            reached = bound
            if search.is_spent:
                break
        limit = f"limit of {_MOST_SCHEDULES:,} schedules each"
        if search.is_spent and search.max_runs is not None:
            limit = f"limit of {search.max_runs:,} runs"
        cut = len(search.cut)
        timed, at_most, left_out = _let_timers_fire(search, frontiers, preemptions)
        return replace(
            explored,
            findings=search.findings(),
            preemptions=reached,
            cut=cut,
            limit=limit,
            beyond=beyond,
            timed=timed,
            timed_preemptions=at_most,
            timed_cut=left_out,
        )

    def explore_and_close() -> Exploration:
        try:
            return explore()
        finally:
            search.runner.close()

    return _watch(search, explore_and_close, explored)


def _let_timers_fire(
    search: _Search, frontiers: list[Frontier], preemptions: int
) -> tuple[int, int, int]:
    """Run the schedules in which a timer fires early, for which there are runs of their own.

    They come last, and take nothing from what is explored without them. Only programs are run so
    whose calls can conflict: time adds a second dimension to the schedules of each.

    Returns:
        How many programs have such schedules, up to how many preemptions they were run, and how
        many programs have more of them.
    """
    if not search.runner.met_timers:
        return 0, 0, 0
    if search.max_runs is not None:
        search.max_runs = search.runner.runs + search.max_runs // _PART_FOR_TIMERS
    some = [frontier for frontier in frontiers if can_conflict(frontier.program)]
    search.cut.clear()  # what they have left of other schedules does not matter here
    reached, due, left = 0, set[int](), set[int]()
    for bound in range(1, preemptions + 1):
        begun = search.left_of(some, bound, early=True)
        more = _round(search, some, bound, _nobody, early=True)
        if bound > 1 and search.is_spent and more:
            break
        reached, due, left = bound, due | begun, left | more
    return len(due), reached, len(left)


def _nobody(_: int) -> None:
    """Tell nobody of the progress."""


def seconds_of_a_run(runner: RunsPrograms, program: ConcurrentProgram) -> float:
    """Return the least seconds of a few runs of a program; 0 where it cannot be run."""
    seconds: list[float] = []

    def run() -> None:
        for _ in range(_MEASURED):
            began = time.perf_counter()
            runner.run(program)
            seconds.append(time.perf_counter() - began)
        runner.close()

    try:
        watched(run, lambda: runner.runs)
    except (Unsupported, Blocked):  # of which the exploration itself tells
        return 0.0
    return min(seconds)


def _watch(
    search: _Search, explore: Callable[[], Exploration], explored: Exploration
) -> Exploration:
    """Explore; if the adapter cannot run, or blocks the thread, say so instead."""
    try:
        explored = watched(explore, lambda: search.runner.runs)
    except Unsupported as why:
        explored = replace(explored, unsupported=str(why))
    except Blocked as why:
        explored = replace(explored, findings=search.blocked(str(why)))
    return replace(explored, runs=search.runner.runs, at=search.runner.at)


def explore_random(
    open_repository: OpenRepository,
    *,
    seed: int,
    examples: int,
    directory: Path,
    muted: frozenset[str] = frozenset(),
    progress: _Progress | None = None,
    capabilities: frozenset[str] = frozenset(),
    threads: bool = True,
) -> Exploration:
    """Run programs of two or three clients, drawn at random, under schedules drawn at random.

    It goes where the pairs do not: longer programs, more clients, more preemptions. The search is
    repeated with the laws found broken muted, until it finds no other.

    Args:
        open_repository: Opens a store in a directory of its own.
        seed: The same number, the same programs and schedules.
        examples: How many programs to run in each search.
        directory: Where the directories are made.
        muted: Laws whose violations are known already.
        progress: Told how many programs of how many are done in the current search.
        capabilities: What the adapter can do beyond the nine methods.
        threads: Whether the adapter's threads may be run in steps.
    """
    search = _Search(Runner(open_repository, directory, threads=threads), muted)
    explored = Exploration((), 0, 0, None, kind="random programs")

    def explore() -> Exploration:
        drawn = _draw_until_nothing_new(search, seed, examples, progress, capabilities)
        return replace(explored, findings=search.findings(), programs=drawn)

    return _watch(search, explore, explored)


def _draw_until_nothing_new(
    search: _Search,
    seed: int,
    examples: int,
    progress: _Progress | None,
    capabilities: frozenset[str],
) -> int:
    """Search again and again; return how many programs were run."""
    drawn = 0

    def judge(program: ConcurrentProgram, prefix: Prefix) -> frozenset[str]:
        nonlocal drawn
        drawn += 1
        if progress is not None:
            progress(min(drawn, examples), examples)
        return search.judge(program, prefix)

    while True:
        known = frozenset(search.witnesses)
        search_programs(
            judge,
            seed=seed,
            examples=examples,
            muted=known | search.muted,
            capabilities=capabilities,
        )
        if known == frozenset(search.witnesses):
            return drawn


def _round(
    search: _Search,
    frontiers: list[Frontier],
    bound: int,
    tell: Callable[[int], None],
    *,
    early: bool = False,
) -> set[int]:
    """Run the schedules of one number of preemptions; return the programs that have more.

    Mostly there are few. Where an adapter works with tasks of its own there are very many, for it
    is open which of those that were woken comes first: so all programs have some before any has
    more, and all have their first few without a preemption, however small the limit.
    """
    for share in _SHARES:
        for done, frontier in enumerate(frontiers, 1):
            is_due = bound == 0 and share == _SHARES[0]
            most = share if is_due else min(share, search.runs_left)
            if most <= 0:
                break
            search.exhaust(frontier, bound, most, early=early)
            if share == _SHARES[0]:
                tell(done)
    return search.left_of(frontiers, bound, early=early)


@dataclass(slots=True)
class _Search:
    """The witnesses found so far, one for each law."""

    runner: RunsPrograms
    muted: frozenset[str]
    max_runs: int | None = None
    witnesses: dict[str, Witness] = field(default_factory=dict[str, Witness])
    broken: set[int] = field(default_factory=set[int])
    cut: set[int] = field(default_factory=set[int])

    @property
    def runs_left(self) -> int:
        """How many runs may still be made."""
        return _MOST_SCHEDULES if self.max_runs is None else self.max_runs - self.runner.runs

    @property
    def is_spent(self) -> bool:
        """Whether as many runs were made as may be."""
        return self.runs_left <= 0

    def exhaust(self, frontier: Frontier, bound: int, most: int, *, early: bool = False) -> None:
        """Run so many of a program's schedules of one number of preemptions, up to a violation."""
        if id(frontier) in self.broken | self.cut:
            return
        last = self.runner.runs + most
        for prefix, execution in frontier.run(self.runner, bound, early=early):
            laws = execution.laws - self.muted
            for found in execution.findings:
                if found.law in laws:
                    witness = Witness(found.law, frontier.program, prefix, bound, found.message)
                    self.witnesses.setdefault(found.law, witness)
            if laws:
                self.broken.add(id(frontier))
                return
            if self.runner.runs >= last:
                return

    def left_of(self, frontiers: list[Frontier], bound: int, *, early: bool = False) -> set[int]:
        """Return the programs that have schedules of so many preemptions that were not run."""
        left = {id(frontier) for frontier in frontiers if frontier.has_more(bound, early=early)}
        return left - self.broken - self.cut

    def judge(self, program: ConcurrentProgram, prefix: Prefix) -> frozenset[str]:
        """Run a program under one schedule, and keep the smallest that break each law."""
        execution, choices = self.runner.run(program, prefix)
        if execution.findings and any(prefix):
            alone, none = self.runner.run(program)
            if alone.findings:  # it needs no preemption, and its law is told best without
                execution, choices = alone, none
        preemptions = sum(choice.preempts for choice in choices)
        taken = tuple(choice.taken for choice in choices)
        for law in execution.laws - self.muted:
            witness = Witness(law, program, taken, preemptions)
            best = self.witnesses.get(law)
            if best is None or witness.size < best.size:
                self.witnesses[law] = witness
        return execution.laws

    def blocked(self, why: str) -> tuple[Finding, ...]:
        """Return the one finding of a search that cannot go on: what blocked the thread."""
        program = self.runner.program
        lines = () if program is None else program.lines()
        return (
            Finding("ATOMIC-1", f"deadlock: {why}; the search ended there", (*lines, f"# {why}")),
        )

    def findings(self) -> tuple[Finding, ...]:
        """Each broken law with its shortest program."""
        shrunk = [
            shrink_witness(self.witnesses[law], self.runner) for law in sorted(self.witnesses)
        ]
        return tuple(present(witness, self.runner) for witness in shrunk)
