"""The plan of an examination: what a check is, what it works with, and how thoroughly it looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from collection_jobs.conformance.report.capability_report import Observation
from collection_jobs.conformance.report.coverage import Coverage
from collection_jobs.conformance.running.open_store import OpenStore
from collection_jobs.conformance.running.processes import ForkServer
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
    """How thoroughly to look.

    Attributes:
        name: The name that the user selects it by.
        walks: How many random walks one caller makes.
        steps: The maximum number of steps of each walk.
        preemptions: Every pair of calls is run under all schedules of up to this many preemptions.
        schedules: How many schedules of the pairs of the nine methods to run at most; more where
            there are more methods.
        engine_runs: How many schedules to run on the real engine of an adapter that cannot run
            under the deterministic loop, on one handle and, where it may be shared, on two.
        programs: How many random programs of several clients to run; if any, every triple of calls
            is run, too.
        rounds: How often to run each kind of concurrent round, in each topology.
        processes: How many processes use one store at once.
        cancellations: At how many random moments to cancel each call, in addition to its suspension
            points.
        kills: How many processes to kill.
        scripts: How many stores to open and close on several handles of one process, while other
            processes use them, until that process is killed.
        sizes: The numbers of jobs in the small and in the large store whose costs are compared.
        repetitions: How often to measure each cost.
        filling: Maximum number of seconds for filling these stores.
        wait: For how many seconds to leave one store alone, for what expires by the system's clock.
        patience: About how many seconds one kind of work, such as the walks, may take; where it
            would take longer, less is tried.
        patience_with_many: The same of the check of large stores, which would take the longest.
        seconds: About how many seconds it takes besides the openings and the calls below.
        openings: About how many stores this process opens, one after another.
        calls: About how many calls it makes, one after another, in each of two processes.
        on_disk: Whether to put stores on a disk if they may be anywhere; in memory, fsync takes no
            time.
        stored: How many jobs the largest store has whose every answer is judged.
        altered: How many changes of these jobs are drawn.
        symbols: How many symbols the largest job has.
        repeated: How many changes of one job follow each other.
        counted: How many changes one store sees beside these, where many jobs are saved together.
        shrinks: Whether to look for fewer calls that break a law which large stores, killed
            processes, handles and concurrent calls have shown broken; if not, such a finding is
            told as it was met, and large stores end with the first.
        smaller: By what factor all of these are smaller, for an adapter whose calls are slow.
        at_once: How many stores one caller's programs are made on at a time; several where most of
            the time goes to waiting for an adapter whose calls are slow.
        twice: Whether calls are cancelled both once and twice at each suspension; if not, once at
            one and twice at the next.
    """

    name: str
    walks: int
    steps: int
    preemptions: int
    schedules: int
    engine_runs: int
    programs: int
    rounds: int
    processes: int
    cancellations: int
    kills: int
    scripts: int
    sizes: tuple[int, int]
    repetitions: int
    filling: float
    wait: float = 0.0
    patience: float = 120.0
    patience_with_many: float = 30.0
    seconds: float = 0.0
    openings: int = 0
    calls: int = 0
    on_disk: bool = True
    stored: int = 1_160
    altered: int = 240
    symbols: int = 2_000
    repeated: int = 270
    counted: int = 0
    shrinks: bool = True
    smaller: int = 1
    at_once: int = 1
    twice: bool = True


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            Profile(
                "quick",
                walks=10,
                steps=20,
                preemptions=1,
                schedules=12_000,
                engine_runs=300,
                programs=0,
                rounds=1,
                processes=2,
                cancellations=0,
                kills=4,
                scripts=2,
                sizes=(100, 2_000),
                repetitions=3,
                filling=20,
                patience=30,
                seconds=5,
                openings=75,
                calls=24_000,
                on_disk=False,
            ),
            Profile(
                "standard",
                walks=150,
                steps=40,
                preemptions=2,
                schedules=30_000,
                engine_runs=3_000,
                programs=0,
                rounds=14,
                processes=3,
                cancellations=8,
                kills=120,
                scripts=8,
                sizes=(100, 10_000),
                repetitions=7,
                filling=45,
                seconds=60,
                openings=235,
                calls=62_000,
                patience_with_many=45,
                stored=2_600,
                altered=2_000,
                symbols=20_000,
                repeated=1_100,
                counted=70_000,
            ),
            Profile(
                "thorough",
                walks=2000,
                steps=60,
                preemptions=2,
                schedules=1_000_000,
                engine_runs=60_000,
                programs=5_000,
                rounds=200,
                processes=4,
                cancellations=60,
                kills=1000,
                scripts=100,
                sizes=(100, 1_000_000),
                repetitions=15,
                filling=900,
                wait=25,
                patience=7_200,
                patience_with_many=7_200,
                seconds=3_600,
                openings=2_500,
                calls=1_000_000,
                stored=20_000,
                altered=100_000,
                symbols=20_000,
                repeated=70_000,
                counted=70_000,
            ),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a check works with.

    Attributes:
        target: The target to verify.
        capabilities: What its adapter declares.
        unwritten: The methods that it does not implement yet.
        profile: How thoroughly to look.
        seed: Seed of all random choices.
        new_store: Opens a new, empty store.
        new_stores: Opens so many new, empty stores on one event loop.
        new_directory: Returns a new, empty directory for a store.
        opening: Returns the store in a directory, not yet open; the same directory gives the same
            store.
        fork_server: Returns the process that forks workers of the target; the first call starts it,
            and it ends with the stores. The target has a spec.
        progress: Called with how much of the check is done, and of how much.
    """

    target: Target
    capabilities: frozenset[str]
    unwritten: tuple[str, ...]
    profile: Profile
    seed: int
    new_store: Callable[[], OpenStore]
    new_stores: Callable[[int], OpenStore[Sequence[CollectionJobRepository]]]
    new_directory: Callable[[], Path]
    opening: Callable[[Path], AbstractAsyncContextManager[CollectionJobRepository]]
    fork_server: Callable[[], ForkServer]
    progress: Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Examination:
    """The result of a check.

    Attributes:
        findings: The broken laws.
        covered: What was tried, for the laws that hold.
        unchecked: Laws that could not be examined on this target, each with the reason.
        observed: What was observed of the target's capabilities, declared or not.
        skipped: Why the check cannot be run on this target at all, although others may be.
        inapplicable: Laws that this target cannot break, each with the reason.
        coverage: Which classes of values were tried, of those that are due.
    """

    findings: list[Finding]
    covered: str
    unchecked: Mapping[str, str] = field(default_factory=dict[str, str])
    observed: tuple[Observation, ...] = ()
    skipped: str | None = None
    inapplicable: Mapping[str, str] = field(default_factory=dict[str, str])
    coverage: Coverage | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One kind of search for violations.

    Attributes:
        name: What it tests, in a few words.
        laws: The ids of the laws that it examines.
        run: Runs the check.
        again: Reproduces one finding from the content of its token; None: by the whole check.
        early: Whether it can run while methods are unwritten; it then skips their calls.
        beside: Whether it can be made in a second process meanwhile: no two processes or threads of
            its own race in it, which would need both processors.
    """

    name: str
    laws: frozenset[str]
    run: Callable[[Plan], Examination]
    again: Callable[[Plan, dict[str, Any]], list[Finding]] | None = None
    early: bool = False
    beside: bool = False
