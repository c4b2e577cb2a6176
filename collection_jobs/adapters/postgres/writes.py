"""The writes to jobs that are stored: which may share a statement, and what came of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.adapters.postgres.requests import ChangeStatus, DeleteJob, RecordOutcome
from collection_jobs.adapters.postgres.rows import columns_of
from collection_jobs.errors import JobNotFoundError, UnknownSymbolError

__all__ = ["ChangeStatuses", "DeleteJobs", "RecordOutcomes"]

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


class RecordOutcomes:
    """Outcomes to record."""

    together = _CHANGED_TOGETHER

    def __init__(self, statement: str) -> None:
        """Remember the statement."""
        self._statement = statement

    def may_share(self, first: RecordOutcome, later: RecordOutcome) -> bool:
        """Agree: none decides about another, and the last on a symbol counts."""
        return True

    async def run(
        self, pooled: PooledConnection, requests: Sequence[RecordOutcome]
    ) -> Sequence[Exception | None]:
        """Record the outcomes, but those whose job or symbol is unknown."""
        last = {(request.job_id, request.symbol): request for request in requests}
        calls = Counter((request.job_id, request.symbol) for request in requests)
        keys = sorted(last)
        columns = columns_of((*last[key], calls[key]) for key in keys)
        rows = await pooled.fetch(self._statement, *columns, pooled.lock_limit)
        if not rows:
            return [None] * len(requests)
        # Rows number from 1 what was refused, and say whether the job is there at all.
        refused: dict[tuple[str, str], bool] = {keys[row[0] - 1]: row[1] for row in rows}
        return [_refusal(request, refused) for request in requests]


def _refusal(request: RecordOutcome, refused: dict[tuple[str, str], bool]) -> Exception | None:
    has_job = refused.get((request.job_id, request.symbol))
    if has_job is None:
        return None
    if has_job:
        return UnknownSymbolError(request.job_id, request.symbol)
    return JobNotFoundError(request.job_id)
