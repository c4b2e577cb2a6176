"""The saves: jobs stored whole, in one statement, or in several within a transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.adapters.postgres.requests import SaveJobs, job_weight, text_weight
from collection_jobs.adapters.postgres.rows import (
    OUTCOME_COLUMNS,
    columns_of,
    row_of,
    sparse_columns_of,
)
from collection_jobs.adapters.postgres.statements import Statements
from collection_jobs.errors import StaleJobError
from collection_jobs.job import CollectionJob

__all__ = [
    "SaveInParts",
    "SaveTogether",
    "fits_one_statement",
    "jobs_by_statement",
    "outcome_columns",
    "outcome_rows",
    "save_the_rest",
]

_GREATEST_REVISION = 2**63 - 1
_NEVER = -1
_Outcome: TypeAlias = tuple[
    str, str, int | None, bool | None, int | None, datetime | None, str | None
]
"""A job, a symbol of it, and the columns of `OUTCOME_COLUMNS`."""
_Row = TypeVar("_Row", bound=tuple[Any, ...])
_LARGEST_WEIGHT = 10_000
"""Symbols, outcomes and quarters of a kilobyte of text in one statement: 2.5 MB at the most."""
_SAVED_TOGETHER = 200
"""Jobs in one statement; with 400 and 800 callers were served no faster."""


def fits_one_statement(request: SaveJobs) -> bool:
    """Say whether the jobs can be stored by one statement: few, light, and each at most once."""
    many = len(request.jobs)
    return (
        request.weight <= _LARGEST_WEIGHT and many <= _SAVED_TOGETHER and len(request.ids) == many
    )


class SaveTogether:
    """Calls whose jobs go in one statement."""

    together = _SAVED_TOGETHER

    def __init__(self, statements: Statements) -> None:
        """Remember the statements."""
        self._statements = statements

    def may_share(self, first: SaveJobs, later: SaveJobs) -> bool:
        """Refuse: the second may be stale because of the first."""
        return False

    async def run(
        self, pooled: PooledConnection, requests: Sequence[SaveJobs]
    ) -> Sequence[Exception | None]:
        """Save the jobs of each call that has no stale one."""
        jobs = [(job, number) for number, request in enumerate(requests) for job in request.jobs]
        refused = await _save(pooled, self._statements, jobs)
        if not refused:
            return [None] * len(requests)
        return [_staleness(request.jobs, refused) for request in requests]


class SaveInParts:
    """A call whose jobs need several statements, and a transaction around them."""

    together = 0

    def __init__(self, statements: Statements) -> None:
        """Remember the statements."""
        self._statements = statements

    def may_share(self, first: SaveJobs, later: SaveJobs) -> bool:
        """Refuse."""
        return False

    async def run(
        self, pooled: PooledConnection, requests: Sequence[SaveJobs]
    ) -> Sequence[Exception | None]:
        """Save the jobs of one call."""
        (request,) = requests
        committing = False
        try:
            await pooled.begin()
            for chunk in _chunks(request.jobs):
                refused = await self._save(pooled, chunk)
                stale = _staleness(chunk, refused)
                if stale is not None:
                    await pooled.roll_back()
                    return [stale]
            committing = True
            await pooled.commit()
        except BaseException:
            if not committing:
                await pooled.roll_back()
            raise
        return [None]

    async def _save(
        self, pooled: PooledConnection, chunk: list[CollectionJob]
    ) -> dict[str, int | None]:
        """Save some jobs of different ids; of one that is large, what it has many of in parts."""
        if len(chunk) > 1 or job_weight(chunk[0]) <= _LARGEST_WEIGHT:
            return await _save(pooled, self._statements, [(job, 0) for job in chunk])
        (job,) = chunk
        rows = [(job, 0)]
        refused = await _save(pooled, self._statements, rows, whole=False)
        if not refused:
            await save_the_rest(pooled, self._statements, job)
        return refused


async def save_the_rest(
    pooled: PooledConnection, statements: Statements, job: CollectionJob
) -> None:
    """Save what a large job has many of, within the transaction that has saved its row."""
    for part in rows_by_statement(outcome_rows([job])):
        await pooled.fetch(statements.add_outcomes, job.id, *outcome_columns(part)[1:])
    for entries in rows_by_statement(job.metadata.items()):
        await pooled.fetch(statements.add_metadata, job.id, *columns_of(entries))


def _chunks(jobs: Sequence[CollectionJob]) -> Iterator[list[CollectionJob]]:
    """Give parts with each id at most once; of two copies of a job, the later in a later part."""
    seen: Counter[str] = Counter()
    layers: list[list[CollectionJob]] = []
    for job in jobs:
        if seen[job.id] == len(layers):
            layers.append([])
        layers[seen[job.id]].append(job)
        seen[job.id] += 1
    for layer in layers:
        # By the ids, so that several statements take their locks in one order.
        yield from jobs_by_statement(sorted(layer, key=_id))


def jobs_by_statement(jobs: list[CollectionJob]) -> Iterator[list[CollectionJob]]:
    """Give parts that fit in a statement each; a job that does not is alone."""
    chunk: list[CollectionJob] = []
    total = 0
    for job in jobs:
        added = job_weight(job)
        if chunk and (len(chunk) == _SAVED_TOGETHER or total + added > _LARGEST_WEIGHT):
            yield chunk
            chunk, total = [], 0
        chunk.append(job)
        total += added
    yield chunk


def rows_by_statement(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    """Give parts of rows, which may end in a text, that fit in a statement each."""
    part: list[_Row] = []
    total = 0
    for row in rows:
        part.append(row)
        total += 1 + text_weight(row[-1])
        if total >= _LARGEST_WEIGHT:
            yield part
            part, total = [], 0
    if part:
        yield part


def _id(job: CollectionJob) -> str:
    return job.id


async def _save(
    pooled: PooledConnection,
    statements: Statements,
    jobs: list[tuple[CollectionJob, int]],
    *,
    whole: bool = True,
) -> dict[str, int | None]:
    """Save some jobs of different ids, each with the number of its call.

    Args:
        pooled: A connection at rest or in a transaction.
        statements: The statements.
        jobs: The jobs.
        whole: Whether their outcomes and metadata are saved, too.

    Returns:
        The ids of those that are stale, and the revisions they have.
    """
    if not jobs:
        return {}
    jobs.sort(key=lambda pair: pair[0].id)
    columns = columns_of(row_of(job, with_metadata=whole) for job, _ in jobs)
    revisions = [_expected(job.revision) for job, _ in jobs]
    outcomes = outcome_columns(outcome_rows(job for job, _ in jobs) if whole else ())
    limit = pooled.lock_limit
    if not outcomes[0] and all(revision is None for revision in revisions):
        await pooled.fetch(statements.save, *columns, limit)
        return {}
    calls = [call for _, call in jobs]
    args = *columns, revisions, calls, *outcomes, limit
    return dict(await pooled.fetch(statements.save_whole, *args))


def _expected(revision: int | None) -> int | None:
    """Give a revision as a bigint; one that no store gives out becomes one never stored."""
    if revision is None or 0 < revision <= _GREATEST_REVISION:
        return revision
    return _NEVER


def outcome_rows(jobs: Iterable[CollectionJob]) -> Iterator[_Outcome]:
    """Give what is known of the symbols of jobs, one after another."""
    for job in jobs:
        failures, cursors = job.failure_counts.get, job.cursors.get
        for symbol, candles in job.completed_symbols.items():
            yield job.id, symbol, candles, None, failures(symbol), None, None
        for symbol, error in job.failed_symbols.items():
            permanent = symbol in job.permanent_failures or None
            yield job.id, symbol, None, permanent, failures(symbol), cursors(symbol), error
        if job.failure_counts or job.cursors:
            for symbol in dict.fromkeys([*job.failure_counts, *job.cursors]):
                if symbol not in job.completed_symbols and symbol not in job.failed_symbols:
                    yield job.id, symbol, None, None, failures(symbol), cursors(symbol), None


def outcome_columns(rows: Iterable[_Outcome]) -> list[list[Any]]:
    """Turn rows into arrays, as `sparse_columns_of`; without any, all are empty."""
    return sparse_columns_of(rows) or [[]] * (2 + len(OUTCOME_COLUMNS))


def _staleness(
    jobs: Iterable[CollectionJob], refused: dict[str, int | None]
) -> StaleJobError | None:
    """Give the refusal of the first of some jobs that is refused."""
    for job in jobs:
        if job.id in refused and job.revision is not None:
            return StaleJobError(job.id, job.revision, refused[job.id])
    return None
