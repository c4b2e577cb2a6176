"""Uncancelled: work that goes on within its caller's task, to its end, though that is cancelled.

What asyncio has for this is a task of its own for the work, and a shield around it. They take two
more rounds of the event loop for each call, which is a quarter of what a lone write costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any

__all__ = ["uncancelled"]


class _Shield:
    """What a task waits for in place of a future, which it then cannot cancel.

    A future is what has this attribute, as `asyncio.isfuture` says. A task that is cancelled while
    its future refuses to be is told of it when the future is done.
    """

    __slots__ = ("_asyncio_future_blocking", "add_done_callback", "get_loop")

    def __init__(self, future: asyncio.Future[Any]) -> None:
        self._asyncio_future_blocking = True
        self.add_done_callback = future.add_done_callback
        self.get_loop = future.get_loop

    def cancel(self, msg: object = None) -> bool:
        return False


@coroutine
def uncancelled(work: Coroutine[Any, Any, None]) -> Generator[Any, None, None]:
    """Do some work to its end.

    Raises:
        asyncio.CancelledError: The task was cancelled meanwhile; the work has ended all the same.
    """
    cancelled: asyncio.CancelledError | None = None
    while True:
        try:
            future: asyncio.Future[Any] | None = work.send(None)
        except StopIteration:
            break
        if future is not None:
            future._asyncio_future_blocking = False  # as a task does that takes it over
        try:
            yield None if future is None else _Shield(future)
        except asyncio.CancelledError as error:
            if future is None or not future.cancelled():
                cancelled = error
        except Exception:  # noqa: BLE001, S110 - the future's own, which the work gets from it
            pass
    if cancelled is not None:
        raise cancelled
