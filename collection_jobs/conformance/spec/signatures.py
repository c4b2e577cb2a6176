"""Signatures: the parameters of each method, read from the Protocols, and the jobs they name.

In the contract a name means the same in every signature: ``job_id`` is the id of a job, ``job`` and
``jobs`` are jobs. So which jobs a call is about follows from its method's signature alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from collection_jobs.conformance.spec.capabilities import METHODS, NINE, PROTOCOLS
from collection_jobs.protocol import CollectionJobRepository

__all__ = [
    "SIGNATURES",
    "CallParameter",
    "argument_of",
    "jobs_named",
    "names_jobs",
    "with_jobs_named",
]


class CallParameter(NamedTuple):
    """One parameter of a method."""

    name: str
    default: object
    is_required: bool
    """Whether every caller must give it; its ``default`` is then without a meaning."""


def _signature(owner: type, method: str) -> tuple[CallParameter, ...]:
    parameters = list(inspect.signature(vars(owner)[method]).parameters.values())[1:]
    return tuple(
        CallParameter(one.name, one.default, one.default is inspect.Parameter.empty)
        for one in parameters
    )


SIGNATURES: Mapping[str, tuple[CallParameter, ...]] = MappingProxyType(
    {method: _signature(CollectionJobRepository, method) for method in NINE}
    | {method: _signature(PROTOCOLS[name], method) for method, name in METHODS.items()}
)
"""The parameters of every method, those of the optional Protocols included, in their order."""

_NAMES_ONE = ("job_id", "job")
_NAMES_SEVERAL = "jobs"


def _place_of_jobs(parameters: tuple[CallParameter, ...]) -> tuple[int, bool] | None:
    """Find the argument that names jobs, and whether it names several; None where none does."""
    for at, parameter in enumerate(parameters):
        if parameter.name in _NAMES_ONE:
            return at, False
        if parameter.name == _NAMES_SEVERAL:
            return at, True
    return None


_PLACES = {method: _place_of_jobs(parameters) for method, parameters in SIGNATURES.items()}


def names_jobs(method: str) -> bool:
    """Return whether a call of the method says which jobs it is about."""
    return _PLACES.get(method) is not None


def jobs_named(method: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what names the jobs of a call: ids, or jobs, or what stands for jobs in a program."""
    place = _PLACES.get(method)
    if place is None:
        return ()
    at, several = place
    return tuple(arguments[at]) if several else (arguments[at],)


def with_jobs_named(
    method: str, arguments: tuple[Any, ...], jobs: Iterable[Any]
) -> tuple[Any, ...]:
    """Return the arguments with other jobs in the place of those that they name."""
    place = _PLACES[method]
    if place is None:
        return arguments
    at, several = place
    named = type(arguments[at])(jobs) if several else next(iter(jobs))
    return (*arguments[:at], named, *arguments[at + 1 :])


def argument_of(method: str, arguments: tuple[Any, ...], name: str, absent: object = None) -> Any:
    """Return what a call gives a parameter, or its default.

    Args:
        method: The method.
        arguments: The call's arguments.
        name: The parameter's name.
        absent: What to return where the method has no such parameter.
    """
    for at, parameter in enumerate(SIGNATURES[method]):
        if parameter.name == name:
            return arguments[at] if at < len(arguments) else parameter.default
    return absent
