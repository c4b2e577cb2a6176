"""Finding, counting and purging on PostgreSQL: what a call reads, and what holds up whom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from collection_jobs import (
    CollectionJob,
    FindsJobs,
    JobQuery,
    JobStatus,
    JobSummary,
    Purges,
)
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.adapters.postgres.find_statements import (
    FindStatement,
    count_statement,
    find_statement,
)
from collection_jobs.adapters.postgres.finds import Search, search_of
from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.adapters.postgres.session import SESSION
from collection_jobs.conformance.spec.calls import example_job
from tests.adapters.postgres_server import Database

Repository = PostgresCollectionJobRepository
START = datetime(2024, 5, 1, tzinfo=UTC)
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
async def repository(url: str) -> AsyncGenerator[Repository]:
    async with Repository.from_url(url) as opened:
        yield opened


def aged(job_id: str, minutes: int, **changes: object) -> CollectionJob:
    """A job of an age: the greater the number, the younger."""
    return example_job(job_id, created_at=START + timedelta(minutes=minutes), **changes)


def ended(job_id: str, minutes: int, **changes: object) -> CollectionJob:
    """A job that ended at a time: the greater the number, the later."""
    finished_at = START + timedelta(minutes=minutes)
    return example_job(
        job_id, **{"status": JobStatus.COMPLETED, "finished_at": finished_at, **changes}
    )


async def ids(repository: Repository, query: JobQuery, limit: int = 100) -> list[str]:
    return [one.id for one in await repository.find(query, limit)]


def test_it_has_both_capabilities(url: str) -> None:
    repository = Repository.from_url(url)
    assert isinstance(repository, FindsJobs)
    assert isinstance(repository, Purges)


# What a page costs

FILL = """
    INSERT INTO {schema}.jobs (key, id, source, symbols, timeframe, range_start, range_end,
        created_at, status, finished_at, generation, revision, counted, failed, has_failed)
    SELECT -n, 'job ' || n, CASE WHEN n > $1 - 5 THEN 'rare' ELSE 'common' END,
        CASE WHEN n > $1 - 5 THEN '{{COMMON,RARE}}' WHEN n % 2 = 0 THEN '{{COMMON,HALF}}'
            ELSE '{{COMMON}}' END::text[],
        timeframe, range_start, range_end,
        created_at + n / 10 * interval '1 s',
        CASE WHEN n > $1 - 5 THEN 'failed' WHEN n % 3 = 0 THEN 'pending' ELSE 'completed' END,
        CASE WHEN n > $1 - 5 OR n % 3 <> 0 THEN created_at + n * interval '1 s' END,
        generation, revision, 0, (n > $1 - 5)::integer, n > $1 - 5
    FROM {schema}.jobs, generate_series(1, $1::integer) AS n WHERE id = 'a'"""

DEEP = (START + timedelta(minutes=50), "job 1")
PAGES: Mapping[str, JobQuery] = {
    "all": JobQuery(),
    "of a common symbol": JobQuery(symbol="COMMON"),
    "of half the symbols": JobQuery(symbol="HALF"),
    "of a rare symbol": JobQuery(symbol="RARE"),
    "of no symbol": JobQuery(symbol="none"),
    "of a common source": JobQuery(source="common"),
    "of a rare source": JobQuery(source="rare"),
    "of a common status": JobQuery(statuses=[JobStatus.COMPLETED]),
    "of a rare status": JobQuery(statuses=[JobStatus.FAILED]),
    "of several statuses": JobQuery(statuses=[JobStatus.FAILED, JobStatus.PENDING]),
    "of a source and a status": JobQuery(source="common", statuses=[JobStatus.FAILED]),
    "with failures": JobQuery(with_failures=True),
    "between two instants": JobQuery(
        created_from=START + timedelta(minutes=40), created_before=START + timedelta(minutes=50)
    ),
}
# A walk may go several hundred jobs far before another one has its turn.
IN_TURNS: Mapping[str, JobQuery] = {
    "a common symbol, a rare source": JobQuery(symbol="COMMON", source="rare"),
    "a rare symbol, a common source": JobQuery(symbol="RARE", source="common"),
    "a common symbol, a rare status": JobQuery(symbol="COMMON", statuses=[JobStatus.FAILED]),
    "a rare symbol, a common status": JobQuery(symbol="RARE", statuses=[JobStatus.COMPLETED]),
    "a common symbol, with failures": JobQuery(symbol="COMMON", with_failures=True),
    "a common source, with failures": JobQuery(source="common", with_failures=True),
    "all common": JobQuery(symbol="HALF", source="common", statuses=[JobStatus.COMPLETED]),
    "few that ended": JobQuery(symbol="COMMON", finished_before=START),
    "many that ended": JobQuery(symbol="COMMON", finished_before=LATER),
    "few that ended, of any kind": JobQuery(finished_before=START),
}


class Prepared:
    """The statements of some queries, prepared in one session."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record], schema: str) -> None:
        self._connection = connection
        self._schema = schema

    async def prepare(self) -> None:
        await self._connection.execute(SESSION)
        for number, (search, statement) in enumerate(self._statements()):
            await self._connection.execute(f"PREPARE find_{number} AS {statement.text}")
            await self.read(number, search, statement)

    def _statements(self) -> list[tuple[Search, FindStatement]]:
        searches = [search_of(query, after) for query, after in asked()]
        return [(it, find_statement(self._schema, it.shape)) for it in searches if it is not None]

    async def read(self, number: int, search: Search, statement: FindStatement) -> tuple[int, int]:
        """Give the blocks that a page takes, and the jobs that are in it."""
        values = search.arguments_of(statement, limit=100)
        literals = [as_literal(value) for value in values]
        arguments = f" ({', '.join(literals)})" if literals else ""
        ((text,),) = await self._connection.fetch(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE find_{number}{arguments}"
        )
        plan: dict[str, Any] = json.loads(text)[0]["Plan"]
        return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], plan["Actual Rows"]

    async def costs(self) -> list[tuple[int, int]]:
        return [await self.read(number, *pair) for number, pair in enumerate(self._statements())]


def asked() -> list[tuple[JobQuery, tuple[datetime, str] | None]]:
    return [(query, after) for query in (PAGES | IN_TURNS).values() for after in (None, DEEP)]


def as_literal(value: object) -> str:
    if isinstance(value, tuple):
        return "'{" + ",".join(map(str, value)) + "}'"
    if isinstance(value, datetime):
        ends = {FIRST: "'-infinity'", LAST: "'infinity'"}
        return ends.get(value, f"'{value.isoformat()}'")
    return f"'{value}'"


@pytest.mark.parametrize("jobs", [40_000, pytest.param(1_000_000, marks=pytest.mark.release)])
async def test_a_page_costs_the_same_however_many_jobs_are_stored_and_match(
    url: str, database: Database, schema: str, jobs: int
) -> None:
    async with Repository.from_url(f"{url}&command_timeout=300") as repository:
        await repository.save(aged("a", 0))
    former, fresh = [await asyncpg.connect(database.url) for _ in range(2)]
    sessions = [Prepared(former, schema), Prepared(fresh, schema)]
    # Plans that were made while the tables were as good as empty, and before they were analyzed.
    await sessions[0].prepare()
    await former.fetch(FILL.format(schema=schema), jobs)
    await former.execute(f"VACUUM ANALYZE {schema}.jobs, {schema}.job_symbols")
    await sessions[1].prepare()
    names = [name for name in (*PAGES, *IN_TURNS) for _ in range(2)]
    for session in sessions:
        for name, (blocks, rows) in zip(names, await session.costs(), strict=True):
            print(name, blocks, rows)
            most = 1_200 if name in PAGES else 8_000
            assert blocks < most, (name, blocks, rows)
            if rows < 10 and name in PAGES:
                assert blocks < 150, (name, blocks)
    await former.close()
    await fresh.close()
