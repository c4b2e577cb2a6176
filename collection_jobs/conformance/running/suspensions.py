"""Where a task is suspended: the line of the adapter's own source that it waits at."""

from __future__ import annotations

import asyncio
import linecache
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = ["is_of_the_library", "line_of", "where"]

_LIBRARY = str(Path(asyncio.__file__).parent.parent)


def where(task: asyncio.Task[Any]) -> str:
    """The innermost line outside the standard library at which a task is suspended, as text."""
    frame: FrameType | None = None
    for each in _frames(task.get_coro()):
        if frame is None or not is_of_the_library(each.f_code.co_filename):
            frame = each
    return line_of(frame)


def line_of(frame: FrameType | None) -> str:
    """The file, the number and the text of the line that a frame is at."""
    if frame is None:
        return "an unknown place"
    code = frame.f_code
    line = linecache.getline(code.co_filename, frame.f_lineno or 0).strip()
    return f"{Path(code.co_filename).name}:{frame.f_lineno}, in {code.co_name}: {line}"


def is_of_the_library(file: str) -> bool:
    """Whether a source file belongs to the standard library."""
    return file.startswith(_LIBRARY) and "site-packages" not in file


def _frames(coroutine: object) -> Iterator[FrameType]:
    """The frames of a suspended coroutine and of all that it awaits, the outermost first."""
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
