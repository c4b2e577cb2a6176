"""Steps: what can run next under the deterministic loop, on whose behalf, and who chooses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from typing import Any, Protocol

__all__ = ["LoopStep", "Scheduler", "is_internal", "next_in_line"]


class Scheduler(Protocol):
    """Chooses the next step."""

    def choose(self, options: int, free: int, timers: int = 0) -> int:
        """Choose among several steps that could be next.

        Args:
            options: How many there are: first the next step of the task that ran last, if it can
                go on, then the others of its owner, then those of other owners, each in the order
                in which they became ready; last the timers that could fire early.
            free: How many of the first of them are no preemption. That is the task that ran last
                alone if it can go on; else those of its owner, if there are any; else all that are
                no timers.
            timers: How many of the last of them are timers.

        Returns:
            The number of the choice, from 0, which goes on with whoever ran last.
        """
        ...


class LoopStep(asyncio.Handle):
    """A callback that is ready.

    Attributes:
        callback: What is called.
        arguments: What it is given.
        within: The context that it is called in.
        owner: On whose behalf it runs.
        task: The task whose step it is; None where it is none's.
        lines: The lines in which it waits: of each, the step that became ready first comes first.
    """

    __slots__ = ("arguments", "callback", "lines", "owner", "task", "within")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        callback: Callable[..., object],
        arguments: tuple[Any, ...],
        context: Context | None,
        owner: str,
        task: object = None,
    ) -> None:
        """Make a step that is ready."""
        self.within: Context = copy_context() if context is None else context
        super().__init__(callback, arguments, loop, self.within)
        self.callback: Callable[..., object] = callback
        self.arguments: tuple[Any, ...] = arguments
        self.owner: str = owner
        self.task: object = task
        self.lines: tuple[str, ...] = (owner,)


def next_in_line(ready: Sequence[LoopStep]) -> list[LoopStep]:
    """Return the steps before which none of the same line became ready."""
    seen: set[str] = set()
    first: list[LoopStep] = []
    for step in ready:
        if seen.isdisjoint(step.lines):
            first.append(step)
        seen.update(step.lines)
    return first


def is_internal(callback: Callable[..., object], holder: object) -> bool:
    """Whether a callback is asyncio's own way to wake somebody.

    Args:
        callback: The callback.
        holder: The object whose method it is, if it is one's.
    """
    function = getattr(callback, "func", callback)  # of a functools.partial
    module = getattr(function, "__module__", None) or ""
    return module.partition(".")[0] in ("asyncio", "_asyncio") or isinstance(holder, asyncio.Future)
