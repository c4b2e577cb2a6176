"""check_class: the static verdict on a class, from type checkers and a look at run time."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

from collection_jobs.conformance.static.checked_class import CheckedClass, CheckedClassError
from collection_jobs.conformance.static.checkers import CHECKERS, CheckerError, Job, run_mypy
from collection_jobs.conformance.static.contract import (
    ContractMethod,
    contract_methods,
    methods_beyond,
)
from collection_jobs.conformance.static.diagnosis import method_faults
from collection_jobs.conformance.static.diagnostics import Diagnostic
from collection_jobs.conformance.static.location import class_location, method_location
from collection_jobs.conformance.static.probe import Probe, make_probe
from collection_jobs.conformance.static.report import (
    CheckerRun,
    Fault,
    FaultKind,
    MethodReport,
    StaticReport,
)
from collection_jobs.conformance.static.runtime_signature import find_method

__all__ = ["check_class", "methods_named", "signatures_of"]

_Rejections = dict[str | None, dict[str, str]]
"""By method (None: the class as a whole), for each checker that rejects it, what it says."""


def check_class(subject: type | str, *, checkers: Sequence[str] = ("mypy",)) -> StaticReport:
    """Say whether a class has the contract's signatures, before anything of it runs.

    Args:
        subject: The class, or its name as ``module:Class``. It must be importable.
        checkers: The type checkers to ask, of mypy, pyright, basedpyright, ty, pyrefly and
            zuban. One that is not installed makes the report incomplete.

    Raises:
        CheckedClassError: The name leads nowhere, or to something that is no class.
        ValueError: There is no such checker.
    """
    for name in checkers:
        if name not in CHECKERS:
            raise ValueError(f"there is no checker {name!r}; known are {', '.join(CHECKERS)}")
    checked = CheckedClass.of(subject)
    beyond = tuple(method for method in methods_beyond() if _offers(checked.cls, method.name))
    probe = make_probe([(checked.module, checked.qualname)], beyond)
    rejections: _Rejections = {}
    runs = [_ask(name, checked, probe, rejections) for name in dict.fromkeys(checkers)]
    asked = any(run.reason is None for run in runs)
    methods = tuple(
        _method_report(checked.cls, method, rejections.get(method.name, {}), asked=asked)
        for method in (*contract_methods(), *beyond)
    )
    return StaticReport(
        target=str(checked),
        location=class_location(checked.cls),
        methods=methods,
        faults=_class_faults(rejections, methods),
        checkers=tuple(runs),
    )


def _offers(cls: type, method: str) -> bool:
    """Whether a class has a method of an optional Protocol: None in its place hides it."""
    found = find_method(cls, method)
    return found is not None and found.value is not None


def _ask(name: str, checked: CheckedClass, probe: Probe, rejections: _Rejections) -> CheckerRun:
    """Run one checker; what it rejects is added to the rejections."""
    began = time.perf_counter()
    reason: str | None = None
    try:
        found = _run(name, checked, probe)
        reason = _not_imported(name, probe, found)
    except CheckerError as exc:
        found, reason = [], str(exc)
    if reason is None:
        for diagnostic in found:
            for method in _speaks_of(probe, diagnostic):
                rejections.setdefault(method, {}).setdefault(name, diagnostic.message)
    return CheckerRun(
        name=name, version=_version(name), reason=reason, seconds=time.perf_counter() - began
    )


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


def methods_named(message: str) -> list[str]:
    """Return the methods of the contract whose names a checker quotes."""
    quoted = set(re.findall(r"[\"'`.](\w+)[\"'`]", message))
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
    cls: type, method: ContractMethod, rejected: dict[str, str], *, asked: bool
) -> MethodReport:
    found = find_method(cls, method.name)
    faults = method_faults(cls, method, found)
    if not rejected:
        faults = [fault for fault in faults if fault.certain]
    elif not faults:
        faults = [_rejection(method, rejected)]
    abstract = getattr(getattr(found, "value", None), "__isabstractmethod__", False)
    return MethodReport(
        name=method.name,
        location=method_location(cls, method.name, found),
        expected=str(method),
        found=None if found is None or abstract else str(found),
        faults=tuple(faults),
        rejected_by=tuple(rejected),
    )


def _rejection(method: ContractMethod, rejected: dict[str, str]) -> Fault:
    """Return what is left to say when only a checker knows what is wrong."""
    name, message = next(iter(rejected.items()))
    return Fault(
        FaultKind.TYPES,
        f"{name} says: {first_line(message)}",
        f"let a type checker see it as {method}",
    )


def _class_faults(rejections: _Rejections, methods: tuple[MethodReport, ...]) -> tuple[Fault, ...]:
    """Return what the checkers hold against the whole class, unless a method explains it."""
    whole = rejections.get(None, {})
    explained = {name for method in methods for name in method.rejected_by}
    return tuple(
        Fault(
            FaultKind.TYPES,
            f"{name} says: {first_line(message)}",
            "let calling the class give a CollectionJobRepository",
        )
        for name, message in whole.items()
        if name not in explained
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
