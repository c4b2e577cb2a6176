"""Programs of several clients, and one run of such a program under one schedule."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeGuard

from typing_extensions import override

from collection_jobs.conformance.checks.interleavings.inert_loop import Deadlock, Livelock
from collection_jobs.conformance.checks.interleavings.judging import Judged, judge_run
from collection_jobs.conformance.checks.interleavings.loop import DeterministicLoop
from collection_jobs.conformance.checks.interleavings.steps import Scheduler
from collection_jobs.conformance.checks.interleavings.trace import Trace
from collection_jobs.conformance.history.history import Event, History
from collection_jobs.conformance.running.runner import ProgramRunner, invoke, observe
from collection_jobs.conformance.spec.calls import (
    Call,
    Held,
    Kept,
    Outcome,
    Step,
    example_job,
    id_of,
)
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.operations import OPERATIONS
from collection_jobs.conformance.spec.signatures import (
    COUNTS_JOBS,
    NAMES_ONE_JOB,
    TAKES_A_JOB,
    jobs_named,
)
from collection_jobs.errors import RepositoryClosedError, RepositoryError
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.status import JobStatus

__all__ = [
    "CLIENT_NAMES",
    "Choice",
    "ConcurrentProgram",
    "Execution",
    "OpenRepository",
    "Replay",
    "TracedRun",
    "execute",
]

OpenRepository = Callable[[Path], AbstractAsyncContextManager[CollectionJobRepository]]
"""Opens a store in a directory of its own; the same directory again opens the same store again."""

CLIENT_NAMES = ("A", "B", "C", "D")

_PROBED = 4
"""How many jobs of a program are changed after it at most."""


@dataclass(frozen=True)
class ConcurrentProgram:
    """What is done first, and what each of the clients then does while the others do theirs."""

    setup: tuple[Step, ...]
    clients: tuple[tuple[Step, ...], ...]

    @property
    def size(self) -> int:
        """The number of calls, those of the set-up included."""
        return len(self.setup) + sum(map(len, self.clients))

    @cached_property
    def reads(self) -> tuple[tuple[Call, ...], tuple[Call, ...]]:
        """What shows the jobs that the clients can have changed: reads of each, and listings."""
        steps = [step for client in self.clients for step in client]
        everything = (*self.setup, *steps)
        held = {
            step.keep: str(step.arguments[0])
            for step in everything
            if step.keep and step.method in NAMES_ONE_JOB and isinstance(step.arguments[0], str)
        }
        picks = any(step.method in TAKES_A_JOB or step.method in COUNTS_JOBS for step in steps)
        about = everything if picks else steps
        ids = sorted({job_id for step in about for job_id in _job_ids(step, held)})
        looks: tuple[str, ...] = ("get_by_id", "get_stats")
        if any(_is_of_leases(step.method) for step in everything):
            looks = (*looks, "get_lease")
        statuses = {JobStatus.PENDING}
        statuses |= {a for step in everything for a in step.arguments if _is_status(a)}
        return (
            tuple(Call(method, (id_,)) for id_ in ids for method in looks),
            (
                Call("list_recent"),
                Call("get_running_jobs"),
                *(Call("list_by_status", (status,)) for status in sorted(statuses)),
            ),
        )

    @cached_property
    def probes(self) -> tuple[Call, ...]:
        """What shows a lock that stayed held, and what a store keeps beside its jobs.

        An outcome, a save and a claim of some jobs, each permitted there, with a read after each.
        """
        calls: list[Call] = []
        looks = [look for look in self.reads[0] if look.method == "get_by_id"]
        for look in looks[:_PROBED]:
            if (id_ := look.job_id) is not None:
                for change in (
                    Call("add_failed_symbol", (id_, "ETH", "probe")),
                    Call("save", (example_job(id_, timeframe="1w"),)),
                    Call("update_status", (id_, JobStatus.RUNNING)),
                ):
                    calls += [change, look]
        return tuple(calls)

    @cached_property
    def kept(self) -> Judged:
        """Which histories of it were judged, and kept every law."""
        return {}

    def lines(self) -> tuple[str, ...]:
        """Return the program as Python, client by client."""
        lines = [str(step) for step in self.setup]
        for name, steps in zip(CLIENT_NAMES, self.clients, strict=False):
            lines.append(f"async def {name.lower()}():")
            lines += [f"    {step}" for step in steps]
        names = ", ".join(f"{name.lower()}()" for name in CLIENT_NAMES[: len(self.clients)])
        return (*lines, f"await asyncio.gather({names})")


def _is_of_leases(method: str) -> bool:
    """Whether a method is about leases; one of a program alone is none."""
    return method in OPERATIONS and OPERATIONS[method].is_of_leases


def _is_status(argument: object) -> TypeGuard[JobStatus]:
    return isinstance(argument, JobStatus)


def _job_ids(step: Step, held: Mapping[str, str]) -> Iterator[str]:
    """Yield the ids of the jobs that a step names; none for a listing, nor where none is held."""
    for one in jobs_named(step.method, step.arguments):
        if isinstance(one, Held):
            yield from (held[name] for name in (one.name,) if name in held)
        else:
            yield id_of(one)


class Choice(NamedTuple):
    """One choice of a schedule.

    Attributes:
        options: Among how many steps.
        free: How many of the first of them are no preemption.
        taken: Which was taken, from 0.
        timers: How many of the last of them let a timer fire early.
    """

    options: int
    free: int
    taken: int
    timers: int = 0

    @property
    def preempts(self) -> bool:
        """Whether somebody had to stop who could have gone on."""
        return self.taken >= self.free

    @property
    def is_early_timer(self) -> bool:
        """Whether a timer fired early."""
        return self.taken >= self.options - self.timers


@dataclass(slots=True)
class Replay:
    """A scheduler that makes given choices and after them goes on with whoever ran last."""

    prefix: Sequence[int] = ()
    choices: list[Choice] = field(default_factory=list[Choice])

    def choose(self, options: int, free: int, timers: int = 0) -> int:
        """Make the next choice, and remember what there was to choose from."""
        at = len(self.choices)
        taken = self.prefix[at] if at < len(self.prefix) else 0
        taken = min(taken, options - 1)
        self.choices.append(Choice(options, free, taken, timers))
        return taken


@dataclass(frozen=True, slots=True)
class Execution:
    """What came of one run.

    Attributes:
        findings: What is wrong with its history; empty when the run kept every law.
        events: The calls of the program and the reads after them.
        steps: How many steps the loop took.
        early_timers: Whether a timer could have fired early.
        threads: The names of the adapter's threads, which were run in steps.
    """

    findings: tuple[Finding, ...]
    events: tuple[Event, ...]
    steps: int
    early_timers: bool = False
    threads: frozenset[str] = frozenset()

    @property
    def laws(self) -> frozenset[str]:
        """The laws that were broken."""
        return frozenset(finding.law for finding in self.findings)


def execute(
    program: ConcurrentProgram,
    open_repository: OpenRepository,
    directory: Path,
    scheduler: Scheduler,
    trace: Trace | None = None,
    *,
    early_timers: bool = True,
    threads: bool = True,
) -> Execution:
    """Run a program on a new store and judge what came of it.

    Args:
        program: What the clients do.
        open_repository: Opens the store.
        directory: A directory that is empty or does not exist; it is emptied again.
        scheduler: Chooses the steps while the clients are at work.
        trace: Writes down who ran when, if given.
        early_timers: Whether the scheduler may let a timer fire while somebody could go on.
        threads: Whether the adapter's threads may be run in steps. Those of a store of files never
            are: their steps take real time.

    Raises:
        Unsupported: The adapter cannot run under the deterministic loop.
    """
    loop = DeterministicLoop(  # type: ignore[abstract] # it adds what it refuses later
        scheduler,
        early_timers=early_timers,
        threads=lambda: threads and not any(directory.iterdir()),
    )
    run = _Run(program, open_repository, directory, loop, trace)
    directory.mkdir(parents=True, exist_ok=True)
    stuck: Deadlock | Livelock | None = None
    try:
        loop.run(run.main())
    except (Deadlock, Livelock) as found:
        stuck = found
    finally:
        if any(directory.iterdir()):
            shutil.rmtree(directory, ignore_errors=True)
    events = tuple(run.history.events)
    judged = _without_time_outs(events) if loop.fired_early else events
    if stuck is not None:
        findings: tuple[Finding, ...] = (_stuck(stuck, events),)
    else:
        findings = judge_run(judged, len(program.probes), program.kept)
    names = frozenset(thread.name for thread in loop.threads.threads)
    return Execution(findings, events, loop.steps, early_timers=loop.early, threads=names)


def _without_time_outs(events: Sequence[Event]) -> tuple[Event, ...]:
    """Take what a client was refused with a RepositoryError for calls that may have happened.

    Where a timer fires early, a time-out can be over before the engine has answered, and an adapter
    is right to say so. What comes after the clients has no such excuse.
    """
    return tuple(
        Event(one.client, one.call, one.began) if _is_time_out(one) else one for one in events
    )


def _is_time_out(event: Event) -> bool:
    error = None if event.outcome is None else event.outcome.error
    is_error = isinstance(error, RepositoryError) and not isinstance(error, RepositoryClosedError)
    return is_error and event.client in CLIENT_NAMES


def _stuck(stuck: Deadlock | Livelock, events: Sequence[Event]) -> Finding:
    kind = "deadlock" if isinstance(stuck, Deadlock) else "livelock"
    left = tuple(str(event) for event in events if event.outcome is None)
    return Finding("ATOMIC-1", f"{kind}: {stuck}", left)


class TracedRun:
    """Records the calls of one run, in the trace too if there is one.

    Attributes:
        history: The calls.
    """

    def __init__(self, trace: Trace | None) -> None:
        """Start with no calls."""
        self.history: History = History()
        self._trace = trace

    def begin(self, client: str, call: Call) -> int:
        """Record that a call is about to be made."""
        if self._trace is not None:
            self._trace.call(client, call)
        return self.history.begin(client, call)

    def end(self, number: int, outcome: Outcome) -> None:
        """Record that the call of that number came back."""
        self.history.end(number, outcome)
        if self._trace is not None:
            self._trace.outcome(self.history.events[number].client, outcome)


class _Run(TracedRun):
    """The state of one run: its repository, what each client holds, and the history."""

    def __init__(
        self,
        program: ConcurrentProgram,
        open_repository: OpenRepository,
        directory: Path,
        loop: DeterministicLoop,
        trace: Trace | None,
    ) -> None:
        super().__init__(trace)
        self._program = program
        self._open = open_repository
        self._directory = directory
        self._loop = loop
        if trace is not None:
            loop.told = trace.note

    @override
    def begin(self, client: str, call: Call) -> int:
        self._loop.note_progress()
        return super().begin(client, call)

    async def main(self) -> None:
        async with self._open(self._directory) as repository:
            setup = self._caller("setup", repository)
            await setup.run(self._program.setup)
            if self._trace is not None:
                self._trace.begin(self._loop)
            self._loop.exploring = True
            tasks = [
                self._loop.start(self._caller(name, repository, setup.held).run(steps), name)
                for name, steps in zip(CLIENT_NAMES, self._program.clients, strict=False)
            ]
            await asyncio.wait(tasks)
            self._loop.exploring = False
            if self._trace is not None:
                self._trace.end(self._loop)
            # A client of its own, so that a deadlock tells where it waits.
            await self._loop.start(self._look(repository), "after")

    def _caller(
        self,
        name: str,
        repository: CollectionJobRepository,
        held: Mapping[str, Kept] | None = None,
    ) -> ProgramRunner:
        # Without a time-out: the deterministic loop sees to it that none is waited for in vain.
        return ProgramRunner(name, lambda call: observe(invoke(call, repository)), self, held)

    async def _look(self, repository: CollectionJobRepository) -> None:
        """Read what can have changed, at once and when nothing goes on any more; then change it."""
        caller = self._caller("after", repository)
        reads, listings = self._program.reads
        for call in reads:
            await caller.ask(call)
        await self._loop.quiet()
        for call in (*reads, *listings, *self._program.probes):
            await caller.ask(call)
