"""Stages: a program on one store that is closed and opened again, in this process and in others.

Beside calls a program has two kinds of steps. ``reopen`` ends a stage, by closing the store or by
killing its process, and begins the next one in this process or in one of another time zone and
another hash seed. ``handle`` goes on with another of the handles that are open in this process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

from collection_jobs.conformance.checks.sequential.bulk.at_once import (
    MOST_READS,
    answers_in_order,
    in_parts,
    in_runs,
    made_at_once,
    shared_out,
)
from collection_jobs.conformance.checks.sequential.bulk.oracle import BulkOracle
from collection_jobs.conformance.running.clients import Client
from collection_jobs.conformance.running.configuration import Plan
from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.messages import Close, Open, Work
from collection_jobs.conformance.running.open_store import OpenStore
from collection_jobs.conformance.running.processes import (
    ForkServer,
    Worker,
    WorkerDied,
    WorkerFailed,
)
from collection_jobs.conformance.running.runner import keep, make
from collection_jobs.conformance.running.targets import TargetError
from collection_jobs.conformance.running.topologies import several
from collection_jobs.conformance.running.zones import ZONES
from collection_jobs.conformance.spec.calls import Call, Kept, Outcome, Step
from collection_jobs.conformance.spec.findings import Violation
from collection_jobs.conformance.spec.operations import OPERATIONS
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["HANDLE", "HERE", "REOPEN", "KeepsNothing", "Processes", "Stages", "reopen"]

REOPEN, HANDLE = "reopen", "handle"
HERE = "here"
_PROBES = 3
"""How many jobs are looked for to see whether a store keeps anything."""

Repositories: TypeAlias = Sequence[CollectionJobRepository]
Found = Callable[[Violation, tuple[Step, ...]], None]


class KeepsNothing(Exception):  # noqa: N818 - an observation, and nobody's error
    """A store that does not declare to be durable is empty when it is opened again."""


def reopen(place: str = HERE, ended: str = "closed", *, pause: timedelta = timedelta(0)) -> Step:
    """Return the step that ends a stage and begins another.

    Args:
        place: Where the store is opened: in this process, or in one in that time zone.
        ended: Whether the store was ``closed`` before, or its process ``killed``.
        pause: For how long nobody has it open in between.
    """
    return Step(REOPEN, (place, ended, pause) if pause else (place, ended))


class Processes:
    """The processes of other time zones, each of which has other hashes of strings, too.

    One of each zone is started when it is first asked for, and forks all of that zone.
    """

    def __init__(self, plan: Plan) -> None:
        """Start with none."""
        self._target = plan.target
        self._fork_servers: dict[str, ForkServer] = {}
        self._workers: dict[str, Worker] = {}

    def start(self, *places: str) -> None:
        """Start what forks the processes of some places, without waiting for it."""
        for place in places:
            if place not in self._fork_servers:
                self._fork_servers[place] = ForkServer(self._target, ZONES[place].environment)

    def worker(self, place: str) -> Worker:
        """Return the process of a place.

        Raises:
            WorkerDied: It could not be started.
        """
        self.start(place)
        if place not in self._workers:
            try:
                self._workers[place] = self._fork_servers[place].worker(counting=False)
            except TargetError as error:
                raise WorkerDied(str(error)) from None
        return self._workers[place]

    def end(self, place: str, ended: str) -> None:
        """Close the store that a process has open, or kill the process."""
        if ended == "closed":
            self._workers[place].ask(Close())
        else:
            self._workers.pop(place).close()

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers.values():
            with suppress(OSError, WorkerDied):
                worker.close()
        for fork_server in self._fork_servers.values():
            fork_server.close()
        self._workers.clear()
        self._fork_servers.clear()


class Stages:
    """Runs a program on one store, stage after stage, each call held against the oracle.

    Attributes:
        calls: How many calls were made.
        openings: How often the store was opened.
    """

    def __init__(
        self,
        plan: Plan,
        oracle: BulkOracle,
        processes: Processes,
        found: Found,
        *,
        handles: int = 1,
    ) -> None:
        """Prepare a new store.

        Args:
            plan: The target, and new directories for its stores.
            oracle: What each call is held against.
            processes: Where it is opened beside this process.
            found: Told of every violation, with the steps made so far.
            handles: How many handles are open at once in this process.
        """
        self.calls: int = 0
        self.openings: int = 0
        self._plan = plan
        self._oracle = oracle
        self._processes = processes
        self._found = found
        self._handles = handles
        self._held: dict[str, Kept] = {}
        self._program: list[Step] = []
        self._unwritten: Collection[str] = plan.unwritten
        # An adapter that is fast answers one read after another at less cost.
        self._at_once = MOST_READS if plan.profile.at_once > 1 else 1
        self._began = False

    def run(self, program: Iterable[Step]) -> None:
        """Run a program to its end, or until the store cannot be used any more.

        Raises:
            KeepsNothing: The store is empty when it is opened again, and may be.
        """
        directory = self._plan.new_directory()
        steps = iter(program)
        first = next(steps, None)
        if first is None:
            return
        place = first.arguments[0] if first.method == REOPEN else HERE
        rest = _after(first, steps) if first.method != REOPEN else steps
        if first.method == REOPEN:
            self._program.append(first)
        while place is not None and not self._oracle.hung:
            stage = self._stage_here if place == HERE else self._stage_elsewhere
            marker = stage(directory, rest, place)
            place = None
            if marker is not None:
                self._program.append(marker)
                place, _, *pauses = marker.arguments
                for pause in pauses:
                    time.sleep(pause.total_seconds())  # nothing is open that could be awaited

    # In this process

    def _stage_here(self, directory: Path, steps: Iterator[Step], place: str) -> Step | None:
        try:
            store = self._opened(directory)
        except Exception as error:  # noqa: BLE001 - whatever an adapter raises is what is judged
            self._cannot_open(f"{type(error).__name__}: {error}")
            return None
        self.openings += 1
        with store:
            return store.run(self._work_here(store.repository, steps))

    def _opened(self, directory: Path) -> OpenStore[Repositories]:
        opening = self._plan.opening
        if self._handles > 1:
            # It may be open to many processes and still not twice in one.
            with suppress(Exception):
                return OpenStore(several(opening, directory, self._handles))
            self._handles = 1
        return OpenStore(several(opening, directory, 1))

    async def _work_here(self, handles: Repositories, steps: Iterator[Step]) -> Step | None:
        repository: CollectionJobRepository = handles[0]
        await self._look_whether_it_keeps(repository)
        for run in in_runs(steps, self._at_once):
            step = run[0]
            if step.method == REOPEN:
                self._oracle.reopened(step.arguments[1])
                return step
            if step.method == HANDLE:
                self._program.append(step)
                repository = handles[int(step.arguments[0]) % len(handles)]
                continue
            await self._make(run, repository)
            if self._oracle.hung:
                break
        return None

    async def _make(self, run: Sequence[Step], repository: CollectionJobRepository) -> None:
        """Make the calls of some steps at once, and judge what came of each.

        An answer that is wrong only while others are asked for is not judged here.
        """
        made = [(step, call) for step in run if (call := self._call(step)) is not None]
        self._program += run
        answers = await made_at_once([call for _, call in made], repository)
        for (step, call), answer in zip(made, answers, strict=True):
            if not self._take(step, call, answer, tentative=len(made) > 1):
                self._take(step, call, await make(call, repository))
            for job_id in list(self._oracle.doubtful):
                look = Call("get_by_id", (job_id,))
                self._oracle.adopt(job_id, await make(look, repository))

    async def _look_whether_it_keeps(self, repository: CollectionJobRepository) -> None:
        if "durable" in self._plan.capabilities:
            return
        stored = self._oracle.stored[:_PROBES]
        answers = [await make(Call("get_by_id", (job_id,)), repository) for job_id in stored]
        if stored and all(answer.value is None for answer in answers):
            raise KeepsNothing

    # In another process

    def _stage_elsewhere(self, directory: Path, steps: Iterator[Step], place: str) -> Step | None:
        stage, marker = _until_reopened(steps)
        try:
            worker = self._processes.worker(place)
            worker.ask(Open(directory, 1, deadline()), deadline() + 2)
        except (WorkerDied, WorkerFailed) as error:
            self._cannot_open(str(error))
            return None
        self.openings += 1
        self._look_elsewhere(worker)
        self._follow(stage, worker)
        for job_id in list(self._oracle.doubtful):
            (answer,) = _answers(worker, shared_out((Step("get_by_id", (job_id,)),), {}))
            self._oracle.adopt(job_id, answer)
        ended = "closed" if marker is None else marker.arguments[1]
        try:
            self._processes.end(place, ended)
        except (WorkerDied, WorkerFailed) as error:
            self._cannot_open(f"closing it, {error}")
            return None
        if marker is not None:
            self._oracle.reopened(ended)
        return marker

    def _look_elsewhere(self, worker: Worker) -> None:
        if "durable" in self._plan.capabilities:
            return
        stored = self._oracle.stored[:_PROBES]
        looks = [Step("get_by_id", (job_id,)) for job_id in stored]
        answers = list(_answers(worker, shared_out(looks, {})))
        if stored and all(answer.value is None for answer in answers):
            raise KeepsNothing

    def _follow(self, steps: list[Step], worker: Worker) -> None:
        """Let a process make the calls of a stage, and judge what came of each."""
        written = [step for step in steps if step.method not in self._unwritten]
        for part in in_parts(written, self._at_once):
            self._program += part
            clients = shared_out([step for step in part if step.method in OPERATIONS], self._held)
            try:
                answers = _answers(worker, clients)
            except WorkerDied as error:
                text = f"the process in which the store was open ended by itself: {error}"
                self._found(Violation("ERROR-1", text), tuple(self._program))
                self._oracle.hung = True
                return
            self._judge(part, answers, worker, at_once=len(clients) > 1)
            if self._oracle.hung:
                return

    def _judge(
        self, steps: Sequence[Step], answers: Iterator[Outcome], worker: Worker, *, at_once: bool
    ) -> None:
        for step in steps:
            call = self._call(step) if step.method in OPERATIONS else None
            if call is None:
                continue
            answer = next(answers, None)
            if answer is not None and not self._take(step, call, answer, tentative=at_once):
                answer = next(_answers(worker, shared_out((step,), {})), None)
                if answer is not None:
                    self._take(step, call, answer)
            if answer is None:
                self._oracle.hung = True
                return

    # In both

    def _call(self, step: Step) -> Call | None:
        call = step.call(self._held)
        return None if call is None or call.method in self._unwritten else call

    def _take(self, step: Step, call: Call, outcome: Outcome, *, tentative: bool = False) -> bool:
        """Judge a call; return whether that is done, since a wrong answer may be tentative."""
        self.calls += 1
        violations = self._oracle.judge(call, outcome, tentative=tentative)
        if violations and tentative:
            return False
        for violation in violations:
            self._found(violation, tuple(self._program))
        keep(self._held, step, outcome)
        return True

    def _cannot_open(self, error: str) -> None:
        if "durable" in self._plan.capabilities and self._oracle.states:
            text = f"the store could not be opened again: {error}"
            self._found(Violation("DURABLE-1", text), tuple(self._program))


def _answers(worker: Worker, clients: Sequence[Client]) -> Iterator[Outcome]:
    # Each call has its own deadline there; this one ends only what stands still as a whole.
    seconds = deadline() * (10 + sum(len(client.steps) for client in clients) / 5)
    return answers_in_order(clients, worker.ask(Work(tuple(clients)), seconds).events)


def _after(first: Step, steps: Iterator[Step]) -> Iterator[Step]:
    yield first
    yield from steps


def _until_reopened(steps: Iterator[Step]) -> tuple[list[Step], Step | None]:
    stage = list[Step]()
    for step in steps:
        if step.method == REOPEN:
            return stage, step
        stage.append(step)
    return stage, None
