"""Parts of an examination: the checks and laws that are asked for, and what is left out then."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from difflib import get_close_matches

from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.report.capability_report import of_protocols
from collection_jobs.conformance.report.report import LawReport, Report
from collection_jobs.conformance.running.configuration import Check
from collection_jobs.conformance.spec.laws import LAWS

__all__ = ["select_checks", "without_the_rest"]


def select_checks(names: Collection[str] | None, laws: Collection[str]) -> list[Check]:
    """Return the checks of these names that examine one of these laws, in their order.

    Args:
        names: The names, with dashes or blanks between their words; None for all.
        laws: The laws; empty for all.

    Raises:
        ValueError: There is no such check or law, or no check of these names examines the laws.
    """
    known = {check.name: check for check in CHECKS}
    wanted = list(known) if names is None else [_known(name, known, "check") for name in names]
    asked = {_known(law, LAWS, "law") for law in laws} or set(LAWS)
    chosen = [known[name] for name in known if name in wanted and asked & known[name].laws]
    if not chosen:
        raise ValueError(
            f"{_listed(wanted, 'the check')} does not examine {_listed(sorted(asked), 'the law')}"
        )
    return chosen


def _known(given: str, known: Collection[str], kind: str) -> str:
    """Return a name as it is written, or say which one was probably meant."""
    for name in known:
        if _plain(name) == _plain(given):
            return name
    shown = {_plain(name): name.replace(" ", "-") for name in known}
    near = get_close_matches(_plain(given), shown, n=1)
    hint = f"did you mean {shown[near[0]]}?" if near else f"there are {', '.join(shown.values())}"
    raise ValueError(f"there is no {kind} {given!r}; {hint}")


def _plain(name: str) -> str:
    return name.strip().replace(" ", "-").casefold()


def _listed(names: Sequence[str], kind: str) -> str:
    return f"{kind}{'' if len(names) == 1 else 's'} {', '.join(names)}"


def without_the_rest(report: Report, checks: Sequence[Check], laws: Collection[str]) -> Report:
    """Say of each law which checks of it were left out: what was not looked at does not hold.

    Args:
        report: The report of these checks alone.
        checks: The checks that were made.
        laws: The laws that were asked for; empty for all.
    """
    asked = {_known(law, LAWS, "law") for law in laws} or set(LAWS)
    made = {check.name for check in checks}
    judged = tuple(_partly(law, made, asked) for law in report.laws)
    offered = frozenset(claim.capability for claim in report.claims if claim.declared)
    of_these = of_protocols(offered, {law.id: law.verdict for law in judged})
    renewed = {claim.capability: claim for claim in of_these}
    claims = tuple(renewed.get(claim.capability, claim) for claim in report.claims)
    return replace(report, laws=judged, claims=claims)


def _partly(law: LawReport, made: Collection[str], asked: Collection[str]) -> LawReport:
    if law.verdict in ("broken", "not applicable"):
        return law
    if law.id not in asked:
        return replace(law, verdict="not checked", reason="it was not asked for")
    its_own = [check.name for check in CHECKS if law.id in check.laws]
    left = [name for name in its_own if name not in made]
    if not left or (law.verdict == "not checked" and left != its_own):
        return law
    return replace(law, verdict="not checked", reason=f"left out: {', '.join(left)}")
