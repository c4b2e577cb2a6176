"""What the contract says of each method: its name, parameters and result.

They are read from the ABC, and beyond its nine methods from the optional Protocols.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from types import FunctionType
from typing import Any

from collection_jobs.conformance.spec.calls import code
from collection_jobs.conformance.spec.capabilities import (
    METHODS,
    PROTOCOLS,
    REDECLARED,
    REDECLARING,
)
from collection_jobs.repository import ICollectionJobRepository
from collection_jobs.status import JobStatus
from collection_jobs.validation import shown

__all__ = [
    "ContractMethod",
    "Parameter",
    "contract_methods",
    "methods_beyond",
    "methods_due",
    "methods_redeclared",
    "render",
]

_P = inspect.Parameter
_COROUTINE = "Coroutine[Any, Any, "


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a signature.

    Attributes:
        name: Its name.
        kind: By what it can be given: inspect.Parameter's POSITIONAL_OR_KEYWORD and so on.
        annotation: Its annotation as Python text; None when it has none.
        default: Its default; inspect.Parameter.empty when it has none.
    """

    name: str
    kind: IntEnum
    annotation: str | None
    default: object

    @property
    def has_default(self) -> bool:
        """Whether a caller may leave it out."""
        return self.default is not _P.empty

    @property
    def by_position(self) -> bool:
        """Whether it can be given by position."""
        return self.kind in (_P.POSITIONAL_ONLY, _P.POSITIONAL_OR_KEYWORD)

    @property
    def by_name(self) -> bool:
        """Whether it can be given by name."""
        return self.kind in (_P.POSITIONAL_OR_KEYWORD, _P.KEYWORD_ONLY)

    @property
    def is_variadic(self) -> bool:
        """Whether it is ``*args`` or ``**kwargs``."""
        return self.kind in (_P.VAR_POSITIONAL, _P.VAR_KEYWORD)

    @property
    def is_required(self) -> bool:
        """Whether every caller must give it."""
        return not self.has_default and not self.is_variadic

    def __str__(self) -> str:
        """Return the parameter as it stands in a ``def``."""
        stars = "*" if self.kind is _P.VAR_POSITIONAL else "**" if self.is_variadic else ""
        text = stars + self.name
        if self.annotation is not None:
            text += f": {self.annotation}"
        if not self.has_default:
            return text
        return f"{text}{'=' if self.annotation is None else ' = '}{_default_code(self.default)}"


@dataclass(frozen=True, slots=True)
class ContractMethod:
    """One method of the contract, without its ``self``.

    Attributes:
        name: The method's name.
        parameters: Its parameters after ``self``; all can be given by name, and by position unless
            they are behind a star.
        returns: What awaiting it gives, as Python text.
        types: The evaluated annotations by parameter name, and ``return``.
    """

    name: str
    parameters: tuple[Parameter, ...]
    returns: str
    types: Mapping[str, Any]

    def __str__(self) -> str:
        """Return the method as an adapter writes it."""
        return f"async def {self.name}({render(self.parameters)}) -> {self.returns}"


def _default_code(default: object) -> str:
    """Return a default as Python: of the contract's own ones, statuses have no such repr."""
    value = default
    return code(value) if isinstance(default, JobStatus | tuple) else shown(default)


def render(parameters: tuple[Parameter, ...], *, first: str | None = "self") -> str:
    """Return a parameter list as it stands between the parentheses of a ``def``."""
    parts = [] if first is None else [first]
    before: IntEnum | None = None
    for parameter in parameters:
        kind = parameter.kind
        if before is _P.POSITIONAL_ONLY and kind is not before:
            parts.append("/")
        if kind is _P.KEYWORD_ONLY and before not in (kind, _P.VAR_POSITIONAL):
            parts.append("*")
        parts.append(str(parameter))
        before = kind
    if before is _P.POSITIONAL_ONLY:
        parts.append("/")
    return ", ".join(parts)


@cache
def contract_methods() -> tuple[ContractMethod, ...]:
    """Return the nine methods, in the order in which the ABC defines them."""
    return tuple(
        _contract_method(name, value)
        for name, value in vars(ICollectionJobRepository).items()
        if isinstance(value, FunctionType) and name in ICollectionJobRepository.__abstractmethods__
    )


@cache
def methods_beyond() -> tuple[ContractMethod, ...]:
    """Return the methods of the optional Protocols: a class that has one must have it right."""
    return tuple(
        _contract_method(name, vars(PROTOCOLS[protocol])[name])
        for name, protocol in METHODS.items()
    )


@cache
def methods_redeclared() -> tuple[ContractMethod, ...]:
    """Return the methods that take more where a class has an optional Protocol."""
    return tuple(
        _contract_method(name, vars(protocol)[name]) for name, protocol in REDECLARING.items()
    )


def methods_due(offered: Collection[str]) -> tuple[ContractMethod, ...]:
    """Return the methods that a class must have right.

    Args:
        offered: The methods beyond the nine that it has.
    """
    has = {
        protocol
        for protocol in METHODS.values()
        if all(name in offered for name, owner in METHODS.items() if owner == protocol)
    }
    known = (*contract_methods(), *(one for one in methods_beyond() if one.name in offered))
    more = {one.name: one for one in methods_redeclared() if REDECLARED[one.name] in has}
    return tuple(more.get(one.name, one) for one in known)


def _contract_method(name: str, function: FunctionType) -> ContractMethod:
    signature = inspect.signature(function)
    parameters = tuple(
        Parameter(parameter.name, parameter.kind, str(parameter.annotation), parameter.default)
        for parameter in list(signature.parameters.values())[1:]
    )
    types = typing.get_type_hints(function)
    returns = str(signature.return_annotation)
    if returns.startswith(
        _COROUTINE
    ):  # the Protocols say what is awaited and not only what it gives
        returns = returns.removeprefix(_COROUTINE).removesuffix("]")
        awaited = typing.get_args(types["return"])[2]
        # In a generic of collections.abc None stays None, and is no NoneType as elsewhere.
        types["return"] = type(None) if awaited is None else awaited
    return ContractMethod(name, parameters, returns, types)
