"""Interleavings: pairs of calls under every schedule of few preemptions, and a random search.

Bounded exhaustiveness is that of CHESS (Musuvathi and Qadeer, "Iterative context bounding for
systematic testing of multithreaded programs", PLDI 2007): nearly all races show with one or two
preemptions, and there are few schedules of so few. Here a preemption is to let another client go
on at a suspension of one that could have gone on itself; switches away from one that has to wait
are free, and all of them are explored.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from collection_jobs.conformance.checks.interleavings.inert_loop import Unsupported
from collection_jobs.conformance.checks.interleavings.pairs import pairs
from collection_jobs.conformance.checks.interleavings.programs import (
    ConcurrentProgram,
    OpenRepository,
)
from collection_jobs.conformance.checks.interleavings.random_programs import search_programs
from collection_jobs.conformance.checks.interleavings.schedules import Frontier, Prefix, Runner
from collection_jobs.conformance.checks.interleavings.shrinking import (
    Witness,
    present,
    shrink_witness,
)
from collection_jobs.conformance.running.watchdog import Blocked, watched
from collection_jobs.conformance.spec.findings import Finding

__all__ = ["Exploration", "explore_pairs", "explore_random"]

_Progress = Callable[[int, int], None]

_SHARES = (8, 64, 512, 1_416)
"""How many schedules without a preemption each program is given before any is given more."""
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
    """

    findings: tuple[Finding, ...]
    programs: int
    runs: int
    preemptions: int | None
    unsupported: str | None = None
    kind: str = "pairs"
    cut: int = 0
    limit: str = ""

    @property
    def pairs(self) -> int:
        """The number of programs, which are pairs."""
        return self.programs

    def __str__(self) -> str:
        """Say what was covered, as a sentence for a report."""
        if self.unsupported is not None:
            return f"cannot run under the deterministic loop: {self.unsupported}"
        covered = f"{self.programs:,} {self.kind}, each under a schedule of its own"
        if self.preemptions is not None:
            many = "" if self.preemptions == 1 else "s"
            covered = (
                f"{self.programs:,} {self.kind}, all schedules of up to"
                f" {self.preemptions} preemption{many}"
            )
            if self.cut:
                covered += f" ({self.cut:,} {self.kind} not fully explored: {self.limit})"
        broken = ", ".join(sorted(finding.law for finding in self.findings))
        return f"{covered}: {f'broken: {broken}' if broken else 'none broke a law'}"


def explore_pairs(
    open_repository: OpenRepository,
    *,
    preemptions: int,
    directory: Path,
    muted: frozenset[str] = frozenset(),
    progress: _Progress | None = None,
    max_runs: int | None = None,
    seconds: float | None = None,
    programs: Iterable[ConcurrentProgram] | None = None,
    kind: str = "pairs",
) -> Exploration:
    """Run every pair of calls under every schedule of at most so many preemptions.

    The same adapter gives the same answer each time, unless time runs out. A pair that broke a law
    is not run on; a law is reported once, with the program of fewest preemptions and then of fewest
    calls.

    Args:
        open_repository: Opens a store in a directory of its own.
        preemptions: The bound.
        directory: Where the directories are made.
        muted: Laws whose violations are known already.
        progress: Told how many programs of how many are done.
        max_runs: After how many runs to give up on higher bounds: the exploration then says which
            bound it did reach.
        seconds: After how many seconds to give up on them, and on what is left of the schedules
            without a preemption: where a run waits for a disk, so many would take hours.
        programs: What to run instead of every pair at every stage; `pairs.triples` has more.
        kind: What to call them in a report.
    """
    search = _Search(Runner(open_repository, directory), muted)
    frontiers = [Frontier(program) for program in (pairs() if programs is None else programs)]
    explored = Exploration((), len(frontiers), 0, 0, kind=kind)
    until = math.inf if seconds is None else time.monotonic() + seconds

    def late() -> bool:
        return time.monotonic() >= until

    def enough() -> bool:
        return late() or (max_runs is not None and search.runner.runs >= max_runs)

    def tell(rounds: int, done: int) -> None:
        if progress is not None:
            progress(rounds * len(frontiers) + done, len(frontiers) * (preemptions + 1))

    def explore() -> Exploration:
        _without_preemptions(search, frontiers, partial(tell, 0), late)
        reached = 0
        for bound in range(1, preemptions + 1):
            if not _round(search, frontiers, bound, partial(tell, bound), enough):
                break
            reached = bound
        found = search.findings()
        limit = "time limit" if search.late else f"limit of {_MOST_SCHEDULES:,} schedules each"
        cut = len(search.cut)
        return replace(explored, findings=found, preemptions=reached, cut=cut, limit=limit)

    return _watch(search, explore, explored)


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
    return replace(explored, runs=search.runner.runs)


def explore_random(
    open_repository: OpenRepository,
    *,
    seed: int,
    examples: int,
    directory: Path,
    muted: frozenset[str] = frozenset(),
    progress: _Progress | None = None,
    capabilities: frozenset[str] = frozenset(),
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
    """
    search = _Search(Runner(open_repository, directory), muted)
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


def _without_preemptions(
    search: _Search,
    frontiers: list[Frontier],
    tell: Callable[[int], None],
    late: Callable[[], bool],
) -> None:
    """Run the schedules in which everybody goes on while it can: at least one of each program.

    Mostly there are few. Where an adapter works with tasks of its own there are very many, for it
    is open which of those that were woken comes first: so all programs have some before any has
    more, and when time is out the rest is left.
    """
    for done, frontier in enumerate(frontiers, 1):
        search.exhaust(frontier, 0, _SHARES[0], late)
        tell(done)
    for share in _SHARES[1:]:
        for frontier in frontiers:
            if late():
                search.late = True
                break
            search.exhaust(frontier, 0, share, late)
    search.cut_what_is_left(frontiers, 0)


def _round(
    search: _Search,
    frontiers: list[Frontier],
    bound: int,
    tell: Callable[[int], None],
    enough: Callable[[], bool],
) -> bool:
    """Run every schedule of one number of preemptions; False where it had to give up."""
    for done, frontier in enumerate(frontiers, 1):
        if enough():
            return False
        search.exhaust(frontier, bound, _MOST_SCHEDULES)
        tell(done)
    search.cut_what_is_left(frontiers, bound)
    return True


@dataclass(slots=True)
class _Search:
    """The witnesses found so far, one for each law."""

    runner: Runner
    muted: frozenset[str]
    witnesses: dict[str, Witness] = field(default_factory=dict[str, Witness])
    broken: set[int] = field(default_factory=set[int])
    cut: set[int] = field(default_factory=set[int])
    late: bool = False

    def exhaust(
        self,
        frontier: Frontier,
        bound: int,
        most: int,
        late: Callable[[], bool] = lambda: False,
    ) -> None:
        """Run so many of a program's schedules of one number of preemptions, up to a violation."""
        if id(frontier) in self.broken | self.cut:
            return
        last = self.runner.runs + most
        for prefix, execution in frontier.run(self.runner, bound):
            laws = execution.laws - self.muted
            for law in laws:
                witness = Witness(law, frontier.program, prefix, bound)
                self.witnesses.setdefault(law, witness)
            if laws:
                self.broken.add(id(frontier))
                return
            if self.runner.runs >= last:
                return
            if late():
                self.late = True
                return

    def cut_what_is_left(self, frontiers: list[Frontier], bound: int) -> None:
        """Run no program on that has schedules left which should have been run by now."""
        left = {id(frontier) for frontier in frontiers if frontier.has_more(bound)}
        self.cut |= left - self.broken

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
