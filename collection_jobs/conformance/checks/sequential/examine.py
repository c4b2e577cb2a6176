"""One caller: the fixed cases, then random walks, each call held against the oracle."""

from __future__ import annotations

from typing import Any

from collection_jobs.conformance.running.configuration import Examination, Plan
from collection_jobs.conformance.spec.findings import Finding

__all__ = ["examine_one_caller", "find_one_caller_again"]

# What needs Hypothesis is loaded only when it is used: a worker process starts twice as fast.


def examine_one_caller(plan: Plan) -> Examination:
    """Make every fixed program, then random walks."""
    from collection_jobs.conformance.checks.sequential.fixed_cases import fixed_programs
    from collection_jobs.conformance.checks.sequential.search import search_lifecycle

    programs = fixed_programs(plan.capabilities)
    cases = len(programs)
    walks, steps = plan.profile.walks, plan.profile.steps
    findings = search_lifecycle(
        plan.new_store,
        plan.new_stores,
        programs,
        capabilities=plan.capabilities,
        seed_number=plan.seed,
        walks=walks,
        steps=steps,
        at_once=plan.profile.at_once,
        unwritten=plan.unwritten,
        progress=lambda stores: plan.progress(stores, cases + walks),
    )
    covered = f"{cases} fixed programs, {walks} random walks of up to {steps} steps"
    return Examination(findings, covered)


def find_one_caller_again(plan: Plan, token: dict[str, Any]) -> list[Finding]:
    """Make the calls of a token again; return the finding, if they show it again."""
    from collection_jobs.conformance.checks.sequential.search import replay

    error = replay(plan.new_store, token["steps"], frozenset(token["muted"]))
    return [] if error is None else [error.finding]
