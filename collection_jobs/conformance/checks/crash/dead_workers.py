"""LEASE-1, LEASE-2: a killed worker's job is claimed by another after its lease, never before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from collection_jobs.conformance.history.checker import check_among
from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.running.clients import Client
from collection_jobs.conformance.running.configuration import NO_SPEC, Examination, Plan
from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.messages import Open, Work
from collection_jobs.conformance.running.processes import WorkerDied, WorkerFailed
from collection_jobs.conformance.spec.calls import WAIT, Held, Program, Step, example_job
from collection_jobs.conformance.spec.capabilities import LEASES
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.lease import Lease

__all__ = ["examine_dead_workers"]

_TTLS = (timedelta(milliseconds=150), timedelta(milliseconds=1_000))
"""How long the killed worker's lease is; longer if the next one begins too late to see it."""
_LONG, _MARGIN = timedelta(hours=1), timedelta(milliseconds=60)
_IDS = ("dead", "renewed")
_MORE = 20
"""Lines of a history that a finding tells at most."""


def examine_dead_workers(plan: Plan) -> Examination:
    """Kill a process that has jobs, and let another one claim them, too early and in time."""
    if LEASES not in plan.capabilities or "durable" not in plan.capabilities:
        return Examination([], "", skipped="it is not both durable and one that leases jobs")
    if plan.target.spec is None:
        return Examination([], "", skipped=NO_SPEC)
    found, early = list[Finding](), 0
    for ttl in _TTLS:
        try:
            events = _played(plan, ttl)
        except (WorkerDied, WorkerFailed) as error:
            return Examination([], "", skipped=f"no other process could go on: {error}")
        found = [_finding(one, events) for one in check_among(_IDS, events)[:1]]
        early = sum(_is_early(event, events, ttl) for event in events)
        if found or early:
            break
    covered = (
        f"one worker killed that had 2 jobs, which another one claimed {early} times too early"
    )
    return Examination(found, f"{covered}, and then in time")


def _played(plan: Plan, ttl: timedelta) -> list[Event]:
    """Let a worker take leases and be killed, and another one claim the same jobs."""
    directory = plan.new_directory()
    events: list[Event] = []
    for name, program in (("first", _first(ttl)), ("second", _second(ttl))):
        with plan.fork_server().worker(counting=False) as worker:
            worker.ask(Open(directory, 1, deadline()), deadline() + 2)
            events += worker.ask(Work((Client(name, program),))).events
            worker.kill()
    return events


def _first(ttl: timedelta) -> Program:
    """Return what the worker does that is killed."""
    return (
        *(Step("save", (example_job(job_id),)) for job_id in _IDS),
        Step("claim", ("renewed", "first", ttl), keep="lease"),
        Step("renew", (Held("lease"), _LONG)),
        Step("claim", ("dead", "first", ttl)),
    )


def _second(ttl: timedelta) -> Program:
    """Return what the next worker does."""
    claims = tuple(Step("claim", (job_id, "second", _LONG)) for job_id in _IDS)
    looks = tuple(Step("get_lease", (job_id,)) for job_id in _IDS)
    claim_next = Step("claim_next", ("second", _LONG))
    return (
        *claims,
        claim_next,
        *looks,
        Step(WAIT, (ttl + _MARGIN,)),
        claim_next,
        *claims,
        *looks,
        Step("get_running_jobs"),
    )


def _is_early(event: Event, events: Sequence[Event], ttl: timedelta) -> bool:
    """Whether a call was one of the second worker's that could not get a job yet."""
    taken = [one.outcome for one in events if one.outcome and isinstance(one.outcome.value, Lease)]
    is_claim = event.call.method in ("claim", "claim_next") and event.client == "second"
    if not is_claim or event.outcome is None:
        return False
    return event.outcome.value is None and event.outcome.ended < taken[0].began + ttl


def _finding(found: Finding, events: Sequence[Event]) -> Finding:
    """Tell the calls of both, and where the first process was killed."""
    lines = list[str]()
    for event in events:
        if event.client == "second" and not any(line.startswith("#") for line in lines):
            lines.append("# The process is killed, and the store is opened by another one:")
        lines.append(f"await {event.call}  # {event.outcome}")
    return Finding(found.law, f"after its worker was killed: {found.message}", tuple(lines[:_MORE]))
