"""What PostgreSQL must not do to jobs: to their values, their order, and among transactions."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from collection_jobs import CollectionJob, JobStatus, RepositoryError, StaleJobError
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.adapters.postgres.lease_statements import LeaseStatements
from collection_jobs.adapters.postgres.record_statements import RecordStatements
from collection_jobs.adapters.postgres.session import SESSION
from collection_jobs.adapters.postgres.statements import Statements
from collection_jobs.conformance.spec.calls import example_job
from tests.adapters.postgres_server import Database

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@pytest.fixture
async def repository(url: str) -> AsyncGenerator[PostgresCollectionJobRepository]:
    async with PostgresCollectionJobRepository.from_url(url) as opened:
        yield opened


async def read(repository: PostgresCollectionJobRepository, job_id: str) -> CollectionJob:
    job = await repository.get_by_id(job_id)
    assert job is not None
    return job


async def test_the_ends_of_time_come_back_as_they_were_and_sort_as_such(
    repository: PostgresCollectionJobRepository,
) -> None:
    instants = [FIRST, FIRST + timedelta(microseconds=1), LAST - timedelta(microseconds=1), LAST]
    for number, instant in enumerate(instants):
        job = example_job(
            f"{number}", start=FIRST, end=LAST, created_at=instant, started_at=instant
        )
        await repository.save(job)
        assert await repository.get_by_id(job.id) == job
    listed = await repository.list_by_status(JobStatus.PENDING)
    assert [job.created_at for job in listed] == instants
    assert {job.created_at.tzinfo for job in listed} == {UTC}
    assert [job.created_at for job in await repository.list_recent(since=LAST)] == [LAST]


async def test_candles_come_back_up_to_the_most_and_their_sum_is_exact(
    repository: PostgresCollectionJobRepository,
) -> None:
    most = 2**63 - 1
    job = example_job("a", completed_symbols={"BTC": most})
    await repository.save(job)
    await repository.add_completed_symbol("a", "ETH", most)
    assert (await read(repository, "a")).completed_symbols == {"BTC": most, "ETH": most}
    stats = await repository.get_stats("a")
    assert stats is not None
    assert stats.total_candles == 2 * most


@pytest.mark.parametrize(
    "text",
    ['"', "\\", '\\"', "{}", "{a,b}", "NULL", ",", " ", "\t\n", "'; --", "\u2028", "😀", "$1"],
)
async def test_no_text_means_anything_to_sql(
    repository: PostgresCollectionJobRepository, text: str
) -> None:
    job = example_job(
        text,
        source=text,
        symbols=(text, f"{text}2"),
        timeframe=text,
        error_message=text,
        completed_symbols={text: 1},
        failed_symbols={f"{text}2": text},
    )
    await repository.save(job)
    assert await repository.get_by_id(text) == job
    await repository.add_failed_symbol(text, text, text)
    assert await repository.update_status(text, JobStatus.RUNNING, text)
    found = await read(repository, text)
    assert found.failed_symbols == {text: text, f"{text}2": text}
    assert found.error_message == text


async def test_ids_sort_by_code_point(repository: PostgresCollectionJobRepository) -> None:
    ids = sorted(["a", "B", "b", "Z", "_", "é", "e\u0301", "\uffff", "\U00010000", " a", "a "])
    await asyncio.gather(*(repository.save(example_job(one)) for one in reversed(ids)))
    assert [job.id for job in await repository.list_by_status(JobStatus.PENDING)] == ids
    assert [job.id for job in await repository.list_recent()] == ids[::-1]
    after = (example_job("x").created_at, "_")
    paged = await repository.list_after(JobStatus.PENDING, after)
    assert [job.id for job in paged] == [one for one in ids if one > "_"]


async def test_a_job_of_many_symbols(repository: PostgresCollectionJobRepository) -> None:
    symbols = tuple(f"S{number}" for number in range(5_000))
    job = example_job("big", symbols=symbols, completed_symbols=dict.fromkeys(symbols[:2_000], 3))
    await repository.save(job)
    assert await repository.get_by_id("big") == job
    await asyncio.gather(
        *(repository.add_failed_symbol("big", symbol, "boom") for symbol in symbols[1_900:2_400])
    )
    found = await read(repository, "big")
    assert found.completed_symbols == dict.fromkeys(symbols[:1_900], 3)
    assert found.failed_symbols == dict.fromkeys(symbols[1_900:2_400], "boom")


async def test_many_are_saved_all_or_none_however_many_and_however_often(
    repository: PostgresCollectionJobRepository,
) -> None:
    jobs = [example_job(f"{number}") for number in range(250)]
    await repository.save_many([*jobs, *(example_job(f"{n}", source="2") for n in range(5))])
    assert len(await repository.list_recent(1_000)) == 250
    assert (await read(repository, "3")).source == "2"
    stale = await read(repository, "7")
    await repository.save(stale)
    for others in (jobs[:5], jobs[:150]):
        with pytest.raises(StaleJobError, match="'7'"):
            await repository.save_many([*others, example_job("new"), stale])
    # Within one call, too: the first copy makes the second one stale.
    current = await read(repository, "8")
    with pytest.raises(StaleJobError, match="'8'"):
        await repository.save_many([current, current])
    assert (await read(repository, "3")).source == "2"
    assert await repository.get_by_id("new") is None
    await repository.save_many([])


async def test_a_revision_that_no_store_gives_out_is_stale(
    repository: PostgresCollectionJobRepository,
) -> None:
    await repository.save(example_job("a"))
    for revision in (0, -1, 2**63, -(2**80)):
        for job_id in ("a", "unknown"):
            with pytest.raises(StaleJobError):
                await repository.save(example_job(job_id, revision=revision))
    assert await repository.get_by_id("unknown") is None


# Among transactions: another connection holds the job's row, and commits while a call waits.


async def waits_for_a_lock(database: Database, schema: str) -> None:
    """Return when a call on the schema waits."""
    while not await database.fetch(
        "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND strpos(query, $1) > 0",
        schema,
    ):
        pass


async def test_a_save_makes_outcomes_void_that_were_committed_while_it_waited(
    repository: PostgresCollectionJobRepository, database: Database, schema: str
) -> None:
    await repository.save(example_job("a", failed_symbols={"BTC": "before"}))
    other = await asyncpg.connect(database.url)
    async with other.transaction():
        await other.execute(f"UPDATE {schema}.jobs SET revision = nextval('{schema}.revisions')")
        await other.execute(
            f"INSERT INTO {schema}.outcomes SELECT key, generation, 'ETH', 5 FROM {schema}.jobs"
        )
        save = asyncio.create_task(repository.save(example_job("a", source="new")))
        await waits_for_a_lock(database, schema)
    await save
    await other.close()
    assert await repository.get_by_id("a") == example_job("a", source="new")
    stats = await repository.get_stats("a")
    assert stats is not None
    assert (stats.completed, stats.failed) == (0, 0)
    assert await database.fetch(f"SELECT * FROM {schema}.outcomes") == []
    await repository.add_failed_symbol("a", "BTC", "boom")
    await repository.delete("a")
    assert await database.fetch(f"SELECT * FROM {schema}.outcomes") == []


@pytest.mark.parametrize("many", [False, True])
async def test_a_copy_that_became_stale_while_its_save_waited_is_refused(
    repository: PostgresCollectionJobRepository, database: Database, schema: str, *, many: bool
) -> None:
    await repository.save(example_job("a"))
    copy = await read(repository, "a")
    other = await asyncpg.connect(database.url)
    async with other.transaction():
        await other.execute(
            f"UPDATE {schema}.jobs SET source = 'new', revision = nextval('{schema}.revisions')"
        )
        call = repository.save_many([example_job("b"), copy]) if many else repository.save(copy)
        save = asyncio.create_task(call)
        await waits_for_a_lock(database, schema)
    await other.close()
    with pytest.raises(StaleJobError):
        await save
    assert (await read(repository, "a")).source == "new"
    assert await repository.get_by_id("b") is None


async def test_an_outcome_is_judged_by_the_symbols_that_are_there_when_it_is_written(
    repository: PostgresCollectionJobRepository, database: Database, schema: str
) -> None:
    await repository.save(example_job("a", symbols=("OLD",)))
    other = await asyncpg.connect(database.url)
    async with other.transaction():
        await other.execute(
            f"UPDATE {schema}.jobs SET symbols = '{{NEW}}', generation = generation + 1000"
        )
        put = asyncio.create_task(repository.add_failed_symbol("a", "NEW", "boom"))
        await waits_for_a_lock(database, schema)
    await put
    await other.close()
    assert (await read(repository, "a")).failed_symbols == {"NEW": "boom"}


async def test_a_lock_that_another_holds_for_too_long_is_an_error_and_the_neighbours_succeed(
    url: str, database: Database, schema: str
) -> None:
    async with PostgresCollectionJobRepository.from_url(f"{url}&lock_timeout=0.2") as repository:
        await repository.save_many([example_job("a"), example_job("b"), example_job("c")])
        other = await asyncpg.connect(database.url)
        async with other.transaction():
            await other.execute(f"UPDATE {schema}.jobs SET source = 'mine' WHERE id = 'b'")
            done = await asyncio.gather(
                *(repository.update_status(one, JobStatus.RUNNING) for one in "abc"),
                return_exceptions=True,
            )
        await other.close()
        assert done[0] is done[2] is True
        assert isinstance(done[1], RepositoryError)
        assert "held a lock for more than 0.2 s" in str(done[1])
        assert isinstance(done[1].__cause__, asyncpg.LockNotAvailableError)
        assert await repository.update_status("b", JobStatus.RUNNING)


# The schema


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("id = ''", "is_a_name"),
        ("source = repeat('x', 256)", "is_a_name"),
        ("symbols = '{}'", "are_names"),
        ("symbols = '{a,NULL}'", "are_names"),
        ("symbols = '{{a},{b}}'", "are_names"),
        ("status = 'done'", "status_is_known"),
        ("range_end = range_start", "range_is_not_empty"),
        ("created_at = '10000-01-01 00:00:00+00'", "is_within_the_years_1_to_9999"),
        ("started_at = '0001-01-01 00:00:00 BC'", "is_within_the_years_1_to_9999"),
        ("revision = 0", "revision_is_positive"),
    ],
)
async def test_no_other_writer_can_break_a_job(
    repository: PostgresCollectionJobRepository,
    database: Database,
    schema: str,
    change: str,
    constraint: str,
) -> None:
    await repository.save(example_job("a"))
    with pytest.raises(asyncpg.CheckViolationError, match=constraint):
        await database.execute(f"UPDATE {schema}.jobs SET {change}")


@pytest.mark.parametrize(
    "values",
    [
        "-1, NULL",
        "1, 'x'",
        "1, NULL, true",
        "NULL, NULL, true",
        "NULL, 'x', false, 0",
        "1, NULL, NULL, 1, '2024-01-01'",
        "NULL, NULL, NULL, NULL, '0001-01-01 00:00:00 BC'",
    ],
)
async def test_no_other_writer_can_break_an_outcome(
    repository: PostgresCollectionJobRepository, database: Database, schema: str, values: str
) -> None:
    await repository.save(example_job("a"))
    with pytest.raises(asyncpg.CheckViolationError):
        await database.execute(
            f"INSERT INTO {schema}.outcomes SELECT key, generation, 'BTC', {values} "
            f"FROM {schema}.jobs"
        )


_FILL = (
    """INSERT INTO {schema}.jobs (key, id, source, symbols, timeframe, range_start, range_end,
        created_at, status, error_message, generation, revision, counted, completed)
    SELECT -n, 'job ' || n, source, symbols, timeframe, range_start, range_end,
        created_at + n * interval '1 s', (ARRAY['pending', 'completed'])[1 + n % 2],
        repeat('e', 300), n, revision, 0, 1
    FROM {schema}.jobs, generate_series(1, {jobs}) AS n""",
    "INSERT INTO {schema}.outcomes SELECT key, generation, 'BTC', 7 FROM {schema}.jobs",
)


# With many jobs, statistics tempt the planner to read a table whole and to join it by hashing.
@pytest.mark.parametrize("jobs", [0, 20_000])
async def test_the_plans_walk_indexes_however_many_jobs_there_are(
    repository: PostgresCollectionJobRepository, database: Database, schema: str, jobs: int
) -> None:
    texts: dict[str, str] = {}
    for statements in (
        Statements.on(schema),
        RecordStatements.on(schema),
        LeaseStatements.on(schema),
    ):
        texts |= {name: getattr(statements, name) for name in type(statements).__slots__}
    connection = await asyncpg.connect(database.url)
    if jobs:
        await repository.save(example_job("a"))
        for statement in _FILL:
            await connection.execute(statement.format(schema=schema, jobs=jobs))
        await connection.execute(
            f"VACUUM ANALYZE {schema}.jobs, {schema}.outcomes, {schema}.job_symbols"
        )
    await connection.execute(SESSION)
    for name, text in texts.items():
        assert_walks_indexes(name, await plan_of(connection, name, text))
    await connection.close()


async def plan_of(connection: asyncpg.Connection[asyncpg.Record], name: str, statement: str) -> str:
    """The plan of a statement, whatever its arguments."""
    if statement.lstrip().startswith("DECLARE"):
        statement = statement[statement.index("SELECT") :]
    await connection.execute(f"PREPARE {name} AS {statement}")
    count = max((int(number) for number in re.findall(r"\$(\d+)", statement)), default=0)
    arguments = f"({', '.join(['NULL'] * count)})" if count else ""
    rows = await connection.fetch(f"EXPLAIN EXECUTE {name} {arguments}")
    return "\n".join(row[0] for row in rows)


def assert_walks_indexes(name: str, plan: str) -> None:
    assert "Seq Scan" not in plan, f"{name}: {plan}"
    assert "Hash Join" not in plan, f"{name}: {plan}"
    assert "Merge Join" not in plan, f"{name}: {plan}"
    # The primary key may be walked for one job, and the listings' indexes for one listing.
    for line in plan.splitlines():
        if "Index" in line and "Scan" in line:
            following = plan[plan.index(line) + len(line) :].splitlines()[1]
            assert "Index Cond" in following, f"{name}: {plan}"


@pytest.mark.parametrize("jobs", [0, 10_000, 100_000])
async def test_a_listing_by_status_passes_over_no_job_of_another_status(
    repository: PostgresCollectionJobRepository, database: Database, schema: str, jobs: int
) -> None:
    await repository.save(example_job("a"))
    statement = Statements.on(schema).list
    connection = await asyncpg.connect(database.url)
    await connection.execute(
        f"""INSERT INTO {schema}.jobs (key, id, source, symbols, timeframe, range_start, range_end,
            created_at, status, error_message, generation, revision)
        SELECT -n, 'job ' || n, source, symbols, timeframe, range_start, range_end,
            created_at + n * interval '1 s',
            (ARRAY['pending', 'completed'])[1 + n % 2], repeat('e', 300),
            generation, revision FROM {schema}.jobs, generate_series(1, {jobs}) AS n"""
    )
    await connection.execute(f"VACUUM ANALYZE {schema}.jobs")
    await connection.execute(SESSION)
    await connection.execute(f"PREPARE listing AS {statement}")
    rows = await connection.fetch("EXPLAIN EXECUTE listing ('running', '-infinity', '', 100, 0)")
    plan = "\n".join(row[0] for row in rows)
    assert "jobs_by_status" in plan
    assert "jobs_by_age" not in plan
    assert "Sort" not in plan
    await connection.close()
