"""Finding, counting and purging on PostgreSQL: what a call reads, and what holds up whom."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

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
from collection_jobs.adapters.postgres.finds import FindRequest, search_of
from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.adapters.postgres.session import SESSION
from collection_jobs.conformance.spec.calls import example_job
from tests.adapters.postgres_server import Database

Repository = PostgresCollectionJobRepository
START = datetime(2024, 5, 1, tzinfo=UTC)
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
SOON = START + timedelta(seconds=3)
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
    "of a symbol, before an instant": JobQuery(symbol="COMMON", created_before=SOON),
    "of a source, before an instant": JobQuery(source="common", created_before=SOON),
    "of a status, before an instant": JobQuery(statuses=[JobStatus.COMPLETED], created_before=SOON),
}
# A walk may go several hundred jobs far before another one has its turn.
IN_TURNS: Mapping[str, JobQuery] = {
    "a common symbol, a rare source": JobQuery(symbol="COMMON", source="rare"),
    "a rare symbol, a common source": JobQuery(symbol="RARE", source="common"),
    "a common symbol, a rare status": JobQuery(symbol="COMMON", statuses=[JobStatus.FAILED]),
    "a rare symbol, a common status": JobQuery(symbol="RARE", statuses=[JobStatus.COMPLETED]),
    "a common symbol, with failures": JobQuery(symbol="COMMON", with_failures=True),
    "a common source, with failures": JobQuery(source="common", with_failures=True),
    "two common ones, before an instant": JobQuery(
        symbol="HALF", statuses=[JobStatus.PENDING], created_before=SOON
    ),
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

    def _statements(self) -> list[tuple[FindRequest, FindStatement]]:
        searches = [search_of(query, after) for query, after in asked()]
        return [(it, find_statement(self._schema, it.shape)) for it in searches if it is not None]

    async def read(
        self, number: int, search: FindRequest, statement: FindStatement
    ) -> tuple[int, int]:
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
    return [(query, after) for query in {**PAGES, **IN_TURNS}.values() for after in (None, DEEP)]


def as_literal(value: object) -> str:
    if isinstance(value, tuple):
        texts = cast("tuple[str, ...]", value)
        return "'{" + ",".join(texts) + "}'"
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
    names = [name for name in (*PAGES, *IN_TURNS) for _ in range(2)]

    async def assert_cheap(prepared: Prepared) -> None:
        for name, (blocks, rows) in zip(names, await prepared.costs(), strict=True):
            assert blocks < (1_200 if name in PAGES else 3_000), (name, blocks, rows)
            if rows < 35 and name in PAGES:
                assert blocks < 250, (name, blocks)

    # Plans that were made while the tables were as good as empty, and such as are made later.
    empty, full = Prepared(former, schema), Prepared(fresh, schema)
    await empty.prepare()
    await former.fetch(FILL.format(schema=schema), jobs)
    await assert_cheap(empty)
    await former.execute(f"VACUUM ANALYZE {schema}.jobs, {schema}.job_symbols")
    await assert_cheap(empty)
    await full.prepare()
    await assert_cheap(full)
    await assert_right(url, [rows for _, rows in await full.costs()][::2])
    await former.close()
    await fresh.close()


async def assert_right(url: str, shown: list[int]) -> None:
    """Of every query, the first page shows as many jobs as there are, which a count finds."""
    async with Repository.from_url(f"{url}&command_timeout=300") as repository:
        for (name, query), rows in zip({**PAGES, **IN_TURNS}.items(), shown, strict=True):
            counted = await repository.count(query)
            assert rows == min(100, sum(counted.values())), name


async def test_a_count_costs_the_jobs_that_are_counted(
    url: str, database: Database, schema: str
) -> None:
    async with Repository.from_url(f"{url}&command_timeout=300") as repository:
        await repository.save(aged("a", 0))
        await database.fetch(FILL.format(schema=schema), 40_000)
        await database.execute(f"VACUUM ANALYZE {schema}.jobs, {schema}.job_symbols")
        for query in (
            JobQuery(symbol="RARE"),
            JobQuery(source="rare"),
            JobQuery(statuses=[JobStatus.FAILED]),
            JobQuery(with_failures=True),
            JobQuery(symbol="COMMON", source="rare"),
            JobQuery(symbol="COMMON", source="common", with_failures=True),
            JobQuery(statuses=[JobStatus.COMPLETED], created_before=SOON),
            JobQuery(created_before=SOON),
        ):
            search = search_of(query)
            assert search is not None
            statement = count_statement(schema, search.shape)
            literals = [as_literal(value) for value in search.arguments_of(statement)]
            connection = await asyncpg.connect(database.url)
            await connection.execute(SESSION)
            await connection.execute(f"PREPARE counting AS {statement.text}")
            ((text,),) = await connection.fetch(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE counting ({', '.join(literals)})"
            )
            await connection.close()
            plan: dict[str, int] = json.loads(text)[0]["Plan"]
            assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 3_000, query
            counted = await repository.count(query)
            assert sum(counted.values()) == len(await repository.find(query, 50_000))
            assert list(counted) == list(JobStatus)


@pytest.mark.parametrize("call", ["find", "count"])
async def test_a_find_is_one_round_trip_and_reads_no_outcome(
    repository: Repository, database: Database, schema: str, call: str
) -> None:
    await repository.save(aged("a", 0, completed_symbols={"BTC": 2}, failed_symbols={"ETH": "x"}))
    await repository.find(JobQuery(symbol="BTC"))
    query = JobQuery(symbol="BTC", source="binance", with_failures=True)
    sent: list[str] = []
    fetch = PooledConnection.fetch

    async def noted(pooled: PooledConnection, statement: str, *args: object) -> list[Any]:
        sent.append(statement)
        return await fetch(pooled, statement, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PooledConnection, "fetch", noted)
        await getattr(repository, call)(query)
    (statement,) = sent
    assert "outcomes" not in statement
    # It shows what is counted in the job's row.
    await database.execute(f"DELETE FROM {schema}.outcomes")
    ((summary,), stats) = await repository.find(query), await repository.get_stats("a")
    assert summary.stats == stats
    assert (summary.stats.completed, summary.stats.failed, summary.stats.total_candles) == (1, 1, 2)


async def test_summaries_of_large_jobs_come_whole_in_parts(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Metadata of some megabytes for each job, and symbols of a megabyte."""
    large = {f"{n}": f"{n}" + "\x01" * 20_000 for n in range(40)}
    compressible = {f"{n}": "x" * 40_000 for n in range(60)}
    symbols = tuple(f"S{n}" for n in range(100_000))
    jobs = [
        aged("a", 0, metadata=large),
        aged("b", 1, metadata={"k": "v"}),
        aged("c", 2, metadata=compressible, error_message="x" * 60_000),
        aged("d", 3, symbols=symbols, failed_symbols=dict.fromkeys(symbols[:6_000], "boom")),
    ]
    async with Repository.from_url(f"{url}&command_timeout=120") as repository:
        for job in jobs:
            await repository.save(job)
        found = await repository.find(JobQuery())
        assert found == [JobSummary.from_job(job) for job in jobs]
        assert found[0].metadata == large
        assert await ids(repository, JobQuery(symbol="S99999")) == ["d"]
        assert await ids(repository, JobQuery(metadata=large)) == ["a"]
        await repository.save(jobs[3].with_completed_symbol("S0", 1))
        assert await repository.delete("d")
        assert await ids(repository, JobQuery(symbol="S99999")) == []


async def test_a_summary_shows_the_lease_of_its_job(
    repository: Repository, database: Database, schema: str
) -> None:
    await repository.save_many([aged("a", 0), aged("b", 1)])
    lease = await repository.claim("b", "w \u00e9", timedelta(hours=1))
    assert lease is not None
    first, second = await repository.find(JobQuery())
    assert (first.worker, first.expires_at) == (None, None)
    assert second == JobSummary.from_job(lease.job, lease)
    await database.execute(
        f"UPDATE {schema}.jobs SET lease_expires_at = '-infinity' WHERE id = 'b'"
    )
    (_, second) = await repository.find(JobQuery())
    assert (second.worker, second.expires_at) == ("w \u00e9", FIRST)
    assert await repository.update_status("b", JobStatus.FAILED, lease=lease)
    (_, second) = await repository.find(JobQuery())
    assert (second.worker, second.expires_at) == (None, None)


@pytest.mark.parametrize(
    "text",
    ['"', "\\", "{a,b}", "NULL", "<limit>", "<symbol>", "{schema}", "$1", "'; --", "\u2028", "%s"],
)
async def test_no_condition_means_anything_to_sql(repository: Repository, text: str) -> None:
    job = aged(text, 0, source=text, symbols=(text,), metadata={text: text})
    await repository.save_many([job, aged("other", 1)])
    for query in (
        JobQuery(symbol=text),
        JobQuery(source=text),
        JobQuery(metadata={text: text}),
        JobQuery(symbol=text, source=text, metadata={text: text}),
    ):
        assert await ids(repository, query) == [text]
        assert (await repository.count(query))[JobStatus.PENDING] == 1
    assert await ids(repository, JobQuery(symbol=f"{text} ")) == []


async def test_ages_up_to_both_ends_of_time_and_equal_ones(repository: Repository) -> None:
    instants = [FIRST, FIRST, START, START, LAST, LAST]
    jobs = [example_job(f"{n}", created_at=at) for n, at in enumerate(instants)]
    await repository.save_many(reversed(jobs))
    for low in (None, FIRST, START, LAST):
        for high in (None, FIRST, START, LAST):
            query = JobQuery(created_from=low, created_before=high, statuses=[JobStatus.PENDING])
            found = await ids(repository, query)
            assert found == [job.id for job in jobs if query.matches(job)]
            assert (await repository.count(query))[JobStatus.PENDING] == len(found)
    for after, expected in (((START, "2"), "345"), ((LAST, "4"), "5"), ((FIRST, "~"), "2345")):
        page = await repository.find(JobQuery(symbol="BTC"), after=after)
        assert "".join(one.id for one in page) == expected


async def test_pages_join_up_however_many_jobs_have_one_age(repository: Repository) -> None:
    await repository.save_many(aged(f"{n:03}", n % 2, source=f"{n % 3}") for n in range(500))
    for query in (
        JobQuery(),
        JobQuery(symbol="BTC"),
        JobQuery(source="1"),
        JobQuery(symbol="ETH", source="2", statuses=[JobStatus.PENDING, JobStatus.FAILED]),
    ):
        joined: list[JobSummary] = []
        while page := await repository.find(
            query, 7, after=(joined[-1].created_at, joined[-1].id) if joined else None
        ):
            joined += page
        assert joined == await repository.find(query, 10_000)
        keys = [(one.created_at, one.id) for one in joined]
        assert keys == sorted(set(keys))
        assert len(keys) in (500, 167, 166)


async def test_without_prepared_statements_all_is_the_same(url: str) -> None:
    """As behind a pooler that shares sessions among transactions."""
    async with Repository.from_url(f"{url}&statement_cache=0") as repository:
        large = {"k": "\x01" * 30_000}
        await repository.save_many([ended("a", 0), ended("b", 1, metadata=large), aged("c", 0)])
        await repository.add_failure("c", "BTC", "gone", permanent=True)
        await repository.set_cursor("c", "BTC", example_job("c").start)
        assert await ids(repository, JobQuery(symbol="BTC", with_failures=True)) == ["c"]
        found = await repository.find(JobQuery(statuses=[JobStatus.COMPLETED]))
        assert [one.metadata for one in found] == [{}, large]
        counted = await repository.count(JobQuery(source="binance"))
        assert (counted[JobStatus.COMPLETED], counted[JobStatus.PENDING]) == (2, 1)
        assert await repository.delete_finished(LATER, limit=1) == 1
        assert await ids(repository, JobQuery()) == ["b", "c"]
