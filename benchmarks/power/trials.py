"""Trials: one search of one case, what it found and what it took, kept on file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from time import perf_counter

from benchmarks.power.cases import Case, bugs, right_ones
from collection_jobs.conformance import Finding, Report, verify
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.running.configuration import PROFILES

__all__ = ["Conviction", "Kept", "Trial", "trial_of"]

_STANDARD = replace(PROFILES["standard"], on_disk=False)
"""As users look, but for the disk: hours of trials would measure its fsync more than the kit."""


@dataclass(frozen=True)
class Conviction:
    """One law that a search found broken, and how long the history is that shows it."""

    law: str
    calls: int
    preemptions: int


@dataclass(frozen=True)
class Trial:
    """What came of one search.

    Attributes:
        case: The name of what was judged.
        seed: Where the randomness came from.
        profile: How hard it was looked for.
        seconds: How long that took, on the clock.
        found: The laws that were found broken.
        fixed: Whether programs found all of it that are the same for every seed.
        shrunk: Whether its histories are as short as the kit makes them.
    """

    case: str
    seed: int
    profile: str
    seconds: float
    found: tuple[Conviction, ...]
    fixed: bool = False
    shrunk: bool = True

    def convicts(self, case: Case) -> bool:
        """Whether it found what is wrong with the case."""
        laws = {it.law for it in self.found}
        return case.is_convicted(laws) if self.shrunk else bool(laws)


def trial_of(name: str, seed: int, profile: str) -> Trial:
    """Make the trial of the case of this name."""
    case = _cases()[name]
    return _convict(case, seed) if case.laws else _acquit(case, seed, profile)


@cache
def _cases() -> dict[str, Case]:
    return {case.name: case for case in (*bugs(), *right_ones())}


def _convict(case: Case, seed: int) -> Trial:
    """Look for a bug as the standard profile does.

    One caller's search goes through the corners first: when they are enough, it stops there. The
    first seed shrinks what it finds, and that takes longer than to find it.
    """
    began = perf_counter()
    shrunk = seed == 0
    standard = replace(_STANDARD, shrinks=shrunk)
    profiles = [standard]
    if "one caller" in case.checks:
        profiles.insert(0, replace(standard, walks=0))
    checks = [check for check in CHECKS if check.name in case.checks]
    report: Report | None = None
    fixed = False
    for profile in profiles:
        report = verify(case.target, profile=profile, seed=seed, checks=checks)
        if case.is_convicted({finding.law for finding in report.findings}):
            fixed = profile.walks == 0
            break
    findings = () if report is None else report.findings
    trial = _trial(case, seed, "standard", perf_counter() - began, findings)
    return replace(trial, fixed=fixed, shrunk=shrunk)


def _acquit(case: Case, seed: int, profile: str) -> Trial:
    """Judge a right repository by every law.

    Interleavings are explored with the first seed only, where all of them are the same for any
    other: they take most of the time, and would say the same again.
    """
    began = perf_counter()
    chosen = replace(PROFILES[profile], on_disk=False)
    again = {"interleavings"} if seed and not chosen.programs else set[str]()
    checks = [check for check in CHECKS if check.name in case.checks and check.name not in again]
    report = verify(case.target, profile=chosen, seed=seed, checks=checks)
    return _trial(case, seed, profile, perf_counter() - began, report.findings)


def _trial(
    case: Case, seed: int, profile: str, seconds: float, findings: Iterable[Finding]
) -> Trial:
    found = tuple(Conviction(it.law, _calls(it), _preemptions(it)) for it in findings)
    return Trial(case.name, seed, profile, seconds, found)


def _calls(finding: Finding) -> int:
    """How many calls a history makes."""
    return sum("repository." in line and not line.startswith("#") for line in finding.history)


def _preemptions(finding: Finding) -> int:
    """How often a history takes the turn from a client that could have gone on."""
    return sum("--> preempted" in line for line in finding.history)


class Kept:
    """The trials that were made, one a line in a file: a run that was stopped goes on there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._trials = {_key(trial): trial for trial in self._read()}

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._trials.values())

    def has(self, case: Case, seed: int, profile: str) -> bool:
        """Whether this search was made already."""
        return (case.name, seed, profile) in self._trials

    def is_settled(self, case: Case) -> bool:
        """Whether no other seed could make a difference."""
        return any(it.case == case.name and it.fixed for it in self)

    def add(self, trial: Trial) -> None:
        """Keep one more."""
        self._trials[_key(trial)] = trial
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(trial)) + "\n")

    def _read(self) -> Iterator[Trial]:
        if self._path.exists():
            for line in self._path.read_text().splitlines():
                held = json.loads(line)
                found = tuple(Conviction(**it) for it in held.pop("found"))
                yield Trial(**held, found=found)


def _key(trial: Trial) -> tuple[str, int, str]:
    return trial.case, trial.seed, trial.profile
