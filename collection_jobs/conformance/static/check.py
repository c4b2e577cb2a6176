"""check_class: the static verdict on a class, from type checkers and a look at run time."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from collection_jobs.conformance.static.checked_class import CheckedClass, CheckedClassError
from collection_jobs.conformance.static.checkers import CHECKERS, CheckerError, Job, run_mypy
from collection_jobs.conformance.static.contract import (
    ContractMethod,
    contract_methods,
    methods_beyond,
    methods_due,
)
from collection_jobs.conformance.static.diagnosis import (
    is_helper,
    method_faults,
    near_misses,
    offers,
)
from collection_jobs.conformance.static.diagnostics import Diagnostic
from collection_jobs.conformance.static.location import (
    class_location,
    method_decorators,
    method_location,
)
from collection_jobs.conformance.static.probe import PARTS, Part, Probe, make_probe, readable
from collection_jobs.conformance.static.report import (
    CheckerRun,
    Fault,
    FaultKind,
    MethodReport,
    StaticReport,
)
from collection_jobs.conformance.static.runtime_signature import FoundMethod, find_method

__all__ = ["check_class", "methods_named", "probe_text", "signatures_of"]


@dataclass(frozen=True, slots=True)
class _Said:
    """What one checker said of a class.

    Attributes:
        run: What became of it.
        rejected: What it holds against each method, and, under None, against the whole class.
        unseen: The parts of methods that it does not see.
    """

    run: CheckerRun
    rejected: Mapping[str | None, str]
    unseen: frozenset[tuple[str | None, Part]]


def check_class(
    subject: type | str,
    *,
    checkers: Sequence[str] = ("mypy",),
    allowed: Mapping[str, str] = MappingProxyType({}),
) -> StaticReport:
    """Say whether a class has the contract's signatures, before anything of it runs.

    Args:
        subject: The class, or its name as ``module:Class``. It must be importable.
        checkers: The type checkers to ask, of mypy, pyright, basedpyright, ty, pyrefly and
            zuban. One that is not installed makes the report incomplete.
        allowed: Methods whose deviations are accepted, each with the reason, which the report
            repeats.

    Raises:
        CheckedClassError: The name leads nowhere, or to something that is no class.
        ValueError: There is no such checker, or an allowed method is none of the contract's.
    """
    for name in checkers:
        if name not in CHECKERS:
            raise ValueError(f"there is no checker {name!r}; known are {', '.join(CHECKERS)}")
    _refuse_unknown_methods(allowed)
    checked = CheckedClass.of(subject)
    due = _due(checked.cls)
    probe = _probe(checked, due)
    said = [_ask(name, checked, probe) for name in dict.fromkeys(checkers)]
    methods = tuple(
        _method_report(checked.cls, method, said, allowed.get(method.name)) for method in due
    )
    return StaticReport(
        target=str(checked),
        location=class_location(checked.cls),
        methods=methods,
        faults=_class_faults(said, methods),
        checkers=tuple(one.run for one in said),
        hints=(*near_misses(checked.cls), *_needless(allowed, methods)),
    )


def probe_text(subject: type | str) -> str:
    """Return the module that the type checkers are given for a class.

    Args:
        subject: The class, or its name as ``module:Class``.

    Raises:
        CheckedClassError: The name leads nowhere, or to something that is no class.
    """
    checked = CheckedClass.of(subject)
    return _probe(checked, _due(checked.cls)).text


def _probe(checked: CheckedClass, due: tuple[ContractMethod, ...]) -> Probe:
    is_variable = checked.cls.__qualname__ != checked.qualname
    return make_probe([(checked.module, checked.qualname)], due, are_variables=is_variable)


def _refuse_unknown_methods(allowed: Iterable[str]) -> None:
    known = [method.name for method in (*contract_methods(), *methods_beyond())]
    for name in allowed:
        if name not in known:
            raise ValueError(
                f"{name!r} cannot be allowed: it is no method of the contract; those are"
                f" {', '.join(known)}"
            )


def _needless(allowed: Iterable[str], methods: Sequence[MethodReport]) -> Iterator[str]:
    faulty = {method.name for method in methods if method.faults}
    for name in allowed:
        if name not in faulty:
            yield f"{name} has no fault: it need not be allowed"


def _due(cls: type) -> tuple[ContractMethod, ...]:
    """Return the nine methods, and those of the optional Protocols that a class has."""
    has = [one.name for one in methods_beyond() if offers(cls, one.name)]
    return methods_due([name for name in has if not is_helper(cls, name)])


def _ask(name: str, checked: CheckedClass, probe: Probe) -> _Said:
    """Run one checker."""
    began = time.perf_counter()
    reason: str | None = None
    try:
        found = _run(name, checked, probe)
        reason = _not_imported(name, probe, found)
    except CheckerError as exc:
        found, reason = [], str(exc)
    rejected: dict[str | None, str] = {}
    unseen: set[tuple[str | None, Part]] = {
        (line.method, line.sees) for line in probe.lines if line.sees is not None
    }
    for diagnostic in found if reason is None else ():
        about = probe.at(diagnostic.line)
        if about.sees is not None:
            unseen.discard((about.method, about.sees))
            continue
        for method in _speaks_of(probe, diagnostic):
            rejected.setdefault(method, readable(diagnostic.message, checked.qualname))
    seconds = time.perf_counter() - began
    run = CheckerRun(name=name, version=_version(name), reason=reason, seconds=seconds)
    return _Said(run, rejected, frozenset(unseen))


def _run(name: str, checked: CheckedClass, probe: Probe) -> list[Diagnostic]:
    roots = checked.import_roots()
    if name == "mypy":
        return run_mypy(probe.text, roots)
    with tempfile.TemporaryDirectory(prefix="collection-jobs-") as directory:
        job = Job(Path(directory), ("probe.py",), roots)
        (job.directory / "probe.py").write_text(probe.text, encoding="utf-8")
        return CHECKERS[name].run(job)


def _not_imported(name: str, probe: Probe, found: Iterable[Diagnostic]) -> str | None:
    """Why nothing was checked: a checker that cannot find a module takes all of it for Any."""
    for diagnostic in found:
        if probe.at(diagnostic.line).imports or probe.at(diagnostic.line).target is None:
            return f"{name} cannot import it: {first_line(diagnostic.message)}"
    return None


def _speaks_of(probe: Probe, diagnostic: Diagnostic) -> list[str | None]:
    """Return the methods that a diagnostic is about; None stands for the class as a whole."""
    method = probe.at(diagnostic.line).method
    return [method] if method is not None else [*methods_named(diagnostic.message)] or [None]


_OF_A_PARAMETER = r"(?i)(?:arguments?|mismatch:|named|parameters?|versus)\s+[\"'`]\w+[\"'`]"
"""What a checker says of a parameter, which may have the name of a method, as ``count``."""


def methods_named(message: str) -> list[str]:
    """Return the methods of the contract whose names a checker quotes."""
    quoted = set(re.findall(r"[\"'`.](\w+)[\"'`]", re.sub(_OF_A_PARAMETER, "", message)))
    methods = (*contract_methods(), *methods_beyond())
    return [method.name for method in methods if method.name in quoted]


def first_line(message: str) -> str:
    """Return the first line of a checker's message, which says what the others explain."""
    return message.strip().partition("\n")[0]


def _version(distribution: str) -> str | None:
    if distribution == "mypy" and "mypy.version" in sys.modules:
        return str(sys.modules["mypy.version"].__version__)
    from importlib import metadata  # slower to import than mypy is to ask

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _method_report(
    cls: type, method: ContractMethod, said: Sequence[_Said], allowed: str | None
) -> MethodReport:
    found = find_method(cls, method.name)
    heard = [one for one in said if one.run.reason is None]
    rejected = {
        one.run.name: one.rejected[method.name] for one in heard if method.name in one.rejected
    }
    # What no checker sees is judged by what the class shows at run time.
    unseen: list[Part] = [
        part for part in PARTS if heard and all((method.name, part) in one.unseen for one in heard)
    ]
    faults = method_faults(cls, method, found, unseen=unseen)
    if not rejected:
        faults = [fault for fault in faults if fault.certain]
    elif not faults:
        faults = [_rejection(cls, method, found, rejected)]
    abstract = getattr(getattr(found, "value", None), "__isabstractmethod__", False)
    return MethodReport(
        name=method.name,
        location=method_location(cls, method.name, found),
        expected=str(method),
        found=None if found is None or abstract else str(found),
        faults=tuple(faults),
        rejected_by=tuple(rejected),
        unseen_by=tuple(
            one.run.name
            for one in heard
            if any((method.name, part) in one.unseen for part in PARTS)
        ),
        allowed=allowed,
    )


def _rejection(
    cls: type, method: ContractMethod, found: FoundMethod | None, rejected: Mapping[str, str]
) -> Fault:
    """Return what is left to say when only a checker knows what is wrong."""
    name, message = next(iter(rejected.items()))
    decorators = method_decorators(cls, method.name, found)
    if not decorators:
        return Fault(
            FaultKind.TYPES,
            f"{name} says: {first_line(message)}",
            f"let a type checker see it as {method}",
        )
    which = " and ".join(f"@{decorator}" for decorator in decorators)
    why = "create_task() takes coroutines only, no other Awaitable"
    return Fault(
        FaultKind.TYPES,
        f"behind {which}, {name} sees another type: {first_line(message)}",
        f"let {which} take and return Callable[P, Coroutine[Any, Any, T]]"
        f"{f': {why}' if 'Awaitable' in message else ''}",
    )


def _class_faults(said: Sequence[_Said], methods: tuple[MethodReport, ...]) -> tuple[Fault, ...]:
    """Return what the checkers hold against the whole class, unless a method explains it."""
    is_explained = any(
        method.rejected_by or any(fault.kind is not FaultKind.DEFAULT for fault in method.faults)
        for method in methods
    )
    return tuple(
        Fault(
            FaultKind.TYPES,
            f"{one.run.name} says: {first_line(one.rejected[None])}",
            "let calling the class give a CollectionJobRepository",
        )
        for one in said
        if None in one.rejected and not is_explained
    )


def signatures_of(adapter: str) -> StaticReport | str:
    """Hold the signatures of a class against the contract's.

    Args:
        adapter: The class, as ``module:Class``.

    Returns:
        The report, by mypy and a look at run time where mypy is installed, else by the look
        alone; or the reason why there is none (a class made inside a function, for instance).
    """
    checkers = ("mypy",) if find_spec("mypy") is not None else ()
    try:
        return check_class(adapter, checkers=checkers)
    except CheckedClassError as error:
        return str(error)
