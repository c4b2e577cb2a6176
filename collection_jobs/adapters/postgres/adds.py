"""The additions: jobs that are created and replace nothing, in one statement or in several."""

from __future__ import annotations

from collections.abc import Sequence

from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.adapters.postgres.requests import SaveJobs
from collection_jobs.adapters.postgres.rows import columns_of, row_of
from collection_jobs.adapters.postgres.saves import (
    fits_one_statement,
    jobs_by_statement,
    outcome_columns,
    outcome_rows,
    save_the_rest,
)
from collection_jobs.adapters.postgres.statements import Statements
from collection_jobs.job import CollectionJob

__all__ = ["AddJobs", "AddManyJobs"]

_ADDED_TOGETHER = 200


class AddJobs:
    """Calls with one job each."""

    together = _ADDED_TOGETHER

    def __init__(self, statements: Statements) -> None:
        """Remember the statements."""
        self._statement = statements.add

    def may_share(self, first: SaveJobs, later: SaveJobs) -> bool:
        """Agree: the second one finds the job there."""
        return True

    async def run(
        self, pooled: PooledConnection, requests: Sequence[SaveJobs]
    ) -> Sequence[list[bool]]:
        """Add the job of each call; of several with one id the first creates it."""
        first: dict[str, CollectionJob] = {}
        for request in requests:
            first.setdefault(request.ids[0], request.jobs[0])
        added = await _add(pooled, self._statement, list(first.values()))
        return [_answer(request, added) for request in requests]


class AddManyJobs:
    """A call with many jobs, all at one instant."""

    together = 0

    def __init__(self, statements: Statements) -> None:
        """Remember the statements."""
        self._statements = statements

    def may_share(self, first: SaveJobs, later: SaveJobs) -> bool:
        """Refuse."""
        return False

    async def run(
        self, pooled: PooledConnection, requests: Sequence[SaveJobs]
    ) -> Sequence[list[bool]]:
        """Add the jobs of one call; a job that is there stays until all are added."""
        (request,) = requests
        first: dict[str, CollectionJob] = {}
        for job in request.jobs:
            first.setdefault(job.id, job)
        jobs = sorted(first.values(), key=lambda job: job.id)
        if not jobs:
            added: set[str] = set()
        elif fits_one_statement(SaveJobs.of(jobs)):
            added = await _add(pooled, self._statements.add_many, jobs)
        else:
            added = await self._add_in_parts(pooled, jobs)
        return [_answer(request, added)]

    async def _add_in_parts(self, pooled: PooledConnection, jobs: list[CollectionJob]) -> set[str]:
        added: set[str] = set()
        committing = False
        try:
            await pooled.begin()
            for chunk in jobs_by_statement(jobs):
                whole = fits_one_statement(SaveJobs.of(chunk))
                new = await _add(pooled, self._statements.add_many, chunk, whole=whole)
                if new and not whole:  # a large job is alone
                    await save_the_rest(pooled, self._statements, chunk[0])
                added |= new
            committing = True
            await pooled.commit()
        except BaseException:
            if not committing:
                await pooled.roll_back()
            raise
        return added


async def _add(
    pooled: PooledConnection, statement: str, jobs: list[CollectionJob], *, whole: bool = True
) -> set[str]:
    """Add some jobs of different ids, with their outcomes and metadata or without.

    Returns:
        The ids of those that were created.
    """
    jobs.sort(key=lambda job: job.id)
    columns = columns_of(row_of(job, with_metadata=whole) for job in jobs)
    outcomes = outcome_columns(outcome_rows(jobs) if whole else ())
    args = *columns, *outcomes, pooled.lock_limit
    return {row[0] for row in await pooled.fetch(statement, *args)}


def _answer(request: SaveJobs, added: set[str]) -> list[bool]:
    """Tell the first job of each id that was created True, and all others False."""
    answers: list[bool] = []
    for job in request.jobs:
        answers.append(job.id in added)
        added.discard(job.id)
    return answers
