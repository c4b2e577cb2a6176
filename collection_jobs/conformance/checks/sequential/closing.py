"""ERROR-1, the part that shows without breaking an engine: what a closed repository says."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

from collection_jobs.conformance.running.configuration import Examination, Plan
from collection_jobs.conformance.running.runner import make
from collection_jobs.conformance.spec.calls import Call, example_job
from collection_jobs.conformance.spec.capabilities import available
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.errors import RepositoryClosedError
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.status import JobStatus

__all__ = ["examine_closing"]

_LAW = "ERROR-1"

_CALLS = (
    Call("save", (example_job("a"),)),
    Call("get_by_id", ("a",)),
    Call("delete", ("a",)),
    Call("list_by_status", (JobStatus.PENDING,)),
    Call("list_recent"),
    Call("get_running_jobs"),
    Call("update_status", ("a", JobStatus.RUNNING)),
    Call("add_failed_symbol", ("a", "BTC", "boom")),
    Call("get_stats", ("a",)),
)


_BEYOND = (
    Call("add_completed_symbol", ("a", "BTC", 1)),
    Call("save_many", ((example_job("a"),),)),
    Call("list_after", (JobStatus.PENDING,)),
)


def examine_closing(plan: Plan) -> Examination:
    """Open a repository, leave it, and call each method that it has."""
    calls = _CALLS + available(_BEYOND, plan.capabilities)
    findings = asyncio.run(_check(plan.opening(plan.new_directory()), calls))
    return Examination(findings, "every method of a closed repository; every error met elsewhere")


async def _check(
    opening: AbstractAsyncContextManager[CollectionJobRepository], calls: tuple[Call, ...]
) -> list[Finding]:
    async with opening as repository:
        await make(Call("save", (example_job("a"),)), repository)
    for call in calls:
        outcome = await make(call, repository)
        if not isinstance(outcome.error, RepositoryClosedError):
            message = f"{call} {outcome}; a closed repository raises RepositoryClosedError"
            history = ("async with opening as repository:", "    pass", f"await {call}")
            return [Finding(_LAW, message, history)]
    return []
