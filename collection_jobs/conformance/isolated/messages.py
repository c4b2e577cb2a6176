"""What the process that watches and the process that examines tell each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from collection_jobs.conformance.report.report import Report
from collection_jobs.conformance.spec.findings import Finding

__all__ = [
    "CheckEnded",
    "CheckProgress",
    "DirectoryMade",
    "DirectoryWanted",
    "ExaminationRequest",
    "NotExamined",
    "Paced",
    "Reproduced",
    "Result",
    "Verified",
]


@dataclass(frozen=True, slots=True)
class ExaminationRequest:
    """What is to be done.

    Attributes:
        target: The target as the user named it; it may hold a password. None is the default.
        profile: How thoroughly to look.
        seed: The seed of the random choices.
        deadline: How many seconds a call may take.
        token: The token of the one finding to make again; None: every check is run.
        checks: The names of the checks to run; None: all.
        laws: The laws to examine; empty: all.
        discard: What the stores of these directories have left elsewhere is to be removed, and
            nothing else done.
        cache: Where Hypothesis may keep its tables; None: where it does by itself.
    """

    target: str | None
    profile: str
    seed: int
    deadline: float
    token: str | None = None
    checks: tuple[str, ...] | None = None
    laws: tuple[str, ...] = ()
    discard: tuple[Path, ...] = ()
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class DirectoryWanted:
    """A directory for stores is to be made in this one; its path, or an error, is the answer."""

    parent: Path


@dataclass(frozen=True, slots=True)
class DirectoryMade:
    """A directory for a store is about to be made, whose store leaves something elsewhere."""

    directory: Path


@dataclass(frozen=True, slots=True)
class CheckProgress:
    """How much of a check is done, and of how much."""

    check: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Paced:
    """What the adapter's calls cost, and how long the checks will take.

    Attributes:
        opening: The seconds of opening and closing a store.
        call: The seconds of a call.
        seconds: About how many the checks will take.
    """

    opening: float
    call: float
    seconds: float


@dataclass(frozen=True, slots=True)
class CheckEnded:
    """A check has ended, as the how-manieth of how many, and what it found."""

    check: str
    findings: tuple[Finding, ...]
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class NotExamined:
    """Nothing could be examined; one line says why."""

    message: str


@dataclass(frozen=True, slots=True)
class Verified:
    """The report."""

    report: Report


@dataclass(frozen=True, slots=True)
class Reproduced:
    """What a token made again; or, with nothing found, that all that was asked for is done."""

    findings: tuple[Finding, ...] = ()


Result = NotExamined | Verified | Reproduced
"""What comes last."""
