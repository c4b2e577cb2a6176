"""A real event loop that lets one client go on at a time, and asks which where one comes back.

An adapter that owns threads or talks to a server cannot run under the deterministic loop. Here it
runs on its real engine: the selector, its threads and its timers run as ever, and only the steps of
the clients' tasks are held back until a scheduler lets one go on. A client that has begun runs up
to its next wait for something outside of the thread; when that has come, the scheduler chooses
again. So a schedule is a list of choices at the statements of the engine, as in PostgreSQL's
isolation tester (src/test/isolation/README), and is made again by the same choices.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from typing import Any, TypeVar, cast

from collection_jobs.conformance.checks.interleavings.steps import Scheduler
from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.places import where

__all__ = ["GatedLoop"]

_T = TypeVar("_T")

_PATIENCE = 0.02
"""Seconds without an answer after which a client is taken to wait for another one's lock."""
_OWNER: ContextVar[str | None] = ContextVar("owner", default=None)
"""On whose behalf a task runs; the tasks that an adapter starts for a client inherit it."""


class GatedLoop(asyncio.SelectorEventLoop):
    """Runs the clients' tasks one step after another while `exploring`, and all else freely.

    Attributes:
        exploring: Whether steps are held back.
        stuck: Where the clients stood when none of them came back before the deadline; else None.
        switched: Called with the owner and whether its predecessor was preempted, at each change.
    """

    def __init__(self) -> None:
        """Make a loop that holds nothing back yet."""
        super().__init__()
        self.exploring: bool = False
        self.stuck: str | None = None
        self.switched: Callable[[str, bool], None] | None = None
        self._held: dict[str, deque[asyncio.Handle]] = {}
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._scheduler: Scheduler | None = None
        self._current: str | None = None
        self._came_back = True
        self._blocked: set[str] = set()
        self._waiting_since: float | None = None
        self._last_look = 0.0

    def begin(self, scheduler: Scheduler) -> None:
        """Hold the clients' steps back from now on."""
        self._held, self._tasks, self._blocked = {}, {}, set()
        self._scheduler, self._current = scheduler, None
        self._came_back, self._waiting_since, self.stuck = True, None, None
        self.exploring = True

    def end(self) -> None:
        """Let everything go on as it will."""
        self.exploring = False
        for steps in self._held.values():
            for step in steps:
                self._run_soon(step)
            steps.clear()

    def start(self, coroutine: Coroutine[Any, Any, _T], owner: str) -> asyncio.Task[_T]:
        """Start the task of a client."""
        self._held[owner] = deque()
        token = _OWNER.set(owner)
        try:
            task = self.create_task(coroutine, name=owner)
        finally:
            _OWNER.reset(token)
        self._tasks[owner] = task
        return task

    def task_of(self, owner: str) -> asyncio.Task[Any] | None:
        """Return the task of a client that has not come to its end."""
        task = self._tasks.get(owner)
        return None if task is None or task.done() else task

    # Holding back: what follows are the two places at which asyncio's own loop lets itself be
    # extended in Python, and they are the same from 3.11 to 3.14.

    def _call_soon(
        self, callback: Callable[..., object], args: Any, context: Context | None
    ) -> asyncio.Handle:
        if self.exploring and isinstance(getattr(callback, "__self__", None), asyncio.Task):
            owner = _OWNER.get() if context is None else context.get(_OWNER)
            if owner in self._held:
                handle = asyncio.Handle(callback, args, self, context)
                self._held[owner].append(handle)
                return handle
        handle = super()._call_soon(callback, args, context)  # type: ignore[misc] # no stub has it
        return cast("asyncio.Handle", handle)

    def _run_once(self) -> None:
        if self.exploring and not self._ready:  # type: ignore[attr-defined] # no stub has it
            self._go_on()
        super()._run_once()  # type: ignore[misc] # no stub has it

    def _run_soon(self, step: asyncio.Handle) -> None:
        self._ready.append(step)  # type: ignore[attr-defined] # no stub has it

    # Choosing

    def _go_on(self) -> None:
        """Nothing else is ready: let a client make its next step, or wait for one to come back."""
        ready = self._ready_owners()
        current = self._current
        if current in ready and not self._came_back:
            self._release(current)  # it has not left the thread: others could not tell
            return
        if current is not None and self._is_away(current, ready):
            self._came_back = True
            if not self._waited(_PATIENCE):
                self._look_again()
                return
            self._blocked.add(current)
        if ready:
            self._choose(ready)
        elif any(not task.done() for task in self._tasks.values()):
            self._wait_for_any()

    def _ready_owners(self) -> list[str]:
        for steps in self._held.values():
            while steps and steps[0].cancelled():
                steps.popleft()
        return [owner for owner, steps in self._held.items() if steps]

    def _is_away(self, owner: str, ready: list[str]) -> bool:
        """Whether a client waits for something outside, and is expected to come back by itself."""
        return owner not in (*ready, *self._blocked) and self.task_of(owner) is not None

    def _choose(self, ready: list[str]) -> None:
        current = self._current
        own = [current] if current in ready else []
        options = [*own, *(owner for owner in ready if owner != current)]
        taken = 0
        if len(options) > 1 and self._scheduler is not None:
            taken = self._scheduler.choose(len(options), len(own) or len(options))
        owner = options[taken]
        if owner != current:
            self._current = owner
            if self.switched is not None:
                self.switched(owner, bool(own))
        self._release(owner)

    def _release(self, owner: str | None) -> None:
        steps = self._held[cast("str", owner)]
        self._waiting_since, self._came_back = None, False
        self._blocked.discard(cast("str", owner))
        self._run_soon(steps.popleft())

    def _wait_for_any(self) -> None:
        if not self._waited(deadline()):
            self._look_again()
            return
        places = [f"{owner} is at {where(task)}" for owner, task in self._tasks.items()]
        self.stuck = "; ".join(places)
        self.end()
        for task in self._tasks.values():
            task.cancel()

    def _waited(self, seconds: float) -> bool:
        """Return whether nobody came back for so long, counted from when it is first asked."""
        now = self.time()
        if self._waiting_since is None:
            self._waiting_since = self._last_look = now
        # While this process was suspended, so was whoever is to come back.
        self._waiting_since += max(0.0, now - self._last_look - _PATIENCE / 2)
        self._last_look = now
        return now - self._waiting_since >= seconds

    def _look_again(self) -> None:
        self.call_later(_PATIENCE / 4, _nothing)


def _nothing() -> None:
    """Wake the loop, which then looks whether somebody has come back."""
