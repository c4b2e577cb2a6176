"""A watchdog: work is done in a thread of its own, which may block for good and is then left."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TypeVar

from collection_jobs.conformance.running.suspensions import is_of_the_library, line_of

__all__ = ["Blocked", "watched"]

_T = TypeVar("_T")

STALL_TIMEOUT = 10.0
"""After how many seconds without progress a thread is taken to be blocked."""


class Blocked(Exception):  # noqa: N818 - an observation of the kit, not an error of anybody's
    """A step blocks its thread, and with it the event loop; the message says where."""


def watched(work: Callable[[], _T], progress: Callable[[], int]) -> _T:
    """Do some work, unless it blocks.

    Args:
        work: What to do.
        progress: A number that changes while the work goes on.

    Raises:
        Blocked: It did not go on. Its thread is left behind, for nothing can wake it.
    """
    done: list[_T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again where it was waited for
            failed.append(error)

    thread = threading.Thread(target=run, name="collection-jobs-interleavings", daemon=True)
    thread.start()
    while thread.is_alive():
        before = progress()
        thread.join(STALL_TIMEOUT)
        if thread.is_alive() and progress() == before:
            raise Blocked(f"a step blocks the event loop for good at {_place(thread)}")
    if failed:
        raise failed[0]
    return done[0]


def _place(thread: threading.Thread) -> str:
    """The innermost line outside the standard library that a thread is at."""
    frame = sys._current_frames().get(thread.ident or 0)  # pyright: ignore[reportPrivateUsage] # the one way to look into another thread
    while frame is not None and is_of_the_library(frame.f_code.co_filename):
        frame = frame.f_back
    return line_of(frame)
