"""The report: a verdict on every law, and the verdict on the target that follows from them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any, Literal

from collection_jobs.conformance.report.capability_report import Claim
from collection_jobs.conformance.report.coverage import Coverage
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.static.report import StaticReport, Verdict

__all__ = ["LawReport", "LawVerdict", "Report", "reproduce_command"]

LawVerdict = Literal["holds", "broken", "not applicable", "not checked"]


@dataclass(frozen=True, slots=True)
class LawReport:
    """The verdict on one law.

    Attributes:
        id: The law.
        verdict: Whether it holds.
        reason: What was tried, for a law that holds; why not, for one that was not examined.
        finding: The violation, for a law that is broken.
        others: Further violations of it that one cause does not explain, as of other methods.
        tried: What was tried, by each check that examined it.
        waits_for: The unwritten methods without which it cannot be examined.
    """

    id: str
    verdict: LawVerdict
    reason: str | None = None
    finding: Finding | None = None
    waits_for: tuple[str, ...] = ()
    others: tuple[Finding, ...] = ()
    tried: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as the command's JSON shows it."""
        shown: dict[str, Any] = {"id": self.id, "verdict": self.verdict}
        if self.reason is not None:
            shown["reason"] = self.reason
        if self.waits_for:
            shown["waits_for"] = list(self.waits_for)
        if self.finding is not None:
            shown["finding"] = _finding_json(self.finding)
        if self.others:
            shown["others"] = [_finding_json(other) for other in self.others]
        return shown

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All violations of it."""
        return () if self.finding is None else (self.finding, *self.others)


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict on one target.

    Attributes:
        target: What was verified, as the user names it.
        version: The version of collection-jobs that verified it.
        profile: How thoroughly it looked.
        seed: The seed of its random choices: the same seed gives the same programs.
        laws: The verdict on each law, in the order of the contract.
        claims: What the adapter declares about itself, compared with what was observed.
        adapter: The class of the repository, as ``module:Class``.
        signatures: The static verdict on that class, or why there is none; None if not requested.
        less: What was made less of the profile, because the adapter is slow; empty for nothing.
        argument: The target as the command line takes it, without secrets; None for the default,
            or for one that was made in code.
        coverage: Which classes of values were tried; None if no check counted them.
    """

    target: str
    version: str
    profile: str
    seed: int
    laws: tuple[LawReport, ...]
    claims: tuple[Claim, ...] = ()
    adapter: str = ""
    signatures: StaticReport | str | None = None
    argument: str | None = None
    less: str = ""
    coverage: Coverage | None = None

    @property
    def verdict(self) -> Verdict:
        """``findings`` if a law is broken or a signature is wrong.

        ``conforms`` only if every law that applies was examined.
        """
        verdicts = {law.verdict for law in self.laws}
        if "broken" in verdicts or self.wrong_signatures is not None:
            return "findings"
        return "incomplete" if "not checked" in verdicts else "conforms"

    @property
    def wrong_signatures(self) -> StaticReport | None:
        """The static verdict, if it has findings."""
        static = self.signatures
        if isinstance(static, str) or static is None or static.verdict != "findings":
            return None
        return static

    @property
    def understated(self) -> tuple[Claim, ...]:
        """The claims that promise less than what was observed, which break no law."""
        return tuple(claim for claim in self.claims if claim.verdict == "understated")

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The violations, in the order of the contract."""
        return tuple(finding for law in self.laws for finding in law.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the report as ``collection-jobs verify --json`` writes it."""
        return {
            "target": self.target,
            "version": self.version,
            "profile": self.profile,
            "seed": self.seed,
            "less": self.less,
            "verdict": self.verdict,
            "laws": [law.to_json() for law in self.laws],
            "understated": [claim.capability for claim in self.understated],
            "capabilities": [claim.to_json() for claim in self.claims],
            "adapter": self.adapter,
            "signatures": _signatures_json(self.signatures),
            "values": None if self.coverage is None else self.coverage.to_json(),
        }


def reproduce_command(argument: str | None, token: str) -> str:
    """Return the command that reproduces a finding.

    Args:
        argument: The target as the command line takes it; None for the default.
        token: The finding's token.
    """
    words = ["collection-jobs", "verify", *([] if argument is None else [argument])]
    return shlex.join([*words, "--reproduce", token])


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "history": list(finding.history),
        "message": finding.message,
        "reproduce": finding.token,
    }


def _signatures_json(static: StaticReport | str | None) -> dict[str, Any]:
    if isinstance(static, str) or static is None:
        return {"verdict": "not checked", "reason": static or "not asked for"}
    return static.to_json()
