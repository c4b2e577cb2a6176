"""The threads that an adapter starts, each of which goes on only when it has its turn.

Under the deterministic loop just one thread works at a time: the loop's own, or one of these. A
thread that waits (for an item of a queue, an event, a condition, the end of a thread, or for time
to pass) gives its turn back, and to go on, when what it waits for has come, is one more step of the
loop. So a schedule is made again by the same choices, with threads as without. What waits
elsewhere, such as for a socket or a lock that another one holds, is noticed and refused.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager, suppress
from typing import TypeVar, TypeVarTuple

from collection_jobs.conformance.checks.interleavings.inert_loop import InertLoop, Unsupported
from collection_jobs.conformance.checks.interleavings.thread_hooks import THREAD_HOOKS, real_start
from collection_jobs.conformance.running.patience import parts_of
from collection_jobs.conformance.running.places import (
    frame_of_thread,
    innermost_in_adapter,
    line_of,
)

__all__ = ["AdapterThread", "AdapterThreads", "may_run_in_steps"]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_PATIENCE = 2.0
"""Seconds after which a thread that does not give its turn back is taken to wait elsewhere."""
_LAST_TURNS = 100
"""How many turns threads have when the run is over, to come to their end."""
_NUMBER = re.compile(r"-\d+")


class AdapterThread:
    """A thread of the adapter.

    Attributes:
        threads: The threads of this run.
        name: Its name, without the number that Python gives it, which is another in each run.
        is_queued: Whether its next step is ready.
        is_over: Whether it has come to its end.
        thread: It.
    """

    def __init__(self, threads: AdapterThreads, thread: threading.Thread) -> None:
        """Take it over before it is started."""
        self.threads: AdapterThreads = threads
        self.name: str = _name_of(thread)
        self.is_queued: bool = False
        self.is_over: bool = False
        self.thread: threading.Thread = thread
        self._turn = threading.Lock()
        self._turn.acquire()
        self._may_go_on: Callable[[], bool] = _always

    @property
    def owner(self) -> str:
        """The owner of its steps."""
        return f"thread {self.name!r}"

    @property
    def may_go_on(self) -> bool:
        """Whether what it waits for has come."""
        return not self.is_over and self._may_go_on()

    @property
    def place(self) -> str:
        """The line that it stands at."""
        return line_of(innermost_in_adapter(frame_of_thread(self.thread.ident)))

    def work(self, run: Callable[[], None]) -> None:
        """Do its work, on the thread itself, once it has its first turn."""
        self._turn.acquire()
        try:
            with THREAD_HOOKS.acting(self):
                if self.threads.is_over:
                    # Let go before it acted, it would keep the hooks for as long as it lives.
                    THREAD_HOOKS.forget(threading.get_ident())
                run()
        finally:
            self.is_over = True
            self.threads.take_turn_back()

    def wait(
        self, until: Callable[[], bool], seconds: float | None, really: Callable[[], bool]
    ) -> bool:
        """Give the turn back until something has come, or so much virtual time has passed.

        Args:
            until: Whether it has come.
            seconds: How long to wait; None for ever.
            really: Waits as if there were no loop: for when the run is over.
        """
        if self.threads.is_over:
            return really()
        timer: asyncio.TimerHandle | None = None
        self._may_go_on = until
        if seconds is not None:
            over: asyncio.Future[None] = self.threads.loop.create_future()
            timer = self.threads.loop.call_later(seconds, over.set_result, None)
            self._may_go_on = lambda: until() or over.done()
        self.threads.take_turn_back()
        self._turn.acquire()
        if timer is not None:
            timer.cancel()
        if self.threads.is_over and not until():
            return really()
        return until()

    def give_turn(self) -> None:
        """Let it go on, from the thread of the loop."""
        self._turn.release()

    def start(self, thread: threading.Thread) -> None:
        """As AdapterThreads."""
        self.threads.start(thread)

    def has_ended(self, thread: threading.Thread) -> Callable[[], bool] | None:
        """As AdapterThreads."""
        return self.threads.has_ended(thread)

    def refuse(self, why: str) -> None:
        """As AdapterThreads."""
        self.threads.refuse(why)

    def now(self) -> float | None:
        """As AdapterThreads."""
        return self.threads.now()

    def sleep(self, seconds: float) -> bool:
        """Wait for nothing but the time."""
        self.wait(_never, seconds, lambda: True)
        return True


class AdapterThreads:
    """The threads that the adapter has started in one run.

    Args:
        loop: Runs their steps.
        may_be_steps: Whether threads may be steps; if not, one that is started is refused.

    Attributes:
        loop: The loop.
        threads: They, in the order in which they were started.
        is_over: Whether the run is over: then they go on as they will.
    """

    def __init__(self, loop: InertLoop, may_be_steps: Callable[[], bool]) -> None:
        """Start with none."""
        self.loop: InertLoop = loop
        self.threads: list[AdapterThread] = []
        self.is_over: bool = False
        self._works_for_executor: bool = False
        self._may_be_steps = may_be_steps
        self._back = threading.Lock()
        self._back.acquire()

    @contextmanager
    def taken_over(self) -> Generator[None]:
        """Take over each thread that is started; at the end let go of those that are left."""
        with THREAD_HOOKS.acting(self):
            try:
                yield
            finally:
                self.let_go()

    def start(self, thread: threading.Thread) -> None:
        """Start a thread, which waits for its first turn."""
        if self.is_over or not self._may_be_steps():
            self.refuse(f"it has a thread of its own, {_name_of(thread)!r}")
            with THREAD_HOOKS.left_out():
                real_start(thread)
            return
        own = AdapterThread(self, thread)
        run = thread.run
        thread.run = lambda: own.work(run)  # type: ignore[method-assign] # what a subclass overrides, too
        thread.daemon = True  # one that is left must not keep the process from its end
        with THREAD_HOOKS.left_out():
            real_start(thread)
        self.threads.append(own)

    def has_ended(self, thread: threading.Thread) -> Callable[[], bool] | None:
        """Return what tells whether a thread has ended; None where it was not taken over."""
        own = next((one for one in self.threads if one.thread is thread), None)
        return None if own is None else lambda: own.is_over

    def now(self) -> float | None:
        """Return the virtual time; None when the run is over."""
        return None if self.is_over else self.loop.time()

    def sleep(self, seconds: float) -> bool:
        """Return False: who blocks the loop lets no time pass on it."""
        return False

    def newly_ready(self) -> list[AdapterThread]:
        """Return those that may go on and whose step is not among the ready ones yet."""
        ready = [one for one in self.threads if one.may_go_on and not one.is_queued]
        for one in ready:
            one.is_queued = True
        return ready

    def go_on(self, thread: AdapterThread) -> None:
        """Let a thread go on up to its next wait, and wait for that."""
        thread.is_queued = False
        if self.is_over or not thread.may_go_on:
            return
        if self.loop.told is not None:
            self.loop.told(f"the {thread.owner} goes on")
        thread.give_turn()
        if not any(self._back.acquire(timeout=part) for part in parts_of(_PATIENCE)):
            self.refuse(f"it has a thread of its own, {thread.name!r}, which is at {thread.place}")
            self.let_go()

    def has_turn(self) -> bool:
        """Whether the current thread is one of these, and its run is not over."""
        actor = THREAD_HOOKS.actor()
        return not self.is_over and isinstance(actor, AdapterThread) and actor.threads is self

    def work(self, function: Callable[[*_Ts], _T], *arguments: *_Ts) -> _T:
        """Do what was handed to an executor, on the thread of the loop."""
        self._works_for_executor = True
        try:
            return function(*arguments)
        finally:
            self._works_for_executor = False

    def take_turn_back(self) -> None:
        """Wake the loop: a thread waits, or has come to its end."""
        with suppress(RuntimeError):  # nobody waits for it when the run is over
            self._back.release()

    def wait(
        self, until: Callable[[], bool], seconds: float | None, really: Callable[[], bool]
    ) -> bool:
        """Let the threads go on while a step blocks the loop's own thread, as AdapterThread.wait.

        Raises:
            Unsupported: Work that was handed to an executor waits for another step.
        """
        while not until():
            thread = next((one for one in self.threads if one.may_go_on), None)
            if thread is None:
                break
            self.go_on(thread)
        is_final = self._works_for_executor and seconds is None and not self.is_over
        if until() or not is_final:
            return until() or really()
        self.refuse("work that it hands to an executor waits for other steps")
        raise Unsupported(self.loop.unsupported)

    def refuse(self, why: str) -> None:
        """Note why this cannot be run in steps."""
        self.loop.unsupported = self.loop.unsupported or why

    def finish(self) -> None:
        """Let those go on that may: they were told to come to their end."""
        for _ in range(_LAST_TURNS):
            thread = next((one for one in self.threads if one.may_go_on), None)
            if thread is None or self.is_over:
                break
            self.go_on(thread)

    def let_go(self) -> None:
        """Let every thread go on as it will."""
        if self.is_over:
            return
        self.is_over = True
        for one in self.left:
            THREAD_HOOKS.forget(one.thread.ident)
            one.give_turn()

    @property
    def left(self) -> list[AdapterThread]:
        """Those that have not come to their end."""
        return [one for one in self.threads if not one.is_over]


def _name_of(thread: threading.Thread) -> str:
    return _NUMBER.sub("", thread.name, count=1)


def may_run_in_steps(capabilities: Collection[str]) -> bool:
    """Whether the threads of an adapter may be taken over: not where they work on an engine.

    There each run would need a store of its own, and the engine's time; what declares to outlive
    its process is explored on its real engine instead, where one store serves all runs.
    """
    return not {"durable", "shared"}.intersection(capabilities)


def _always() -> bool:
    return True


def _never() -> bool:
    return False
