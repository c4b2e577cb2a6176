"""The probe: a module that type-checks exactly when a class has the contract's signatures.

``repository: CollectionJobRepository = Adapter()`` is not enough: mypy and zuban compare parameter
names nowhere but in ``__call__``, and every checker believes ``__getattr__``. So the probe has

* a function that builds the adapter, whatever its constructor takes, and returns it as a
  CollectionJobRepository: it flags what is absent or still abstract;
* for each method an assignment to a Protocol whose ``__call__`` has the method's exact signature;
* the methods taken from the class itself, which ``__getattr__`` does not answer for;
* for each method two assignments that no adapter can satisfy, one for its parameters and one for
  its result. A checker that accepts one of them does not see that part of the method: a decorator
  without types, or a class that is Any to it, hides it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from collection_jobs.conformance.static.contract import ContractMethod, contract_methods, render

__all__ = ["PARTS", "Part", "Probe", "ProbeLine", "make_probe", "readable"]

Part = Literal["parameters", "result"]
"""A part of a signature that a checker may not see."""

PARTS: tuple[Part, ...] = ("parameters", "result")
"""Both of them."""

_HEADER = """\
from __future__ import annotations
from collections.abc import Collection, Coroutine, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol
from collection_jobs import CollectionJob, CollectionJobRepository, JobStats, JobStatus, Lease
from collection_jobs.query import JobQuery, JobSummary
class Nothing: nothing: int
class TakesNothing(Protocol):
    def __call__(self, *, nothing: Nothing) -> Any: ...
class GivesNothing(Protocol):
    def __call__(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Nothing]: ...
"""
_UNSATISFIABLE: dict[Part, str] = {"parameters": "TakesNothing", "result": "GivesNothing"}


@dataclass(frozen=True, slots=True)
class ProbeLine:
    """What an error on one line of the probe speaks of.

    Attributes:
        target: The class, as ``module:Class``; None on the lines that belong to none.
        method: The method; None on the lines that are about the whole class.
        imports: Whether the line imports: an error there means that nothing was checked.
        sees: The part of the method that a checker sees which reports an error on this line.
    """

    target: str | None
    method: str | None = None
    imports: bool = False
    sees: Part | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe's text, and for each of its lines what an error there speaks of."""

    text: str
    lines: tuple[ProbeLine, ...]

    def at(self, line: int) -> ProbeLine:
        """Return what an error on this line, counted from 1, speaks of."""
        return self.lines[line - 1] if 0 < line <= len(self.lines) else ProbeLine(None)


def make_probe(
    classes: Iterable[tuple[str, str]],
    methods: tuple[ContractMethod, ...] = (),
    *,
    are_variables: bool = False,
) -> Probe:
    """Write the probe of some classes.

    Args:
        classes: The module and the dotted name of each.
        methods: What they must have; by default the nine methods.
        are_variables: Whether the names are of variables that hold a class, as a factory gives it.
    """
    methods = methods or contract_methods()
    written = [(text, ProbeLine(None, imports=True)) for text in _HEADER.splitlines()]
    for method in methods:
        written += [(text, ProbeLine(None, method.name)) for text in _callback(method)]
    for number, (module, qualname) in enumerate(classes):
        written += _about_class(module, qualname, number, methods, is_variable=are_variables)
    return Probe(
        "".join(f"{text}\n" for text, _ in written), tuple(speaks_of for _, speaks_of in written)
    )


def _callback_name(name: str) -> str:
    return f"ContractsMethod_{name}"


def readable(message: str, qualname: str) -> str:
    """Replace the names that only the probe has in a checker's message.

    Args:
        message: What the checker says.
        qualname: The class that is checked.
    """
    for pattern, name in (
        (r"(?:probe\.)?ContractsMethod_(\w+)", r"the contract's \1"),
        (r"(?:probe\.)?Adapter\d+", qualname),
        (r"(?:probe\.)?Outer\d+", qualname.partition(".")[0]),
    ):
        message = re.sub(rf"\b{pattern}\b", name, message)
    return message


def _callback(method: ContractMethod) -> list[str]:
    parameters = render(method.parameters)
    returns = f"Coroutine[Any, Any, {method.returns}]"
    return [
        f"class {_callback_name(method.name)}(Protocol):",
        f"    def __call__({parameters}) -> {returns}: ...",
    ]


def _about_class(
    module: str,
    qualname: str,
    number: int,
    methods: tuple[ContractMethod, ...],
    *,
    is_variable: bool,
) -> list[tuple[str, ProbeLine]]:
    target = f"{module}:{qualname}"
    outer, dot, inner = qualname.partition(".")
    adapter = f"Adapter{number}"
    whole = ProbeLine(target)
    name = f"Outer{number}" if dot else adapter
    lines = [(f"from {module} import {outer} as {name}", ProbeLine(target, imports=True))]
    if dot:
        lines.append((f"{adapter} = {name}.{inner}", ProbeLine(target, imports=True)))
    lines += [
        (f"def build{number}(*args: Any, **kwargs: Any) -> CollectionJobRepository:", whole),
        (f"    return {adapter}(*args, **kwargs)", whole),
    ]
    if is_variable:  # which is a class, and still no type to annotate with
        lines += [
            (f"def call{number}(*args: Any, **kwargs: Any) -> None:", whole),
            (f"    adapter = {adapter}(*args, **kwargs)", whole),
        ]
    else:
        lines.append((f"def call{number}(adapter: {adapter}) -> None:", whole))
    for name in (method.name for method in methods):
        text = f"    {name}: {_callback_name(name)} = adapter.{name}"
        lines.append((text, ProbeLine(target, name)))
    for name in (method.name for method in methods):
        for part, protocol in _UNSATISFIABLE.items():
            text = f"    {name}_{part}: {protocol} = adapter.{name}"
            lines.append((text, ProbeLine(target, name, sees=part)))
    lines.append((f"methods{number} = (", whole))
    for name in (method.name for method in methods):
        lines.append((f"    {adapter}.{name},", ProbeLine(target, name)))
    lines.append((")", whole))
    return lines
