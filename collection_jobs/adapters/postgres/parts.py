"""Reading in parts: jobs whose outcomes are too large for a row, or to be decoded at once."""

from __future__ import annotations

import asyncio

from collection_jobs.adapters.postgres.errors import DRIVER_ERRORS
from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.adapters.postgres.rows import FIELDS, Outcomes, job_from
from collection_jobs.job import CollectionJob

__all__ = ["read_in_parts"]

_FIRST, _MOST = 50, 5_000
"""Outcomes in the first part, 3 MB at the most, and in any."""
_CHARACTERS = 1_000_000
"""Of a part: the next one takes as many outcomes as hold about so many."""
_OVERHEAD = 40
"""What an outcome's symbol and row come to, in characters."""
_JOBS_AT_ONCE = 20
_SNAPSHOT = "REPEATABLE READ, READ ONLY"


async def read_in_parts(
    pooled: PooledConnection, statement: str, args: tuple[object, ...], outcomes: str
) -> list[CollectionJob]:
    """Read jobs in one snapshot, and their outcomes by a cursor, a bounded part at a time.

    Args:
        pooled: A connection at rest.
        statement: It reads the jobs' rows, each with its key and generation at the end.
        args: Its arguments.
        outcomes: It declares the cursor, over keys and generations.
    """
    await pooled.begin(_SNAPSHOT)
    try:
        rows = await pooled.run(statement, *args)
        keys = [row[-2] for row in rows]
        found = await _outcomes(pooled, outcomes, keys, [row[-1] for row in rows])
        await pooled.commit()
    except DRIVER_ERRORS:
        await pooled.roll_back()
        raise
    jobs: list[CollectionJob] = []
    for number, row in enumerate(rows):
        if number % _JOBS_AT_ONCE == 0:
            await asyncio.sleep(0)
        jobs.append(job_from(tuple(row)[:FIELDS], found[row[-2]]))
    return jobs


async def _outcomes(
    pooled: PooledConnection, statement: str, keys: list[int], generations: list[int]
) -> dict[int, Outcomes]:
    """The outcomes of jobs, by their keys."""
    found: dict[int, Outcomes] = {key: ({}, {}) for key in keys}
    await pooled.run(statement, keys, generations)
    wanted = _FIRST
    while rows := await pooled.run(f"FETCH {wanted} FROM outcomes"):
        characters = 0
        for job, symbol, candles, error in rows:
            completed, failed = found[job]
            if error is None:
                completed[symbol] = candles
            else:
                failed[symbol] = error
                characters += len(error)
        average = characters // len(rows) + _OVERHEAD
        wanted = max(1, min(_MOST, _CHARACTERS // average))
    return found
