"""The writes to jobs that are stored: which may share a statement, and what came of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.adapters.postgres.requests import ChangeStatus, DeleteJob
from collection_jobs.adapters.postgres.rows import columns_of

__all__ = ["ChangeStatuses", "DeleteJobs"]

_CHANGED_TOGETHER = 100
"""Fewer than are saved, since these statements loop over the jobs within loops."""


class DeleteJobs:
    """Jobs to remove."""

    together = _CHANGED_TOGETHER

    def __init__(self, statement: str) -> None:
        """Remember the statement."""
        self._statement = statement

    def may_share(self, first: DeleteJob, later: DeleteJob) -> bool:
        """Agree: the second one finds nothing to delete."""
        return True

    async def run(
        self, pooled: PooledConnection, requests: Sequence[DeleteJob]
    ) -> Sequence[bool | Exception]:
        """Remove the jobs; the first call on each job that was there is told so."""
        ids = sorted({request.job_id for request in requests})
        rows = await pooled.fetch(self._statement, ids, pooled.lock_limit)
        return _first_of_each(requests, {job_id for (job_id,) in rows})


class ChangeStatuses:
    """Changes of status."""

    together = _CHANGED_TOGETHER

    def __init__(self, statement: str) -> None:
        """Remember the statement."""
        self._statement = statement

    def may_share(self, first: ChangeStatus, later: ChangeStatus) -> bool:
        """Agree to the same change, which no status permits twice: the second one is refused."""
        return first.status == later.status

    async def run(
        self, pooled: PooledConnection, requests: Sequence[ChangeStatus]
    ) -> Sequence[bool | Exception]:
        """Change the statuses; the first call on each job that could is told so."""
        first: dict[str, ChangeStatus] = {}
        for request in requests:
            first.setdefault(request.job_id, request)
        columns = columns_of(first[job_id] for job_id in sorted(first))
        args = *columns, datetime.now(UTC), pooled.lock_limit
        rows = await pooled.fetch(self._statement, *args)
        return _first_of_each(requests, {job_id for (job_id,) in rows})


def _first_of_each(
    requests: Sequence[DeleteJob | ChangeStatus], changed: set[str]
) -> list[bool | Exception]:
    """Tell the first call on each of the jobs that changed True, and all others False."""
    answers: list[bool | Exception] = []
    for request in requests:
        answers.append(request.job_id in changed)
        changed.discard(request.job_id)
    return answers
