"""The reads: what they ask, over any number of keys, and how the rows become answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from collection_jobs.adapters.postgres.connections import Held, Rows
from collection_jobs.adapters.postgres.rows import job_from, parsed_int
from collection_jobs.job import CollectionJob
from collection_jobs.stats import JobStats

__all__ = ["Get", "List", "Stats"]

_TOGETHER = 100
_TURN = 200
"""Jobs that are built before other tasks have their turn."""


class Get:
    """Jobs by their ids."""

    together = _TOGETHER

    def __init__(self, statement: str) -> None:
        """Remember the statement."""
        self._statement = statement

    async def run(self, held: Held, keys: Sequence[str]) -> Mapping[str, CollectionJob]:
        """The jobs that are stored, by their ids."""
        rows = await held.fetch(self._statement, keys)
        return {row[0]: job_from(row) for row in rows}


class Stats:
    """The stats of jobs by their ids."""

    together = _TOGETHER

    def __init__(self, statement: str) -> None:
        """Remember the statement."""
        self._statement = statement

    async def run(self, held: Held, keys: Sequence[str]) -> Mapping[str, JobStats]:
        """The stats of the jobs that are stored, by their ids."""
        return {
            job_id: JobStats(total, completed, failed, parsed_int(candles) if candles else 0)
            for job_id, total, completed, failed, candles in await held.fetch(self._statement, keys)
        }


class List:
    """Listings: a key is the arguments of one."""

    together = 1

    def __init__(self, statement: str) -> None:
        """Remember the statement."""
        self._statement = statement

    async def run(
        self, held: Held, keys: Sequence[tuple[Any, ...]]
    ) -> Mapping[tuple[Any, ...], list[CollectionJob]]:
        """The jobs that one listing has."""
        (key,) = keys
        return {key: await _jobs_from(await held.fetch(self._statement, *key))}


async def _jobs_from(rows: Rows) -> list[CollectionJob]:
    jobs = [job_from(row) for row in rows[:_TURN]]
    for first in range(_TURN, len(rows), _TURN):
        await asyncio.sleep(0)
        jobs += [job_from(row) for row in rows[first : first + _TURN]]
    return jobs
