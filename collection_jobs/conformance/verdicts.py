"""From the examinations of a target to its report: the verdict on each law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version

from collection_jobs.conformance.report.capability_report import compare, of_protocols
from collection_jobs.conformance.report.report import LawReport, Report
from collection_jobs.conformance.running.configuration import Examination
from collection_jobs.conformance.running.not_implemented import waiting
from collection_jobs.conformance.running.probing import Probed
from collection_jobs.conformance.running.targets import Target
from collection_jobs.conformance.spec.capabilities import not_declared
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.laws import LAWS, Law

__all__ = ["Examined", "make_report", "shown_finding", "unfinished_report"]


@dataclass(frozen=True, slots=True)
class Examined:
    """The result of a check, and what it was to examine.

    Attributes:
        laws: The ids of the laws.
        examination: The result.
    """

    laws: frozenset[str]
    examination: Examination


def make_report(
    target: Target, profile: str, seed: int, probed: Probed, examined: Sequence[Examined]
) -> Report:
    """Return the verdict on every law, without the secrets of the target's URL."""
    laws = tuple(_without_secrets(_judge(law, probed, examined), target) for law in LAWS.values())
    observed = [one for each in examined for one in each.examination.observed]
    claims = compare(probed.capabilities, observed)
    claims += of_protocols(probed.capabilities, {law.id: law.verdict for law in laws})
    of = version("collection-jobs")
    each = (one.examination.coverage for one in examined)
    coverage = next((one for one in each if one is not None), None)
    return Report(target.name, of, profile, seed, laws, claims, probed.adapter, coverage=coverage)


def unfinished_report(
    target: str, profile: str, seed: int, findings: Sequence[Finding], reason: str
) -> Report:
    """Return the report of an examination that ended before its end.

    Args:
        target: As the user named it, without secrets.
        profile: The name of the profile.
        seed: The seed of the random choices.
        findings: What was found until then.
        reason: Why no other law was examined.
    """
    broken = {finding.law: finding for finding in reversed(findings)}
    laws = tuple(
        LawReport(law, "broken", finding=broken[law])
        if law in broken
        else LawReport(law, "not checked", reason)
        for law in LAWS
    )
    return Report(target, version("collection-jobs"), profile, seed, laws)


def shown_finding(finding: Finding, target: Target) -> Finding:
    """Return a finding without the secrets of the target's URL, which errors may repeat."""
    shown = target.without_secrets
    return replace(
        finding,
        message=shown(finding.message),
        history=tuple(map(shown, finding.history)),
        timeline=tuple(
            replace(bar, call=shown(bar.call), outcome=shown(bar.outcome))
            for bar in finding.timeline
        ),
    )


def _without_secrets(law: LawReport, target: Target) -> LawReport:
    reason = None if law.reason is None else target.without_secrets(law.reason)
    finding = None if law.finding is None else shown_finding(law.finding, target)
    others = tuple(shown_finding(other, target) for other in law.others)
    tried = tuple(map(target.without_secrets, law.tried))
    return replace(law, reason=reason, finding=finding, others=others, tried=tried)


def _judge(law: Law, probed: Probed, examined: Sequence[Examined]) -> LawReport:
    """Return the verdict on one law from all examinations."""
    for each in examined:
        findings = [finding for finding in each.examination.findings if finding.law == law.id]
        if findings:
            # The first check's: those of one caller and of interleavings can be made again exactly,
            # and come before those of real tasks and processes, whose timing is the machine's.
            first, *others = sorted(findings, key=lambda finding: len(finding.history))
            return LawReport(law.id, "broken", finding=first, others=tuple(others))
    if any(overdue.ends_all for overdue in probed.overdue):
        return LawReport(law.id, "not checked", probed.overdue[-1].reason)
    if law.capability is not None and law.capability not in probed.capabilities:
        return LawReport(law.id, "not applicable", not_declared(law.capability))
    if lacking := law.waits_for(probed.unwritten):
        return LawReport(law.id, "not checked", waiting(lacking), waits_for=lacking)
    return _judge_by_examinations(
        law, [each.examination for each in examined if law.id in each.laws]
    )


def _judge_by_examinations(law: Law, mine: Sequence[Examination]) -> LawReport:
    skipped = [examination.skipped for examination in mine if examination.skipped is not None]
    mine = [examination for examination in mine if examination.skipped is None]
    if skipped and not mine:
        return LawReport(law.id, "not checked", skipped[0])
    for examination in mine:
        if law.id in examination.inapplicable:
            return LawReport(law.id, "not applicable", examination.inapplicable[law.id])
        if law.id in examination.unchecked:
            return LawReport(law.id, "not checked", examination.unchecked[law.id])
    if not mine:
        return LawReport(law.id, "not checked", "no check yet")
    tried = tuple(examination.covered for examination in mine)
    return LawReport(law.id, "holds", "; ".join(tried), tried=tried)
