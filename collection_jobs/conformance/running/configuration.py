"""The plan of an examination: what a check is, what it works with, and how hard it looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from collection_jobs.conformance.report.capability_report import Observation
from collection_jobs.conformance.running.open_store import OpenStore
from collection_jobs.conformance.running.targets import Target
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["NO_SPEC", "PROFILES", "Check", "Examination", "Plan", "Profile"]


NO_SPEC = (
    "the target was made in code, so no other process can open its stores: name it as"
    " module:factory"
)
"""Why nothing that needs worker processes can be examined on a target without a spec."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How hard to look.

    Attributes:
        name: What the user calls it.
        walks: How many random walks one caller takes.
        steps: How many steps each of them has at most.
        preemptions: Under schedules of how many preemptions every pair of calls is run.
        schedules: How many schedules that may take before higher bounds are given up.
        exploring: How many seconds likewise.
        programs: How many programs of several clients are drawn at random; with any, every triple
            of calls is run, too.
        rounds: How often each kind of concurrent round is run, in each setting.
        processes: How many processes work on one store at once.
        cancellations: At how many random moments each call is cancelled, the suspension points
            aside.
        kills: How many processes are killed.
        scripts: How many stores are opened and closed on several handles of one process, beside
            other processes, until that one is killed.
        sizes: How many jobs the small and the large store have whose costs are compared.
        repetitions: How often each cost is measured.
        filling: Seconds that the filling of these stores may take.
        on_disk: Whether stores that may be anywhere lie on a disk; in memory no fsync takes time.
    """

    name: str
    walks: int
    steps: int
    preemptions: int
    schedules: int
    exploring: float
    programs: int
    rounds: int
    processes: int
    cancellations: int
    kills: int
    scripts: int
    sizes: tuple[int, int]
    repetitions: int
    filling: float
    on_disk: bool = True


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            Profile(
                "quick",
                walks=15,
                steps=20,
                preemptions=1,
                schedules=4_000,
                exploring=20,
                programs=0,
                rounds=1,
                processes=2,
                cancellations=0,
                kills=4,
                scripts=2,
                sizes=(100, 2_000),
                repetitions=3,
                filling=2,
                on_disk=False,
            ),
            Profile(
                "standard",
                walks=150,
                steps=40,
                preemptions=2,
                schedules=30_000,
                exploring=120,
                programs=0,
                rounds=14,
                processes=3,
                cancellations=8,
                kills=120,
                scripts=8,
                sizes=(100, 10_000),
                repetitions=7,
                filling=15,
            ),
            Profile(
                "thorough",
                walks=2000,
                steps=60,
                preemptions=2,
                schedules=1_000_000,
                exploring=3_600,
                programs=5_000,
                rounds=200,
                processes=4,
                cancellations=60,
                kills=1000,
                scripts=100,
                sizes=(100, 1_000_000),
                repetitions=15,
                filling=900,
            ),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a check works with.

    Attributes:
        target: What is judged.
        capabilities: What its adapter declares of itself.
        unwritten: The methods that it does not have yet.
        profile: How hard to look.
        seed: Where all randomness comes from.
        new_store: Opens a new, empty store.
        new_directory: A new, empty directory for a store.
        opening: The store in a directory, not open yet; the same directory, the same store.
        progress: Told how much of the check is done, and of how much.
    """

    target: Target
    capabilities: frozenset[str]
    unwritten: tuple[str, ...]
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
        observed: What was seen of the target's capabilities, declared or not.
        skipped: Why the check cannot be made on this target at all, where others may do instead.
        inapplicable: Laws that this target cannot break, each with the reason.
    """

    findings: list[Finding]
    covered: str
    unchecked: Mapping[str, str] = field(default_factory=dict[str, str])
    observed: tuple[Observation, ...] = ()
    skipped: str | None = None
    inapplicable: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Check:
    """One way of looking for violations.

    Attributes:
        name: What it tries, in a few words.
        laws: The ids of the laws that it examines.
        run: Does it.
        again: Makes one finding again, from what its token holds; None: by the whole check.
        early: Whether it can be made while methods are unwritten: it passes their calls over.
    """

    name: str
    laws: frozenset[str]
    run: Callable[[Plan], Examination]
    again: Callable[[Plan, dict[str, Any]], list[Finding]] | None = None
    early: bool = False
