"""Timers in virtual time: which are due, and which could fire early."""

from __future__ import annotations

import asyncio
import heapq
import sys
from collections.abc import Callable
from contextvars import Context, copy_context
from itertools import count
from typing import Any

from collection_jobs.conformance.running.places import innermost_in_adapter, line_of

__all__ = ["Timer", "Timers"]


class Timer(asyncio.TimerHandle):
    """A callback that is due at some virtual time.

    Attributes:
        callback: What is called then.
        arguments: What it is given.
        within: The context that it is called in.
        owner: On whose behalf it was set.
        place: The line that set it; empty where nobody asked for it.
    """

    __slots__ = ("arguments", "callback", "owner", "place", "within")

    def __init__(
        self,
        when: float,
        loop: asyncio.AbstractEventLoop,
        callback: Callable[..., object],
        arguments: tuple[Any, ...],
        context: Context | None,
        owner: str,
    ) -> None:
        """Set a timer."""
        self.within: Context = copy_context() if context is None else context
        super().__init__(when, callback, list(arguments), loop, self.within)
        self.callback: Callable[..., object] = callback
        self.arguments: tuple[Any, ...] = arguments
        self.owner: str = owner
        self.place: str = ""

    def note_place(self) -> None:
        """Note which line of the adapter sets it, now that this line is being run."""
        frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage] # the one way to know who calls
        self.place = line_of(innermost_in_adapter(frame))


class Timers:
    """The timers that are set and neither cancelled nor over, those due first before the others."""

    def __init__(self) -> None:
        """Start with none."""
        self._heap: list[tuple[float, int, Timer]] = []
        self._sequence = count()

    def __bool__(self) -> bool:
        """Whether there is any."""
        self._forget_cancelled()
        return bool(self._heap)

    def add(self, timer: Timer) -> None:
        """Set a timer."""
        heapq.heappush(self._heap, (timer.when(), next(self._sequence), timer))

    def next_ones(self, now: float) -> list[Timer]:
        """Return those of the next instant at which any is due, in the order of their setting.

        Virtual time stands still while anybody works, so timers of one instant were set one after
        another, and any of them could be the first to fire.
        """
        if not self:
            return []
        instant = max(now, self._heap[0][0])
        due = sorted(one for one in self._heap if one[0] <= instant and not one[2].cancelled())
        return [timer for _, _, timer in due]

    def take(self, timer: Timer) -> None:
        """Take one away, which fires."""
        self._heap = [one for one in self._heap if one[2] is not timer]
        heapq.heapify(self._heap)

    def _forget_cancelled(self) -> None:
        while self._heap and self._heap[0][2].cancelled():
            heapq.heappop(self._heap)
