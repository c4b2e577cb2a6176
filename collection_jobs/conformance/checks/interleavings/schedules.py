"""All schedules of a program, those of fewest preemptions first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from collection_jobs.conformance.checks.interleavings.programs import (
    Choice,
    ConcurrentProgram,
    Execution,
    OpenRepository,
    Replay,
    execute,
)
from collection_jobs.conformance.checks.interleavings.trace import Trace

__all__ = ["Frontier", "Prefix", "Runner", "RunsPrograms"]

_Level = tuple[int, bool]
"""How many preemptions, and whether one of them is an early timer."""

Prefix = tuple[int, ...]
"""The first choices of a schedule; after them, whoever ran last goes on."""


class RunsPrograms(Protocol):
    """Runs programs under schedules, counts the runs, and knows which program is run.

    Attributes:
        held: What a token holds, beside the program and the schedule, to run it again.
        at: What a report says of where the preemptions were; empty for every suspension.
        met_timers: Whether a timer could have fired early in any run.
    """

    held: Mapping[str, object]
    at: str
    met_timers: bool
    runs: int
    program: ConcurrentProgram | None

    def run(
        self, program: ConcurrentProgram, prefix: Prefix = (), trace: Trace | None = None
    ) -> tuple[Execution, list[Choice]]:
        """Run a program under one schedule; return what came of it, and every choice there was."""
        ...

    def close(self) -> None:
        """Close what is open, on the thread that has run programs; it may run others afterwards."""
        ...


@dataclass(slots=True)
class Runner:
    """Runs programs, each on a new store; counts the runs and knows which program is run."""

    open_repository: OpenRepository
    directory: Path
    early_timers: bool = True
    threads: bool = True
    held: Mapping[str, object] = field(default_factory=dict[str, object])
    at: str = ""
    met_timers: bool = False
    runs: int = 0
    program: ConcurrentProgram | None = None
    _names: frozenset[str] = frozenset()
    _used: int = 0

    def run(
        self, program: ConcurrentProgram, prefix: Prefix = (), trace: Trace | None = None
    ) -> tuple[Execution, list[Choice]]:
        """Run a program under one schedule; return what came of it, and every choice there was."""
        return self.run_under(program, Replay(prefix), trace)

    def run_under(
        self, program: ConcurrentProgram, schedule: Replay, trace: Trace | None = None
    ) -> tuple[Execution, list[Choice]]:
        """Run a program under a scheduler; return what came of it, and every choice there was."""
        self.runs += 1
        self.program = program
        directory = self.directory / f"store-{self._used}"
        execution = execute(
            program,
            self.open_repository,
            directory,
            schedule,
            trace,
            early_timers=self.early_timers,
            threads=self.threads,
        )
        self._names |= execution.threads
        if self._names:
            names = ", ".join(map(repr, sorted(self._names)))
            self.at = f" and steps of its threads ({names})"
        self.met_timers = self.met_timers or execution.early_timers
        if not directory.exists():
            self._used += 1  # it was used, and an adapter may remember stores by their paths
        return execution, schedule.choices

    def close(self) -> None:
        """Do nothing: each run has closed its store."""


class Frontier:
    """The schedules of one program that were not run yet, by how many preemptions they have.

    Every schedule follows from just one other: the one that makes the same choices up to its last
    that is not 0. So each is run once, and after all those of fewer preemptions.
    """

    def __init__(self, program: ConcurrentProgram) -> None:
        """Start with the schedule in which everybody goes on while it can."""
        self.program = program
        self._waiting: dict[_Level, deque[Prefix]] = {(0, False): deque([()])}
        self._twins = len(set(program.clients)) == 1

    def run(
        self, runner: RunsPrograms, preemptions: int, *, early: bool = False
    ) -> Iterator[tuple[Prefix, Execution]]:
        """Run every schedule of just so many preemptions; those of fewer must have been run.

        Args:
            runner: Runs them.
            preemptions: How many.
            early: Whether to run those in which a timer fires early, which are kept apart.
        """
        waiting = self._waiting.setdefault((preemptions, early), deque())
        while waiting:
            prefix = waiting.popleft()
            execution, choices = runner.run(self.program, prefix)
            self._branch(prefix, choices, preemptions, early=early)
            yield prefix, execution
        self._waiting.pop((preemptions, early), None)

    def has_more(self, preemptions: int, *, early: bool = False) -> bool:
        """Whether there are schedules of so many preemptions that were not run yet."""
        return bool(self._waiting.get((preemptions, early)))

    def _branch(
        self, prefix: Prefix, choices: list[Choice], preemptions: int, *, early: bool
    ) -> None:
        taken = tuple(choice.taken for choice in choices)
        for at in range(len(prefix), len(choices)):
            options, free, _, timers = choices[at]
            if at == 0 and self._twins:
                continue  # which of two clients that do the same begins makes no difference
            for other in range(1, options):
                choice = Choice(options, free, other, timers)
                level = preemptions + choice.preempts, early or choice.is_early_timer
                self._waiting.setdefault(level, deque()).append((*taken[:at], other))
