"""ERROR-1, the part that shows without breaking an engine: what a closed repository says.

And what its closing makes of an error of the caller's: it is none of the repository's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from collection_jobs.conformance.running.configuration import Examination, Plan
from collection_jobs.conformance.running.deadline import deadline
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
    """Open a repository, leave it, and call each method that it has; leave one by an error."""
    calls = [one.call("a") for one in operations(plan.capabilities)]
    findings = asyncio.run(_check(plan.opening(plan.new_directory()), calls))
    findings = findings or asyncio.run(_leave_by_an_error(plan.opening(plan.new_directory())))
    return Examination(findings, "every method of a closed repository; every error met elsewhere")


class _CallersError(Exception):
    """What a caller raises within the block."""


async def _leave_by_an_error(
    opening: AbstractAsyncContextManager[CollectionJobRepository],
) -> list[Finding]:
    """Raise an error within the block: whoever is around it has to hear of it."""
    arrived: Exception | None = None
    try:
        async with asyncio.timeout(deadline()), opening:
            raise _CallersError
    except Exception as error:  # noqa: BLE001 - whatever arrives, something did
        arrived = error
    if arrived is not None:
        return []
    message = (
        "an error that was raised within 'async with' did not arrive outside of it;"
        " closing a repository must let the caller's own error through: __aexit__ returns None"
    )
    lines = ("async with opening as repository:", '    raise ValueError("of the caller")')
    return [Finding(_LAW, message, lines)]


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
