"""Waiting for no longer than a time, in which no suspension of this process counts.

A process that was stopped and goes on (Ctrl-Z and `fg`, a virtual machine that was moved) finds all
its time-outs expired at once, before anybody could answer. So every wait for an adapter is made in
parts: however long the process stood still, that is one part of the time that the adapter has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from typing import TypeVar

__all__ = ["Timeout", "parts_of", "wait_for_tasks"]

_T = TypeVar("_T")

_PARTS = 20


def parts_of(seconds: float) -> Iterator[float]:
    """Yield the parts of a wait, to be made one after another."""
    for _ in range(_PARTS):
        yield seconds / _PARTS


async def wait_for_tasks(
    tasks: Collection[asyncio.Future[_T]], seconds: float
) -> set[asyncio.Future[_T]]:
    """Wait until tasks are done; return those that are not after so many seconds."""
    late = set(tasks)
    for part in parts_of(seconds):
        if late:
            _, late = await asyncio.wait(late, timeout=part)
    return late


class Timeout:
    """Cancels the task that makes it after some seconds: asyncio.timeout, at half its cost.

    Attributes:
        is_over: Whether the seconds are over.
    """

    __slots__ = ("_before", "_handle", "_left", "_part", "_task", "_undone", "is_over")

    def __init__(self, seconds: float) -> None:
        """Begin; `stop` is to be called in the end."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - only tasks make calls; this tells the type checker
        self.is_over: bool = False
        self._undone = False
        self._task = task
        self._before = task.cancelling()
        self._left, self._part = _PARTS, seconds / _PARTS
        self._handle = task.get_loop().call_later(self._part, self._end_part)

    def _end_part(self) -> None:
        self._left -= 1
        if self._left > 0:
            self._handle = self._task.get_loop().call_later(self._part, self._end_part)
            return
        self.is_over = True
        self._task.cancel()

    def ended_it(self) -> bool:
        """Return whether it was this timer that cancelled the task, and nobody else."""
        return self._uncancelled() <= self._before if self.is_over else False

    def stop(self) -> None:
        """Take back the cancellation, if there was one."""
        self._handle.cancel()
        if self.is_over:
            self._uncancelled()

    def _uncancelled(self) -> int:
        if self._undone:
            return self._task.cancelling()
        self._undone = True
        return self._task.uncancel()
