"""Cancel points: a call that is cancelled at a given suspension of its own."""

from __future__ import annotations

import asyncio
import linecache
from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = ["CancelPoint", "Stepped"]

_ASYNCIO = str(Path(asyncio.__file__).parent)


@dataclass(frozen=True, slots=True)
class CancelPoint:
    """When a call is cancelled.

    Attributes:
        at: At which of its suspensions, from 1; 0 is never.
        after: How many seconds after it came there; None is at once, before anything else runs.
        twice: Whether it is cancelled again at its next suspension, while it cleans up.
    """

    at: int = 0
    after: float | None = None
    twice: bool = False

    def __str__(self) -> str:
        """As the end of the sentence "the call is cancelled ..."."""
        where = f"at its suspension {self.at}"
        if self.after is not None:
            where = f"{self.after * 1e3:.2f} ms after its suspension {self.at}"
        return f"{where}, and again at the next" if self.twice else where


class Stepped:
    """Awaits a coroutine, counts its suspensions, and cancels its own task at the point.

    Attributes:
        suspensions: How often the coroutine was suspended so far.
        place: The line at which it was suspended when its time came; None if that never came.
        cancelled: Whether it was cancelled before it was done.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, Any], point: CancelPoint) -> None:
        """Prepare; nothing runs yet."""
        self._coroutine = coroutine
        self._point = point
        self.suspensions: int = 0
        self.place: str | None = None
        self.cancelled: bool = False

    def __await__(self) -> Generator[Any, Any, Any]:
        """Drive the coroutine by hand, from one suspension to the next."""
        error: BaseException | None = None
        while True:
            try:
                waits_for = (
                    self._coroutine.send(None) if error is None else self._coroutine.throw(error)
                )
            except StopIteration as end:
                return end.value
            self.suspensions += 1
            self._cancel_if_due()
            error = None
            try:
                yield waits_for
            except GeneratorExit:  # nobody awaits it any more, and it may be gone already
                self._coroutine.close()
                raise
            except BaseException as thrown:  # noqa: BLE001 - it is the coroutine's, CancelledError too
                error = thrown

    def _cancel_if_due(self) -> None:
        task = asyncio.current_task()
        point = self._point
        if task is None or not point.at or self.suspensions < point.at:
            return
        if self.suspensions == point.at:
            self.place = _place(self._coroutine)
            if point.after is None:
                # The task is still running: it meets its cancellation before anything else runs.
                self._cancel(task)
            else:
                asyncio.get_running_loop().call_later(point.after, self._cancel, task)
        elif point.twice and self.suspensions == point.at + 1:
            self._cancel(task)

    def _cancel(self, task: asyncio.Task[Any]) -> None:
        self.cancelled = task.cancel() or self.cancelled


def _place(coroutine: object) -> str:
    """Return the innermost line outside asyncio at which a coroutine is suspended."""
    frame: FrameType | None = None
    while coroutine is not None:
        inner = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if inner is not None and not inner.f_code.co_filename.startswith(_ASYNCIO):
            frame = inner
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    if frame is None:
        return "an unknown place"
    code = frame.f_code
    line = linecache.getline(code.co_filename, frame.f_lineno or 0).strip()
    return f"{Path(code.co_filename).name}:{frame.f_lineno}, in {code.co_name}: {line}"
