"""Crash points: places in an adapter's Python at which a process can kill itself.

A kill at a random moment rarely falls between two statements that take microseconds, and a store is
torn just there. So a worker process can be told to die at a place: before a line of the adapter's,
or after a call into the engine that one of its lines made.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
from collections import Counter
from functools import cache, partial
from pathlib import Path
from types import FrameType
from typing import Any

from collection_jobs.conformance.running.system import kill_at_once

__all__ = ["ENGINE", "CrashPoints"]

ENGINE = "after "
"""What the name of a site begins with that lies behind a call into the engine."""

_KIT = str(Path(__file__).parents[1])
_STANDARD_LIBRARY = tuple(
    str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "platstdlib")
)
_INSTALLED = tuple(sysconfig.get_path(name) for name in ("purelib", "platlib"))
_CALLS = frozenset(
    {
        *("open", "write", "writelines", "writev", "pwrite", "flush", "close", "truncate"),
        *("ftruncate", "fsync", "fdatasync", "msync", "rename", "replace", "link", "symlink"),
        *("unlink", "remove", "rmdir", "mkdir", "execute", "executemany", "executescript"),
        *("commit", "put", "delete", "send", "sendall", "sendto"),
    }
)
"""What functions are called by which engines change what they hold; names in C."""


class CrashPoints:
    """Counts how often each site was passed since the counting began, on any thread."""

    def __init__(self, module: str | None = None) -> None:
        """Start idle.

        Args:
            module: The adapter's. Lines of what else is installed are no sites then: an ORM runs
                thousands of them for each call, and no bug of the adapter is between them.
        """
        self.passed: Counter[str] = Counter()
        self._is_own = cache(partial(_is_own, module))
        self._counting = False
        self._die_at: tuple[str, int] | None = None

    def install(self) -> None:
        """Watch this thread and all that are started from now on."""
        threading.settrace(self._enter)
        threading.setprofile(self._call)
        sys.settrace(self._enter)
        sys.setprofile(self._call)

    def start(self, die_at: tuple[str, int] | None) -> None:
        """Count from here; kill the process when that site is passed for that time."""
        self.passed.clear()
        self._die_at = die_at
        self._counting = True

    def stop(self) -> dict[str, int]:
        """Stop counting; how often each site was passed."""
        self._counting = False
        return dict(self.passed)

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._line if self._is_own(frame.f_code.co_filename) else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if self._counting and event == "line":
            self._pass(_name(frame))
        return self._line

    def _call(self, frame: FrameType, event: str, argument: Any) -> None:
        if not self._counting or event != "c_return" or argument.__name__ not in _CALLS:
            return
        if isinstance(getattr(argument, "__self__", None), str):
            return  # str.replace is no engine's
        caller: FrameType | None = frame
        while caller is not None and _whose(caller.f_code.co_filename) == "library":
            caller = caller.f_back
        if caller is not None and _whose(caller.f_code.co_filename) == "adapter":
            self._pass(f"{ENGINE}{argument.__name__} at {_name(caller)}")

    def _pass(self, site: str) -> None:
        self.passed[site] += 1
        if self._die_at == (site, self.passed[site]):
            kill_at_once(os.getpid())


def _name(frame: FrameType) -> str:
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


def _is_own(module: str | None, filename: str) -> bool:
    """Whether the lines of a file are an adapter's: that of a module, or this project's own."""
    if _whose(filename) != "adapter":
        return False
    if module is None or not filename.startswith(_INSTALLED):
        return True
    owners = (module.partition(".")[0], "collection_jobs")
    return filename.startswith(
        tuple(str(Path(place) / owner) for place in _INSTALLED for owner in owners)
    )


@cache
def _whose(filename: str) -> str:
    """Whether code is the kit's, the standard library's, or the adapter's and what it builds on."""
    if filename.startswith(_KIT):
        return "kit"
    if filename.startswith(_INSTALLED):
        return "adapter"
    return "library" if filename.startswith(("<", *_STANDARD_LIBRARY)) else "adapter"
