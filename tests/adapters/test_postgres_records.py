"""Failures as data and cursors on PostgreSQL: among callers, sessions and releases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from collection_jobs import (
    CollectionJob,
    JobNotFoundError,
    JobQuery,
    JobStats,
    JobStatus,
    LeaseLostError,
    RecordsCursorsUnderLease,
    RecordsFailuresUnderLease,
    UnknownSymbolError,
)
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.conformance.spec.calls import example_job
from tests.adapters.postgres_server import Database
from tests.adapters.schemas.postgres import SCHEMA, dump

Repository = PostgresCollectionJobRepository
HOUR = timedelta(hours=1)
MOST = 2**63 - 1
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@pytest.fixture
async def repository(url: str) -> AsyncGenerator[Repository]:
    async with Repository.from_url(url) as opened:
        yield opened


async def read(repository: Repository, job_id: str) -> CollectionJob:
    job = await repository.get_by_id(job_id)
    assert job is not None
    return job


def test_it_has_both_capabilities(url: str) -> None:
    repository = Repository.from_url(url)
    assert isinstance(repository, RecordsFailuresUnderLease)
    assert isinstance(repository, RecordsCursorsUnderLease)


async def test_concurrent_failures_of_one_symbol_all_count(url: str) -> None:
    """Among callers that share a statement, and among repositories, whose calls alternate."""
    async with Repository.from_url(url) as one, Repository.from_url(url) as other:
        await one.save(example_job("a"))
        lease = await one.claim("a", "w", HOUR)
        assert lease is not None

        async def fail(repository: Repository, number: int) -> None:
            for n in range(10):
                held = lease if n % 2 else None
                if n % 3:
                    await repository.add_failed_symbol("a", "BTC", "boom", lease=held)
                else:
                    await repository.add_failure("a", "BTC", "gone", permanent=True, lease=held)

        await asyncio.gather(*(fail((one, other)[n % 2], n) for n in range(20)))
        job = await read(one, "a")
        assert job.failure_counts == {"BTC": 200}
        assert await one.get_stats("a") == JobStats.from_job(job)


async def test_concurrent_outcomes_of_all_kinds_are_counted_right(url: str) -> None:
    async with Repository.from_url(url) as one, Repository.from_url(url) as other:
        symbols = tuple(f"S{n}" for n in range(5))
        await one.save_many(example_job(f"{n}", symbols=symbols) for n in range(3))

        async def work(repository: Repository, number: int) -> None:
            for n in range(30):
                job_id, symbol = f"{(n + number) % 3}", symbols[(n * number) % 5]
                if (n + number) % 4 == 0:
                    await repository.add_completed_symbol(job_id, symbol, MOST - n)
                elif (n + number) % 4 == 1:
                    start = (await read(repository, job_id)).start
                    await repository.set_cursor(job_id, symbol, start + HOUR)
                elif n == 15:
                    job = await read(repository, job_id)
                    await repository.save(replace(job.with_revision(None), error_message="saved"))
                else:
                    await repository.add_failed_symbol(job_id, symbol, "boom")

        await asyncio.gather(*(work((one, other)[n % 2], n) for n in range(12)))
        for n in range(3):
            job = await read(one, f"{n}")
            assert await one.get_stats(job.id) == JobStats.from_job(job)
            assert not job.cursors.keys() & job.completed_symbols.keys()
            (summary,) = [s for s in await one.find(JobQuery()) if s.id == job.id]
            assert summary.stats == JobStats.from_job(job)


async def test_a_count_stops_at_the_most(repository: Repository) -> None:
    job = example_job("a", failure_counts={"BTC": MOST - 1, "ETH": MOST})
    await repository.save(job)
    await repository.add_failed_symbol("a", "BTC", "boom")
    for symbol in ("BTC", "ETH"):
        await asyncio.gather(*(repository.add_failed_symbol("a", symbol, "boom") for _ in "1234"))
    assert (await read(repository, "a")).failure_counts == {"BTC": MOST, "ETH": MOST}


@pytest.mark.parametrize("together", [1, 2, 5])
async def test_the_last_of_several_calls_on_a_symbol_counts_and_a_completion_forgets_its_cursor(
    repository: Repository, together: int
) -> None:
    """However many of them travel as one statement."""
    job = example_job("a", cursors={"BTC": example_job("a").start + HOUR})
    calls: list[Callable[[], Awaitable[None]]] = [
        lambda: repository.add_failed_symbol("a", "BTC", "1"),
        lambda: repository.add_failure("a", "BTC", "2", permanent=True),
        lambda: repository.add_completed_symbol("a", "BTC", 0),
        lambda: repository.add_failed_symbol("a", "BTC", "3"),
        lambda: repository.add_failure("a", "BTC", "4", permanent=True),
    ]
    await repository.save(job)
    for first in range(0, 5, together):
        await asyncio.gather(*(call() for call in calls[first : first + together]))
    found = await read(repository, "a")
    assert found == example_job(
        "a",
        failed_symbols={"BTC": "4"},
        permanent_failures=frozenset({"BTC"}),
        failure_counts={"BTC": 4},
    )
    assert await repository.get_stats("a") == JobStats.from_job(found)


@pytest.mark.parametrize("together", [1, 3])
async def test_a_mark_is_that_of_the_last_outcome(repository: Repository, together: int) -> None:
    """Alone, and where other calls travel in the same statement."""
    await repository.save(example_job("a"))

    async def record(call: Awaitable[None]) -> CollectionJob:
        beside = (repository.add_failed_symbol("a", "ETH", "boom") for _ in range(together - 1))
        await asyncio.gather(call, *beside)
        return await read(repository, "a")

    gone = frozenset({"BTC"})
    for _ in range(2):
        job = await record(repository.add_failure("a", "BTC", "gone", permanent=True))
        assert job.permanent_failures == gone
        job = await record(repository.add_failure("a", "BTC", "boom"))
        assert job.permanent_failures == frozenset()
        job = await record(repository.add_failure("a", "BTC", "gone", permanent=True))
        assert job.permanent_failures == gone
        job = await record(repository.add_failed_symbol("a", "BTC", "boom"))
        assert job.permanent_failures == frozenset()
        await record(repository.add_failure("a", "BTC", "gone", permanent=True))
        job = await record(repository.add_completed_symbol("a", "BTC", 1))
        assert (job.permanent_failures, job.completed_symbols) == (frozenset(), {"BTC": 1})
        assert await repository.get_stats("a") == JobStats.from_job(job)


async def test_each_kind_of_refusal_is_told_to_its_caller_alone(repository: Repository) -> None:
    job = example_job("a", completed_symbols={"ETH": 1})
    await repository.save(job)
    await repository.save(example_job("b"))
    lease = await repository.claim("a", "w", HOUR)
    lost = await repository.claim("b", "w", HOUR)
    assert lease is not None
    assert lost is not None
    assert await repository.update_status("b", JobStatus.PENDING)
    before = await read(repository, "a")
    late = job.end + timedelta(microseconds=1)
    said = f"until must lie within {job.start.isoformat()} to {job.end.isoformat()}: "
    for held, gone in ((None, None), (lease, lost)):
        answers = await asyncio.gather(
            repository.set_cursor("a", "BTC", late, lease=held),
            repository.set_cursor("a", "none", late, lease=held),
            repository.set_cursor("a", "BTC", job.end, lease=held),
            repository.set_cursor("a", "ETH", job.start, lease=held),
            repository.set_cursor("a", "ETH", late, lease=held),
            repository.set_cursor("b" if gone else "none", "none", late, lease=gone),
            repository.set_cursor("a", "BTC", job.start, lease=held),
            return_exceptions=True,
        )
        kinds = [type(answer) for answer in answers]
        there = LeaseLostError if gone else JobNotFoundError
        nothing = type(None)
        assert kinds == [ValueError, UnknownSymbolError, *[nothing] * 2, ValueError, there, nothing]
        assert str(answers[0]) == f"{said}{late.isoformat()}"
        after = await read(repository, "a")
        assert after == replace(before, cursors={"BTC": job.start})
        assert (after.revision or 0) >= (before.revision or 0) + 2
        # What changes nothing draws no revision.
        await repository.set_cursor("a", "ETH", job.start, lease=held)
        assert (await read(repository, "a")).revision == after.revision
        before = after
    with pytest.raises(ValueError, match="must be one of job 'b'"):
        await repository.set_cursor("b", "BTC", job.start, lease=lease)
    for call in (repository.add_failure, repository.add_failed_symbol):
        with pytest.raises(LeaseLostError):
            await call("b", "none", "boom", lease=lost)
        with pytest.raises(UnknownSymbolError):
            await call("a", "none", "boom", lease=lease)
        with pytest.raises(JobNotFoundError):
            await call("none", "none", "boom")


async def test_cursors_up_to_both_ends_of_time_come_back_alone_and_in_parts(
    url: str, repository: Repository
) -> None:
    symbols = tuple(f"S{n:04}" for n in range(6_000))
    one = FIRST + timedelta(microseconds=1)
    ends = {"S0000": FIRST, "S0001": one, "S0002": LAST - timedelta(microseconds=1), "S0003": LAST}
    counts = {symbol: number for number, symbol in enumerate(symbols[3_000:], 1)}
    small = example_job("a", symbols=symbols, start=FIRST, end=LAST, cursors=ends)
    large = replace(
        small,
        id="b",
        failure_counts=counts,
        failed_symbols=dict.fromkeys(symbols[2_000:4_000], "boom"),
        permanent_failures=frozenset(symbols[2_500:3_500]),
        completed_symbols=dict.fromkeys(symbols[5_000:], 3),
    )
    for job in (small, large):
        await repository.save(job)
        assert await read(repository, job.id) == job
        await repository.add_completed_symbol(job.id, "S0000", 1)
        await repository.set_cursor(job.id, "S0001", LAST)
        assert await repository.claim(job.id, "w", HOUR) is not None
        lease = await repository.get_lease(job.id)
        assert lease is not None
        assert lease.job.cursors == {"S0001": LAST, "S0002": ends["S0002"], "S0003": LAST}
        assert lease.job.permanent_failures == job.permanent_failures
        assert lease.job.failure_counts == job.failure_counts


async def test_a_job_of_which_only_counts_and_cursors_are_known_is_read_whole(
    repository: Repository,
) -> None:
    """Their rows are no outcomes; more than a row can hold of them are read in parts."""
    symbols = tuple(f"S{n:04}" for n in range(5_500))
    job = example_job("a", symbols=symbols)
    for wanted in (
        replace(job, failure_counts=dict.fromkeys(symbols, 3)),
        replace(job, cursors=dict.fromkeys(symbols, job.end)),
        replace(job, failure_counts={"S0000": 1}, cursors={"S0001": job.start}),
    ):
        await repository.save(wanted)
        assert await read(repository, "a") == wanted
        assert await repository.get_stats("a") == JobStats(5_500, 0, 0, 0)
        assert await repository.find(JobQuery(with_failures=True)) == []
        assert await repository.list_recent() == [wanted]


async def test_what_was_recorded_while_a_cursor_waited_counts(
    repository: Repository, database: Database, schema: str
) -> None:
    """The symbol completed meanwhile: then there is nothing to set, and no revision."""
    await repository.save(example_job("a"))
    other = await asyncpg.connect(database.url)
    async with other.transaction():
        await other.execute(f"SELECT FROM {schema}.jobs FOR NO KEY UPDATE")
        waiting = asyncio.create_task(repository.set_cursor("a", "BTC", example_job("a").start))
        query = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1"
        async with asyncio.timeout(20):
            while not await database.fetch(query, f"%{schema}%"):
                pass
        await other.execute(
            f"INSERT INTO {schema}.outcomes SELECT key, generation, 'BTC', 5 FROM {schema}.jobs"
        )
    await other.close()
    before = (await read(repository, "a")).revision
    await waiting
    job = await read(repository, "a")
    assert (job.completed_symbols, job.cursors) == ({"BTC": 5}, {})
    assert job.revision == before


async def test_a_cancelled_failure_was_recorded_or_not(repository: Repository) -> None:
    await repository.save(example_job("a"))
    failures = [
        asyncio.create_task(repository.add_failure("a", "BTC", "boom", permanent=True))
        for _ in range(50)
    ]
    cursors = [
        asyncio.create_task(repository.set_cursor("a", "ETH", example_job("a").start))
        for _ in range(50)
    ]
    await asyncio.sleep(0)
    for task in (*failures[::2], *cursors[::2]):
        task.cancel()
    done = await asyncio.gather(*failures, return_exceptions=True)
    await asyncio.gather(*cursors, return_exceptions=True)
    count = (await read(repository, "a")).failure_counts["BTC"]
    assert done.count(None) <= count <= 50
    await repository.add_failure("a", "BTC", "boom")
    assert (await read(repository, "a")).failure_counts["BTC"] == count + 1


# Programs of the release before, whose statements know of no counts


async def test_what_a_process_of_the_release_before_records_is_counted(
    database: Database, schema: str
) -> None:
    """Also what it saves in several statements, and what its completions leave behind."""
    await database.execute(dump(4).replace(SCHEMA, schema))
    put = f"""
        WITH put AS (
            INSERT INTO {schema}.outcomes (job, generation, symbol, candles, error)
            SELECT key, generation, $2, $3, $4 FROM {schema}.jobs WHERE id = $1
            ON CONFLICT (job, generation, symbol) DO UPDATE
            SET candles = excluded.candles, error = excluded.error
        ) UPDATE {schema}.jobs SET revision = nextval('{schema}.revisions') WHERE id = $1"""
    save = f"""
        INSERT INTO {schema}.jobs AS j (key, generation, revision, id, source, symbols, timeframe,
            range_start, range_end, created_at, status)
        SELECT n, n, n, $1::text, 's', ARRAY['BTC', 'ETH', 'XRP'], '1h', '2024-01-01',
            '2025-01-01', '2024-01-01', 'running' FROM nextval('{schema}.revisions') AS n
        ON CONFLICT (id) DO UPDATE
        SET symbols = excluded.symbols, created_at = excluded.created_at, status = excluded.status,
            generation = excluded.generation, revision = nextval('{schema}.revisions')"""
    former = await asyncpg.connect(database.url)
    putting, saving = await former.prepare(put), await former.prepare(save)
    await former.execute("SELECT 1")  # asyncpg leaves the transaction of the preparing open
    async with Repository.from_url(database.in_schema(schema)) as repository:

        async def assert_counted(job_id: str, completed: int, failed: int, candles: int) -> None:
            job = await read(repository, job_id)
            stats = JobStats.from_job(job)
            assert (stats.completed, stats.failed, stats.total_candles) == (
                completed,
                failed,
                candles,
            )
            assert await repository.get_stats(job_id) == stats
            found = await repository.find(JobQuery(with_failures=bool(failed)))
            assert [one.stats for one in found if one.id == job_id] == [stats]

        for job_id in ("new", "made"):
            async with former.transaction():
                await saving.fetch(job_id)
                await former.execute(
                    f"INSERT INTO {schema}.outcomes SELECT key, generation, 'ETH', 7"
                    f" FROM {schema}.jobs WHERE id = '{job_id}'"
                )
            await assert_counted(job_id, 1, 0, 7)
            await repository.add_failure(job_id, "BTC", "gone", permanent=True)
            await repository.set_cursor(job_id, "BTC", datetime(2024, 5, 1, tzinfo=UTC))
            await assert_counted(job_id, 1, 1, 7)
            await putting.fetch(job_id, "BTC", 5, None)
            await assert_counted(job_id, 2, 0, 12)
            job = await read(repository, job_id)
            assert (job.permanent_failures, job.cursors) == (frozenset(), {})
            await putting.fetch(job_id, "XRP", None, "boom")
            await repository.add_completed_symbol(job_id, "ETH", 1)
            await assert_counted(job_id, 2, 1, 6)
            assert await repository.update_status(job_id, JobStatus.FAILED)
            assert job_id in {one.id for one in await repository.find(JobQuery(symbol="XRP"))}
    await former.close()


async def test_no_call_of_this_release_counts_anew(
    repository: Repository, database: Database, schema: str
) -> None:
    """That would read all outcomes of a job at each of its changes."""
    await repository.save(example_job("warm"))
    await database.execute(
        f"""CREATE OR REPLACE FUNCTION {schema}.count_outcomes() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE 'counted anew'; END $$"""
    )
    job = example_job("a", completed_symbols={"BTC": 1}, failure_counts={"ETH": 2})
    for _ in range(3):
        await repository.save(job)
        await repository.save_many([example_job("b"), job])
        await repository.save(await read(repository, "a"))
        lease = await repository.claim("a", "w", HOUR)
        assert lease is not None
        for held in (lease, None):
            await repository.add_failed_symbol("a", "ETH", "boom", lease=held)
            await asyncio.gather(
                repository.add_completed_symbol("a", "BTC", 4, lease=held),
                repository.add_failure("a", "ETH", "boom", lease=held),
                repository.set_cursor("a", "ETH", job.start, lease=held),
            )
        await repository.renew(lease, HOUR)
        assert await repository.update_status("a", JobStatus.PENDING, lease=lease)
        assert await repository.claim_next("w", HOUR) is not None
        assert await repository.update_status("a", JobStatus.CANCELLED)
    assert await repository.add(example_job("c", failed_symbols={"BTC": "boom"}))
    assert await repository.add_many([job, example_job("d")]) == [False, True]
    assert await repository.delete("a")
