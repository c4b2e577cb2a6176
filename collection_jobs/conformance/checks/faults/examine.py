"""ERROR-1 while resources run out or are denied: at the opening, in mid-call and at the close."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from collection_jobs.conformance.checks.faults.table import ResourceFault, faults
from collection_jobs.conformance.checks.faults.trial import NotTriedError, Tried, try_fault
from collection_jobs.conformance.running.configuration import NO_SPEC, Examination, Plan
from collection_jobs.conformance.spec.findings import Finding

__all__ = ["examine_faults"]

_LAW = "ERROR-1"
_SUPPORTED = ("linux", "darwin")
_MOST_CALLS = 8
"""Calls of a finding's history."""


def not_limited(system: str) -> str:
    """Return why no resource runs out on a system, where none can."""
    return f"no resource runs out: the kit cannot limit any on {system}"


@dataclass(slots=True)
class _Used:
    """What was tried.

    Attributes:
        tried: How many errors each fault made the calls raise, by the fault's name.
        not_tried: Why a fault could not be tried, by its name.
    """

    tried: dict[str, int] = field(default_factory=dict[str, int])
    not_tried: dict[str, str] = field(default_factory=dict[str, str])

    def __str__(self) -> str:
        """Say what was covered."""
        tried = ", ".join(f"{name} ({errors} errors)" for name, errors in self.tried.items())
        reasons = dict[str, list[str]]()
        for name, why in self.not_tried.items():
            if name not in self.tried:
                reasons.setdefault(why, []).append(name)
        told = [f"when opening, in mid-call and when closing: {tried}"] if tried else []
        told += [f"not tried: {', '.join(names)}: {why}" for why, names in reasons.items()]
        return "; ".join(told)


def examine_faults(plan: Plan) -> Examination:
    """Let resources run out or be denied, in a worker process of its own for each fault.

    While a fault lasts, a call may fail with an error of the contract's that has its cause. When
    it is over, what was acknowledged is there, nothing is half-done, and the store opens and works.
    """
    if plan.target.spec is None:
        return Examination([], f"no resource runs out, because {NO_SPEC}")
    if sys.platform not in _SUPPORTED:
        # Not merely covered by the other checks of this law: none of them has a resource run out.
        return Examination([], "", {_LAW: not_limited(sys.platform)})
    used = _Used()
    every = list(faults(thoroughly=plan.profile.on_disk))
    for number, fault in enumerate(every):
        plan.progress(number, len(every))
        try:
            tried = try_fault(plan, fault)
        except NotTriedError as error:
            used.not_tried.setdefault(fault.name, str(error))
            continue
        used.tried[fault.name] = used.tried.get(fault.name, 0) + tried.errors
        if tried.message is not None:
            return Examination([_finding(fault, tried, tried.message)], str(used))
    return Examination([], str(used))


def _finding(fault: ResourceFault, tried: Tried, message: str) -> Finding:
    while_ = "while the store was closed" if tried.at_closing else "for a while"
    when = f"when {fault.told}" if tried.during else f"after {fault.told} {while_}"
    text = (
        f"{when}, {message}; an engine's failure must arrive as RepositoryError with its cause,"
        " and leave nothing half-done"
    )
    begins = f"# Then {fault.told}."
    history = [
        "async with opening as repository:",
        '    await repository.save(example_job("job 1"))  # and others',
        begins if tried.at_opening or tried.at_closing else f"    {begins}",
        *([] if tried.during else ["# That is over."]),
        *_shortened(tried.history or (f"# {message}",)),
    ]
    return Finding(_LAW, text, tuple(history))


def _shortened(lines: Sequence[str]) -> list[str]:
    if len(lines) <= _MOST_CALLS:
        return list(lines)
    return [*lines[: _MOST_CALLS - 1], f"# and {len(lines) - _MOST_CALLS + 1} more"]
