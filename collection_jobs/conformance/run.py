"""verify: run every check on a target and report on every law; reproduce: one finding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version

from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.report.capability_report import compare, of_protocols
from collection_jobs.conformance.report.report import LawReport, Report
from collection_jobs.conformance.report.tokens import pack, unpack
from collection_jobs.conformance.running.configuration import (
    PROFILES,
    Check,
    Examination,
    Profile,
)
from collection_jobs.conformance.running.not_implemented import (
    finding_of,
    waiting,
)
from collection_jobs.conformance.running.stores import Probed, new_stores
from collection_jobs.conformance.running.targets import Target
from collection_jobs.conformance.spec.capabilities import (
    not_declared,
)
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.laws import LAWS, Law

__all__ = ["reproduce", "verify"]

Progress = Callable[[str, int, int], None]


def verify(
    target: Target,
    *,
    profile: str | Profile = "standard",
    seed: int = 0,
    checks: Sequence[Check] = CHECKS,
    progress: Progress = lambda check, done, total: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Report:
    """Verify a target against every law.

    All stores are created in a temporary directory on the target's disk, which is removed at the
    end, even if the run is interrupted.

    Args:
        target: What to verify.
        profile: How thoroughly to look: ``quick``, ``standard`` or ``thorough``, or a profile.
        seed: Seed of all random choices. The same seed gives the same programs; what happens under
            real concurrency, and when a process is killed, depends on the machine.
        checks: Which checks to run; laws that only other checks examine are not checked.
        progress: Called with the current check, how much of it is done, and of how much.
        interrupted: Called before each store; True ends the run, with nothing left open.

    Raises:
        TargetError: The target cannot be opened, or is not a repository.
        ValueError: There is no such profile.
        KeyboardInterrupt: The run was interrupted.
    """
    profile = _profile(profile)
    with new_stores(target, profile, interrupted) as stores:
        probed = stores.probe()
        examinations: list[tuple[frozenset[str], Examination]] = []
        if probed.unwritten:
            checks = [check for check in checks if check.early]
            found = Examination([finding_of(probed.unwritten)], "")
            examinations.append((frozenset({found.findings[0].law}), found))
        for check in checks:
            progress(check.name, 0, 1)
            plan = stores.plan(probed, profile, seed, partial(progress, check.name))
            examination = _with_tokens(check.run(plan), check, profile, seed)
            examinations.append((check.laws, examination))
    laws = tuple(
        _without_secrets(_judge(law, probed, examinations), target) for law in LAWS.values()
    )
    observed = [one for _, examination in examinations for one in examination.observed]
    claims = compare(probed.capabilities, observed)
    claims += of_protocols(probed.capabilities, {law.id: law.verdict for law in laws})
    of = version("collection-jobs")
    coverage = next((one.coverage for _, one in examinations if one.coverage is not None), None)
    name = target.name
    return Report(name, of, profile.name, seed, laws, claims, probed.adapter, coverage=coverage)


def reproduce(
    target: Target,
    token: str,
    *,
    interrupted: Callable[[], bool] = lambda: False,
) -> list[Finding]:
    """Reproduce a finding on new stores.

    A finding from one caller or from an interleaving is reproduced by exactly the same calls in the
    same order. A finding from real tasks, processes or kills is searched for again by the check
    that found it, with the same programs; the timing depends on the machine.

    Args:
        target: The target of the finding.
        token: The finding's token.
        interrupted: Called before each store; True ends the run, with nothing left open.

    Returns:
        The findings that were reproduced; empty if there were none.

    Raises:
        TargetError: The target cannot be opened, or is not a repository.
        ValueError: The text is not a token of this version.
    """
    held = unpack(token)
    check = next((check for check in CHECKS if check.name == held["check"]), None)
    if check is None:
        raise ValueError(
            f"the token belongs to a check that this version does not have: {held['check']!r}"
        )
    profile = _profile(str(held.get("profile", "standard")))
    seed = int(held.get("seed", 0))
    with new_stores(target, profile, interrupted) as stores:
        plan = stores.plan(stores.probe(), profile, seed, lambda done, total: None)
        found = check.run(plan).findings if check.again is None else check.again(plan, held)
    law = held.get("law")
    same = [finding for finding in found if law is None or finding.law == law]
    return [_shown_finding(finding, target) for finding in same]


def _profile(profile: str | Profile) -> Profile:
    if isinstance(profile, Profile):
        return profile
    if profile not in PROFILES:
        raise ValueError(f"no profile {profile!r}; there are {', '.join(PROFILES)}")
    return PROFILES[profile]


def _with_tokens(
    examination: Examination, check: Check, profile: Profile, seed: int
) -> Examination:
    """Give each finding that has no token one that repeats the whole check."""
    held = {"check": check.name, "profile": profile.name, "seed": seed}
    findings = [
        finding
        if finding.token is not None
        else replace(finding, token=pack({**held, "law": finding.law}))
        for finding in examination.findings
    ]
    return replace(examination, findings=findings)


def _without_secrets(law: LawReport, target: Target) -> LawReport:
    """Remove secrets from a law's report, because errors may repeat the store's URL."""
    reason = None if law.reason is None else target.without_secrets(law.reason)
    finding = None if law.finding is None else _shown_finding(law.finding, target)
    return replace(law, reason=reason, finding=finding)


def _shown_finding(finding: Finding, target: Target) -> Finding:
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


def _judge(
    law: Law, probed: Probed, examinations: list[tuple[frozenset[str], Examination]]
) -> LawReport:
    """Return the verdict on one law from all examinations."""
    for _, examination in examinations:
        findings = [finding for finding in examination.findings if finding.law == law.id]
        if findings:
            # The first check's: those of one caller and of interleavings can be made again exactly,
            # and come before those of real tasks and processes, whose timing is the machine's.
            shortest = min(findings, key=lambda finding: len(finding.history))
            return LawReport(law.id, "broken", finding=shortest)
    if law.capability is not None and law.capability not in probed.capabilities:
        return LawReport(law.id, "not applicable", not_declared(law.capability))
    if lacking := law.waits_for(probed.unwritten):
        return LawReport(law.id, "not checked", waiting(lacking), waits_for=lacking)
    mine = [examination for laws, examination in examinations if law.id in laws]
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
    return LawReport(law.id, "holds", "; ".join(examination.covered for examination in mine))
