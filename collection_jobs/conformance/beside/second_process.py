"""The second process as the first one sees it: it is started, asked, and never relied upon.

Whatever keeps it from making a check, the first process makes that check itself: what an adapter
does to a process is told where that is watched.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from collection_jobs.conformance.beside.messages import (
    Beat,
    CheckMade,
    ChecksWanted,
    GaveUp,
    take,
)
from collection_jobs.conformance.running.configuration import Examination
from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.processes import Worker, WorkerDied
from collection_jobs.conformance.running.targets import Target

__all__ = ["SecondProcess", "has_room_for_two"]

_PROGRAM = "collection_jobs.conformance.beside.child"
_STANDSTILL = 5.0
"""Seconds beyond the deadline for which an interpreter may stand still."""
_POLL = 0.1


def has_room_for_two() -> bool:
    """Return whether this process may use more than one processor."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0)) > 1
    return (os.cpu_count() or 1) > 1  # other systems do not tell


class SecondProcess:
    """Makes some checks while this process makes others; a context manager that ends it.

    Attributes:
        ended: How it ended by itself, if it did: nothing that it was to do is done then.
    """

    def __init__(self, target: Target, wanted: ChecksWanted) -> None:
        """Start it, without waiting for it.

        Args:
            target: What to examine; it has a spec.
            wanted: What to do.
        """
        self.ended: str | None = None
        self._worker: Worker | None = Worker.start(target, program=_PROGRAM)
        self._worker.post(wanted)
        self._directory = wanted.directory
        self._examined: dict[str, Examination] = {}

    def has(self, check: str) -> bool:
        """Return whether a check is the second process's; one that it has not begun is not."""
        # Also of one that has ended: what it made is told, and what it had begun is missing.
        return check in self._examined or not take(self._directory, check)

    def examination(
        self, check: str, progress: Callable[[int, int], None], look: Callable[[], None]
    ) -> Examination | None:
        """Wait until a check is made; None where it has to be made by somebody else.

        Args:
            check: The check's name, one of those that are wanted.
            progress: Told how much of it is done, and of how much.
            look: Called again and again meanwhile; what it raises ends the waiting.
        """
        silent = 0.0
        while check not in self._examined and self._worker is not None:
            look()
            message = self._hear(_POLL)
            silent = silent + _POLL if message is None else 0.0
            self._take_in(message, progress)
            if silent > deadline() + _STANDSTILL:
                self.close()
        return self._examined.get(check)

    def listen(self) -> None:
        """Take in what it has told so far: it goes on only while somebody reads that."""
        while (message := self._hear(0)) is not None:
            self._take_in(message, lambda done, total: None)

    def _hear(self, seconds: float) -> object:
        if self._worker is None:
            return None
        try:
            return self._worker.hear(seconds)
        except WorkerDied as died:
            self.ended = str(died)
            self.close()
            return None

    def _take_in(self, message: object, progress: Callable[[int, int], None]) -> None:
        match message:
            case Beat(done, total):
                progress(done, total)
            case CheckMade(name, examination):
                self._examined[name] = examination
            case GaveUp():
                self.close()
            case _:
                pass

    def close(self) -> None:
        """End it, whatever it does."""
        worker, self._worker = self._worker, None
        if worker is not None:
            with suppress(OSError):
                worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
