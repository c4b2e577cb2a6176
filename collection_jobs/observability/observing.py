"""Observing: a look at every call on a repository, whichever adapter it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import wraps
from inspect import isfunction
from typing import Protocol, TypeVar

import collection_jobs.capabilities as capabilities
import collection_jobs.leasing as leasing
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["ObservedCall", "Observer", "observe_calls"]

_ValueT = TypeVar("_ValueT")


class ObservedCall(Protocol):
    """A call under way; an observer is told by it what came of the call."""

    def returned(self, value: object) -> None:
        """Take the value that the call returned; it is not called where the call raised."""


Observer = Callable[[str, tuple[object, ...]], AbstractContextManager[ObservedCall | None]]
"""Takes a method's name and the arguments by position; the call is made within what it returns."""


def observe_calls(repository: CollectionJobRepository, observer: Observer) -> None:
    """Let an observer see every call on a repository, the optional Protocols' methods included.

    The repository stays itself: its methods are replaced on the instance. Observers may be several;
    the last one added is the outermost. What a call returns or raises, a cancellation too, is what
    it would be without.

    Raises:
        TypeError: An attribute of the repository cannot be set, as where its class has
            ``__slots__`` and no ``__dict__``. Then none of its methods is observed.
    """
    methods = {name: getattr(repository, name, None) for name in _method_names()}
    with ExitStack() as undo:
        for name, method in methods.items():
            if method is None:
                continue
            try:
                setattr(repository, name, _observed(name, method, observer))
            except AttributeError as error:
                raise TypeError(
                    f"a repository is observed by setting its attributes, and {name!r} of"
                    f" {type(repository).__name__} cannot be set: {error}"
                ) from error
            undo.callback(setattr, repository, name, method)
        undo.pop_all()


def _observed(
    name: str, method: Callable[..., Awaitable[_ValueT]], observer: Observer
) -> Callable[..., Awaitable[_ValueT]]:
    @wraps(method)
    async def observed(*arguments: object, **keywords: object) -> _ValueT:
        with observer(name, arguments) as call:
            value = await method(*arguments, **keywords)
            if call is not None:
                call.returned(value)
            return value

    return observed


def _method_names() -> Iterator[str]:
    """Yield the methods of the contract, and those of every optional Protocol."""
    protocols = [
        getattr(module, name) for module in (capabilities, leasing) for name in module.__all__
    ]
    seen = set[str]()
    for protocol in (CollectionJobRepository, *protocols):
        for name, value in vars(protocol).items():
            if isfunction(value) and not name.startswith("_") and name not in seen:
                seen.add(name)
                yield name
