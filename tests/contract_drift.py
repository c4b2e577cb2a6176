"""drift: how the Protocol differs from the abstract base class that it mirrors."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Coroutine, Iterator
from typing import Any

__all__ = ["drift"]

_LAW = re.compile(r"\b[A-Z]+-\d+\b")


def drift(abc: type, protocol: type) -> list[str]:
    """Say each difference in one sentence; an empty list when both say the same.

    Compared are the methods' names, their evaluated signatures (what a coroutine gives, not the
    coroutine), the parameters' kinds and defaults, the methods' docstrings, and the law ids
    of the classes'.
    """
    return [*_classes(abc, protocol), *_laws("the class", abc, protocol), *_methods(abc, protocol)]


def _classes(abc: type, protocol: type) -> Iterator[str]:
    if issubclass(protocol, abc) or protocol in abc.__mro__:
        yield "one derives from the other"
    if not getattr(protocol, "_is_protocol", False):
        yield "the mirror is no Protocol"
    if not getattr(protocol, "_is_runtime_protocol", False):
        yield "the Protocol is not runtime_checkable"


def _methods(abc: type, protocol: type) -> Iterator[str]:
    ours, theirs = _public(abc), _public(protocol)
    yield from (f"the Protocol lacks {name}" for name in ours if name not in theirs)
    yield from (f"the ABC lacks {name}" for name in theirs if name not in ours)
    for name in ours:
        if name in theirs:
            yield from _method(name, ours[name], theirs[name])
            yield from _laws(name, ours[name], theirs[name])
            if inspect.getdoc(ours[name]) != inspect.getdoc(theirs[name]):
                yield f"{name} is documented otherwise"


def _public(cls: type) -> dict[str, Any]:
    return {name: value for name, value in vars(cls).items() if not name.startswith("_")}


def _method(name: str, ours: Any, theirs: Any) -> Iterator[str]:
    if not inspect.isfunction(ours) or not inspect.isfunction(theirs):
        yield f"{name} is no plain method in both"
        return
    for where, function in (("the ABC", ours), ("the Protocol", theirs)):
        if not getattr(function, "__isabstractmethod__", False):
            yield f"{name} is not abstract in {where}"
    if not inspect.iscoroutinefunction(ours):
        yield f"{name} is no coroutine function in the ABC"
    if inspect.iscoroutinefunction(theirs):
        yield f"{name} is an async def in the Protocol, which rejects decorated adapters"
    our_types, their_types = typing.get_type_hints(ours), typing.get_type_hints(theirs)
    if our_types.pop("return", "nothing") != _awaited(their_types.pop("return", "nothing")):
        yield f"{name} returns something else"
    if our_types != their_types:
        yield f"{name} has other parameter types"
    our_shape, their_shape = _shape(ours), _shape(theirs)
    if our_shape != their_shape:
        yield f"{name} takes {our_shape} in the ABC and {their_shape} in the Protocol"


def _shape(function: Any) -> list[tuple[str, str, str]]:
    """Each parameter's name, kind and default, as text: True is no 1."""
    parameters = inspect.signature(function).parameters.values()
    return [(item.name, item.kind.description, repr(item.default)) for item in parameters]


def _awaited(result: Any) -> Any:
    arguments = typing.get_args(result)
    if typing.get_origin(result) is not Coroutine or arguments[:2] != (Any, Any):
        return f"no coroutine: {result}"
    return type(None) if arguments[2] is None else arguments[2]


def _laws(what: str, ours: Any, theirs: Any) -> Iterator[str]:
    our_laws, their_laws = (set(_LAW.findall(item.__doc__ or "")) for item in (ours, theirs))
    if not our_laws:
        yield f"{what} states no law"
    for law in sorted(our_laws ^ their_laws):
        yield f"{law} of {what} is stated by only one of the two"
