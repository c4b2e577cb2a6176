"""Claims: what an adapter declares about itself, compared with what the checks observed."""

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
    """What a check observed of one capability.

    Attributes:
        capability: Which one.
        shown: Whether the store did what the capability promises, every time it was tried.
        how: What was tried and the result, as a sentence without a subject.
    """

    capability: str
    shown: bool
    how: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One capability: what the adapter declares, and what was observed.

    Attributes:
        capability: Which one.
        declared: Whether the adapter declares it.
        shown: What the checks observed; None if none could examine it.
        how: What was tried and the result.
    """

    capability: str
    declared: bool
    shown: bool | None
    how: str

    @property
    def verdict(self) -> ClaimVerdict:
        """How the declaration and the observation compare.

        ``overstated`` comes with a finding of a law of the capability, so the adapter does not
        conform. ``understated`` is a false claim too, and every format of the report lists it next
        to the findings; but it breaks no law and leaves the verdict unchanged. No law requires an
        adapter to promise everything it can do, and a promise takes more than a few trials that
        went well: only the author knows whether it will be kept. An optional Protocol is never
        understated, because having its method declares it.
        """
        if self.shown is None:
            return "declared, not tried" if self.declared else "not declared"
        if self.declared:
            return "confirmed" if self.shown else "overstated"
        return "understated" if self.shown else "not declared"

    @property
    def remedy(self) -> str | None:
        """What to do about a claim that promises less than what was observed."""
        if self.verdict != "understated":
            return None
        return (
            f'declare "{self.capability}" in the class attribute capabilities, so that its'
            " laws are tested in full; or leave it undeclared, if this was luck or may change"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the claim as the command's JSON shows it."""
        shown = {
            "capability": self.capability,
            "declared": self.declared,
            "shown": self.shown,
            "verdict": self.verdict,
            "how": self.how,
        }
        return shown if self.remedy is None else {**shown, "remedy": self.remedy}


def compare(declared: frozenset[str], observations: Iterable[Observation]) -> tuple[Claim, ...]:
    """Compare what is declared by name with what was observed, capability by capability."""
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
    """Compare each optional Protocol whose method a class has with the verdicts on its laws.

    Args:
        offered: What the adapter declares, including the Protocols.
        verdicts: By law, the verdicts on the laws that some check could examine.
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
