"""A deterministic event loop: virtual time, no I/O, and every choice of who goes on made outside.

The unit of choice is a step: what a task does between two suspensions. Work that is handed to an
executor is a step too, and so is what a thread of the adapter does between two waits. Whatever runs
under this loop does the same again for the same choices.
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextvars import Context
from typing import Any, NoReturn, TypeVar, TypeVarTuple, cast

from collection_jobs.conformance.checks.interleavings.inert_loop import (
    Deadlock,
    InertLoop,
    Livelock,
    Unsupported,
)
from collection_jobs.conformance.checks.interleavings.steps import (
    LoopStep,
    Scheduler,
    is_internal,
    next_in_line,
)
from collection_jobs.conformance.checks.interleavings.thread_steps import AdapterThreads
from collection_jobs.conformance.checks.interleavings.timers import Timer, Timers
from collection_jobs.conformance.running.places import where

__all__ = ["DeterministicLoop"]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_STEP_LIMIT = 20_000
_MOST_IN_A_ROW = 100
"""Steps of one owner while others wait; then another has its turn."""
_START = 100_000.0
"""The first virtual time: as by a machine's clock, for to many adapters 0 is long ago."""
_THREAD_GRACE = 2.0
_MAIN, _CALLBACKS = "main", "callbacks"


def _none() -> bool:
    return False


class DeterministicLoop(InertLoop):
    """Runs one coroutine, and all that it starts, step by step as a scheduler chooses.

    A task belongs to the owner that created it, and so does the work that it hands to an executor:
    to go on with any of these is no preemption of that owner. Its steps come in the order in which
    they became ready, as asyncio promises of `call_soon` and `sleep(0)`, and so do the callbacks of
    all; only work for an executor comes in any order. Callbacks of asyncio itself are run at once.

    Time passes when nothing is ready. While `exploring`, it may also pass earlier, up to the next
    timer, which then fires although somebody could go on: that is a preemption, and whoever the
    timer wakes goes on at once.

    Args:
        scheduler: Chooses the next step while `exploring` is set; else whoever ran last goes on.
        step_limit: After how many steps the run is taken to have no end.
        early_timers: Whether timers may fire early.
        threads: Asked whether a thread of the adapter may be taken over, whenever it starts one.

    Attributes:
        exploring: Whether the scheduler is asked.
        owner: On whose behalf the current step runs.
        switched: Called with the owner and whether its predecessor was preempted, at each change.
        threads: The adapter's threads.
        early: Whether there was a choice in which a timer could have fired early.
        fired_early: Whether one did.
        options: Whose steps the scheduler chooses among, in the order of its options; timers, which
            come last, are left out.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        step_limit: int = _STEP_LIMIT,
        early_timers: bool = True,
        threads: Callable[[], bool] = _none,
    ) -> None:
        """Make a loop for one run."""
        super().__init__()
        self._early_timers = early_timers
        self.exploring: bool = False
        self.owner: str = _MAIN
        self.switched: Callable[[str, bool], None] | None = None
        self.early: bool = False
        self.fired_early: bool = False
        self.options: tuple[str, ...] = ()
        self.steps: int = 0
        self._scheduler = scheduler
        self._step_limit = step_limit
        self._ready: list[LoopStep] = []
        self._internal: deque[LoopStep] = deque()
        self._timers = Timers()
        self._now = _START
        self._in_a_row = 0
        self._last: object = None
        self._owners: dict[asyncio.Task[Any], str] = {}
        self._quiet: list[asyncio.Future[None]] = []
        self._factory: Any = None
        self._running = False
        self._closed = False
        self._thread = threading.get_ident()
        self._threads_before = frozenset(threading.enumerate())
        self.threads: AdapterThreads = AdapterThreads(self, threads)
        self._foreign = threading.Event()

    # Running

    def run(self, main: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine to its end.

        Raises:
            Deadlock: It, or a task that it waits for, will never go on.
            Livelock: It takes more steps than the limit.
            Unsupported: Something needs more than this loop has.
        """
        # Both are there for those who write event loops, as the documentation of asyncio says.
        outer = asyncio._get_running_loop()
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(finalizer=self._finalize)
        asyncio._set_running_loop(self)
        self._running = True
        try:
            with self.threads.taken_over():
                return self._run_to_the_end(main)
        finally:
            self._running = False
            self._closed = True
            asyncio._set_running_loop(outer)
            sys.set_asyncgen_hooks(*hooks)

    def _run_to_the_end(self, main: Coroutine[Any, Any, _T]) -> _T:
        try:
            task = self.start(main, _MAIN)
            while not task.done():
                self._run_once()
            if self.unsupported is not None:
                raise Unsupported(self.unsupported)
        finally:
            self._wind_up()
        for thread in self.threads.left:
            raise Unsupported(f"it leaves a thread of its own behind, {thread.name!r}")
        return task.result()

    def _run_once(self) -> None:
        if self.unsupported is not None:
            raise Unsupported(self.unsupported)
        self._run_internal()
        self._add_threads()
        ready = [step for step in self._ready if not step.cancelled()]
        self._ready = ready
        if not ready:
            self._wait()
            return
        step = self._next(next_in_line(ready))
        if step is None:
            return
        ready.remove(step)
        if step.owner != self.owner:
            self._switch(step.owner, preempted=any(one.owner == self.owner for one in ready))
        self._last = step.task
        self._in_a_row += 1
        self.steps += 1
        if self.steps > self._step_limit:
            raise Livelock(f"no end after {self._step_limit} steps; {self._pending()}")
        self._execute(step)

    def _next(self, ready: list[LoopStep]) -> LoopStep | None:
        """Return the next step; None where a timer fired instead, and woke nobody."""
        may_fire = self.exploring and self._early_timers
        early = self._timers.next_ones(self._now) if may_fire else []
        if len(ready) == 1 and not early:
            return ready[0]
        chosen = self._choose(ready, early)
        if not isinstance(chosen, Timer):
            return chosen
        return self._fire_early(chosen)

    def _choose(self, ready: list[LoopStep], early: list[Timer]) -> LoopStep | Timer:
        others = [step for step in ready if step.owner != self.owner]
        own = [step for step in ready if step.owner == self.owner]
        if own and others and self._in_a_row >= _MOST_IN_A_ROW:
            # Who waits for another by asking again and again would wait for ever otherwise.
            return others[0]
        free = len(own) or len(others)
        for at, step in enumerate(own):
            if step.task is self._last and step.task is not None:
                own.insert(0, own.pop(at))
                free = 1
                break
        options = own + others
        if not self.exploring:
            return options[0]
        self.early = self.early or bool(early)
        self.options = tuple(step.owner for step in options)
        taken = self._scheduler.choose(len(options) + len(early), free, len(early))
        return options[taken] if taken < len(options) else early[taken - len(options)]

    def _switch(self, owner: str, *, preempted: bool) -> None:
        self.owner = owner
        self._in_a_row = 0
        if self.switched is not None:
            self.switched(owner, preempted)

    def _execute(self, step: LoopStep) -> None:
        if step.cancelled():
            return
        try:
            step.within.run(step.callback, *step.arguments)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - as asyncio does with what a callback raises
            self.call_exception_handler({"message": "a callback raised", "exception": error})

    def _wait(self) -> None:
        """Nothing is ready: tell who waits for that, else let time pass, else give up."""
        if self._quiet:
            for future in self._quiet:
                if not future.done():
                    future.set_result(None)
            self._quiet.clear()
            return
        due = self._timers.next_ones(self._now)
        if not due:
            self._give_up()
        for timer in due:
            self._fire(timer)

    def _fire(self, timer: Timer) -> None:
        self._timers.take(timer)
        self._now = max(self._now, timer.when())
        # Not on behalf of who set it: that one's next step stands for the end of a wait, and may
        # come later, though it is ready.
        self._schedule(timer.callback, timer.arguments, timer.within, _CALLBACKS)

    def _fire_early(self, timer: Timer) -> LoopStep | None:
        """Let time pass while somebody could go on; return the step of whom that wakes first."""
        self.fired_early = True
        if self.told is not None:
            passed = max(0.0, timer.when() - self._now)
            self.told(f"{passed:g} s pass: a timer fires early, set at {timer.place}")
        ready = {id(step) for step in self._ready}
        self._fire(timer)
        self._run_internal()
        self._add_threads()
        return next((step for step in self._ready if id(step) not in ready), None)

    def _add_threads(self) -> None:
        for thread in self.threads.newly_ready():
            step = LoopStep(self, self.threads.go_on, (thread,), None, thread.owner)
            step.lines = ()  # threads keep to no order
            self._ready.append(step)

    def _run_internal(self) -> None:
        while self._internal:
            self._execute(self._internal.popleft())

    def _give_up(self) -> NoReturn:
        known = self._threads_before | {one.thread for one in self.threads.threads}
        threads = [one for one in threading.enumerate() if one not in known]
        if threads and not self._foreign.wait(_THREAD_GRACE):
            self.unsupported = f"it waits for a thread of its own, {threads[0].name!r}"
        if self.unsupported is not None:
            raise Unsupported(self.unsupported)
        raise Deadlock(f"nothing will ever go on; {self._pending()}")

    def _pending(self) -> str:
        waiting = [task for task in self._owners if not task.done() and task.get_name() != _MAIN]
        places = [f"{self._owners[task]} is at {where(task)}" for task in waiting]
        return "; ".join(
            (*places, *(f"{one.owner} is at {one.place}" for one in self.threads.left))
        )

    def _wind_up(self) -> None:
        """Cancel what is left and let it come to an end, so that nothing is reported as lost."""
        self.exploring = False
        self._step_limit = self.steps + _STEP_LIMIT
        self.threads.finish()
        for _ in range(3):
            left = [task for task in self._owners if not task.done()]
            if not left:
                break
            for task in left:
                task.cancel()
            self._drain()
        for task in self._owners:
            if not task.done():
                _leave_behind(task)
            elif not task.cancelled():
                task.exception()  # looked at, so that asyncio does not report it as forgotten

    def _drain(self) -> None:
        self._run_internal()
        while any(not step.cancelled() for step in self._ready):
            self.unsupported = None
            try:
                self._run_once()
            except Livelock:
                self._ready.clear()
                return
            self._run_internal()

    def note_progress(self) -> None:
        """Note that who runs has come on, and does not just ask again and again."""
        self._in_a_row = 0

    async def quiet(self, seconds: float = 1.0) -> None:
        """Wait until nothing is left to do, timers of the next seconds included."""
        if self._timers:
            await asyncio.sleep(seconds)
        future = self.create_future()
        self._quiet.append(future)
        await future

    # What asyncio and its users call

    def _schedule(
        self,
        callback: Callable[..., object],
        arguments: tuple[Any, ...],
        context: Context | None,
        owner: str,
    ) -> LoopStep:
        holder: object = getattr(callback, "__self__", None)
        if isinstance(holder, asyncio.Task):
            task = cast("Any", holder)
            owner = self._owners.get(task, owner)
            step = LoopStep(self, callback, arguments, context, owner, task)
            self._ready.append(step)
        elif is_internal(callback, holder):
            step = LoopStep(self, callback, arguments, context, owner)
            self._internal.append(step)
        else:
            step = LoopStep(self, callback, arguments, context, owner)
            step.lines = (owner, _CALLBACKS)
            self._ready.append(step)
        return step

    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """As asyncio says; the callback becomes a step, or is run at once where it is its own."""
        return self._schedule(callback, args, context, self.owner)

    def call_soon_threadsafe(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Call it soon: for the loop itself or a thread that has its turn; others are refused."""
        if threading.get_ident() == self._thread or self.threads.has_turn():
            return self.call_soon(callback, *args, context=context)
        name = threading.current_thread().name
        self.threads.refuse(f"it has a thread of its own, {name!r}, which answers to the loop")
        self._foreign.set()
        return LoopStep(self, callback, args, context, "foreign")

    def call_later(
        self,
        delay: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As asyncio says, in virtual time."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As asyncio says, in virtual time."""
        timer = Timer(when, self, callback, args, context, self.owner)
        if self.told is not None:
            timer.note_place()
        self._timers.add(timer)
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: a cancelled timer is passed over when its time comes."""

    def time(self) -> float:
        """Return the virtual time, which passes only when nothing is ready."""
        return self._now

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """Make a task that belongs to whoever creates it."""
        if self._factory is None:
            task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, **options)
        else:
            task = self._factory(self, coro, **options)
        self._owners[task] = self.owner
        return task

    def start(self, coro: Coroutine[Any, Any, _T], owner: str) -> asyncio.Task[_T]:
        """Start a task that is an owner of its own."""
        creator, self.owner = self.owner, owner
        try:
            return self.create_task(coro, name=owner)
        finally:
            self.owner = creator

    def task_of(self, owner: str) -> asyncio.Task[Any] | None:
        """Return the first task of an owner that has not come to its end."""
        tasks = (task for task, name in self._owners.items() if name == owner)
        return next((task for task in tasks if not task.done()), None)

    def set_task_factory(self, factory: Any) -> None:
        """As asyncio says."""
        self._factory = factory

    def get_task_factory(self) -> Any:
        """As asyncio says."""
        return self._factory

    def run_in_executor(
        self, executor: Any, func: Callable[[*_Ts], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        """Make the work a step; it is done also when nobody waits for it any more."""
        future: asyncio.Future[_T] = self.create_future()

        def work() -> None:
            try:
                value = self.threads.work(func, *args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001 - an executor hands on whatever is raised
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(value)

        step = LoopStep(self, work, (), None, self.owner)
        step.lines = ()  # threads keep to no order
        self._ready.append(step)
        return future

    def _finalize(self, generator: AsyncGenerator[Any, Any]) -> None:
        if not self._closed:
            self.create_task(generator.aclose())

    def is_running(self) -> bool:
        """Whether the one run is under way."""
        return self._running

    def is_closed(self) -> bool:
        """Whether the one run is over."""
        return self._closed


def _leave_behind(task: asyncio.Task[Any]) -> None:
    """Keep a task for as long as the process lives.

    It waits for what never comes here, such as a thread of the adapter's. If the garbage collector
    ended it, what it does at its end would be reported of whoever runs then.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(task))
