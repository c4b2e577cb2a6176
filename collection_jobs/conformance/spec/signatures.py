"""Signatures: the parameters of each method, read from the Protocols, and the jobs they name.

In the contract a name means the same in every signature: ``job_id`` is the id of a job, ``job`` and
``jobs`` are jobs, and a ``lease`` is of a job. So which jobs a call is about follows from its
method's signature alone; but for a method that picks its job itself, which its answer names, and
for one that is about whichever jobs match, and names none.

The arguments of a call stand in the order of the parameters, those by keyword behind the others;
what is left out at the end has its default.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from collection_jobs.conformance.spec.capabilities import (
    METHODS,
    NINE,
    PROTOCOLS,
    REDECLARED,
    REDECLARING,
)
from collection_jobs.protocol import CollectionJobRepository

__all__ = [
    "COUNTS_JOBS",
    "LISTS_JOBS",
    "NAMES_ONE_JOB",
    "NAMES_SEVERAL_JOBS",
    "SAVES",
    "SIGNATURES",
    "TAKES_A_JOB",
    "CallParameter",
    "argument_of",
    "as_given",
    "jobs_named",
    "with_jobs_named",
]


class CallParameter(NamedTuple):
    """One parameter of a method."""

    name: str
    default: object
    is_required: bool
    """Whether every caller must give it; its ``default`` is then without a meaning."""
    is_keyword: bool = False
    """Whether it can be given by its name only."""
    capability: str | None = None
    """The optional Protocol without which the method does not take it; None: it always does."""


def _owner(method: str) -> type:
    return PROTOCOLS[METHODS[method]] if method in METHODS else CollectionJobRepository


def _signature(owner: type, method: str) -> tuple[CallParameter, ...]:
    parameters = _declared(owner, method)
    if method not in REDECLARED:
        return parameters
    known = {one.name for one in parameters}
    more = _declared(REDECLARING[method], method)
    added = (one._replace(capability=REDECLARED[method]) for one in more if one.name not in known)
    return (*parameters, *added)


def _declared(owner: type, method: str) -> tuple[CallParameter, ...]:
    parameters = list(inspect.signature(vars(owner)[method]).parameters.values())[1:]
    return tuple(
        CallParameter(one.name, one.default, one.default is one.empty, one.kind is one.KEYWORD_ONLY)
        for one in parameters
    )


SIGNATURES: Mapping[str, tuple[CallParameter, ...]] = MappingProxyType(
    {method: _signature(_owner(method), method) for method in (*NINE, *METHODS)}
)
"""The parameters of every method, those of the optional Protocols included, in their order."""

_BY_POSITION = {
    method: sum(not one.is_keyword for one in parameters)
    for method, parameters in SIGNATURES.items()
}


def _places(*names: str) -> dict[str, int]:
    """Find for each method the first argument that one of these parameters is given."""
    places = dict[str, int]()
    for method, parameters in SIGNATURES.items():
        found = (at for at, parameter in enumerate(parameters) if parameter.name in names)
        if (at := next(found, None)) is not None:
            places[method] = at
    return places


# Dictionaries, for long histories ask at every call.
NAMES_ONE_JOB: Mapping[str, int] = _places("job_id", "job", "lease")
"""For each method that names one job, the place of the argument that does."""
NAMES_SEVERAL_JOBS: Mapping[str, int] = _places("jobs")
"""For each method that names several jobs, the place of the argument that does."""
SAVES: Mapping[str, int] = _places("job", "jobs")
"""For each method that is given whole jobs, the place of the argument that they are."""
_GIVES = {
    method: str(inspect.signature(vars(_owner(method))[method]).return_annotation)
    for method in SIGNATURES
    if method not in NAMES_ONE_JOB and method not in NAMES_SEVERAL_JOBS
}
"""For each method that names no job, what awaiting it gives."""
LISTS_JOBS = frozenset(method for method, gives in _GIVES.items() if "list[" in gives)
"""The methods that list whichever jobs match."""
COUNTS_JOBS = frozenset(method for method, gives in _GIVES.items() if ", int]" in gives)
"""The methods that are about whichever jobs match, and tell how many there are."""
TAKES_A_JOB = frozenset(_GIVES) - LISTS_JOBS - COUNTS_JOBS
"""The methods whose answer names the job that they are about."""
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


def as_given(method: str, arguments: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return what of a call's arguments is given by position, and what by name.

    What has its default is left out before an argument that is given by name.
    """
    count = _BY_POSITION.get(method, len(arguments))
    if len(arguments) <= count:
        return arguments, {}
    parameters = SIGNATURES[method]
    by_name = {
        parameter.name: value
        for parameter, value in zip(parameters[count:], arguments[count:], strict=False)
        if parameter.is_required or value is not parameter.default
    }
    while (
        count
        and not parameters[count - 1].is_required
        and (arguments[count - 1] is parameters[count - 1].default)
    ):
        count -= 1
    return arguments[:count], by_name
