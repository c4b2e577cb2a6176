"""Where code stands: what a task waits at, and a watchdog for work that blocks its thread for good.

The work is done in a thread of its own, which is left behind where it blocks.
"""

from __future__ import annotations

import asyncio
import linecache
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

__all__ = ["Blocked", "is_of_the_library", "line_of", "watched", "where"]

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
            raise Blocked(f"a step blocks the event loop forever at {_place(thread)}")
    if failed:
        raise failed[0]
    return done[0]


def _place(thread: threading.Thread) -> str:
    """Return the innermost line outside the standard library that a thread is at."""
    frame = sys._current_frames().get(thread.ident or 0)  # pyright: ignore[reportPrivateUsage] # the one way to look into another thread
    while frame is not None and is_of_the_library(frame.f_code.co_filename):
        frame = frame.f_back
    return line_of(frame)


_LIBRARY = str(Path(asyncio.__file__).parent.parent)


def where(task: asyncio.Task[Any]) -> str:
    """Return the innermost line outside the standard library that a task is suspended at."""
    frame: FrameType | None = None
    for each in _frames(task.get_coro()):
        if frame is None or not is_of_the_library(each.f_code.co_filename):
            frame = each
    return line_of(frame)


def line_of(frame: FrameType | None) -> str:
    """Return the file, the number and the text of the line that a frame is at."""
    if frame is None:
        return "an unknown place"
    code = frame.f_code
    line = linecache.getline(code.co_filename, frame.f_lineno or 0).strip()
    return f"{Path(code.co_filename).name}:{frame.f_lineno}, in {code.co_name}: {line}"


def is_of_the_library(file: str) -> bool:
    """Whether a source file belongs to the standard library."""
    return file.startswith(_LIBRARY) and "site-packages" not in file


def _frames(coroutine: object) -> Iterator[FrameType]:
    """Yield the frames of a suspended coroutine and all that it awaits, the outermost first."""
    while coroutine is not None:
        for prefix in ("cr", "gi", "ag"):
            frame = getattr(coroutine, f"{prefix}_frame", None)
            if frame is not None:
                yield frame
                break
        coroutine = next(
            (
                awaited
                for name in ("cr_await", "gi_yieldfrom", "ag_await")
                if (awaited := getattr(coroutine, name, None)) is not None
            ),
            None,
        )
