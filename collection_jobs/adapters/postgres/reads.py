"""The reads: what they ask, over any number of keys, and how the rows become answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from collection_jobs.adapters.postgres.parts import read_in_parts
from collection_jobs.adapters.postgres.pooled import PooledConnection, Rows
from collection_jobs.adapters.postgres.rows import is_large, job_from, size
from collection_jobs.job import CollectionJob
from collection_jobs.stats import JobStats

__all__ = ["Get", "List", "Stats"]

_TOGETHER = 100
_JOBS_AT_ONCE = 200
"""Jobs that are built before other tasks run, and the characters of their outcomes."""
_TEXT_AT_ONCE = 250_000


class _Jobs:
    """Jobs by a statement, or in parts where a row cannot hold one."""

    def __init__(self, statement: str, in_parts: str, outcomes: str) -> None:
        """Remember the statements: rows with outcomes, rows without, and a cursor of outcomes."""
        self._statement = statement
        self._in_parts = in_parts
        self._outcomes = outcomes

    async def _read(self, pooled: PooledConnection, *args: object) -> list[CollectionJob]:
        """The jobs, all of one snapshot."""
        rows = await pooled.fetch(self._statement, *args)
        if not any(map(is_large, rows)):
            return await _jobs_from(rows)
        del rows  # or they would be held beside what follows
        return await read_in_parts(pooled, self._in_parts, args, self._outcomes)


class Get(_Jobs):
    """Jobs by their ids."""

    together = _TOGETHER

    async def run(
        self, pooled: PooledConnection, keys: Sequence[str]
    ) -> Mapping[str, CollectionJob]:
        """The jobs that are stored, by their ids."""
        return {job.id: job for job in await self._read(pooled, keys)}


class List(_Jobs):
    """Listings: a key is the arguments of one."""

    together = 1

    async def run(
        self, pooled: PooledConnection, keys: Sequence[tuple[Any, ...]]
    ) -> Mapping[tuple[Any, ...], list[CollectionJob]]:
        """The jobs that one listing has."""
        (key,) = keys
        return {key: await self._read(pooled, *key)}


class Stats:
    """The stats of jobs by their ids."""

    together = _TOGETHER

    def __init__(self, statement: str) -> None:
        """Remember the statement."""
        self._statement = statement

    async def run(self, pooled: PooledConnection, keys: Sequence[str]) -> Mapping[str, JobStats]:
        """The stats of the jobs that are stored, by their ids."""
        # The sum comes as text: it may be more than a bigint holds.
        return {
            job_id: JobStats(total, completed, failed, int(candles) if candles else 0)
            for job_id, total, completed, failed, candles in await pooled.fetch(
                self._statement, keys
            )
        }


async def _jobs_from(rows: Rows) -> list[CollectionJob]:
    jobs: list[CollectionJob] = []
    number = text = 0
    for row in rows:
        if number == _JOBS_AT_ONCE or text > _TEXT_AT_ONCE:
            await asyncio.sleep(0)
            number = text = 0
        jobs.append(job_from(row))
        number += 1
        text += size(row)
    return jobs
