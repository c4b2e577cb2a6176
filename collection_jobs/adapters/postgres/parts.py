"""Reading in parts: jobs whose outcomes or metadata are too large to be read or decoded at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from collection_jobs.adapters.postgres.errors import DRIVER_ERRORS
from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.adapters.postgres.rows import (
    Outcomes,
    has_large_metadata,
    job_from_row,
    utc,
)
from collection_jobs.fields import FIELDS
from collection_jobs.job import CollectionJob

__all__ = ["Cursors", "read_in_parts", "read_metadata_in_parts"]

_FIRST, _MOST = 50, 5_000
"""Rows in the first part, 3 MB at the most, and in any."""
_CHARACTERS = 1_000_000
"""Of a part: the next one takes as many rows as hold about so many."""
_OVERHEAD = 40
"""What the rest of a row comes to, in characters, beside its text."""
_JOBS_AT_ONCE = 20
_SNAPSHOT = "REPEATABLE READ, READ ONLY"


class Cursors(NamedTuple):
    """The statements that declare cursors over what jobs have many of.

    Attributes:
        outcomes: ``outcomes``, over keys and generations.
        metadata: ``metadata``, over keys.
    """

    outcomes: str
    metadata: str


async def read_in_parts(
    pooled: PooledConnection, statement: str, args: tuple[object, ...], cursors: Cursors
) -> list[tuple[tuple[Any, ...], CollectionJob]]:
    """Read jobs in one snapshot, and what they have many of by cursors, a bounded part at a time.

    Args:
        pooled: A connection at rest.
        statement: It reads the jobs' rows, each with its key and generation at the end.
        args: Its arguments.
        cursors: They read the rest.

    Returns:
        Each row, and the job in it.
    """
    await pooled.begin(_SNAPSHOT)
    try:
        rows = await pooled.run(statement, *args)
        keys = [row[-2] for row in rows]
        large = [row[-2] for row in rows if has_large_metadata(row)]
        outcomes = await _outcomes(pooled, cursors.outcomes, keys, [row[-1] for row in rows])
        metadata = await _metadata(pooled, cursors.metadata, large) if large else {}
        await pooled.commit()
    except DRIVER_ERRORS:
        await pooled.roll_back()
        raise
    found: list[tuple[tuple[Any, ...], CollectionJob]] = []
    for number, values in enumerate(rows):
        if number % _JOBS_AT_ONCE == 0:
            await asyncio.sleep(0)
        row: tuple[Any, ...] = tuple(values)
        key: int = row[-2]
        found.append((row, job_from_row(row[: len(FIELDS)], outcomes[key], metadata.get(key))))
    return found


async def read_metadata_in_parts(
    pooled: PooledConnection, statement: str, args: Iterable[object], cursor: str, place: int
) -> tuple[list[tuple[Any, ...]], dict[int, Mapping[str, str]]]:
    """Read rows in one snapshot, and by a cursor the metadata that they leave out.

    Args:
        pooled: A connection at rest.
        statement: It reads the rows, each with the job's key at the end.
        args: Its arguments.
        cursor: It declares ``metadata``, over keys.
        place: The place of the metadata, which is null where it is left out.

    Returns:
        The rows, and the metadata by the keys of the jobs.
    """
    await pooled.begin(_SNAPSHOT)
    try:
        rows = await pooled.run(statement, *args)
        large = [row[-1] for row in rows if row[place] is None]
        metadata = await _metadata(pooled, cursor, large) if large else {}
        await pooled.commit()
    except DRIVER_ERRORS:
        await pooled.roll_back()
        raise
    found: dict[int, Mapping[str, str]] = {
        key: MappingProxyType(value) for key, value in metadata.items()
    }
    return [tuple(row) for row in rows], found


async def _outcomes(
    pooled: PooledConnection, statement: str, keys: list[int], generations: list[int]
) -> dict[int, Outcomes]:
    """Read the outcomes of jobs, by their keys."""
    found: dict[int, Outcomes] = {key: Outcomes.none() for key in keys}
    await pooled.run(statement, keys, generations)
    async for rows in _parts(pooled, "outcomes"):
        for job, symbol, candles, permanent, failures, until, error in rows:
            known = found[job]
            if candles is not None:
                known.completed_symbols[symbol] = candles
            elif error is not None:
                known.failed_symbols[symbol] = error
            if permanent:
                known.permanent_failures.add(symbol)
            if failures is not None:
                known.failure_counts[symbol] = failures
            if until is not None:
                known.cursors[symbol] = utc(until)
    return found


async def _metadata(
    pooled: PooledConnection, statement: str, keys: list[int]
) -> dict[int, dict[str, str]]:
    """Read the metadata of jobs, by their keys."""
    found: dict[int, dict[str, str]] = {key: {} for key in keys}
    await pooled.run(statement, keys)
    async for rows in _parts(pooled, "metadata"):
        for job, key, value in rows:
            found[job][key] = value
    return found


async def _parts(pooled: PooledConnection, cursor: str) -> AsyncIterator[Iterable[Any]]:
    """Fetch the rows of a cursor, whose last column is a text, a bounded part at a time."""
    wanted = _FIRST
    while rows := await pooled.run(f"FETCH {wanted} FROM {cursor}"):
        yield rows
        characters = sum(len(row[-1]) for row in rows if row[-1] is not None)
        wanted = max(1, min(_MOST, _CHARACTERS // (characters // len(rows) + _OVERHEAD)))
