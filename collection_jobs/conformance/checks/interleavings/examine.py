"""Interleavings: pairs of calls, triples and random programs, under schedules that are chosen."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from collection_jobs.conformance.running.configuration import Examination, Plan
from collection_jobs.conformance.running.pace import less_work
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.operations import OPERATIONS

if TYPE_CHECKING:
    from collection_jobs.conformance.checks.interleavings.programs import ConcurrentProgram

__all__ = ["examine_interleavings", "find_interleaving_again"]

_RUNS_OF_A_PAIR = 2
"""About how many runs a pair takes at least."""

# What needs Hypothesis is loaded only when it is used: a worker process starts twice as fast.


def examine_interleavings(plan: Plan) -> Examination:
    """Run every pair of calls; with a thorough profile every triple too, and random programs."""
    from collection_jobs.conformance.checks.interleavings.explore import (
        explore_pairs,
        seconds_of_a_run,
    )
    from collection_jobs.conformance.checks.interleavings.pairs import pairs

    programs = list(pairs(capabilities=plan.capabilities))
    # What an adapter has beyond the nine methods takes nothing from what is tried of the nine.
    schedules = plan.profile.schedules * len(programs) // len(list(pairs()))
    every = len(programs)
    seconds = seconds_of_a_run(plan.opening, plan.new_directory(), programs[0])
    schedules = less_work(schedules, seconds, plan.profile.patience)
    programs = _most_telling(programs, schedules // _RUNS_OF_A_PAIR)
    explored = explore_pairs(
        plan.opening,
        preemptions=plan.profile.preemptions,
        directory=plan.new_directory(),
        progress=plan.progress,
        max_runs=schedules,
        programs=programs,
    )
    if explored.unsupported is not None:
        return Examination([], "", skipped=str(explored))
    left_out = f" (of {every:,}; the others were left out, for a run takes long)"
    covered = f"{explored}{left_out if len(programs) < every else ''}"
    examined = Examination(list(explored.findings), covered)
    return _go_further(plan, examined) if plan.profile.programs else examined


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


def _go_further(plan: Plan, examined: Examination) -> Examination:
    """Run the triples, then random programs, for the laws that no pair broke."""
    from collection_jobs.conformance.checks.interleavings.explore import (
        explore_pairs,
        explore_random,
    )
    from collection_jobs.conformance.checks.interleavings.pairs import triples

    findings = list(examined.findings)
    trios = explore_pairs(
        plan.opening,
        preemptions=plan.profile.preemptions,
        directory=plan.new_directory(),
        muted=frozenset(finding.law for finding in findings),
        progress=plan.progress,
        max_runs=plan.profile.schedules,
        programs=triples(),
        kind="triples",
    )
    findings += trios.findings
    drawn = explore_random(
        plan.opening,
        seed=plan.seed,
        examples=plan.profile.programs,
        directory=plan.new_directory(),
        muted=frozenset(finding.law for finding in findings),
        progress=plan.progress,
        capabilities=plan.capabilities,
    )
    return Examination([*findings, *drawn.findings], f"{examined.covered}; {trios}; {drawn}")


def find_interleaving_again(plan: Plan, token: dict[str, Any]) -> list[Finding]:
    """Run the program of a token under its schedule; return the finding, if it shows again."""
    from collection_jobs.conformance.checks.interleavings.shrinking import rerun

    found = rerun(plan.opening, plan.new_directory(), token)
    return [] if found is None else [found]
