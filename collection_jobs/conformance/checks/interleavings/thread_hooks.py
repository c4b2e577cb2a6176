"""Where Python's threads start, wait and tell the time: hooks for the runs that control these.

The hooks are set while such a run is under way, and concern only the threads that act in one:
everybody else finds everything as it was.
"""

from __future__ import annotations

import _thread
import queue
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

__all__ = ["THREAD_HOOKS", "Actor", "real_start"]


class Actor(Protocol):
    """Whoever acts in a run: the thread of its loop, or one that the adapter has started."""

    def start(self, thread: threading.Thread) -> None:
        """Start a thread."""
        ...

    def has_ended(self, thread: threading.Thread) -> Callable[[], bool] | None:
        """Return what tells whether a thread of this run has ended; None where it is of none."""
        ...

    def refuse(self, why: str) -> None:
        """Note why this cannot be run in steps."""
        ...

    def now(self) -> float | None:
        """Return the virtual time; None when the run is over."""
        ...

    def wait(
        self, until: Callable[[], bool], seconds: float | None, really: Callable[[], bool]
    ) -> bool:
        """Wait until something has come, or so many seconds have passed; return whether it has."""
        ...

    def sleep(self, seconds: float) -> bool:
        """Let virtual time pass; return False where it cannot."""
        ...


real_start: Callable[[threading.Thread], None] = threading.Thread.start
_real_wait = threading.Condition.wait
_real_join = threading.Thread.join
_real_start_new = _thread.start_new_thread
_real_sleep = time.sleep
_real_monotonic = time.monotonic


class _Hooks:
    """The threads that act in a run, and the hooks, which are set as long as there are any."""

    def __init__(self) -> None:
        self._actors: dict[int, Actor] = {}
        self._lock = threading.Lock()
        self._former: list[tuple[object, str, object]] = []

    @contextmanager
    def acting(self, actor: Actor) -> Generator[None]:
        """Let the current thread act in a run."""
        ident = threading.get_ident()
        with self._lock:
            if not self._actors:
                self._set()
            self._actors[ident] = actor
        try:
            yield
        finally:
            self.forget(ident)

    def forget(self, ident: int | None) -> None:
        """Let a thread act in no run any more."""
        with self._lock:
            self._actors.pop(ident or 0, None)
            if not self._actors:
                self._reset()

    @contextmanager
    def left_out(self) -> Generator[None]:
        """Let the current thread start and wait as ever."""
        ident = threading.get_ident()
        actor = self._actors[ident]
        self._actors[ident] = _NOBODY
        try:
            yield
        finally:
            self._actors[ident] = actor

    def actor(self) -> Actor | None:
        """Return as whom the current thread acts; None where it does not."""
        actor = self._actors.get(threading.get_ident())
        return None if actor is _NOBODY else actor

    def _set(self) -> None:
        for holder, name, hook in _HOOKED:
            self._former.append((holder, name, getattr(holder, name)))
            setattr(holder, name, hook)

    def _reset(self) -> None:
        for holder, name, former in self._former:
            setattr(holder, name, former)
        self._former.clear()


def _start(thread: threading.Thread) -> None:
    actor = THREAD_HOOKS.actor()
    if actor is None:
        real_start(thread)
    else:
        actor.start(thread)


def _join(thread: threading.Thread, timeout: float | None = None) -> None:
    actor = THREAD_HOOKS.actor()
    has_ended = None if actor is None else actor.has_ended(thread)
    if actor is None or has_ended is None:
        return _real_join(thread, timeout)

    def really() -> bool:
        _real_join(thread, timeout)
        return not thread.is_alive()

    actor.wait(has_ended, timeout, really)
    if has_ended():
        _real_join(thread, timeout)
    return None


def _wait(condition: Any, timeout: float | None = None) -> bool:
    """As Condition.wait, but for who waits: the actor, and not the lock that is to be released."""
    actor = THREAD_HOOKS.actor()
    if actor is None or (timeout is not None and timeout <= 0) or not condition._is_owned():
        return _real_wait(condition, timeout)
    waiter = threading.Lock()
    waiter.acquire()
    condition._waiters.append(waiter)
    saved = condition._release_save()
    notified = False

    def really() -> bool:
        return waiter.acquire(timeout=-1 if timeout is None else timeout)

    try:
        notified = actor.wait(lambda: not waiter.locked(), timeout, really)
    finally:
        condition._acquire_restore(saved)
        if not notified:
            with suppress(ValueError):
                condition._waiters.remove(waiter)
    return notified


def _start_new(*arguments: Any, **options: Any) -> int:
    actor = THREAD_HOOKS.actor()
    if actor is not None:
        actor.refuse("it starts a thread without the module threading")
    return _real_start_new(*arguments, **options)


def _sleep(seconds: float) -> None:
    actor = THREAD_HOOKS.actor()
    if actor is None or not actor.sleep(seconds):
        _real_sleep(seconds)


def _monotonic() -> float:
    actor = THREAD_HOOKS.actor()
    now = None if actor is None else actor.now()
    return _real_monotonic() if now is None else now


_HOOKED: tuple[tuple[object, str, object], ...] = (
    (threading.Thread, "start", _start),
    (threading.Thread, "join", _join),
    (threading.Condition, "wait", _wait),
    (_thread, "start_new_thread", _start_new),
    (time, "sleep", _sleep),
    (time, "monotonic", _monotonic),
    # These modules have their own names for it.
    (threading, "_time", _monotonic),
    (queue, "time", _monotonic),
    # The queue of an executor, written in Python: it waits by a condition.
    (queue, "SimpleQueue", getattr(queue, "_PySimpleQueue", queue.SimpleQueue)),
)
_NOBODY: Any = object()
THREAD_HOOKS = _Hooks()
