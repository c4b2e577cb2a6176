"""Whether one evaluated type surely may, or surely may not, stand where another is wanted."""

from __future__ import annotations

import types
import typing
from typing import Any

__all__ = ["has_any", "is_assignable", "is_unrelated"]

_COVARIANT = (list, tuple, set, frozenset)
"""Containers of which one with a wrong member is surely wrong."""


def is_assignable(own: Any, wanted: Any) -> bool:
    """Whether every value of one type is surely a value of another.

    This is no type checker: what it does not know it denies.
    """
    if own == wanted or wanted in (object, Any) or own is Any:
        return True
    if _is_union(own):
        return all(is_assignable(part, wanted) for part in _parts(own))
    if _is_union(wanted):
        return any(is_assignable(own, part) for part in _parts(wanted))
    if typing.get_origin(own) is typing.Literal:
        return all(is_assignable(type(value), wanted) for value in typing.get_args(own))
    if not isinstance(own, type):
        return False
    bases = {*own.__mro__, *getattr(own, "__orig_bases__", ())}
    return wanted in bases or (own is int and wanted is float)


def is_unrelated(own: Any, wanted: Any) -> bool:
    """Whether some value of one type is surely no value of the other.

    Only plain classes are judged, and generics by their origins, then by their arguments where
    both have the same origin: what it does not know it denies.
    """
    if _is_union(own):
        return any(is_unrelated(part, wanted) for part in _parts(own))
    if _is_union(wanted):
        return all(is_unrelated(own, part) for part in _parts(wanted))
    arguments = zip(typing.get_args(own), typing.get_args(wanted), strict=False)
    own, wanted = typing.get_origin(own) or own, typing.get_origin(wanted) or wanted
    if own is wanted and own in _COVARIANT and any(is_unrelated(*pair) for pair in arguments):
        return True
    if Any in (own, wanted) or not isinstance(own, type) or not isinstance(wanted, type):
        return False
    if getattr(wanted, "_is_protocol", False) or {own, wanted} <= {int, float, complex}:
        return False
    return not issubclass(own, wanted)


def _is_union(annotation: Any) -> bool:
    """Whether a type stands for several: a union, or a type variable for all that it may be."""
    return (
        isinstance(annotation, typing.TypeVar | types.UnionType)
        or typing.get_origin(annotation) is typing.Union
    )


def _parts(annotation: Any) -> tuple[Any, ...]:
    if isinstance(annotation, typing.TypeVar):
        return annotation.__constraints__ or (annotation.__bound__ or object,)
    return typing.get_args(annotation)


def has_any(annotation: Any) -> bool:
    """Whether a type is Any somewhere: a bare ``list`` holds Any too."""
    if annotation is Any or annotation in (list, dict, set, tuple):
        return True
    parts = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, typing.Coroutine):
        parts = parts[2:]  # what a coroutine yields and is sent concerns nobody
    return any(has_any(part) for part in parts)
