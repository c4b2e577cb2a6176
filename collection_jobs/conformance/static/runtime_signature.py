"""How a class's method looks at run time: what it is, its signature and its evaluated types."""

from __future__ import annotations

import collections.abc
import contextlib
import datetime
import functools
import inspect
import re
import sys
import types
import typing
from collections.abc import Awaitable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any

from collection_jobs.conformance.static.contract import Parameter, render
from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus
from collection_jobs.validation import shown

__all__ = ["UNKNOWN", "FoundMethod", "as_called", "find_method", "type_text"]

UNKNOWN: Any = object()
"""Stands for a type that could not be evaluated: its names exist for type checkers only."""

_COROUTINES = (Coroutine, types.CoroutineType)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMethod:
    """One attribute of a class that should be a method of the contract.

    Attributes:
        name: Its name.
        owner: The class in the MRO that holds it.
        value: What that class holds: a function, a property, anything.
        function: What is called in the end; None when that is no function.
        is_wrapped: Whether functools.wraps lends it the looks of another function.
        parameters: Its parameters without ``self``; None when they cannot be known.
        types: The evaluated annotations by parameter, and ``return`` for what awaiting it gives.
        returns: What awaiting it gives, as text; None when it is not annotated.
        gives: What a call gives: "coroutine", "generator", "awaitable" or "value"; "unknown" for
            a ``def`` without a type, "unclear" for one whose type cannot be evaluated.
    """

    name: str
    owner: type
    value: Any
    function: Any
    is_wrapped: bool
    parameters: tuple[Parameter, ...] | None
    types: Mapping[str, Any]
    returns: str | None
    gives: str

    @property
    def has_overloads(self) -> bool:
        """Whether overloads, not its own signature, say what it takes."""
        return inspect.isfunction(self.function) and bool(typing.get_overloads(self.function))

    def __str__(self) -> str:
        """Return the method as its source would say it, with the coroutine unwrapped."""
        kind = type(self.value).__name__
        if isinstance(self.value, type):
            return f"class {self.name}"
        if isinstance(self.value, property | functools.cached_property):
            return f"@{kind} {self.name}"
        if self.function is None or self.parameters is None:
            return f"{self.name} = {shown(self.value)}"
        decorator: str = ""
        first: str | None = "self"
        if isinstance(self.value, staticmethod):
            decorator, first = "@staticmethod ", None
        elif isinstance(self.value, classmethod):
            decorator, first = "@classmethod ", "cls"
        word = "async def" if self.gives in ("coroutine", "generator") else "def"
        result = "" if self.returns is None else f" -> {self.returns}"
        return f"{decorator}{word} {self.name}({render(self.parameters, first=first)}){result}"


def find_method(cls: type, name: str) -> FoundMethod | None:
    """Look a method up as instances of the class see it; None when no class of its MRO has it."""
    for owner in cls.__mro__:
        if name in vars(owner):
            return _read(name, owner, vars(owner)[name])
    return None


def _read(name: str, owner: type, value: Any) -> FoundMethod:
    function, binds = _callable_in(value)
    signature = _signature(function)
    unwrapped = inspect.unwrap(function) if callable(function) else function
    evaluated = {} if signature is None else _evaluate(signature, unwrapped, owner)
    gives = _gives(function, evaluated.get("return", inspect.Signature.empty))
    if gives == "coroutine" and "return" in evaluated:
        evaluated["return"] = _awaited(function, evaluated["return"])
    return FoundMethod(
        name=name,
        owner=owner,
        value=value,
        function=function,
        is_wrapped=unwrapped is not function,
        parameters=None if signature is None else _parameters(signature, binds=binds),
        types=evaluated,
        returns=None if signature is None else _returns(signature, evaluated),
        gives=gives,
    )


def as_called(found: FoundMethod) -> FoundMethod:
    """Return a method that functools.wraps lends the looks of another, as a call meets it.

    That is the outermost function that names its parameters; one that takes ``*args`` and
    ``**kwargs`` passes them on to what it wraps.
    """
    function = found.function
    while hasattr(function, "__wrapped__"):
        signature = _signature(function, follow_wrapped=False)
        own = () if signature is None else _parameters(signature, binds=True)
        if not all(parameter.is_variadic for parameter in own):
            break
        function = function.__wrapped__
    signature = _signature(function, follow_wrapped=False)
    if signature is None:
        return found
    evaluated = _evaluate(signature, function, found.owner)
    gives = _gives(found.function, evaluated.get("return", inspect.Signature.empty))
    if gives == "coroutine" and "return" in evaluated:
        evaluated["return"] = _awaited(function, evaluated["return"])
    return replace(
        found,
        is_wrapped=False,
        parameters=_parameters(signature, binds=True),
        types=evaluated,
        gives=gives,
    )


def _callable_in(value: Any) -> tuple[Any, bool]:
    """Return what a class attribute calls in the end, and whether it takes the instance first."""
    inner: Any = getattr(value, "__func__", None)
    if isinstance(value, staticmethod):
        return inner, False
    if isinstance(value, classmethod):
        return inner, True
    if isinstance(value, functools.singledispatchmethod):
        return value.func, True
    if isinstance(value, type) or not callable(value):  # what a descriptor gives, types know
        return None, False
    call: Any = type(value).__call__
    if not hasattr(type(value), "__get__"):
        return call, True
    if inspect.isfunction(call) and not hasattr(value, "__wrapped__"):
        return functools.partial(call, value), True  # inspect reads no object that is a descriptor
    return value, True


def _signature(function: Any, *, follow_wrapped: bool = True) -> inspect.Signature | None:
    if function is None:
        return None
    try:
        return inspect.signature(function, follow_wrapped=follow_wrapped)
    except (TypeError, ValueError):  # a builtin or an extension's function need not have one
        return None


def _parameters(signature: inspect.Signature, *, binds: bool) -> tuple[Parameter, ...]:
    found = tuple(
        Parameter(
            parameter.name,
            parameter.kind,
            None if parameter.annotation is parameter.empty else type_text(parameter.annotation),
            parameter.default,
        )
        for parameter in signature.parameters.values()
    )
    return found[1:] if binds and found and found[0].by_position else found


def _returns(signature: inspect.Signature, evaluated: Mapping[str, Any]) -> str | None:
    if signature.return_annotation is signature.empty:
        return None
    awaited = evaluated.get("return", UNKNOWN)
    return type_text(signature.return_annotation if awaited is UNKNOWN else awaited)


def type_text(annotation: object) -> str:
    """Return a type as a person writes it: without the modules that its names come from."""
    if annotation is None or annotation is type(None):
        return "None"
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])", "", text)


def _evaluate(signature: inspect.Signature, function: Any, owner: type) -> dict[str, Any]:
    """Every annotation, evaluated by itself: one that fails does not take the others with it."""
    raw = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if parameter.annotation is not parameter.empty
    }
    if signature.return_annotation is not signature.empty:
        raw["return"] = signature.return_annotation
    # On Python 3.11 and 3.12, CoroutineType cannot be subscripted but in the eyes of a checker.
    known = getattr(function, "__globals__", None) or vars(sys.modules[owner.__module__])
    names = {**_USUAL_NAMES, **known, "CoroutineType": Coroutine}
    return {name: _evaluated(annotation, names, owner) for name, annotation in raw.items()}


def _evaluated(annotation: object, names: dict[str, Any], owner: type) -> Any:
    if annotation is None:
        return type(None)
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    with contextlib.suppress(Exception):  # an annotation may name anything, and fail in any way
        # It leaves out what Annotated adds, which means nothing to a type checker.
        return typing.get_type_hints(holder, names, dict(vars(owner)))["it"]
    return UNKNOWN if isinstance(annotation, str) else annotation


# What an adapter imports for type checkers only is still known here by its usual name.
_USUAL_NAMES: dict[str, Any] = {
    **{name: vars(collections.abc)[name] for name in dir(collections.abc) if name[0].isupper()},
    "CollectionJob": CollectionJob,
    "JobStats": JobStats,
    "JobStatus": JobStatus,
    "Lease": Lease,
    "Any": Any,
    "Optional": typing.Optional,
    "datetime": datetime.datetime,
    "timedelta": datetime.timedelta,
}


def _gives(function: Any, result: Any) -> str:
    """Return what a call gives, before anything is awaited."""
    if function is None:
        return "unclear"
    called: list[Any] = [function, inspect.unwrap(function)]
    # Of an object, its __call__, before what it wraps: that may be a plain def run in a thread.
    plain = (types.FunctionType, types.MethodType)
    called += [type(each).__call__ for each in called if not isinstance(each, plain)]
    if any(map(inspect.isasyncgenfunction, called)):
        return "generator"
    if any(map(inspect.iscoroutinefunction, called)):
        return "coroutine"
    if result is UNKNOWN:
        return "unclear"
    if result in (inspect.Signature.empty, Any):
        return "unknown"
    origin = typing.get_origin(result) or result
    if isinstance(origin, type) and issubclass(origin, _COROUTINES):
        return "coroutine"
    if isinstance(origin, type) and issubclass(origin, Awaitable):
        return "awaitable"
    return "value"


def _awaited(function: Any, result: Any) -> Any:
    """Return the type that awaiting gives, from the annotation of an ``async def`` or ``def``."""
    if inspect.iscoroutinefunction(inspect.unwrap(function)):
        return result
    arguments = typing.get_args(result)
    origin = typing.get_origin(result)
    if isinstance(origin, type) and issubclass(origin, _COROUTINES) and len(arguments) == 3:
        return type(None) if arguments[2] is None else arguments[2]
    return result
