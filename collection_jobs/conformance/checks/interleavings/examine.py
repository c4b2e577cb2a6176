"""Interleavings: pairs of calls, triples and random programs, under schedules that are chosen."""

from __future__ import annotations

from typing import Any

from collection_jobs.conformance.running.configuration import Examination, Plan
from collection_jobs.conformance.spec.findings import Finding

__all__ = ["examine_interleavings", "find_interleaving_again"]

# What needs Hypothesis is loaded only when it is used: a worker process starts twice as fast.


def examine_interleavings(plan: Plan) -> Examination:
    """Run every pair of calls; with a thorough profile every triple too, and random programs."""
    from collection_jobs.conformance.checks.interleavings.explore import explore_pairs
    from collection_jobs.conformance.checks.interleavings.pairs import pairs

    programs = list(pairs(capabilities=plan.capabilities))
    # What an adapter has beyond the nine methods takes nothing from what is tried of the nine.
    schedules = plan.profile.schedules * len(programs) // len(list(pairs()))
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
    examined = Examination(list(explored.findings), str(explored))
    return _go_further(plan, examined) if plan.profile.programs else examined


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
