"""The deadline of every call, and what is known of the calls that are under way."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

from collection_jobs.conformance.spec.calls import Call
from collection_jobs.validation import shown

__all__ = [
    "CLOSING_STORE",
    "DEFAULT_DEADLINE",
    "OPENING_STORE",
    "CallUnderWay",
    "begin_call",
    "deadline",
    "end_call",
    "forget_calls",
    "listen_to_calls",
    "oldest_call",
    "with_deadline",
]

DEFAULT_DEADLINE = 10.0
"""After how many seconds without an answer a call is taken to hang, unless it is said otherwise."""

OPENING_STORE, CLOSING_STORE = "opening the store", "closing the store"
"""What stands in place of a call while a store is opened and while it is closed."""


class _Limit:
    seconds: float = DEFAULT_DEADLINE


def deadline() -> float:
    """Return the seconds that every call is given, opening and closing included."""
    return _Limit.seconds


@contextmanager
def with_deadline(seconds: float) -> Generator[None]:
    """Give every call so many seconds; the former deadline counts again afterwards.

    Raises:
        ValueError: It is not a positive number of seconds.
    """
    if not 0 < seconds < math.inf:
        raise ValueError(f"the deadline is a positive number of seconds, not {shown(seconds)}")
    former, _Limit.seconds = _Limit.seconds, seconds
    try:
        yield
    finally:
        _Limit.seconds = former


@dataclass(frozen=True, slots=True)
class CallUnderWay:
    """A call that has begun and not come to its end, or an opening or a closing.

    Attributes:
        call: The call; or `OPENING_STORE` or `CLOSING_STORE`.
        began: When it began, by ``time.monotonic()``.
        thread: The thread of its event loop.
        task: The task that makes it; None where none does.
    """

    call: Call | str
    began: float
    thread: int
    task: asyncio.Task[object] | None

    @property
    def method(self) -> str:
        """The name of the method; `OPENING_STORE` or `CLOSING_STORE` where it is none."""
        return self.call if isinstance(self.call, str) else self.call.method


# One registry for the process: whoever watches it is on another thread, and each change is one
# operation on a dict.
_numbers = count()
_calls: dict[int, CallUnderWay] = {}
_listeners: list[Callable[[list[str]], None]] = []


def begin_call(call: Call | str) -> int:
    """Note that a call begins; return its number."""
    number = next(_numbers)
    try:
        task = asyncio.current_task()
    except RuntimeError:  # an awaitable that no event loop runs
        task = None
    _calls[number] = CallUnderWay(call, time.monotonic(), threading.get_ident(), task)
    if _listeners:
        _tell()
    return number


def end_call(number: int) -> None:
    """Note that the call of that number came to its end."""
    _calls.pop(number, None)
    if _listeners:
        _tell()


def oldest_call(thread: int | None) -> CallUnderWay | None:
    """Return the call of a thread that has been under way for the longest time, if there is one."""
    mine = [one for one in list(_calls.values()) if one.thread == thread]
    return min(mine, key=lambda one: one.began, default=None)


def forget_calls(thread: int | None) -> None:
    """Forget the calls of a thread that has ended or is left behind."""
    for number, one in list(_calls.items()):
        if one.thread == thread:
            _calls.pop(number, None)


def listen_to_calls(listener: Callable[[list[str]], None]) -> None:
    """Have the methods under way told whenever a call begins or ends, from now on."""
    _listeners.append(listener)


def _tell() -> None:
    methods = [one.method for one in list(_calls.values())]
    for listener in _listeners:
        listener(methods)
