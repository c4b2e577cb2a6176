"""StaticReport: what the type checkers and the look at run time say of a class, joined."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from collection_jobs.conformance.static.location import Location

__all__ = ["CheckerRun", "Fault", "FaultKind", "MethodReport", "StaticReport", "Verdict"]


class FaultKind(StrEnum):
    """The kinds of faults, as reports name them."""

    MISSING = "missing"
    """The class has no such method, or it is still abstract."""
    SHAPE = "shape"
    """It is no method: a property, an attribute, a class, a method without an instance."""
    SYNC = "sync"
    """Calling it gives no coroutine."""
    PARAMETERS = "parameters"
    """Their names, kinds, order or number differ."""
    DEFAULT = "default"
    """A parameter has another default."""
    TYPES = "types"
    """A type differs from the contract's."""
    UNCHECKED = "unchecked"
    """No type checker can see what it takes or gives: Any, no annotation, a lossy decorator."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with one method.

    Attributes:
        kind: Its kind.
        message: What is wrong.
        change: What to do about it.
        certain: Whether it is a fault in any case. What is not certain (another type may be a
            wider one; functools.wraps may lend a method the looks of another) counts only where
            a type checker rejects the method.
    """

    kind: FaultKind
    message: str
    change: str
    certain: bool = True


Verdict = Literal["conforms", "findings", "incomplete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckerRun:
    """What became of one type checker.

    Attributes:
        name: The checker.
        version: Its version, where it is known.
        reason: Why it gave no verdict; None when it gave one.
        seconds: How long it took.
    """

    name: str
    version: str | None
    reason: str | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodReport:
    """One method of the contract, as the class has it.

    Attributes:
        name: The method.
        location: Its line, or the class's where the method is absent; None without a source.
        expected: The contract's signature.
        found: The class's signature at run time; None when it is absent.
        faults: What is wrong with it, and what to change.
        rejected_by: The type checkers that reject it; empty when only the look at run time
            finds its faults.
        unseen_by: The type checkers that do not see all of it; where none does, the look at run
            time decides.
        allowed: Why its faults are accepted; None when they are not.
    """

    name: str
    location: Location | None
    expected: str
    found: str | None
    faults: tuple[Fault, ...]
    rejected_by: tuple[str, ...]
    unseen_by: tuple[str, ...] = ()
    allowed: str | None = None

    @property
    def is_wrong(self) -> bool:
        """Whether it has faults that are not allowed."""
        return bool(self.faults) and self.allowed is None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticReport:
    """The static verdict on one class.

    Attributes:
        target: The class, as ``module:Class``.
        location: Where it is defined.
        methods: The nine methods, in the contract's order.
        faults: What is wrong with the class and with no method of it in particular.
        checkers: What became of each type checker.
        hints: What is no fault, and may not be meant: a name that is almost a capability's.
    """

    target: str
    location: Location | None
    methods: tuple[MethodReport, ...]
    faults: tuple[Fault, ...]
    checkers: tuple[CheckerRun, ...]
    hints: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Whether there are faults; without any, whether every checker asked for has spoken."""
        if self.faults or any(method.is_wrong for method in self.methods):
            return "findings"
        if not self.checkers or any(run.reason is not None for run in self.checkers):
            return "incomplete"
        return "conforms"

    @property
    def conforms(self) -> bool:
        """Whether every checker asked for accepts the class and nothing else speaks against it."""
        return self.verdict == "conforms"

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain data for ``json.dumps``."""
        from importlib import metadata  # slower to import than the rest of this module

        return {
            "target": self.target,
            "version": metadata.version("collection-jobs"),
            "verdict": self.verdict,
            "checkers": [_checker_json(run) for run in self.checkers],
            "methods": [_method_json(method) for method in self.methods],
            "findings": [_fault_json(fault) for fault in self.faults],
            "hints": list(self.hints),
        }

    def __str__(self) -> str:
        """Tell the verdict and every fault, in plain text: what an assertion shows."""
        lines = [f"{self.target}: {self.verdict}"]
        lines += [
            f"  {run.name} gave no verdict: {run.reason}"
            for run in self.checkers
            if run.reason is not None
        ]
        for method in self.methods:
            if method.faults:
                lines.append(f"  {method.name} ({method.location or 'no source'})")
                lines.append(f"    expected: {method.expected}")
                lines.append(f"    found:    {method.found or 'nothing'}")
            if method.allowed is not None:
                lines.append(f"    allowed:  {method.allowed}")
            lines += [f"    {fault.message}: {fault.change}" for fault in method.faults]
        lines += [f"  {fault.message}: {fault.change}" for fault in self.faults]
        return "\n".join(lines)


def _checker_json(run: CheckerRun) -> dict[str, Any]:
    return {
        "name": run.name,
        "version": run.version,
        "verdict": "given" if run.reason is None else "none",
        "reason": run.reason,
        "seconds": round(run.seconds, 3),
    }


def _method_json(method: MethodReport) -> dict[str, Any]:
    where = method.location
    return {
        "name": method.name,
        "verdict": "wrong" if method.is_wrong else "allowed" if method.faults else "right",
        "allowed": method.allowed,
        "file": None if where is None else where.file,
        "line": None if where is None else where.line,
        "expected": method.expected,
        "found": method.found,
        "rejected_by": list(method.rejected_by),
        "unseen_by": list(method.unseen_by),
        "findings": [_fault_json(fault) for fault in method.faults],
    }


def _fault_json(fault: Fault) -> dict[str, str]:
    return {"kind": fault.kind.value, "message": fault.message, "change": fault.change}
