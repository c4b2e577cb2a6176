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
    "NAMES_ONE_JOB",
    "NAMES_SEVERAL_JOBS",
    "SAVES",
    "SIGNATURES",
    "CallParameter",
    "argument_of",
    "jobs_named",
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


def _places(*names: str) -> dict[str, int]:
    """Find for each method the first argument that one of these parameters is given."""
    places = dict[str, int]()
    for method, parameters in SIGNATURES.items():
        found = (at for at, parameter in enumerate(parameters) if parameter.name in names)
        if (at := next(found, None)) is not None:
            places[method] = at
    return places


# Dictionaries, for long histories ask at every call.
NAMES_ONE_JOB: Mapping[str, int] = _places("job_id", "job")
"""For each method that names one job, the place of the argument that does."""
NAMES_SEVERAL_JOBS: Mapping[str, int] = _places("jobs")
"""For each method that names several jobs, the place of the argument that does."""
SAVES: Mapping[str, int] = _places("job", "jobs")
"""For each method that is given whole jobs, the place of the argument that they are."""
_ARGUMENTS = {
    method: {one.name: (at, one.default) for at, one in enumerate(parameters)}
    for method, parameters in SIGNATURES.items()
}


def jobs_named(method: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what names the jobs of a call: ids, or jobs, or what stands for jobs in a program."""
    at = NAMES_ONE_JOB.get(method)
    if at is not None:
        return (arguments[at],)
    several = NAMES_SEVERAL_JOBS.get(method)
    return () if several is None else tuple(arguments[several])


def with_jobs_named(
    method: str, arguments: tuple[Any, ...], jobs: Iterable[Any]
) -> tuple[Any, ...]:
    """Return the arguments with other jobs in the place of those that they name."""
    at = NAMES_SEVERAL_JOBS.get(method)
    if at is not None:
        return (*arguments[:at], type(arguments[at])(jobs), *arguments[at + 1 :])
    at = NAMES_ONE_JOB[method]
    return (*arguments[:at], next(iter(jobs)), *arguments[at + 1 :])


def argument_of(method: str, arguments: tuple[Any, ...], name: str, absent: object = None) -> Any:
    """Return what a call gives a parameter, or its default.

    Args:
        method: The method.
        arguments: The call's arguments.
        name: The parameter's name.
        absent: What to return where the method has no such parameter.
    """
    found = _ARGUMENTS[method].get(name)
    if found is None:
        return absent
    at, default = found
    return arguments[at] if at < len(arguments) else default
