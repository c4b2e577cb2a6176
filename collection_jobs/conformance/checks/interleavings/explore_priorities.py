"""The search by random priorities, and with what probability it finds a bug at least."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from collection_jobs.conformance.checks.interleavings.priorities import (
    Priorities,
    least_probability,
)
from collection_jobs.conformance.checks.interleavings.programs import (
    Choice,
    ConcurrentProgram,
    Execution,
    OpenRepository,
)
from collection_jobs.conformance.checks.interleavings.schedules import Runner
from collection_jobs.conformance.checks.interleavings.shrinking import (
    Witness,
    present,
    shrink_witness,
)
from collection_jobs.conformance.checks.interleavings.three_clients import three_clients
from collection_jobs.conformance.running.watchdog import Blocked, watched
from collection_jobs.conformance.spec.findings import Finding

__all__ = ["RUNS", "PrioritySearch", "explore_by_priorities"]

RUNS: dict[int, int] = {2: 100, 3: 200}
"""By the depth of bugs, under how many schedules each program is run."""
_TRIALS = 8
"""How many runs show about how many choices a program has."""
_MOST = 3
"""How many times more runs are made at most where some have more choices than were known."""


@dataclass(frozen=True, slots=True)
class PrioritySearch:
    """What was explored and what was found.

    Attributes:
        findings: One for each law that was broken.
        programs: How many programs were run.
        runs: How many runs they took.
        probabilities: By depth, with what probability a bug of it in any one program was found, at
            least.
    """

    findings: tuple[Finding, ...]
    programs: int
    runs: int
    probabilities: dict[int, float]

    def __str__(self) -> str:
        """Say what was covered, as a sentence for a report."""
        found = ", ".join(
            f"{chance:.0%} where its depth is {depth}"
            for depth, chance in sorted(self.probabilities.items())
        )
        broken = ", ".join(sorted(finding.law for finding in self.findings))
        return (
            f"{self.programs:,} programs of three clients on three jobs, by random priorities in"
            f" {self.runs:,} runs (a bug in one of them is found with a probability of at least"
            f" {found}): {f'broken: {broken}' if broken else 'none broke a law'}"
        )


def explore_by_priorities(
    open_repository: OpenRepository,
    *,
    seed: int,
    programs: int,
    directory: Path,
    muted: frozenset[str] = frozenset(),
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    capabilities: Collection[str] = (),
    threads: bool = True,
) -> PrioritySearch:
    """Run programs of three clients under schedules of priorities drawn at random.

    Args:
        open_repository: Opens a store in a directory of its own.
        seed: The same number, the same programs and schedules.
        programs: How many programs to run.
        directory: Where the directories are made.
        muted: Laws whose violations are known already.
        progress: Told how many programs of how many are done.
        capabilities: What the adapter can do beyond the nine methods.
        threads: Whether the adapter's threads may be run in steps.
    """
    random = Random(f"{seed} priorities")  # noqa: S311 - not for secrets
    runner = Runner(open_repository, directory, threads=threads)
    search = _Search(runner, random, muted)

    def explore() -> tuple[Finding, ...]:
        for number in range(programs):
            search.try_program(three_clients(random, capabilities))
            progress(number + 1, programs)
        return search.findings()

    try:
        findings = watched(explore, lambda: search.runner.runs)
    except Blocked as why:
        program = search.runner.program
        lines = () if program is None else program.lines()
        text = f"deadlock: {why}; the search ended there"
        findings = (Finding("ATOMIC-1", text, (*lines, f"# {why}")),)
    return PrioritySearch(findings, programs, search.runner.runs, search.probabilities)


@dataclass(slots=True)
class _Search:
    """The witnesses found so far, one for each law, and the least probabilities by depth."""

    runner: Runner
    random: Random
    muted: frozenset[str]
    witnesses: dict[str, Witness] = field(default_factory=dict[str, Witness])
    probabilities: dict[int, float] = field(default_factory=dict[int, float])

    def try_program(self, program: ConcurrentProgram) -> None:
        """Run a program as often as is due at each depth, until it breaks a law."""
        known = _Known()
        for _ in range(_TRIALS):
            if self._breaks(program, known, depth=1):
                return
        for depth, due in RUNS.items():
            counted = 0
            for _ in range(_MOST * due):
                before = known.choices
                if self._breaks(program, known, depth):
                    return
                # Where a run had more choices than were known, the earlier ones prove nothing.
                counted = counted + 1 if known.choices == before else 0
                if counted == due:
                    break
            chance = least_probability(known.clients, known.choices, depth, counted)
            self.probabilities[depth] = min(chance, self.probabilities.get(depth, 1.0))

    def _breaks(self, program: ConcurrentProgram, known: _Known, depth: int) -> bool:
        schedule = Priorities.drawn(self.random, depth, known.choices)
        execution, choices = self.runner.run_under(program, schedule)
        known.learn(schedule.clients, len(choices))
        self._keep(program, execution, choices)
        return bool(execution.laws - self.muted)

    def _keep(
        self, program: ConcurrentProgram, execution: Execution, choices: list[Choice]
    ) -> None:
        taken = tuple(choice.taken for choice in choices)
        preemptions = sum(choice.preempts for choice in choices)
        for found in execution.findings:
            witness = Witness(found.law, program, taken, preemptions, found.message)
            best = self.witnesses.get(found.law)
            if found.law not in self.muted and (best is None or witness.size < best.size):
                self.witnesses[found.law] = witness

    def findings(self) -> tuple[Finding, ...]:
        """Each broken law with its shortest program."""
        shrunk = [
            shrink_witness(self.witnesses[law], self.runner) for law in sorted(self.witnesses)
        ]
        return tuple(present(witness, self.runner) for witness in shrunk)


@dataclass(slots=True)
class _Known:
    """How many clients and choices the runs of a program had, at most."""

    clients: int = 1
    choices: int = 1

    def learn(self, clients: int, choices: int) -> None:
        self.clients = max(self.clients, clients)
        self.choices = max(self.choices, choices)
