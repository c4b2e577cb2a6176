"""Playing a script: its processes, started, let work, killed; and all that they told."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from collection_jobs.conformance.checks.handles.script import CLOSE, KILL, OPEN, Line, stages
from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.running.clients import Client
from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.messages import Told, Use
from collection_jobs.conformance.running.processes import ForkServer, Worker, WorkerDied
from collection_jobs.conformance.spec.calls import Step

__all__ = ["LAST", "Played", "play"]

LAST = "Z"
"""The process that opens the store when all is done, and looks."""

_HEAD_START = 3_000_000
"""Nanoseconds between the order to begin and the beginning: all processes have it by then."""
_ALL = 1_000_000


@dataclass(slots=True)
class Played:
    """What the processes told.

    Attributes:
        events: Every opening, closing and call, by when it began.
        killed_at: When the first process was killed, by the clock of the events; None: never.
        killed: Which processes were killed.
        died: The process that ended, or went silent, without being told to, and how.
    """

    events: list[Event] = field(default_factory=list[Event])
    killed_at: int | None = None
    killed: list[str] = field(default_factory=list[str])
    died: tuple[str, str] | None = None

    @property
    def calls(self) -> list[Event]:
        """The calls on open repositories."""
        return [event for event in self.events if event.call.method not in (OPEN, CLOSE)]


def play(fork_server: ForkServer, places: tuple[Path, ...], lines: Sequence[Line]) -> Played:
    """Play a script on a store, and let another process look at what is there in the end.

    Args:
        fork_server: Where the processes come from.
        places: The store's directory, and further paths to it.
        lines: The script.
    """
    with _Stage(fork_server, places) as stage:
        try:
            ends = {line.process: line.stage for line in sorted(lines, key=lambda one: one.stage)}
            for part in stages(lines):
                stage.do(part)
                for process in [one for one, end in ends.items() if end == part[0].stage]:
                    stage.leave(process)
            stage.do([Line(0, LAST, 1, step) for step in _last_look(stage.played)])
        except WorkerDied as error:
            stage.played.died = stage.at_work, str(error)
    stage.played.events.sort(key=lambda event: event.began)
    return stage.played


def _last_look(played: Played) -> list[Step]:
    ids = {id_: None for event in played.calls for id_ in event.call.job_ids}
    reads = [Step(method, (id_,)) for id_ in ids for method in ("get_by_id", "get_stats")]
    return [Step(OPEN, (0,)), *reads, Step("list_recent", (_ALL,)), Step(CLOSE)]


class _Stage:
    def __init__(self, fork_server: ForkServer, places: tuple[Path, ...]) -> None:
        self.played = Played()
        self.at_work = ""
        self._fork_server = fork_server
        self._places = places
        self._workers: dict[str, Worker] = {}

    def do(self, lines: Iterable[Line]) -> None:
        """Let each handle do its lines, all at once; return when all are done, or killed."""
        kills = {line.process: int(line.step.arguments[0]) for line in lines if _is_kill(line)}
        clients: dict[str, dict[int, list[Line]]] = {}
        for line in lines:
            if not _is_kill(line):
                clients.setdefault(line.process, {}).setdefault(line.handle, []).append(line)
        together = sum(map(len, clients.values())) > 1
        for process in clients:
            self._start(process)
        start_at = time.monotonic_ns() + _HEAD_START if together else None
        for process, handles in clients.items():
            self.at_work = process
            work = tuple(_client(mine) for mine in handles.values())
            self._workers[process].order(Use(work, self._places, deadline(), start_at))
        for process in clients:
            self.at_work = process
            self._follow(process, kills.get(process))
        for process in kills.keys() - clients.keys():
            self._kill(process)

    def leave(self, process: str) -> None:
        """Let a process end that has nothing more to do, unless it was killed."""
        worker = self._workers.pop(process, None)
        if worker is not None:
            worker.leave()

    def _start(self, process: str) -> None:
        if process not in self._workers:
            self._workers[process] = self._fork_server.worker(counting=False)

    def _follow(self, process: str, kill_after: int | None) -> None:
        """Note what a process tells until it is done, or until it is to be killed."""
        told: dict[int, Event] = {}
        worker = self._workers[process]
        left = kill_after
        try:
            while left is None or left > 0:
                match worker.tell():
                    case Told(number, event):
                        told[number] = event
                        left = None if left is None else left - 1
                    case _:
                        break
            if kill_after is not None:
                self._kill(process)
                with suppress(WorkerDied):
                    while isinstance(last := worker.tell(), Told):
                        told[last.number] = last.event
        finally:
            self.played.events += told.values()

    def _kill(self, process: str) -> None:
        worker = self._workers.pop(process, None)
        if worker is None:
            return
        if self.played.killed_at is None:
            self.played.killed_at = time.monotonic_ns()
        worker.kill()
        self.played.killed.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for worker in self._workers.values():
            with suppress(OSError):
                worker.close()


def _is_kill(line: Line) -> bool:
    return line.step.method == KILL


def _client(lines: Sequence[Line]) -> Client:
    return Client(lines[0].client, tuple(line.step for line in lines), lines[0].handle)
