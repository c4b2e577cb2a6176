"""The checks: which laws each examines, how hard in each profile, and what it covered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from collection_jobs.conformance.caller.closing import check_closing
from collection_jobs.conformance.caller.corners import corner_programs
from collection_jobs.conformance.caller.inputs import check_inputs, wrong_calls
from collection_jobs.conformance.caller.search import search_lifecycle
from collection_jobs.conformance.findings import Finding
from collection_jobs.conformance.interleavings.explore import explore_pairs, explore_random
from collection_jobs.conformance.store import OpenStore
from collection_jobs.conformance.targets import Target
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["CHECKS", "PROFILES", "Check", "Examination", "Plan", "Profile"]


@dataclass(frozen=True, slots=True)
class Profile:
    """How hard to look.

    Attributes:
        name: What the user calls it.
        walks: How many random walks one caller takes.
        steps: How many steps each of them has at most.
        preemptions: Under schedules of how many preemptions every pair of calls is run.
        programs: How many programs of several clients are drawn at random.
    """

    name: str
    walks: int
    steps: int
    preemptions: int
    programs: int


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            Profile("quick", walks=15, steps=20, preemptions=1, programs=0),
            Profile("standard", walks=150, steps=40, preemptions=2, programs=0),
            Profile("thorough", walks=2000, steps=60, preemptions=2, programs=5_000),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a check works with.

    Attributes:
        target: What is judged.
        capabilities: What its adapter declares of itself.
        profile: How hard to look.
        seed: Where all randomness comes from.
        new_store: Opens a new, empty store.
        new_directory: A new, empty directory for a store.
        opening: The store in a directory, not open yet; the same directory, the same store.
        progress: Told how much of the check is done, and of how much.
    """

    target: Target
    capabilities: frozenset[str]
    profile: Profile
    seed: int
    new_store: Callable[[], OpenStore]
    new_directory: Callable[[], Path]
    opening: Callable[[Path], AbstractAsyncContextManager[CollectionJobRepository]]
    progress: Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Examination:
    """What came of a check.

    Attributes:
        findings: The broken laws.
        covered: What was tried, for the laws that hold.
        unchecked: Laws that could not be examined on this target, each with the reason.
        skipped: Why the check cannot be made on this target at all, where others may do instead.
    """

    findings: list[Finding]
    covered: str
    unchecked: Mapping[str, str] = field(default_factory=dict[str, str])
    skipped: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One way of looking for breaches.

    Attributes:
        name: What it tries, in a few words.
        laws: The ids of the laws that it examines.
        run: Does it.
    """

    name: str
    laws: frozenset[str]
    run: Callable[[Plan], Examination]


def _one_caller(plan: Plan) -> Examination:
    corners, walks, steps = len(list(corner_programs())), plan.profile.walks, plan.profile.steps
    findings = search_lifecycle(
        plan.new_store,
        seed_number=plan.seed,
        walks=walks,
        steps=steps,
        progress=lambda stores: plan.progress(stores, corners + walks),
    )
    covered = f"{corners} fixed programs, {walks} random walks of up to {steps} steps"
    return Examination(findings, covered)


def _interleavings(plan: Plan) -> Examination:
    explored = explore_pairs(
        plan.opening,
        preemptions=plan.profile.preemptions,
        directory=plan.new_directory(),
        progress=plan.progress,
    )
    if explored.unsupported is not None:
        return Examination([], "", skipped=str(explored))
    findings, covered = list(explored.findings), str(explored)
    if plan.profile.programs:
        drawn = explore_random(
            plan.opening,
            seed=plan.seed,
            examples=plan.profile.programs,
            directory=plan.new_directory(),
            muted=frozenset(finding.law for finding in findings),
            progress=plan.progress,
        )
        findings += drawn.findings
        covered = f"{covered}; {drawn}"
    return Examination(findings, covered)


def _wrong_inputs(plan: Plan) -> Examination:
    with plan.new_store() as store:
        findings = check_inputs(store)
    return Examination(findings, f"{len(list(wrong_calls()))} calls with a wrong argument each")


def _closed(plan: Plan) -> Examination:
    findings = check_closing(plan.opening(plan.new_directory()))
    return Examination(findings, "every method of a closed repository; every error met elsewhere")


CHECKS: tuple[Check, ...] = (
    Check("wrong inputs", frozenset({"INPUT-1"}), _wrong_inputs),
    Check("a closed repository", frozenset({"ERROR-1"}), _closed),
    Check(
        "one caller",
        frozenset(
            {
                *("SAVE-1", "SAVE-2", "SAVE-3", "SAVE-4", "SAVE-5"),
                *("GET-1", "GET-2", "DELETE-1", "DELETE-2"),
                *("LIST-1", "LIST-2", "RECENT-1", "RECENT-2", "RUNNING-1"),
                *("STATUS-1", "STATUS-3", "FAILED-1", "FAILED-3", "STATS-1"),
            }
        ),
        _one_caller,
    ),
    Check("interleavings", frozenset({"STATUS-2", "FAILED-2", "ATOMIC-1"}), _interleavings),
)
"""Every check, in the order in which they are made."""
