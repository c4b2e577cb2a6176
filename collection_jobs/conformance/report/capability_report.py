"""Claims: what an adapter declares of itself beside what the checks saw of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from collection_jobs.conformance.spec.capabilities import DECLARED, PROTOCOLS, not_declared
from collection_jobs.conformance.spec.laws import LAWS

__all__ = ["Claim", "ClaimVerdict", "Observation", "compare", "of_protocols"]

ClaimVerdict = Literal[
    "confirmed", "overstated", "understated", "not declared", "declared, not tried"
]


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
    def verdict(self) -> ClaimVerdict:
        """One word for how the declaration and the observation stand to each other.

        ``overstated`` comes with a finding of a law that the capability is about, and breaks the
        conformance. ``understated`` is a false claim too, and the report lists it beside the
        findings, in every format; but it breaks no law and leaves the verdict as it is. No law
        asks an adapter to promise all it can, and a promise is more than some trials that went
        well: whether to make it is for the author, who alone knows whether it will be kept. An
        optional Protocol is never understated, for to have its method is to declare it.
        """
        if self.shown is None:
            return "declared, not tried" if self.declared else "not declared"
        if self.declared:
            return "confirmed" if self.shown else "overstated"
        return "understated" if self.shown else "not declared"

    @property
    def remedy(self) -> str | None:
        """What to do about a claim that says less than what was seen."""
        if self.verdict != "understated":
            return None
        return (
            f'promise it, by "{self.capability}" in the class attribute capabilities, so that its'
            " laws are examined in full; or leave it, if it was luck or may change"
        )

    def to_json(self) -> dict[str, Any]:
        """As the command's JSON shows it."""
        shown = {
            "capability": self.capability,
            "declared": self.declared,
            "shown": self.shown,
            "verdict": self.verdict,
            "how": self.how,
        }
        return shown if self.remedy is None else {**shown, "remedy": self.remedy}


def compare(declared: frozenset[str], observations: Iterable[Observation]) -> tuple[Claim, ...]:
    """Hold what is declared by name against what was seen, capability by capability."""
    seen: dict[str, list[Observation]] = {name: [] for name in DECLARED}
    for observation in observations:
        seen[observation.capability].append(observation)
    return tuple(_claim(name, name in declared, seen[name]) for name in DECLARED)


def _claim(name: str, declared: bool, seen: list[Observation]) -> Claim:
    if not seen:
        return Claim(name, declared, None, "no check could look at it")
    against = [one for one in seen if not one.shown]
    how = "; ".join(one.how for one in against or seen)
    return Claim(name, declared, not against, how)


def of_protocols(offered: frozenset[str], verdicts: Mapping[str, str]) -> tuple[Claim, ...]:
    """Hold each optional Protocol that a class has the method of against the verdicts on its laws.

    Args:
        offered: What the adapter declares, the Protocols included.
        verdicts: By law, those on the laws that some check could examine.
    """
    return tuple(_of_protocol(name, name in offered, verdicts) for name in PROTOCOLS)


def _of_protocol(name: str, declared: bool, verdicts: Mapping[str, str]) -> Claim:
    if not declared:
        return Claim(name, declared, None, not_declared(name).partition(": ")[2])
    mine = [law.id for law in LAWS.values() if law.capability == name]
    broken = [law for law in mine if verdicts.get(law) == "broken"]
    kept = [law for law in mine if verdicts.get(law) == "holds"]
    if broken:
        return Claim(name, declared, shown=False, how=f"{', '.join(broken)} broken")
    if not kept:
        return Claim(name, declared, None, "none of its laws was examined")
    return Claim(name, declared, shown=True, how=f"{', '.join(kept)} held")
