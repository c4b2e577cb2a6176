"""Steps: what can run next under the deterministic loop, and on whose behalf."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

__all__ = ["LoopStep", "is_internal"]


class LoopStep(asyncio.Handle):
    """A callback that is ready.

    Attributes:
        callback: What is called.
        arguments: What it is given.
        within: The context that it is called in.
        owner: On whose behalf it runs.
        task: The task whose step it is; None where it is none's.
    """

    __slots__ = ("arguments", "callback", "owner", "task", "within")

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


def is_internal(callback: Callable[..., object], holder: object) -> bool:
    """Whether a callback is asyncio's own way to wake somebody.

    Args:
        callback: The callback.
        holder: The object whose method it is, if it is one's.
    """
    function = getattr(callback, "func", callback)  # of a functools.partial
    module = getattr(function, "__module__", None) or ""
    return module.partition(".")[0] in ("asyncio", "_asyncio") or isinstance(holder, asyncio.Future)
