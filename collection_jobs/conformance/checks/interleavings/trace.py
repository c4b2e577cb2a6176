"""Traces: one schedule as a timeline, with each point at which somebody had to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from collection_jobs.conformance.running.places import where
from collection_jobs.conformance.spec.calls import Call, Outcome

__all__ = ["SteppedLoop", "Trace"]


class SteppedLoop(Protocol):
    """A loop whose steps are chosen."""

    switched: Callable[[str, bool], None] | None

    def task_of(self, owner: str) -> asyncio.Task[Any] | None:
        """Return the first task of an owner that has not come to its end."""
        ...


class Trace:
    """Writes down who ran when; its lines are to be read from the top to the bottom.

    A client's lines begin with its name. A line with an arrow is a preemption: the client could
    have gone on, and the schedule let another one run instead.
    """

    def __init__(self) -> None:
        """Start with no lines."""
        self.lines: list[str] = []
        self._loop: SteppedLoop | None = None
        self._last = ""
        self._suspended: set[str] = set()

    def begin(self, loop: SteppedLoop) -> None:
        """Start to write: the clients begin."""
        self._loop = loop
        loop.switched = self._switched

    def end(self, loop: SteppedLoop) -> None:
        """Stop: the clients are done."""
        self._loop = None
        loop.switched = None

    def call(self, client: str, call: Call) -> None:
        """Note that a client makes a call."""
        if self._loop is not None:
            self._suspended.discard(client)
            self.lines.append(f"{client} | {call}")

    def outcome(self, client: str, outcome: Outcome) -> None:
        """Note that a client's call came back."""
        if self._loop is not None:
            if client in self._suspended:
                self.lines.append(f"{client} | ... goes on")
                self._suspended.discard(client)
            self.lines.append(f"{client} | ... {outcome}")

    def note(self, text: str) -> None:
        """Note what happens beside the clients' steps."""
        if self._loop is not None:
            self.lines.append(f"  | {text}")

    def _switched(self, owner: str, preempted: bool) -> None:
        self._tell_suspension(preempted=preempted)
        self._last = owner
        if owner in self._suspended:
            self._suspended.discard(owner)
            self.lines.append(f"{owner} | ... goes on")

    def _tell_suspension(self, *, preempted: bool) -> None:
        task = None if self._loop is None else self._loop.task_of(self._last)
        if task is None:
            return
        self._suspended.add(self._last)
        word = "preempted" if preempted else "waits"
        arrow = "-->" if preempted else "   "
        self.lines.append(f"{self._last} | {arrow} {word} at {where(task)}")
