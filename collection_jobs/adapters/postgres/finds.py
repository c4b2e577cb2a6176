"""The calls that find, count and purge: what they ask, and how the rows become answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from collection_jobs.adapters.postgres.find_statements import (
    SUMMARY_FIELDS,
    FindStatement,
    Shape,
    count_statement,
    find_statement,
    purge_statement,
)
from collection_jobs.adapters.postgres.parts import read_metadata_in_parts
from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.adapters.postgres.rows import (
    LARGEST_TEXT_DOCUMENT,
    decoders_of,
    document_of,
    utc,
)
from collection_jobs.query import JobQuery, JobSummary
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus

__all__ = ["Counts", "DeleteFinished", "FindRequest", "Finds", "Purge", "search_of"]

_FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)
_LAST_INSTANT = datetime.max.replace(tzinfo=UTC)
_STEP = timedelta(microseconds=1)
_AT_ONCE = 200
_TEXT_AT_ONCE = 250_000
"""Summaries, and characters of their texts, that are built before other tasks run."""
_METADATA, _SYMBOLS = SUMMARY_FIELDS.index("metadata"), SUMMARY_FIELDS.index("symbols")
_FIELDS = len(SUMMARY_FIELDS)
_DECODERS = decoders_of(SUMMARY_FIELDS)


class FindRequest(NamedTuple):
    """A query as a statement takes it.

    Attributes:
        shape: Which statement.
        values: Its arguments by the names of its parameters, but for the limit.
    """

    shape: Shape
    values: tuple[tuple[str, Any], ...]

    def arguments_of(self, statement: FindStatement, **more: object) -> list[Any]:
        """Give a statement's arguments, in its order."""
        values = {**dict(self.values), **more}
        return [values[name] for name in statement.parameters]


def search_of(query: JobQuery, after: tuple[datetime, str] | None = None) -> FindRequest | None:
    """Return what to search; None if no job can match.

    Args:
        query: The conditions.
        after: The key behind which to start.
    """
    first = (_FIRST_INSTANT if query.created_from is None else query.created_from, "")
    created_at, job_id = first if after is None else max(first, after)
    last = _LAST_INSTANT
    if query.created_before is not None:
        if query.created_before == _FIRST_INSTANT:
            return None
        last = query.created_before - _STEP
    statuses = JobStatus if query.statuses is None else sorted(query.statuses)
    if not statuses:
        return None
    conditions = {
        "symbol": query.symbol,
        "source": query.source,
        "metadata": document_of(query.metadata) if query.metadata else None,
        "finished": query.finished_before,
    }
    given = {name: value for name, value in conditions.items() if value is not None}
    shape = Shape(
        **dict.fromkeys(given, True),
        statuses=query.statuses is not None,
        with_failures=query.with_failures is True,
        without_failures=query.with_failures is False,
        before=query.created_before is not None,
    )
    values: dict[str, Any] = {"after_created_at": created_at, "after_id": job_id, "last": last}
    values["of_statuses"] = tuple([status.value for status in statuses])
    return FindRequest(shape, tuple({**values, **given}.items()))


class Finds:
    """Pages of summaries: a key is a search and a limit."""

    together = 1

    def __init__(self, schema: str, metadata_cursor: str) -> None:
        """Remember where, and the statement that reads large metadata."""
        self._schema = schema
        self._metadata_cursor = metadata_cursor

    async def run(
        self, pooled: PooledConnection, keys: Sequence[tuple[FindRequest, int]]
    ) -> Mapping[tuple[FindRequest, int], list[JobSummary]]:
        """Return the summaries of one page."""
        (key,) = keys
        search, limit = key
        statement = find_statement(self._schema, search.shape)
        args = search.arguments_of(statement, limit=limit)
        rows = await pooled.fetch(statement.text, *args)
        if _fits(rows):
            return {key: await _summaries(rows, {})}
        del rows  # or they would be held beside what follows
        found = await read_metadata_in_parts(
            pooled, statement.text, args, self._metadata_cursor, _METADATA
        )
        return {key: await _summaries(*found)}


class Counts:
    """How many jobs match, by status: a key is a search."""

    together = 1

    def __init__(self, schema: str) -> None:
        """Remember where."""
        self._schema = schema

    async def run(
        self, pooled: PooledConnection, keys: Sequence[FindRequest]
    ) -> Mapping[FindRequest, dict[str, int]]:
        """Count the jobs of one search."""
        (key,) = keys
        statement = count_statement(self._schema, key.shape)
        args = key.arguments_of(statement)
        return {key: dict(await pooled.fetch(statement.text, *args))}


class Purge(NamedTuple):
    """Delete jobs that have ended: it is about no job that is known beforehand."""

    before: datetime
    statuses: list[str]
    limit: int

    @property
    def ids(self) -> Sequence[str]:
        """No job."""
        return ()

    @property
    def weight(self) -> int:
        """The purge."""
        return 1


class DeleteFinished:
    """Purges."""

    together = 0

    def __init__(self, schema: str) -> None:
        """Remember where."""
        self._statement = purge_statement(schema)

    def may_share(self, first: Purge, later: Purge) -> bool:
        """Refuse."""
        return False

    async def run(self, pooled: PooledConnection, requests: Sequence[Purge]) -> Sequence[int]:
        """Delete the jobs of one call, and count them."""
        (request,) = requests
        ((deleted,),) = await pooled.fetch(self._statement, *request, pooled.lock_limit)
        return [deleted]


def _fits(rows: Iterable[Any]) -> bool:
    """Tell whether each row has its metadata, and none has too much to be decoded at once."""
    return all(
        row[_METADATA] is not None and len(row[_METADATA]) <= LARGEST_TEXT_DOCUMENT for row in rows
    )


async def _summaries(
    rows: Sequence[Any], metadata: Mapping[int, Mapping[str, str]]
) -> list[JobSummary]:
    summaries: list[JobSummary] = []
    since = 0
    for row in rows:
        summaries.append(_summary(row, metadata.get(row[-1])))
        since += _TEXT_AT_ONCE // _AT_ONCE + 8 * len(row[_SYMBOLS]) + len(row[_METADATA] or "")
        if since >= _TEXT_AT_ONCE:
            await asyncio.sleep(0)
            since = 0
    return summaries


def _summary(row: Any, metadata: Mapping[str, str] | None) -> JobSummary:
    values: dict[str, Any] = {}
    for name, decode, value in zip(SUMMARY_FIELDS, _DECODERS, row, strict=False):
        values[name] = value if decode is None or value is None else decode(value)
    if metadata is not None:
        values["metadata"] = metadata
    total, completed, failed, candles, worker, expires_at, _ = row[_FIELDS:]
    return JobSummary(
        **values,
        stats=JobStats(total, completed, failed, int(candles)),
        worker=worker,
        expires_at=None if expires_at is None else utc(expires_at),
    )
