"""Lines: a process that kills itself at a given line of the adapter's own Python."""

from __future__ import annotations

import os
import signal
import sys
import sysconfig
import threading
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = ["LineCounter"]

_KIT = str(Path(__file__).parent)
_STANDARD_LIBRARY = tuple(
    str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "platstdlib")
)
_INSTALLED = tuple(sysconfig.get_path(name) for name in ("purelib", "platlib"))


class LineCounter:
    """Counts the lines that are run outside the kit and the standard library, on any thread.

    A kill at a random moment rarely falls between two statements that take microseconds; one at a
    random line falls there as often as anywhere.
    """

    def __init__(self) -> None:
        """Start idle."""
        self._count = 0
        self._die_at: int | None = None
        self._counting = False

    def install(self) -> None:
        """Trace this thread and all that are started from now on."""
        threading.settrace(self._enter)
        sys.settrace(self._enter)

    def start(self, die_at: int | None) -> None:
        """Count from here; kill the process at that line."""
        self._count = 0
        self._die_at = die_at
        self._counting = True

    def stop(self) -> int:
        """Stop counting; how many lines were run."""
        self._counting = False
        return self._count

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._line if _is_the_adapters(frame.f_code.co_filename) else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if self._counting and event == "line":
            self._count += 1
            if self._count == self._die_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return self._line


@cache
def _is_the_adapters(filename: str) -> bool:
    if filename.startswith(_INSTALLED):
        return not filename.startswith(_KIT)
    return not filename.startswith((_KIT, "<", *_STANDARD_LIBRARY))
