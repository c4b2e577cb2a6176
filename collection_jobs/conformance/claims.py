"""Claims: what an adapter declares of itself beside what the checks saw of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from collection_jobs.conformance.targets import CAPABILITIES

__all__ = ["Claim", "Observation", "compare"]


@dataclass(frozen=True, slots=True)
class Observation:
    """What a check saw of one capability.

    Attributes:
        capability: Which one.
        shown: Whether the store did what the capability promises, every time it was tried.
        how: What was tried and what came of it, as a sentence without a subject's name.
    """

    capability: str
    shown: bool
    how: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One capability: what the adapter declares, and what was seen.

    Attributes:
        capability: Which one.
        declared: Whether the adapter declares it.
        shown: What the checks saw; None where none could look.
        how: What was tried and what came of it.
    """

    capability: str
    declared: bool
    shown: bool | None
    how: str

    @property
    def verdict(self) -> str:
        """One word for how the declaration and the observation stand to each other.

        ``overstated`` comes with a finding of the law that the capability is about, and breaks the
        conformance. ``understated`` does not: no law asks an adapter to promise all it can, and
        trials that went well are no reason to make anybody promise it. It is for the author to
        decide, and for a reader who chooses between adapters to know.
        """
        if self.shown is None:
            return "declared, not tried" if self.declared else "not declared"
        if self.declared:
            return "confirmed" if self.shown else "overstated"
        return "understated" if self.shown else "not declared"

    def to_json(self) -> dict[str, Any]:
        """As the command's JSON shows it."""
        return {
            "capability": self.capability,
            "declared": self.declared,
            "shown": self.shown,
            "verdict": self.verdict,
            "how": self.how,
        }


def compare(declared: frozenset[str], observations: Iterable[Observation]) -> tuple[Claim, ...]:
    """Hold what is declared against what was seen, capability by capability."""
    seen: dict[str, list[Observation]] = {name: [] for name in CAPABILITIES}
    for observation in observations:
        seen[observation.capability].append(observation)
    return tuple(_claim(name, name in declared, seen[name]) for name in CAPABILITIES)


def _claim(name: str, declared: bool, seen: list[Observation]) -> Claim:
    if not seen:
        return Claim(name, declared, None, "no check could look at it")
    against = [one for one in seen if not one.shown]
    how = "; ".join(one.how for one in against or seen)
    return Claim(name, declared, not against, how)
