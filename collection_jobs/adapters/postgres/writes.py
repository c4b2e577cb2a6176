"""The writes: which may share a statement, and what came of each that did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar

from collection_jobs.adapters.postgres.batching import Write
from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.adapters.postgres.rows import row_of
from collection_jobs.adapters.postgres.statements import Statements
from collection_jobs.errors import JobNotFoundError, StaleJobError, UnknownSymbolError
from collection_jobs.job import CollectionJob

__all__ = [
    "LARGEST_WEIGHT",
    "Delete",
    "PutOutcome",
    "Save",
    "SaveLarge",
    "UpdateStatus",
    "are_several",
    "text_weight",
    "weight",
]

_GREATEST_REVISION = 2**63 - 1
_NEVER = -1
_Outcome: TypeAlias = tuple[str, str, int | None, str | None]
_Row = TypeVar("_Row", bound=tuple[Any, ...])
LARGEST_WEIGHT = 10_000
"""Symbols, outcomes and quarters of a kilobyte of text in one statement: 2.5 MB at the most."""
_TEXT = 250
_IN_JSON = 6
"""Characters that JSON takes at most for one."""
_SAVED_TOGETHER = 200
"""Jobs in one statement; with 400 and 800 callers were served no faster."""
_CHANGED_TOGETHER = 100
"""Fewer, since these statements loop over the jobs within loops."""


class Save:
    """Jobs to store whole; the args are a list of jobs of different ids, all or none of them."""

    together = _SAVED_TOGETHER

    def __init__(self, statements: Statements) -> None:
        """Remember the statements."""
        self._statements = statements

    def may_share(self, first: Write, later: Write) -> bool:
        """Never: the second may be stale because of the first."""
        return False

    async def run(self, pooled: PooledConnection, writes: Sequence[Write]) -> None:
        """Save the jobs of each call that has no stale one."""
        jobs = [(job, number) for number, write in enumerate(writes) for job in write.args]
        refused = await _save(pooled, self._statements, jobs)
        if refused:
            for write in writes:
                write.error = _staleness(write.args, refused)


class SaveLarge:
    """Jobs to store all or none that need several statements; the args are a list of jobs."""

    together = 0

    def __init__(self, statements: Statements) -> None:
        """Remember the statements."""
        self._statements = statements

    def may_share(self, first: Write, later: Write) -> bool:
        """Never."""
        return False

    async def run(self, pooled: PooledConnection, writes: Sequence[Write]) -> None:
        """Save the jobs of one call."""
        (write,) = writes
        committing = False
        try:
            await pooled.begin()
            for chunk in _chunks(write.args):
                refused = await self._save(pooled, chunk)
                write.error = _staleness(chunk, refused)
                if write.error is not None:
                    await pooled.roll_back()
                    return
            committing = True
            await pooled.commit()
        except BaseException:
            if not committing:
                await pooled.roll_back()
            raise

    async def _save(
        self, pooled: PooledConnection, chunk: list[CollectionJob]
    ) -> dict[str, int | None]:
        """Save some jobs of different ids; of one that is large, what it has many of in parts."""
        if len(chunk) > 1 or weight(chunk[0]) <= LARGEST_WEIGHT:
            return await _save(pooled, self._statements, [(job, 0) for job in chunk])
        (job,) = chunk
        rows = [(job, 0)]
        refused = await _save(pooled, self._statements, rows, whole=False)
        if not refused:
            for part in _parts(_outcomes([job])):
                await pooled.fetch(self._statements.add_outcomes, job.id, *_columns(part)[1:])
            for entries in _parts(job.metadata.items()):
                await pooled.fetch(self._statements.add_metadata, job.id, *_columns(entries))
        return refused


def are_several(jobs: Sequence[CollectionJob], ids: Sequence[str]) -> bool:
    """Whether jobs do not fit in one statement: they are many, or some have the same id."""
    return len(jobs) > _SAVED_TOGETHER or len(ids) < len(jobs)


def weight(job: CollectionJob) -> int:
    """Count the symbols, outcomes and entries of a job, and quarters of a kilobyte of text."""
    failed = job.failed_symbols
    many = len(job.symbols) + len(job.completed_symbols) + len(failed)
    if failed:
        many += sum(map(len, failed.values())) // _TEXT
    if job.metadata:
        many += len(job.metadata) + _IN_JSON * sum(map(len, job.metadata.values())) // _TEXT
    return many if job.error_message is None else many + text_weight(job.error_message)


def text_weight(text: str | None) -> int:
    """The quarters of a kilobyte that a text has."""
    return 0 if text is None else len(text) // _TEXT


def _chunks(jobs: list[CollectionJob]) -> Iterator[list[CollectionJob]]:
    """Parts with each id at most once; of two copies of a job, the later one is in a later part."""
    seen: Counter[str] = Counter()
    layers: list[list[CollectionJob]] = []
    for job in jobs:
        if seen[job.id] == len(layers):
            layers.append([])
        layers[seen[job.id]].append(job)
        seen[job.id] += 1
    for layer in layers:
        # By the ids, so that several statements take their locks in one order.
        yield from _statements_of(sorted(layer, key=_id))


def _statements_of(jobs: list[CollectionJob]) -> Iterator[list[CollectionJob]]:
    """Parts that fit in a statement each; a job that does not is alone."""
    chunk: list[CollectionJob] = []
    total = 0
    for job in jobs:
        added = weight(job)
        if chunk and (len(chunk) == _SAVED_TOGETHER or total + added > LARGEST_WEIGHT):
            yield chunk
            chunk, total = [], 0
        chunk.append(job)
        total += added
    yield chunk


def _parts(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    """Split rows that may end in a text into parts that fit in a statement each."""
    part: list[_Row] = []
    total = 0
    for row in rows:
        part.append(row)
        total += 1 + text_weight(row[-1])
        if total >= LARGEST_WEIGHT:
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
    columns = _columns(row_of(job, with_metadata=whole) for job, _ in jobs)
    revisions = [_expected(job.revision) for job, _ in jobs]
    outcomes = _columns(_outcomes(job for job, _ in jobs)) if whole else []
    limit = pooled.lock_limit
    if not outcomes and all(revision is None for revision in revisions):
        await pooled.fetch(statements.save, *columns, limit)
        return {}
    calls = [call for _, call in jobs]
    outcomes = outcomes or [[], [], [], []]
    args = *columns, revisions, calls, *outcomes, limit
    return dict(await pooled.fetch(statements.save_whole, *args))


def _columns(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _expected(revision: int | None) -> int | None:
    """A revision as a bigint; one that no store gives out becomes one that is never stored."""
    if revision is None or 0 < revision <= _GREATEST_REVISION:
        return revision
    return _NEVER


def _outcomes(jobs: Iterable[CollectionJob]) -> Iterator[_Outcome]:
    for job in jobs:
        for symbol, candles in job.completed_symbols.items():
            yield job.id, symbol, candles, None
        for symbol, error in job.failed_symbols.items():
            yield job.id, symbol, None, error


def _staleness(
    jobs: Iterable[CollectionJob], refused: dict[str, int | None]
) -> StaleJobError | None:
    """Of the first of some jobs that is refused."""
    for job in jobs:
        if job.id in refused and job.revision is not None:
            return StaleJobError(job.id, job.revision, refused[job.id])
    return None


class Delete:
    """Jobs to remove; the args are the id."""

    together = _CHANGED_TOGETHER

    def __init__(self, statement: str) -> None:
        """Remember the statement."""
        self._statement = statement

    def may_share(self, first: Write, later: Write) -> bool:
        """Always: the second one finds nothing to delete."""
        return True

    async def run(self, pooled: PooledConnection, writes: Sequence[Write]) -> None:
        """Remove the jobs; the first call on each job that was there is told so."""
        ids = sorted({write.args for write in writes})
        rows = await pooled.fetch(self._statement, ids, pooled.lock_limit)
        gone = {job_id for (job_id,) in rows}
        for write in writes:
            write.result = write.args in gone
            gone.discard(write.args)


class UpdateStatus:
    """Changes of status; the args are the id, the status, and the message."""

    together = _CHANGED_TOGETHER

    def __init__(self, statement: str) -> None:
        """Remember the statement."""
        self._statement = statement

    def may_share(self, first: Write, later: Write) -> bool:
        """For the same change, which no status permits twice: the second one is refused."""
        return bool(first.args[1] == later.args[1])

    async def run(self, pooled: PooledConnection, writes: Sequence[Write]) -> None:
        """Change the statuses; the first call on each job that could is told so."""
        first: dict[str, tuple[str, str, str | None]] = {}
        for write in writes:
            first.setdefault(write.args[0], write.args)
        columns = _columns(sorted(first.values()))
        args = *columns, datetime.now(UTC), pooled.lock_limit
        rows = await pooled.fetch(self._statement, *args)
        changed = {job_id for (job_id,) in rows}
        for write in writes:
            job_id = write.args[0]
            write.result = job_id in changed
            changed.discard(job_id)


class PutOutcome:
    """Outcomes to record; the args are the id, the symbol, the candles, and the error."""

    together = _CHANGED_TOGETHER

    def __init__(self, statement: str) -> None:
        """Remember the statement."""
        self._statement = statement

    def may_share(self, first: Write, later: Write) -> bool:
        """Always: none decides about another, and the last on a symbol counts."""
        return True

    async def run(self, pooled: PooledConnection, writes: Sequence[Write]) -> None:
        """Record the outcomes, but those whose job or symbol is unknown."""
        last: dict[tuple[str, str], tuple[Any, ...]] = {w.args[:2]: w.args for w in writes}
        calls = Counter(write.args[:2] for write in writes)
        keys = sorted(last)
        columns = _columns((*last[key], calls[key]) for key in keys)
        rows = await pooled.fetch(self._statement, *columns, pooled.lock_limit)
        if rows:
            refused: dict[tuple[str, str], bool] = {keys[row[0] - 1]: row[1] for row in rows}
            for write in writes:
                write.error = _refusal(write.args[:2], refused)


def _refusal(key: tuple[str, str], refused: dict[tuple[str, str], bool]) -> Exception | None:
    if key not in refused:
        return None
    return UnknownSymbolError(*key) if refused[key] else JobNotFoundError(key[0])
