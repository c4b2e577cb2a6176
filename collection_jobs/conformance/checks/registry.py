"""The checks: which laws each examines, how hard in each profile, and what it covered."""

from __future__ import annotations

from typing import Any

from collection_jobs.conformance.checks.cancellation.examine import cancel_everything
from collection_jobs.conformance.checks.contention.examine import contend
from collection_jobs.conformance.checks.crash.damage import check_damage
from collection_jobs.conformance.checks.crash.kill import crash
from collection_jobs.conformance.checks.handles.examine import CHECK as SEVERAL_HANDLES
from collection_jobs.conformance.checks.handles.examine import use_handles, use_handles_again
from collection_jobs.conformance.checks.network.examine import NoWayThrough, examine_network
from collection_jobs.conformance.checks.scaling.examine import compare_costs
from collection_jobs.conformance.checks.sequential.closing import check_closing
from collection_jobs.conformance.checks.sequential.wrong_inputs import check_inputs, wrong_calls
from collection_jobs.conformance.report.findings import Finding
from collection_jobs.conformance.running.configuration import (
    PROFILES,
    Check,
    Examination,
    Plan,
    Profile,
)
from collection_jobs.conformance.spec.capabilities import NETWORK, not_declared

__all__ = ["CHECKS", "PROFILES", "Check", "Examination", "Plan", "Profile"]


def _one_caller(plan: Plan) -> Examination:
    # Loaded only when needed: without Hypothesis, a worker process starts twice as fast.
    from collection_jobs.conformance.checks.sequential.fixed_cases import corner_programs
    from collection_jobs.conformance.checks.sequential.search import search_lifecycle

    corners, walks, steps = (
        len(list(corner_programs(plan.capabilities))),
        plan.profile.walks,
        plan.profile.steps,
    )
    findings = search_lifecycle(
        plan.new_store,
        capabilities=plan.capabilities,
        seed_number=plan.seed,
        walks=walks,
        steps=steps,
        unwritten=plan.unwritten,
        progress=lambda stores: plan.progress(stores, corners + walks),
    )
    covered = f"{corners} fixed programs, {walks} random walks of up to {steps} steps"
    return Examination(findings, covered)


def _one_program(plan: Plan, token: dict[str, Any]) -> list[Finding]:
    """The breach that the calls of a token show, if they show it again."""
    from collection_jobs.conformance.checks.sequential.search import replay

    error = replay(plan.new_store, token["steps"], frozenset(token["muted"]))
    return [] if error is None else [error.finding]


def _one_schedule(plan: Plan, token: dict[str, Any]) -> list[Finding]:
    """The breach that one program under one schedule shows, if it shows it again."""
    from collection_jobs.conformance.checks.interleavings.shrinking import rerun

    found = rerun(plan.opening, plan.new_directory(), token)
    return [] if found is None else [found]


def _interleavings(plan: Plan) -> Examination:
    # Loaded only when needed, as above.
    from collection_jobs.conformance.checks.interleavings.explore import (
        explore_pairs,
        explore_random,
    )
    from collection_jobs.conformance.checks.interleavings.pairs import pairs, triples

    programs = list(pairs(capabilities=plan.capabilities))
    # What an adapter has beyond the nine methods takes nothing from what is tried of the nine.
    schedules = plan.profile.schedules * len(programs) // len(list(pairs()))
    explored = explore_pairs(
        plan.opening,
        preemptions=plan.profile.preemptions,
        directory=plan.new_directory(),
        progress=plan.progress,
        max_runs=schedules,
        seconds=plan.profile.exploring,
        programs=programs,
    )
    if explored.unsupported is not None:
        return Examination([], "", skipped=str(explored))
    findings, covered = list(explored.findings), str(explored)
    if plan.profile.programs:
        trios = explore_pairs(
            plan.opening,
            preemptions=plan.profile.preemptions,
            directory=plan.new_directory(),
            muted=frozenset(finding.law for finding in findings),
            progress=plan.progress,
            max_runs=plan.profile.schedules,
            seconds=plan.profile.exploring,
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
        findings += drawn.findings
        covered = f"{covered}; {trios}; {drawn}"
    return Examination(findings, covered)


def _wrong_inputs(plan: Plan) -> Examination:
    with plan.new_store() as store:
        findings = check_inputs(store, plan.capabilities)
    calls = len(list(wrong_calls(plan.capabilities)))
    return Examination(findings, f"{calls} calls with a wrong argument each")


def _closed(plan: Plan) -> Examination:
    findings = check_closing(plan.opening(plan.new_directory()), plan.capabilities)
    return Examination(findings, "every method of a closed repository; every error met elsewhere")


_NO_SPEC = (
    "the target was made in code, so no other process can open its stores: name it as"
    " module:factory"
)


def _damaged(plan: Plan) -> Examination:
    if plan.target.spec is None:
        return Examination([], f"no damaged store, for {_NO_SPEC}")
    findings, stores = check_damage(
        plan.target, plan.new_directory, plan.capabilities, plan.seed, plan.progress
    )
    covered = f"{stores} damaged stores" if stores else "no damaged store, for it keeps no files"
    return Examination(findings, covered)


def _concurrent_calls(plan: Plan) -> Examination:
    shared = "shared" in plan.capabilities
    found = contend(
        plan.opening,
        plan.new_directory,
        target=plan.target,
        capabilities=plan.capabilities,
        seed=plan.seed,
        count=plan.profile.rounds,
        processes=plan.profile.processes,
        progress=plan.progress,
    )
    unchecked = {}
    if shared and plan.target.spec is None:
        unchecked = dict.fromkeys(_CONCURRENT_LAWS, _NO_SPEC)
    findings = list(found.findings.values())
    return Examination(findings, str(found), unchecked, tuple(found.observed))


def _several_handles(plan: Plan) -> Examination:
    if "shared" not in plan.capabilities:
        return Examination([], "", skipped=not_declared("shared"))
    if plan.target.spec is None:
        return Examination([], "", skipped=_NO_SPEC)
    used = use_handles(
        plan.target,
        plan.opening,
        plan.new_directory,
        capabilities=plan.capabilities,
        seed=plan.seed,
        count=plan.profile.scripts,
        progress=plan.progress,
    )
    return Examination(list(used.findings.values()), str(used), {}, (used.observed,))


def _one_script(plan: Plan, token: dict[str, Any]) -> list[Finding]:
    """The breach that the script of a token shows, if it shows it again."""
    return use_handles_again(plan.target, plan.opening, plan.new_directory, token)


def _cancelled_calls(plan: Plan) -> Examination:
    found = cancel_everything(
        plan.opening,
        plan.new_directory,
        capabilities=plan.capabilities,
        seed=plan.seed,
        moments=plan.profile.cancellations,
        progress=plan.progress,
    )
    return Examination([] if found.finding is None else [found.finding], str(found))


def _failing_network(plan: Plan) -> Examination:
    proxied = plan.target.proxied
    if proxied is None:
        return Examination([], "", skipped=not_declared(NETWORK))
    try:
        found = examine_network(
            proxied,
            plan.opening,
            plan.new_directory,
            capabilities=plan.capabilities,
            progress=plan.progress,
        )
    except NoWayThrough as error:
        return Examination([], "", inapplicable={"TIME-1": f"the store does not open {error}"})
    return Examination([] if found.finding is None else [found.finding], str(found))


def _killed_processes(plan: Plan) -> Examination:
    if plan.target.spec is None:
        return Examination([], "", {"DURABLE-1": _NO_SPEC})
    found = crash(
        plan.target,
        plan.new_directory(),
        capabilities=plan.capabilities,
        seed=plan.seed,
        kills=plan.profile.kills,
        progress=plan.progress,
    )
    observed = () if found.observed is None else (found.observed,)
    return Examination(list(found.findings.values()), str(found), {}, observed)


def _growing_stores(plan: Plan) -> Examination:
    declared = "scales" in plan.capabilities
    found = compare_costs(
        plan.opening,
        plan.new_directory,
        sizes=plan.profile.sizes,
        repetitions=plan.profile.repetitions,
        seconds=plan.profile.filling if declared else min(plan.profile.filling, _SHORT_FILLING),
        capabilities=plan.capabilities,
        progress=plan.progress,
    )
    findings = [found.finding] if declared and found.finding is not None else []
    findings += [] if found.too_deep is None else [found.too_deep]
    unchecked: dict[str, str] = {}
    if found.unchecked is not None:
        unchecked = {"SCALE-1": found.unchecked, "KEY-3": found.unchecked}
    observed = () if found.observed is None else (found.observed,)
    return Examination(findings, str(found), unchecked, observed)


_SHORT_FILLING = 3.0
"""Seconds for an adapter that does not declare to scale: it may take for ever."""
_CONCURRENT_LAWS = frozenset({"STATUS-2", "FAILED-2", "ATOMIC-1", "COMPLETED-2", "MANY-3"})

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
                *("COMPLETED-1", "COMPLETED-3", "MANY-1", "MANY-2", "KEY-1", "KEY-2"),
            }
        ),
        _one_caller,
        again=_one_program,
        early=True,
    ),
    Check("interleavings", _CONCURRENT_LAWS, _interleavings, again=_one_schedule),
    Check("damaged stores", frozenset({"ERROR-1"}), _damaged),
    Check("concurrent calls", _CONCURRENT_LAWS, _concurrent_calls),
    Check(
        SEVERAL_HANDLES,
        _CONCURRENT_LAWS | {"DURABLE-1"},
        _several_handles,
        again=_one_script,
    ),
    Check("cancelled calls", frozenset({"CANCEL-1"}), _cancelled_calls),
    Check("a failing network", frozenset({"TIME-1"}), _failing_network),
    Check("killed processes", frozenset({"DURABLE-1"}), _killed_processes),
    Check("growing stores", frozenset({"SCALE-1", "KEY-3"}), _growing_stores),
)
"""Every check, in the order in which they are made."""
