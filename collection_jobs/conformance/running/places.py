"""Where code stands: the line that a task waits at, that a thread is at, or that was cancelled."""

from __future__ import annotations

import asyncio
import linecache
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = [
    "frame_of_thread",
    "innermost_in_adapter",
    "innermost_outside_library",
    "is_of_the_kit",
    "is_of_the_library",
    "line_of",
    "where",
    "where_raised",
]

_KIT = str(Path(__file__).parents[1])
_HYPOTHESIS = "hypothesis"


def frame_of_thread(thread: int | None) -> FrameType | None:
    """Return the innermost frame of a thread."""
    return sys._current_frames().get(thread or 0)  # pyright: ignore[reportPrivateUsage] # the one way to look into another thread


def innermost_outside_library(frame: FrameType | None) -> FrameType | None:
    """Return the innermost frame that is not of the standard library, from this one outwards."""
    while frame is not None and is_of_the_library(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def innermost_in_adapter(frame: FrameType | None) -> FrameType | None:
    """Return the innermost frame that is neither of the standard library nor of the kit."""
    while frame is not None:
        file = frame.f_code.co_filename
        if not is_of_the_library(file) and not is_of_the_kit(file):
            break
        frame = frame.f_back
    return frame


def is_of_the_kit(file: str) -> bool:
    """Whether a source file belongs to the kit, or to what draws its programs."""
    return file.startswith(_KIT) or _HYPOTHESIS in Path(file).parts


def where_raised(error: BaseException | None) -> str | None:
    """Return the innermost line outside the standard library and the kit that an error came from.

    The error that ended a call was often raised while another was handled, which says more: the
    innermost is that of the cancellation, where the call was waiting.
    """
    place: str | None = None
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        traceback = error.__traceback__
        while traceback is not None:
            file = traceback.tb_frame.f_code.co_filename
            if not is_of_the_library(file) and not is_of_the_kit(file):
                place = _line(traceback.tb_frame, traceback.tb_lineno)
            traceback = traceback.tb_next
        error = error.__cause__ or error.__context__
    return place


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
    return _line(frame, frame.f_lineno or 0)


def _line(frame: FrameType, number: int) -> str:
    code = frame.f_code
    line = linecache.getline(code.co_filename, number).strip()
    return f"{Path(code.co_filename).name}:{number}, in {code.co_name}: {line}"


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
