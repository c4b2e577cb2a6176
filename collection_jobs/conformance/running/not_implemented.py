"""Unwritten methods: those that raise NotImplementedError, and which laws wait for them."""

from __future__ import annotations

from collections.abc import Sequence

from collection_jobs.conformance.running.probing import plainest_call
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.laws import LAWS

__all__ = ["finding_of", "waiting"]

_FEW = 3
"""How many methods a reason names: the finding of ERROR-1 names them all."""


def finding_of(unwritten: Sequence[str]) -> Finding:
    """Return the one finding that an unfinished adapter gets for all that it lacks."""
    verb, raises = ("is", "it raises") if len(unwritten) == 1 else ("are", "they raise")
    message = f"{_listed(unwritten)} {verb} not written yet: {raises} NotImplementedError"
    history = f"await {plainest_call(unwritten[0])}"
    return Finding("ERROR-1", f"{message}. {_advice(unwritten)}", (history,))


def waiting(methods: Sequence[str]) -> str:
    """Why a law that needs these methods was not examined."""
    if len(methods) > _FEW:
        return f"waits for {methods[0]} and {len(methods) - 1} more"
    return f"waits for {_listed(methods)}"


def _advice(unwritten: Sequence[str]) -> str:
    """Say what to write next: as few methods, in their order, as some law waits for."""
    count, freed = next(
        (count, freed)
        for count in range(1, len(unwritten) + 1)
        if (freed := _freed(unwritten, unwritten[count:]))
    )
    return f"Write {_listed(unwritten[:count])} next: {_listed(freed)} can then be examined"


def _freed(unwritten: Sequence[str], rest: Sequence[str]) -> list[str]:
    """Return the laws for all adapters that wait for some of the unwritten and none of the rest."""
    return [
        law.id
        for law in LAWS.values()
        if law.capability is None and law.waits_for(unwritten) and not law.waits_for(rest)
    ]


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
