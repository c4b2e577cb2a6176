"""The reads: what they ask, over any number of keys, and how the rows become answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from collection_jobs.adapters.postgres.parts import Cursors, read_in_parts
from collection_jobs.adapters.postgres.pooled import PooledConnection, Rows
from collection_jobs.adapters.postgres.rows import jobs_from_rows, weight_of
from collection_jobs.job import CollectionJob
from collection_jobs.stats import JobStats

__all__ = ["Get", "List", "Stats"]

_TOGETHER = 100
_JOBS_AT_ONCE = 200
"""Jobs that are built before other tasks run; fewer where all have more errors than this."""
_TEXT_AT_ONCE = 250_000


class _Jobs:
    """Jobs by a statement, or in parts where a row cannot hold one."""

    def __init__(self, statement: str, in_parts: str, cursors: Cursors) -> None:
        """Remember the statements: rows with outcomes, rows without, and what reads the rest."""
        self._statement = statement
        self._in_parts = in_parts
        self._cursors = cursors

    async def _read(self, pooled: PooledConnection, *args: object) -> list[CollectionJob]:
        """Return the jobs, all of one snapshot."""
        rows = await pooled.fetch(self._statement, *args)
        weight = weight_of(rows)
        if weight is not None:
            return await _jobs_from(rows, weight)
        del rows  # or they would be held beside what follows
        pairs = await read_in_parts(pooled, self._in_parts, args, self._cursors)
        return [job for _, job in pairs]


class Get(_Jobs):
    """Jobs by their ids."""

    together = _TOGETHER

    async def run(
        self, pooled: PooledConnection, keys: Sequence[str]
    ) -> Mapping[str, CollectionJob]:
        """Return the jobs that are stored, by their ids."""
        return {job.id: job for job in await self._read(pooled, keys)}


class List(_Jobs):
    """Listings: a key is the arguments of one."""

    together = 1

    async def run(
        self, pooled: PooledConnection, keys: Sequence[tuple[Any, ...]]
    ) -> Mapping[tuple[Any, ...], list[CollectionJob]]:
        """Return the jobs that one listing has."""
        (key,) = keys
        return {key: await self._read(pooled, *key)}


class Stats:
    """The stats of jobs by their ids."""

    together = _TOGETHER

    def __init__(self, statement: str) -> None:
        """Remember the statement."""
        self._statement = statement

    async def run(self, pooled: PooledConnection, keys: Sequence[str]) -> Mapping[str, JobStats]:
        """Return the stats of the jobs that are stored, by their ids."""
        # The sum comes as text: it may be more than a bigint holds.
        return {
            job_id: JobStats(total, completed, failed, int(candles) if candles else 0)
            for job_id, total, completed, failed, candles in await pooled.fetch(
                self._statement, keys
            )
        }


async def _jobs_from(rows: Rows, weight: int) -> list[CollectionJob]:
    at_once = max(1, _JOBS_AT_ONCE * _TEXT_AT_ONCE // max(weight, _TEXT_AT_ONCE))
    jobs = jobs_from_rows(rows[:at_once])
    for first in range(at_once, len(rows), at_once):
        await asyncio.sleep(0)
        jobs += jobs_from_rows(rows[first : first + at_once])
    return jobs
