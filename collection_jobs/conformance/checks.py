"""The checks: which laws each examines, how hard in each profile, and what it covered."""

from __future__ import annotations

from collection_jobs.conformance.closing import check_closing
from collection_jobs.conformance.inputs import check_inputs, wrong_calls
from collection_jobs.conformance.plan import PROFILES, Check, Examination, Plan, Profile

__all__ = ["CHECKS", "PROFILES", "Check", "Examination", "Plan", "Profile"]


def _one_caller(plan: Plan) -> Examination:
    # Loaded only when needed: without Hypothesis, a worker process starts twice as fast.
    from collection_jobs.conformance.corners import corner_programs
    from collection_jobs.conformance.search import search_lifecycle

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
)
"""Every check, in the order in which they are made."""
