"""Watching work from outside: a call that passes the deadline, a step that blocks its thread.

The work is done in a thread of its own, which is left behind where it blocks.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from collection_jobs.conformance.running.deadline import (
    CallUnderWay,
    deadline,
    forget_calls,
    oldest_call,
)
from collection_jobs.conformance.running.early_endings import Abandoned, Escaped, Overdue
from collection_jobs.conformance.running.patience import parts_of
from collection_jobs.conformance.running.places import (
    frame_of_thread,
    innermost_outside_library,
    is_of_the_kit,
    line_of,
    where,
)
from collection_jobs.conformance.spec.calls import NoAnswer

__all__ = ["Blocked", "WatchedCall", "until_overdue", "watched"]

_T = TypeVar("_T")

_POLL = 0.05
_GRACE = 1.0
"""Seconds that the event loop has for ending a call itself when its deadline has passed."""


class Blocked(Exception):  # noqa: N818 - an observation of the kit, not an error of anybody's
    """A step blocks its thread, and with it the event loop; the message says where."""


def watched(work: Callable[[], _T], progress: Callable[[], int]) -> _T:
    """Do some work, unless it blocks.

    What the kit itself does between two calls may take as long as it does: only a thread that
    stands in the adapter, or in what the adapter called, is blocked.

    Args:
        work: What to do.
        progress: A number that changes while the work goes on.

    Raises:
        Blocked: It did not go on. Its thread is left behind, for nothing can wake it.
    """
    thread = _WorkThread(work)
    while thread.is_alive():
        before = progress()
        for part in parts_of(deadline()):
            thread.join(part)
            if not thread.is_alive() or progress() != before:
                break
        if not thread.is_alive() or progress() != before:
            continue
        frame = innermost_outside_library(frame_of_thread(thread.ident))
        if frame is None or is_of_the_kit(frame.f_code.co_filename):
            continue
        place = line_of(frame)
        thread.leave_behind()
        raise Blocked(f"a step blocks the event loop forever at {place}")
    return thread.result()


class WatchedCall:
    """How long the oldest call has been under way: in looks, so that no suspension counts."""

    def __init__(self, poll: float, grace: float) -> None:
        """Begin.

        Args:
            poll: How many seconds pass between two looks.
            grace: Seconds that the event loop has for ending a call itself after the deadline.
        """
        self._most = (deadline() + grace) / poll
        self._oldest: CallUnderWay | None = None
        self._looks = 0

    def is_overdue(self, oldest: CallUnderWay) -> bool:
        """Look at the oldest call; return whether its event loop has not ended it in time."""
        self._looks = self._looks + 1 if oldest is self._oldest else 0
        self._oldest = oldest
        return self._looks > self._most


def until_overdue(work: Callable[[], _T]) -> _T:
    """Do some work, unless a call that it makes passes the deadline.

    Raises:
        Overdue: A call passed it. Where the event loop could not end the call, because it blocks
            the thread or goes on although it was cancelled, the thread is left behind.
        Escaped: SystemExit or KeyboardInterrupt of the adapter ended the event loop.
    """
    thread = _WorkThread(work)
    watched_call = WatchedCall(_POLL, _GRACE)
    try:
        while thread.is_alive():
            thread.join(_POLL)
            oldest = oldest_call(thread.ident)
            if oldest is None or not watched_call.is_overdue(oldest):
                continue
            frame = innermost_outside_library(frame_of_thread(thread.ident))
            in_adapter = frame is not None and not is_of_the_kit(frame.f_code.co_filename)
            place = line_of(frame) if in_adapter or oldest.task is None else where(oldest.task)
            thread.leave_behind()
            how = "blocks its thread" if in_adapter else "goes on although it was cancelled"
            raise Overdue(oldest.call, place, how=how)
    except KeyboardInterrupt:
        thread.leave_behind()
        thread.join(_GRACE)  # so that it opens no store while they are removed
        raise
    try:
        return thread.result()
    except NoAnswer as silent:
        if silent.what is None:
            raise
        raise Overdue(silent.what, silent.place) from None
    except (SystemExit, KeyboardInterrupt) as error:
        raise Escaped(error) from error


class _WorkThread(threading.Thread, Generic[_T]):
    """A thread that does some work, begun when it is made."""

    def __init__(self, work: Callable[[], _T]) -> None:
        super().__init__(name="collection-jobs-examination", daemon=True)
        self._work = work
        self._done: list[_T] = []
        self._failed: list[BaseException] = []
        self.start()

    def run(self) -> None:
        try:
            self._done.append(self._work())
        except BaseException as error:  # noqa: BLE001 - it is raised again where it was waited for
            self._failed.append(error)
        finally:
            forget_calls(self.ident)

    def result(self) -> _T:
        """Return what the work returned, or raise what it raised."""
        if self._failed:
            raise self._failed[0]
        return self._done[0]

    def leave_behind(self) -> None:
        """Wait for it no more; end it where it still runs Python, which would slow the rest."""
        forget_calls(self.ident)
        if self.ident is not None:
            thread, error = ctypes.c_ulong(self.ident), ctypes.py_object(Abandoned)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, error)
