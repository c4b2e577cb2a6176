"""A process that examines, seen from the one that watches."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from collection_jobs.conformance.isolated.messages import ExaminationRequest
from collection_jobs.conformance.isolated.status import StatusReader
from collection_jobs.conformance.running.system import (
    handle_of,
    in_own_session,
    inheriting,
    kill_at_once,
    new_pipe,
)

__all__ = ["ChildProcess"]

_PROGRAM = "collection_jobs.conformance.isolated.child"
_SUBREAPER = 36
"""Linux: who has set it becomes the parent of processes whose parent has ended."""


class ChildProcess:
    """One process, at the other end of a pipe, in a session of its own with all that it starts.

    Attributes:
        status: What it writes into shared memory.
    """

    def __init__(self, request: ExaminationRequest, output: int) -> None:
        """Start it.

        Args:
            request: What it is to do.
            output: The descriptor of the file that takes all that it prints; it is closed.
        """
        _adopt_orphans()
        self.status: StatusReader = StatusReader()
        self._before = _children()
        self._closed = False
        self._pipe, theirs = new_pipe()
        passed = (theirs.fileno(), handle_of(self.status.descriptor))
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter and this package
            [sys.executable, "-m", _PROGRAM, *map(str, passed)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            **in_own_session(),  # what a terminal sends is for the process that watches
            **inheriting(passed),
        )
        os.close(output)
        theirs.close()
        # Not as an argument, which every user of the machine can read: it may hold a password.
        self.send(request)

    @property
    def ended(self) -> bool:
        """Whether it has ended, and all that it told was received."""
        return self._process.poll() is not None and (self._closed or not self._pipe.poll())

    @property
    def code(self) -> int:
        """How it ended, as `subprocess` says it."""
        return self._process.wait()

    def send(self, message: object) -> None:
        """Tell it something; one that is gone is noticed by who waits for it."""
        with suppress(OSError):
            self._pipe.send(message)

    def receive(self, seconds: float) -> Any:
        """Return the next thing that it tells; None where it tells nothing in that time."""
        try:
            if not self._closed and self._pipe.poll(seconds):
                return self._pipe.recv()
            if self._closed:
                self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        except (EOFError, OSError):
            # It has closed its end, which an adapter may do, too: then it can tell nothing more.
            self._closed = True
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        except Exception:  # noqa: BLE001 - what an adapter writes there can be anything
            return None
        return None

    def abort(self) -> None:
        """End it with its stack in its output."""
        if sys.platform == "win32":
            self._process.terminate()  # which has no way to ask for its stack
        else:
            self._process.send_signal(signal.SIGABRT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)

    def end(self, *, leniently: bool, seconds: float) -> None:
        """See that it and all that it has started have ended.

        Args:
            leniently: Whether it may come to its end by itself, with what its adapter has asked to
                be done then, and leave processes that have made themselves independent of it.
            seconds: For how long.
        """
        if leniently:
            until = time.monotonic() + seconds
            with suppress(OSError):
                self._pipe.poll(seconds)  # tells at once when it ends; wait() looks now and then
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, until - time.monotonic()))
        if sys.platform != "win32":
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        if not leniently:
            _kill_orphans(self._before)
        self._pipe.close()
        self.status.close()


def _adopt_orphans() -> None:
    """Become the parent of what the process leaves behind, so that it can be found and ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def _kill_orphans(before: Collection[int]) -> None:
    """End what an ended process has left behind, whichever session it has gone to.

    Args:
        before: The processes whose parent this one was before.
    """
    until = time.monotonic() + 1
    while (children := _children() - frozenset(before)) and time.monotonic() < until:
        for pid in children:
            with suppress(ProcessLookupError, PermissionError):
                kill_at_once(pid)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children() -> frozenset[int]:
    """Return the processes whose parent this one is, as far as the system tells."""
    mine: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            # The second field is a name in brackets, which may hold blanks and brackets itself.
            if int(stat.read_text(errors="replace").rpartition(")")[2].split()[1]) == os.getpid():
                mine.add(int(stat.parent.name))
    return frozenset(mine)
