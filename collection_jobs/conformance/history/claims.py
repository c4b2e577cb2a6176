"""Claims among concurrent calls: what one that picks its job itself tells of every job.

To the job that it took it is a claim. Of the others it tells that none was free and older, but only
where nobody else was at work on that job meanwhile: an engine may pass over what another call has
locked, whose change may be undone yet. A claim that never returned may have taken any job.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.history.sequential_spec import (
    JobOperation,
    operation,
    passed_over,
)
from collection_jobs.conformance.spec.calls import Call
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.model import Span
from collection_jobs.conformance.spec.operations import OPERATIONS
from collection_jobs.lease import Lease

__all__ = ["add_claims", "find_too_many"]

_LONG = 600
"""Seconds that a lease lasts of which it is clear that it did not expire during the history."""


def add_claims(
    events: Sequence[Event],
    jobs: dict[str, list[JobOperation]],
    among: frozenset[str] | None,
    wall: Span,
) -> None:
    """Add to the operations on each job what calls tell that pick their job.

    Args:
        events: All the calls.
        jobs: The operations on each job.
        among: The jobs that the history is about, if there are others.
        wall: Between which times the history was made.
    """
    claims = [event for event in events if event.call.job_is_in_answer]
    for event in claims:
        if event.outcome is None:
            for job_id, operations in jobs.items():
                operations.append(operation(event, job_id, wall))
        elif isinstance(event.outcome.value, Lease):
            job_id = event.outcome.value.job.id
            if among is None or job_id in among:
                jobs.setdefault(job_id, []).append(operation(event, job_id, wall))
    for event in claims:
        if event.outcome is None or event.call.argument("most_running") is not None:
            continue
        for operations in jobs.values():
            if not any(_disturbs(one, event) for one in operations):
                operations.append(passed_over(event))


def _disturbs(one: JobOperation, event: Event) -> bool:
    """Whether an operation that may change the job overlaps a call, or is that call."""
    if one.reads or event.ended is None or one.began > event.ended:
        return False
    return one.ended is None or one.ended >= event.began


def find_too_many(events: Sequence[Event]) -> Iterator[Finding]:
    """Look for more leases at one time than the calls that took them permit (LEASE-6)."""
    limited = [event for event in events if _limit(event.call) is not None]
    if not limited:
        return
    by_source: dict[object, list[Event]] = {}
    for event in limited:
        lease = None if event.outcome is None else event.outcome.value
        if isinstance(lease, Lease) and _is_long(event.call) and not _may_end(event, events):
            by_source.setdefault(event.call.argument("source"), []).append(event)
    for taken in by_source.values():
        most = max(_limit(event.call) or 0 for event in taken)
        if len(taken) > most:
            text = (
                f"{len(taken)} jobs are running under leases that have not expired, and each was"
                f" claimed while fewer than {most} were: {taken[-1].call}"
            )
            yield Finding("LEASE-6", text, tuple(map(str, taken)))


def _limit(call: Call) -> int | None:
    return call.argument("most_running") if call.job_is_in_answer else None


def _is_long(call: Call) -> bool:
    return bool(call.argument("ttl").total_seconds() >= _LONG)


def _may_end(claim: Event, events: Sequence[Event]) -> bool:
    """Whether a call that was not done before a claim may have ended its lease."""
    lease = None if claim.outcome is None else claim.outcome.value
    return isinstance(lease, Lease) and any(
        OPERATIONS[event.call.method].writes
        and lease.job.id in event.call.job_ids
        and (event.ended is None or event.ended >= claim.began)
        for event in events
    )
