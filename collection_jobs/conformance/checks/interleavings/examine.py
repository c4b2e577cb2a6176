"""Interleavings: pairs of calls, triples and random programs, under schedules that are chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from collection_jobs.conformance.checks.interleavings.thread_steps import may_run_in_steps
from collection_jobs.conformance.running.configuration import Examination, Plan
from collection_jobs.conformance.running.pace import less_work
from collection_jobs.conformance.spec.calls import NoAnswer
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.operations import OPERATIONS
from collection_jobs.errors import CollectionJobError

if TYPE_CHECKING:
    from collection_jobs.conformance.checks.interleavings.programs import ConcurrentProgram

__all__ = ["examine_interleavings", "find_interleaving_again"]

_RUNS_OF_A_PAIR = 2
"""About how many runs a pair takes at least."""
_PART = 6
"""What part of the patience for one kind of work each number of handles has."""
_PART_OF_TRIPLES = 6
"""What part of the schedules of pairs the triples have, where only timers call for them."""
_PROGRAMS_BY_PRIORITIES = 10
"""For how many random programs there is one that is run by random priorities, and often."""
_RUNS_AMONG_MANY = 1_000
"""How many runs to make of pairs among many jobs, each of which takes as long as fifty others."""
_PAIRS_AMONG_MANY = "pairs among many jobs"
_FEW_RUNS_AMONG_MANY = 300
"""How many of them *standard* makes, and a third as many on the real engine."""
_RUNS_ON_THE_ENGINE = 12
"""About how many it takes there, where each call takes several statements."""

# What needs Hypothesis is loaded only when it is used: a worker process starts twice as fast.


def examine_interleavings(plan: Plan) -> Examination:
    """Run every pair of calls; with a thorough profile every triple too, and random programs."""
    from collection_jobs.conformance.checks.interleavings.explore import (
        explore_pairs,
        seconds_of_a_run,
    )
    from collection_jobs.conformance.checks.interleavings.pairs import pairs
    from collection_jobs.conformance.checks.interleavings.schedules import Runner

    programs = list(pairs(capabilities=plan.capabilities))
    # What an adapter has beyond the nine methods takes nothing from what is tried of the nine.
    schedules = plan.profile.schedules * len(programs) // len(list(pairs()))
    every = len(programs)
    runner = Runner(plan.opening, plan.new_directory(), threads=may_run_in_steps(plan.capabilities))
    seconds = seconds_of_a_run(runner, programs[0])
    schedules = less_work(schedules, seconds, plan.profile.patience)
    programs = _most_telling(programs, schedules // _RUNS_OF_A_PAIR)
    explored = explore_pairs(
        plan.opening,
        preemptions=plan.profile.preemptions,
        directory=plan.new_directory(),
        progress=plan.progress,
        max_runs=schedules,
        programs=programs,
        threads=may_run_in_steps(plan.capabilities),
    )
    if explored.unsupported is not None:
        return _on_the_engine(plan, programs, explored.unsupported)
    left_out = f" (of {every:,}; the others were left out, for a run takes long)"
    covered = f"{explored}{left_out if len(programs) < every else ''}"
    examined = Examination(list(explored.findings), covered)
    if plan.profile.programs:
        return _go_further(plan, examined)
    if plan.profile.preemptions > 1:
        examined = _with_a_third_call(plan, examined) if explored.timed else examined
        return _among_many(plan, examined, _FEW_RUNS_AMONG_MANY)
    return examined


def _on_the_engine(plan: Plan, programs: list[ConcurrentProgram], why: str) -> Examination:
    """Explore on the real engine an adapter that cannot run under the deterministic loop.

    On one handle, then on two, which stand for two processes, where it may be shared.
    """
    from collection_jobs.conformance.checks.interleavings.conflicts import can_conflict
    from collection_jobs.conformance.checks.interleavings.crowds import batches
    from collection_jobs.conformance.checks.interleavings.engine_runs import EngineRunner
    from collection_jobs.conformance.checks.interleavings.explore import (
        explore_on_engine,
        seconds_of_a_run,
    )

    findings: list[Finding] = []
    covered: list[str] = []
    for handles in (1, 2) if "shared" in plan.capabilities else (1,):
        runner = EngineRunner(plan.opening, plan.new_directory, handles)
        try:
            seconds = seconds_of_a_run(runner, programs[0])
        except (CollectionJobError, NoAnswer) as error:
            if handles == 1:
                raise
            # It may be open to many processes and still not twice in one.
            covered.append(f"not on {handles} handles of one process: {error}")
            continue
        runs = less_work(plan.profile.engine_runs, seconds, plan.profile.patience / _PART)
        some = _most_telling(list(filter(can_conflict, programs)), runs // _RUNS_ON_THE_ENGINE)
        searches = [("pairs", some, 2 if plan.profile.programs else 1, runs)]
        if plan.profile.preemptions > 1:
            many = list(batches(plan.capabilities))
            searches.append((_PAIRS_AMONG_MANY, many, 1, _FEW_RUNS_AMONG_MANY // 3))
        for kind, of_kind, preemptions, most in searches:
            explored = explore_on_engine(
                EngineRunner(plan.opening, plan.new_directory, handles),
                of_kind,
                preemptions=preemptions,
                muted=frozenset(finding.law for finding in findings),
                progress=plan.progress,
                max_runs=most,
                kind=kind,
            )
            findings += explored.findings
            covered.append(str(explored))
    return Examination(findings, f"{'; '.join(covered)} (on its real engine, for {why})")


def _most_telling(programs: list[ConcurrentProgram], most: int) -> list[ConcurrentProgram]:
    """Return at most so many programs: one of each pair of methods before any other of that pair.

    Those in which two clients change something come first, for most races are between these.
    """
    if most >= len(programs):
        return programs
    seen = Counter[tuple[str, ...]]()
    ranks: list[tuple[int, int]] = []
    for program in programs:
        methods = [step.method for client in program.clients for step in client]
        reads = sum(not OPERATIONS[method].writes for method in methods)
        key = tuple(sorted(methods))
        ranks.append((seen[key], reads))
        seen[key] += 1
    order = sorted(range(len(programs)), key=lambda at: (*ranks[at], at))
    return [programs[at] for at in sorted(order[: max(1, most)])]


def _with_a_third_call(plan: Plan, examined: Examination) -> Examination:
    """Run triples of an adapter that sets timers, too: who gave up waiting comes back for more."""
    from collection_jobs.conformance.checks.interleavings.pairs import triples

    runs = plan.profile.schedules // _PART_OF_TRIPLES
    return _with_more(plan, examined, "triples", triples(["pending"]), runs)


def _among_many(plan: Plan, examined: Examination, runs: int) -> Examination:
    """Run pairs among more jobs than a page or a batch has."""
    from collection_jobs.conformance.checks.interleavings.crowds import batches, crowds

    programs = [*batches(plan.capabilities), *crowds(plan.capabilities)]
    return _with_more(plan, examined, _PAIRS_AMONG_MANY, programs, runs, preemptions=1)


def _with_more(
    plan: Plan,
    examined: Examination,
    kind: str,
    programs: Iterable[ConcurrentProgram],
    runs: int,
    *,
    preemptions: int | None = None,
) -> Examination:
    """Explore more programs, for the laws that were not found broken yet."""
    from collection_jobs.conformance.checks.interleavings.explore import explore_pairs

    explored = explore_pairs(
        plan.opening,
        preemptions=plan.profile.preemptions if preemptions is None else preemptions,
        directory=plan.new_directory(),
        muted=frozenset(finding.law for finding in examined.findings),
        progress=plan.progress,
        max_runs=runs,
        programs=programs,
        kind=kind,
        threads=may_run_in_steps(plan.capabilities),
    )
    covered = f"{examined.covered}; {explored}"
    return Examination([*examined.findings, *explored.findings], covered)


def _go_further(plan: Plan, examined: Examination) -> Examination:
    """Run longer programs, of more clients and more jobs, for the laws that no pair broke."""
    from collection_jobs.conformance.checks.interleavings.explore import explore_random
    from collection_jobs.conformance.checks.interleavings.explore_priorities import (
        explore_by_priorities,
    )
    from collection_jobs.conformance.checks.interleavings.pairs import triples

    examined = _with_more(plan, examined, "triples", triples(), plan.profile.schedules)
    examined = _among_many(plan, examined, _RUNS_AMONG_MANY)
    findings, told = list(examined.findings), [examined.covered]
    by_priorities = explore_by_priorities(
        plan.opening,
        seed=plan.seed,
        programs=plan.profile.programs // _PROGRAMS_BY_PRIORITIES,
        directory=plan.new_directory(),
        muted=frozenset(finding.law for finding in findings),
        progress=plan.progress,
        capabilities=plan.capabilities,
        threads=may_run_in_steps(plan.capabilities),
    )
    findings += by_priorities.findings
    drawn = explore_random(
        plan.opening,
        seed=plan.seed,
        examples=plan.profile.programs,
        directory=plan.new_directory(),
        muted=frozenset(finding.law for finding in findings),
        progress=plan.progress,
        capabilities=plan.capabilities,
        threads=may_run_in_steps(plan.capabilities),
    )
    told += [str(by_priorities), str(drawn)]
    return Examination([*findings, *drawn.findings], "; ".join(told))


def find_interleaving_again(plan: Plan, token: dict[str, Any]) -> list[Finding]:
    """Run the program of a token under its schedule; return the finding, if it shows again."""
    from collection_jobs.conformance.checks.interleavings.engine_runs import EngineRunner
    from collection_jobs.conformance.checks.interleavings.schedules import Runner
    from collection_jobs.conformance.checks.interleavings.shrinking import rerun

    handles = token.get("handles")
    if handles is None:
        runner = Runner(
            plan.opening, plan.new_directory(), threads=may_run_in_steps(plan.capabilities)
        )
        found = rerun(runner, token)
        return [] if found is None else [found]
    on_engine = EngineRunner(plan.opening, plan.new_directory, int(handles))
    try:
        found = rerun(on_engine, token)
    finally:
        on_engine.close()
    return [] if found is None else [found]
