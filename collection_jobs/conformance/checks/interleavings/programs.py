"""Programs of several clients, and one run of such a program under one schedule."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeGuard

from collection_jobs.conformance.checks.interleavings.loop import (
    Deadlock,
    DeterministicLoop,
    Livelock,
    Scheduler,
)
from collection_jobs.conformance.checks.interleavings.trace import Trace
from collection_jobs.conformance.history.checker import Refusal, check
from collection_jobs.conformance.history.history import Event, History
from collection_jobs.conformance.spec.calls import Call, Held, Outcome, Step, begin
from collection_jobs.conformance.spec.signatures import jobs_named
from collection_jobs.job import CollectionJob
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.status import JobStatus

__all__ = ["Choice", "Execution", "OpenRepository", "Program", "Replay", "execute"]

OpenRepository = Callable[[Path], AbstractAsyncContextManager[CollectionJobRepository]]
"""Opens a store in a directory of its own; the same directory again opens the same store again."""

_NAMES = ("A", "B", "C", "D")


@dataclass(frozen=True)
class Program:
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
        held = {step.keep: str(step.arguments[0]) for step in everything if step.keep}
        ids = sorted({job_id for step in steps for job_id in _job_ids(step, held)})
        statuses = {JobStatus.PENDING}
        statuses |= {a for step in everything for a in step.arguments if _is_status(a)}
        return (
            tuple(Call(method, (id_,)) for id_ in ids for method in ("get_by_id", "get_stats")),
            (
                Call("list_recent"),
                Call("get_running_jobs"),
                *(Call("list_by_status", (status,)) for status in sorted(statuses)),
            ),
        )

    def lines(self) -> tuple[str, ...]:
        """The program as Python, client by client."""
        lines = [str(step) for step in self.setup]
        for name, steps in zip(_NAMES, self.clients, strict=False):
            lines.append(f"async def {name.lower()}():")
            lines += [f"    {step}" for step in steps]
        names = ", ".join(f"{name.lower()}()" for name in _NAMES[: len(self.clients)])
        return (*lines, f"await asyncio.gather({names})")


def _is_status(argument: object) -> TypeGuard[JobStatus]:
    return isinstance(argument, JobStatus)


def _job_ids(step: Step, held: Mapping[str, str]) -> Iterator[str]:
    """The ids of the jobs that a step names; none for a listing, and where nothing is held."""
    for one in jobs_named(step.method, step.arguments):
        if isinstance(one, Held):
            yield from (held[name] for name in (one.name,) if name in held)
        else:
            yield one.id if isinstance(one, CollectionJob) else str(one)


class Choice(NamedTuple):
    """One choice of a schedule: among how many steps, how many of them no preemption, which."""

    options: int
    free: int
    taken: int

    @property
    def preempts(self) -> bool:
        """Whether somebody had to stop who could have gone on."""
        return self.taken >= self.free


@dataclass(slots=True)
class Replay:
    """A scheduler that makes given choices and after them goes on with whoever ran last."""

    prefix: Sequence[int] = ()
    choices: list[Choice] = field(default_factory=list[Choice])

    def choose(self, options: int, free: int) -> int:
        """Make the next choice, and remember what there was to choose from."""
        at = len(self.choices)
        taken = self.prefix[at] if at < len(self.prefix) else 0
        taken = min(taken, options - 1)
        self.choices.append(Choice(options, free, taken))
        return taken


@dataclass(frozen=True, slots=True)
class Execution:
    """What came of one run.

    Attributes:
        refusals: What is wrong with its history; empty when the run kept every law.
        events: The calls of the program and the reads after them.
        steps: How many steps the loop took.
    """

    refusals: tuple[Refusal, ...]
    events: tuple[Event, ...]
    steps: int

    @property
    def laws(self) -> frozenset[str]:
        """The laws that were broken."""
        return frozenset(refusal.law for refusal in self.refusals)


def execute(
    program: Program,
    open_repository: OpenRepository,
    directory: Path,
    scheduler: Scheduler,
    trace: Trace | None = None,
) -> Execution:
    """Run a program on a new store and judge what came of it.

    Args:
        program: What the clients do.
        open_repository: Opens the store.
        directory: A directory that is empty or does not exist; it is emptied again.
        scheduler: Chooses the steps while the clients are at work.
        trace: Writes down who ran when, if given.

    Raises:
        Unsupported: The adapter cannot run under the deterministic loop.
    """
    loop = DeterministicLoop(scheduler)  # type: ignore[abstract] # it adds what it refuses later
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
    refusals = (_stuck(stuck, events),) if stuck is not None else tuple(check(events))
    return Execution(refusals, events, loop.steps)


def _stuck(stuck: Deadlock | Livelock, events: Sequence[Event]) -> Refusal:
    kind = "deadlock" if isinstance(stuck, Deadlock) else "livelock"
    left = tuple(str(event) for event in events if event.outcome is None)
    return Refusal("ATOMIC-1", f"{kind}: {stuck}", left)


class _Run:
    """The state of one run: its repository, what each client holds, and the history."""

    def __init__(
        self,
        program: Program,
        open_repository: OpenRepository,
        directory: Path,
        loop: DeterministicLoop,
        trace: Trace | None,
    ) -> None:
        self.history = History()
        self._program = program
        self._open = open_repository
        self._directory = directory
        self._loop = loop
        self._trace = trace

    async def main(self) -> None:
        async with self._open(self._directory) as repository:
            held: dict[str, CollectionJob] = {}
            await self._client("setup", self._program.setup, repository, held)
            if self._trace is not None:
                self._trace.begin(self._loop)
            self._loop.exploring = True
            tasks = [
                self._loop.start(self._client(name, steps, repository, dict(held)), name)
                for name, steps in zip(_NAMES, self._program.clients, strict=False)
            ]
            await asyncio.wait(tasks)
            self._loop.exploring = False
            if self._trace is not None:
                self._trace.end(self._loop)
            await self._look(repository)

    async def _client(
        self,
        name: str,
        steps: Sequence[Step],
        repository: CollectionJobRepository,
        held: dict[str, CollectionJob],
    ) -> None:
        for step in steps:
            call = step.call(held)
            if call is None:
                continue
            outcome = await self._call(name, call, repository)
            if step.keep is not None and isinstance(outcome.value, CollectionJob):
                held[step.keep] = outcome.value

    async def _call(self, name: str, call: Call, repository: CollectionJobRepository) -> Outcome:
        if self._trace is not None:
            self._trace.call(name, call)
        number = self.history.begin(name, call)
        outcome = await _made(call, repository)
        self.history.end(number, outcome)
        if self._trace is not None:
            self._trace.outcome(name, outcome)
        return outcome

    async def _look(self, repository: CollectionJobRepository) -> None:
        """Read what can have changed, at once and again when nothing goes on any more."""
        reads, listings = self._program.reads
        for call in reads:
            await self._call("after", call, repository)
        await self._loop.quiet()
        for call in (*reads, *listings):
            await self._call("after", call, repository)


async def _made(call: Call, repository: CollectionJobRepository) -> Outcome:
    """Make a call; the deterministic loop sees to it that none is waited for in vain."""
    began = datetime.now(UTC)
    value: object = None
    error: BaseException | None = None
    try:
        value = await begin(call, repository)
    except asyncio.CancelledError as raised:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        error = raised
    except Exception as raised:  # noqa: BLE001 - whatever an adapter raises is what the kit judges
        error = raised
    return Outcome(began, datetime.now(UTC), value, error)
