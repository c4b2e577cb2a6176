"""verify: run every check on a target and report on every law; reproduce: one finding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.examining import (
    FIRST_LOOK,
    OF_A_WHOLE_CHECK,
    Examining,
    Listener,
    first_findings,
)
from collection_jobs.conformance.report.report import Report
from collection_jobs.conformance.report.tokens import unpack
from collection_jobs.conformance.running.configuration import PROFILES, Check, Profile
from collection_jobs.conformance.running.deadline import DEFAULT_DEADLINE, with_deadline
from collection_jobs.conformance.running.early_endings import Escaped, Interrupted, Overdue
from collection_jobs.conformance.running.pace import measure_pace
from collection_jobs.conformance.running.probing import probe
from collection_jobs.conformance.running.stores import Stores, new_stores, temporary_directory
from collection_jobs.conformance.running.targets import Target
from collection_jobs.conformance.running.watchdog import until_overdue
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.verdicts import make_report, shown_finding

__all__ = ["examine", "reproduce", "verify"]

Progress = Callable[[str, int, int], None]
MakeDirectory = Callable[[Path], AbstractContextManager[Path]]
"""Makes a temporary directory in a directory, and removes it."""


def verify(
    target: Target,
    *,
    profile: str | Profile = "standard",
    seed: int = 0,
    checks: Sequence[Check] = CHECKS,
    progress: Progress = lambda check, done, total: None,
    interrupted: Callable[[], bool] = lambda: False,
    deadline: float = DEFAULT_DEADLINE,
) -> Report:
    """Verify a target against every law.

    All stores are created in a temporary directory on the target's disk, which is removed at the
    end, even if the run is interrupted.

    The checks run on threads of this process. A call that does not return before the deadline is a
    finding, and its method is passed over from then on. What ends the process ends the run: the
    command ``collection-jobs verify`` examines a target in a process of its own.

    Args:
        target: What to verify.
        profile: How thoroughly to look: ``quick``, ``standard`` or ``thorough``, or a profile.
        seed: Seed of all random choices. The same seed gives the same programs; what happens under
            real concurrency, and when a process is killed, depends on the machine.
        checks: Which checks to run; laws that only other checks examine are not checked.
        progress: Called with the current check, how much of it is done, and of how much.
        interrupted: Called before each store; True ends the run, with nothing left open.
        deadline: After how many seconds a call that has not returned is a finding; opening and
            closing a store are calls, too.

    Raises:
        TargetError: The target cannot be opened, or is not a repository.
        ValueError: There is no such profile, or the deadline is not a positive number.
        KeyboardInterrupt: The run was interrupted.
    """
    listener = _Progress(progress)
    try:
        return examine(target, profile, seed, checks, deadline, listener, interrupted)
    except Interrupted:
        raise KeyboardInterrupt from None


@dataclass(frozen=True, slots=True)
class _Progress:
    """Passes on the progress alone."""

    tell: Progress

    def progress(self, check: str, done: int, total: int) -> None:
        self.tell(check, done, total)

    def paced(self, opening: float, call: float, seconds: float) -> None:
        pass

    def ended(self, check: str, findings: Sequence[Finding], done: int, total: int) -> None:
        pass


def examine(
    target: Target,
    profile: str | Profile,
    seed: int,
    checks: Sequence[Check],
    deadline: float,
    listener: Listener,
    interrupted: Callable[[], bool] = lambda: False,
    make_directory: MakeDirectory = temporary_directory,
) -> Report:
    """Do what `verify` does, for a caller who makes the directory and wants to hear everything.

    Raises:
        Interrupted: The run was interrupted.
    """
    profile = _profile(profile)
    with (
        with_deadline(deadline),
        new_stores(target, profile, interrupted, make_directory) as stores,
    ):
        examining = Examining(target, stores, profile, seed, listener)
        examining.run(checks)
    report = make_report(target, profile.name, seed, examining.probed, examining.examined)
    return replace(report, less=examining.less)


def reproduce(
    target: Target,
    token: str,
    *,
    interrupted: Callable[[], bool] = lambda: False,
    deadline: float = DEFAULT_DEADLINE,
    make_directory: MakeDirectory = temporary_directory,
) -> list[Finding]:
    """Reproduce a finding on new stores.

    A finding from one caller or from an interleaving is reproduced by exactly the same calls in the
    same order. A finding from real tasks, processes or kills is searched for again by the check
    that found it, with the same programs; the timing depends on the machine.

    Args:
        target: The target of the finding.
        token: The finding's token.
        interrupted: Called before each store; True ends the run, with nothing left open.
        deadline: After how many seconds a call that has not returned is a finding, where the token
            does not say it.
        make_directory: Makes the temporary directory of the stores.

    Returns:
        The findings that were reproduced; empty if there were none.

    Raises:
        TargetError: The target cannot be opened, or is not a repository.
        ValueError: The text is not a token of this version, or the deadline is not positive.
        KeyboardInterrupt: The run was interrupted.
    """
    held = unpack(token)
    check = next((check for check in CHECKS if check.name == held["check"]), None)
    if check is None and held["check"] != FIRST_LOOK:
        raise ValueError(
            f"the token belongs to a check that this version does not have: {held['check']!r}"
        )
    profile = _profile(str(held.get("profile", "standard")))
    profile = replace(profile, on_disk=not held.get("in_memory", not profile.on_disk))
    try:
        with (
            with_deadline(float(held.get("deadline", deadline))),
            new_stores(target, profile, interrupted, make_directory) as stores,
        ):
            found = _found_again(target, check, held, stores, profile)
    except Interrupted:
        raise KeyboardInterrupt from None
    law = held.get("law")
    same = [finding for finding in found if law is None or finding.law == law]
    return [replace(shown_finding(finding, target), token=token) for finding in same]


def _found_again(
    target: Target, check: Check | None, held: dict[str, Any], stores: Stores, profile: Profile
) -> list[Finding]:
    try:
        probed = probe(target, stores.open)
        if check is None:
            return first_findings(probed)
        # What the adapter declared then decides which programs are made.
        declared = frozenset[str](held.get("capabilities", probed.capabilities))
        probed = replace(probed, capabilities=declared)
        whole = check.again is None or held.keys() <= OF_A_WHOLE_CHECK
        if whole:
            profile = until_overdue(partial(measure_pace, stores.open)).fitted(profile)
        plan = stores.plan(probed, profile, int(held.get("seed", 0)), lambda done, total: None)
        if check.again is None or whole:
            return until_overdue(lambda: check.run(plan).findings)
        return until_overdue(partial(check.again, plan, held))
    except (Overdue, Escaped) as error:
        return [error.finding()]


def _profile(profile: str | Profile) -> Profile:
    if isinstance(profile, Profile):
        return profile
    if profile not in PROFILES:
        raise ValueError(f"no profile {profile!r}; there are {', '.join(PROFILES)}")
    return PROFILES[profile]
