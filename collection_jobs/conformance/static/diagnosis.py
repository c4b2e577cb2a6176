"""What inspecting a class at run time finds wrong with one of its methods."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import Any, Never, NoReturn

from collection_jobs.conformance.spec.capabilities import METHODS
from collection_jobs.conformance.static.assignable import has_any, is_assignable, is_unrelated
from collection_jobs.conformance.static.contract import (
    ContractMethod,
    contract_methods,
    methods_beyond,
)
from collection_jobs.conformance.static.parameters import parameter_faults
from collection_jobs.conformance.static.probe import Part
from collection_jobs.conformance.static.report import Fault, FaultKind
from collection_jobs.conformance.static.runtime_signature import (
    UNKNOWN,
    FoundMethod,
    as_called,
    find_method,
    type_text,
)
from collection_jobs.validation import shown

__all__ = ["is_helper", "method_faults", "near_misses", "offers"]

_NEVER: tuple[Any, ...] = (NoReturn, Never)


def method_faults(
    cls: type,
    method: ContractMethod,
    found: FoundMethod | None,
    *,
    unseen: Collection[Part] = (),
) -> list[Fault]:
    """Say what is wrong with one method of a class.

    Args:
        cls: The class.
        method: What the contract says of the method.
        found: The method as the class has it.
        unseen: The parts of it that no type checker sees: there the look at run time decides.
    """
    if found is None:
        return [_absent(cls, method)]
    if getattr(found.value, "__isabstractmethod__", False):
        return [Fault(FaultKind.MISSING, f"{method.name} is still abstract", "add the method")]
    obstacle = _shape(method, found) or _hidden(method, found)
    if obstacle is not None:
        return [obstacle]
    faults = list(_calling(method, found))
    if found.parameters is not None and not found.has_overloads:
        faults += _signature(method, found, unseen)
        faults += _unchecked(method, found)
    return faults


def _absent(cls: type, method: ContractMethod) -> Fault:
    name = method.name
    own = [other for other in dir(cls) if callable(getattr(cls, other, None))]
    near = [other for other in get_close_matches(name, own, n=1, cutoff=0.8) if other != name]
    if any(name in getattr(base, "__annotations__", {}) for base in cls.__mro__):
        message = f"{name} is declared and not defined: at best its instances have one"
    elif find_method(cls, "__getattr__") is not None:
        message = f"{name} is left to __getattr__, which neither type checkers nor isinstance() see"
    else:
        message = f"there is no {name}"
    return Fault(
        FaultKind.MISSING, message, f"rename {near[0]} to {name}" if near else "add the method"
    )


def _shape(method: ContractMethod, found: FoundMethod) -> Fault | None:
    name = method.name
    value: Any = found.value
    kind = type(value).__name__
    is_descriptor = hasattr(value, "__get__")
    if isinstance(value, staticmethod | classmethod):
        return Fault(
            FaultKind.SHAPE,
            f"{name} is a {kind}: it has no access to the repository",
            f"remove @{kind}, and take self first",
        )
    if kind == "_lru_cache_wrapper":
        return Fault(
            FaultKind.SHAPE,
            "functools.cache returns the same coroutine twice, but a coroutine can be awaited"
            " only once",
            "remove the cache, or keep results instead of coroutines",
        )
    if isinstance(value, property | functools.cached_property):
        what = f"a {kind}"
    elif isinstance(value, type):
        what = "a class"
    elif not callable(value) and not is_descriptor:
        what = shown(value)
    else:
        return None
    return Fault(FaultKind.SHAPE, f"{name} is {what}, not a method", "make it an async def")


def _hidden(method: ContractMethod, found: FoundMethod) -> Fault | None:
    """Return the fault of a signature that says nothing: none, or ``(*args, **kwargs)``."""
    parameters = found.parameters
    if found.function is None or found.has_overloads or parameters == ():
        return None
    if parameters is not None and not all(parameter.is_variadic for parameter in parameters):
        return None
    called = getattr(found.function, "__name__", method.name)
    if parameters is None or called == method.name:
        return Fault(
            FaultKind.UNCHECKED,
            "its parameters cannot be seen" if parameters is None else "it takes anything",
            "name the parameters",
        )
    return Fault(
        FaultKind.UNCHECKED,
        f"a decorator hides it: what is called is {called}, which takes anything",
        f"put functools.wraps on {called}, and let the decorator keep the types (ParamSpec)",
    )


def _calling(method: ContractMethod, found: FoundMethod) -> Iterator[Fault]:
    called = getattr(found.function, "__name__", method.name)
    through = "" if called == method.name else f" (a decorator calls {called} in its place)"
    if found.gives == "generator":
        message = "it is an async generator, and cannot be awaited"
        change = f"gather what it yields, and return {method.returns}"
    elif found.gives == "awaitable":
        result = type_text(found.types["return"])
        message = f"it gives {result}, and create_task() takes coroutines only"
        change = "make it an async def"
    elif found.gives == "value":
        message = f"it is a plain def that gives {found.returns} and no coroutine"
        change = "make it an async def"
    elif found.gives == "unknown":
        message = "it is a plain def, and nothing says that it gives a coroutine"
        change = "make it an async def"
    else:
        return
    yield Fault(FaultKind.SYNC, f"{message}{through}", change)


def _signature(
    method: ContractMethod, found: FoundMethod, unseen: Collection[Part]
) -> Iterator[Fault]:
    wanted = [parameter.name for parameter in method.parameters]
    if wanted and next(iter(inspect.signature(found.function).parameters), "") == wanted[0]:
        yield Fault(FaultKind.PARAMETERS, "it does not take self", "put self first")
        return
    called = as_called(found) if found.is_wrapped and unseen else found
    met = called if "parameters" in unseen else found
    yield from parameter_faults(method, met.parameters or (), certain=not met.is_wrapped)
    for name in wanted:
        own, type_ = met.types.get(name, UNKNOWN), method.types[name]
        if own is not UNKNOWN and not has_any(own) and not is_assignable(type_, own):
            text, due = _texts(own, type_)
            yield Fault(
                FaultKind.TYPES,
                f"{name} is {text}, not {due}",
                f"let {name} be {due}, or wider",
                certain=not met.is_wrapped and is_unrelated(type_, own),
            )
    yield from _result(method, called if "result" in unseen else found)


def _result(method: ContractMethod, found: FoundMethod) -> Iterator[Fault]:
    own, type_ = found.types.get("return", UNKNOWN), method.types["return"]
    if own is UNKNOWN or found.gives != "coroutine":
        return
    text, due = _texts(own, type_)
    if own in _NEVER:
        yield Fault(FaultKind.TYPES, f"it says that it never returns ({text})", f"return {due}")
    elif not has_any(own) and not is_assignable(own, type_):
        yield Fault(
            FaultKind.TYPES,
            f"it returns {text}, not {due}",
            f"return {due}",
            certain=not found.is_wrapped and is_unrelated(own, type_),
        )


def _texts(own: Any, wanted: Any) -> tuple[str, str]:
    """Return two types as text, with their modules where they would read the same without."""
    texts = type_text(own), type_text(wanted)
    if texts[0] != texts[1]:
        return texts
    return inspect.formatannotation(own), inspect.formatannotation(wanted)


def offers(cls: type, method: str) -> bool:
    """Whether a class has a method of an optional Protocol: None in its place hides it."""
    found = find_method(cls, method)
    return found is not None and found.value is not None


def is_helper(cls: type, method: str) -> bool:
    """Whether a class has a method of an optional Protocol by its name only.

    What gives a value without being awaited, in a class that lacks another method of the Protocol,
    is something of the class's own.
    """
    found = find_method(cls, method)
    return found is not None and found.gives == "value" and bool(_lacking(cls, method))


def _lacking(cls: type, method: str) -> list[str]:
    """Return the methods of the same Protocol that a class does not have."""
    protocol = METHODS[method]
    return [name for name, one in METHODS.items() if one == protocol and not offers(cls, name)]


def near_misses(cls: type) -> Iterator[str]:
    """Say which methods of a class have the name of one beyond the nine, or almost, and are none.

    Such a name is no fault, but the class has not the capability that it may be meant to have.
    """
    for method in methods_beyond():
        if is_helper(cls, method.name):
            protocol = METHODS[method.name]
            yield (
                f"{method.name} is not taken for the method of {protocol}: it gives a value that is"
                f" not awaited, and the class has no {_lacking(cls, method.name)[0]}"
            )
    names = {name for name in dir(cls) if not name.startswith("_")}
    known = {method.name for method in (*contract_methods(), *methods_beyond())}
    own = [name for name in sorted(names - known) if callable(getattr(cls, name, None))]
    for method in methods_beyond():
        if method.name in names:
            continue
        for near in get_close_matches(method.name, own, n=1, cutoff=0.8):
            protocol = METHODS[method.name]
            yield (
                f"{near} is almost the name of {method.name}: rename it if the adapter is to be"
                f" {_article(protocol)} {protocol}"
            )


def _article(word: str) -> str:
    return "an" if word[0] in "AEIOU" else "a"


def _unchecked(method: ContractMethod, found: FoundMethod) -> Iterator[Fault]:
    if getattr(found.function, "__no_type_check__", False):
        yield Fault(
            FaultKind.UNCHECKED,
            "@no_type_check hides its types from every type checker",
            "remove @no_type_check",
        )
        return
    wanted = [parameter.name for parameter in method.parameters]
    annotated = {own.name: own.annotation for own in found.parameters or ()}
    bare = [name for name in wanted if name in annotated and annotated[name] is None]
    loose = [name for name in wanted if has_any(found.types.get(name))]
    if found.returns is None:
        bare.append("the result")
    elif has_any(found.types.get("return")):
        loose.append("the result")
    for names, why in ((bare, "not annotated"), (loose, "Any, whole or in part")):
        if names:
            verb, them = ("is", "it") if len(names) == 1 else ("are", "them")
            yield Fault(
                FaultKind.UNCHECKED,
                f"{' and '.join(names)} {verb} {why}: no type checker can check {them}",
                "annotate it in full",
            )
