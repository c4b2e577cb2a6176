"""ERROR-1, the part that shows without breaking an engine: what a closed repository says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from collection_jobs.conformance.running.configuration import Examination, Plan
from collection_jobs.conformance.running.open_store import open_with_timeout
from collection_jobs.conformance.running.runner import answered
from collection_jobs.conformance.spec.calls import Call, example_job
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.operations import operations
from collection_jobs.errors import RepositoryClosedError
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["examine_closing"]

_LAW = "ERROR-1"


def examine_closing(plan: Plan) -> Examination:
    """Open a repository, leave it, and call each method that it has."""
    calls = [one.call("a") for one in operations(plan.capabilities)]
    findings = asyncio.run(_check(plan.opening(plan.new_directory()), calls))
    return Examination(findings, "every method of a closed repository; every error met elsewhere")


async def _check(
    opening: AbstractAsyncContextManager[CollectionJobRepository], calls: Sequence[Call]
) -> list[Finding]:
    async with open_with_timeout(opening) as repository:
        await answered(Call("save", (example_job("a"),)), repository)
    for call in calls:
        outcome = await answered(call, repository)
        if not isinstance(outcome.error, RepositoryClosedError):
            message = f"{call} {outcome}; a closed repository raises RepositoryClosedError"
            history = ("async with opening as repository:", "    pass", f"await {call}")
            return [Finding(_LAW, message, history)]
    return []
