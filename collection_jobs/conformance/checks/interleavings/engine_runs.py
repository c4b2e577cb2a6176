"""Runs of programs on the adapter's real engine, under the gated loop; one store serves many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from collection_jobs.conformance.checks.interleavings.conflicts import ids_of
from collection_jobs.conformance.checks.interleavings.gated_loop import GatedLoop
from collection_jobs.conformance.checks.interleavings.programs import (
    CLIENT_NAMES,
    Choice,
    ConcurrentProgram,
    Execution,
    Replay,
    TracedRun,
)
from collection_jobs.conformance.checks.interleavings.trace import Trace
from collection_jobs.conformance.history.checker import check
from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.open_store import OpenStore
from collection_jobs.conformance.running.runner import ProgramRunner, invoke, make, observe
from collection_jobs.conformance.running.topologies import several
from collection_jobs.conformance.spec.calls import Call, Kept, NoAnswer
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["EngineRunner"]

_Handles = Sequence[CollectionJobRepository]


@dataclass(slots=True)
class EngineRunner:
    """Runs programs, one after another on the same store, whose jobs are deleted in between.

    A store on which a run has left jobs is given up for a new one. Once a call gives no answer
    nothing more is run: each would take as long as a call may.

    Attributes:
        opening: Returns the store in a directory, not yet open.
        new_directory: Makes a directory for a store.
        handles: On how many handles the clients work, by turns: two stand for two processes.
        held: What a token holds to make such a runner again.
        at: What a report says of where the preemptions were.
        met_timers: False: on a real engine, time passes by itself.
        runs: How many runs were made.
        program: What is run.
    """

    opening: Callable[[Path], AbstractAsyncContextManager[CollectionJobRepository]]
    new_directory: Callable[[], Path]
    handles: int = 1
    held: Mapping[str, object] = field(init=False)
    at: str = field(init=False)
    met_timers: bool = False
    runs: int = 0
    program: ConcurrentProgram | None = None
    _store: OpenStore[_Handles] | None = None
    _hung: bool = False
    _loop: GatedLoop = field(init=False)

    def __post_init__(self) -> None:
        """Remember on how many handles it works, for tokens."""
        self.held = {"handles": self.handles}
        handles = "" if self.handles == 1 else f" with {self.handles} handles"
        self.at = f" at the engine's statements{handles}"

    def run(
        self, program: ConcurrentProgram, prefix: tuple[int, ...] = (), trace: Trace | None = None
    ) -> tuple[Execution, list[Choice]]:
        """Run a program under one schedule; return what came of it, and every choice there was."""
        self.runs += 1
        self.program = program
        schedule = Replay(prefix)
        if self._hung and trace is None:
            return Execution((), (), 0), []
        store = self._opened()
        run = _Run(program, self._loop, store.repository, schedule, trace)
        is_clean = store.run(run.main())
        if not is_clean:
            self.close()
        events = tuple(run.history.events)
        silent = run.silent()
        if silent is not None:
            self._hung = True
            return Execution((silent,), events, 0), schedule.choices
        return Execution(tuple(check(events)), events, 0), schedule.choices

    def close(self) -> None:
        """Close the store, on the thread that has opened it; another run opens a new one."""
        store, self._store = self._store, None
        if store is not None:
            with suppress(Exception):  # closing is the business of other checks
                store.close()

    def _opened(self) -> OpenStore[_Handles]:
        if self._store is None:
            directory = self.new_directory()
            opening = several(self.opening, directory, self.handles)
            self._store = OpenStore(opening, directory, loop_factory=self._new_loop)
        return self._store

    def _new_loop(self) -> GatedLoop:
        self._loop = GatedLoop()
        return self._loop


def _is_silent(event: Event) -> bool:
    return event.outcome is not None and isinstance(event.outcome.error, NoAnswer)


class _Run(TracedRun):
    """One run: the set-up, the clients under a schedule, the reads, and the deletions."""

    def __init__(
        self,
        program: ConcurrentProgram,
        loop: GatedLoop,
        repositories: Sequence[CollectionJobRepository],
        schedule: Replay,
        trace: Trace | None,
    ) -> None:
        super().__init__(trace)
        self.stuck: str | None = None
        self._program = program
        self._loop = loop
        self._repositories = repositories
        self._schedule = schedule

    async def main(self) -> bool:
        """Make the run; return whether it has left the store as it was."""
        setup = self._caller("setup", 0)
        await setup.run(self._program.setup)
        if self._trace is not None:
            self._trace.begin(self._loop)
        self._loop.begin(self._schedule)
        clients = zip(CLIENT_NAMES, self._program.clients, strict=False)
        tasks = [
            self._loop.start(self._caller(name, number, setup.held).run(steps), name)
            for number, (name, steps) in enumerate(clients)
        ]
        await asyncio.wait(tasks)
        self._loop.end()
        if self._trace is not None:
            self._trace.end(self._loop)
        self.stuck = self._loop.stuck
        if self.stuck is not None:
            return False
        after = self._caller("after", 0)
        for call in (*self._program.reads[0], *self._program.reads[1]):
            await after.ask(call)
        return await self._emptied(after)

    def _caller(
        self, name: str, number: int, held: Mapping[str, Kept] | None = None
    ) -> ProgramRunner:
        repository = self._repositories[number % len(self._repositories)]
        if name not in CLIENT_NAMES:
            return ProgramRunner(name, lambda call: make(call, repository), self, held)
        # Without a time-out: the loop sees to it that none is waited for in vain.
        return ProgramRunner(name, lambda call: observe(invoke(call, repository)), self, held)

    def silent(self) -> Finding | None:
        """Return what a call that gave no answer breaks; None where all gave one."""
        events = self.history.events
        if self.stuck is not None:
            left = tuple(str(event) for event in events if event.outcome is None)
            text = f"deadlock: nobody goes on within {deadline():g} s; {self.stuck}"
            return Finding("ATOMIC-1", text, left)
        for event in filter(_is_silent, events):
            text = f"{event.call} gave no answer within {deadline():g} s"
            return Finding("ATOMIC-1", text, tuple(map(str, events)))
        return None

    async def _emptied(self, after: ProgramRunner) -> bool:
        """Delete every job, which shows what still holds one; return whether there is none left."""
        steps = (*self._program.setup, *(step for one in self._program.clients for step in one))
        for job_id in sorted({job_id for step in steps for job_id in ids_of(step)}):
            await after.ask(Call("delete", (job_id,)))
            if _is_silent(self.history.events[-1]):
                return False
        left = await make(Call("list_recent", (1,)), self._repositories[0])
        return left.error is None and left.value == []
