"""ERROR-1, the part that shows without breaking an engine: what a closed repository says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from collection_jobs.conformance.report.findings import Finding
from collection_jobs.conformance.spec.calls import Call, example_job, make
from collection_jobs.conformance.spec.operations import operations
from collection_jobs.errors import RepositoryClosedError
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["check_closing"]

LAW = "ERROR-1"


def check_closing(
    opening: AbstractAsyncContextManager[CollectionJobRepository], capabilities: frozenset[str]
) -> list[Finding]:
    """Open a repository, leave it, and call each method that it has: one finding, or none."""
    return asyncio.run(_check(opening, [one.call("a") for one in operations(capabilities)]))


async def _check(
    opening: AbstractAsyncContextManager[CollectionJobRepository], calls: Sequence[Call]
) -> list[Finding]:
    async with opening as repository:
        await make(Call("save", (example_job("a"),)), repository)
    for call in calls:
        outcome = await make(call, repository)
        if not isinstance(outcome.error, RepositoryClosedError):
            message = f"{call} {outcome}; a closed repository raises RepositoryClosedError"
            history = ("async with opening as repository:", "    pass", f"await {call}")
            return [Finding(LAW, message, history)]
    return []
