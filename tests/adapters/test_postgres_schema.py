"""The schema: made once however many open it, migrated, and refused where it is none of ours."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import asyncpg
import pytest

from collection_jobs import (
    JobQuery,
    JobStats,
    JobStatus,
    JobSummary,
    RepositoryError,
    open_repository,
)
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.adapters.postgres.migrations import (
    MIGRATIONS,
    POSTGRES_SCHEMA_VERSION,
    Migration,
)
from collection_jobs.conformance.spec.calls import example_job
from tests.adapters.postgres_server import Database, Server
from tests.adapters.schemas.postgres import FOLDER, SCHEMA, dump, held_by


async def open_and_save(url: str, job_id: str) -> None:
    async with PostgresCollectionJobRepository.from_url(url) as repository:
        await repository.save(example_job(job_id))


async def ids(url: str) -> set[str]:
    async with PostgresCollectionJobRepository.from_url(url) as repository:
        return {job.id for job in await repository.list_recent()}


async def objects(database: Database, name: str) -> list[str]:
    query = "SELECT relname::text FROM pg_class WHERE relnamespace = to_regnamespace($1) ORDER BY 1"
    return [row[0] for row in await database.fetch(query, name)]


async def test_those_that_open_a_new_schema_at_once_share_it(url: str) -> None:
    await asyncio.gather(*(open_and_save(url, f"{number}") for number in range(8)))
    assert await ids(url) == set("01234567")


async def test_who_only_looks_makes_no_schema(url: str, schema: str, database: Database) -> None:
    with pytest.raises(RepositoryError, match=f"no store of collection jobs: .*'{schema}'"):
        async with open_repository(url, create=False):
            pytest.fail("it opened")
    assert await database.fetch("SELECT FROM pg_namespace WHERE nspname = $1", schema) == []
    await open_and_save(url, "there")
    async with open_repository(url, create=False) as repository:
        assert await repository.get_by_id("there") is not None


async def test_an_older_schema_is_migrated_once_by_those_that_open_it_at_once(
    url: str, schema: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from collection_jobs.adapters.postgres import schema as module

    await open_and_save(url, "before")
    added = "ALTER TABLE {schema}.jobs ADD COLUMN note text DEFAULT 'none'"
    monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, Migration(added)))
    monkeypatch.setattr(module, "POSTGRES_SCHEMA_VERSION", POSTGRES_SCHEMA_VERSION + 1)
    await asyncio.gather(*(open_and_save(url, f"{number}") for number in range(4)))
    assert await ids(url) == {"before", *"0123"}
    rows = await database.fetch(f"SELECT version FROM {schema}.collection_jobs_version")
    assert [row[0] for row in rows] == [POSTGRES_SCHEMA_VERSION + 1]


async def test_a_migration_that_fails_leaves_the_schema_as_it_was(
    url: str, schema: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from collection_jobs.adapters.postgres import schema as module

    await open_and_save(url, "before")
    wrong = "DROP INDEX {schema}.jobs_by_age; SELECT 1 / 0"
    with monkeypatch.context() as patch:
        patch.setattr(module, "MIGRATIONS", (*MIGRATIONS, Migration(wrong)))
        patch.setattr(module, "POSTGRES_SCHEMA_VERSION", POSTGRES_SCHEMA_VERSION + 1)
        with pytest.raises(RepositoryError, match="division by zero"):
            await open_and_save(url, "after")
    assert "jobs_by_age" in await objects(database, schema)
    assert await ids(url) == {"before"}


async def test_a_newer_schema_is_refused_with_both_versions_and_left_alone(
    url: str, schema: str, database: Database
) -> None:
    await open_and_save(url, "a")
    await database.execute(f"UPDATE {schema}.collection_jobs_version SET version = 99")
    before = await objects(database, schema)
    with pytest.raises(
        RepositoryError, match=f"version 99, .* only {POSTGRES_SCHEMA_VERSION} and older"
    ):
        await open_and_save(url, "b")
    assert await objects(database, schema) == before


async def test_another_applications_tables_are_refused_and_left_alone(
    url: str, schema: str, database: Database
) -> None:
    await database.execute(f"CREATE SCHEMA {schema}", f"CREATE TABLE {schema}.jobs (mine int)")
    with pytest.raises(RepositoryError, match="a table 'jobs' of another application"):
        await open_and_save(url, "a")
    assert await objects(database, schema) == ["jobs"]


async def test_a_schema_whose_name_needs_quotes(database: Database) -> None:
    name = 'Strange "one" {schema} é'
    repository = PostgresCollectionJobRepository(database.url, schema=name)
    try:
        async with repository:
            await repository.save(example_job("a"))
            assert await repository.get_by_id("a") == example_job("a")
    finally:
        quoted = name.replace('"', '""')
        await database.execute(f'DROP SCHEMA "{quoted}" CASCADE')


async def test_a_role_without_the_right_to_create_schemas_uses_one_that_is_given(
    server: Server,
) -> None:
    await server.execute("CREATE ROLE poor LOGIN", "CREATE SCHEMA given AUTHORIZATION poor")
    mine = server.url.replace("tester@", "poor@")
    async with PostgresCollectionJobRepository(mine, schema="given") as repository:
        await repository.save(example_job("a"))
    with pytest.raises(RepositoryError, match="permission denied") as caught:
        async with PostgresCollectionJobRepository(mine, schema="not_given"):
            pass
    assert isinstance(caught.value.__cause__, asyncpg.InsufficientPrivilegeError)


async def test_a_database_that_does_not_hold_utf8_is_refused(server: Server) -> None:
    await server.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(RepositoryError, match="must hold UTF8, not LATIN1"):
        async with PostgresCollectionJobRepository(server.url.replace("/postgres", "/latin")):
            pass


# Former versions


LARGEST = 2**63 - 1
VERSIONS = range(1, POSTGRES_SCHEMA_VERSION + 1)


@pytest.fixture
def version() -> int:
    """The version of the store that a test opens; a test may name others."""
    return 1


@pytest.fixture
async def former(database: Database, schema: str, version: int) -> str:
    """The URL of a store that the release of a version wrote."""
    # The comment in the dump names its schema, too; no value in it does.
    connection = await asyncpg.connect(database.url)
    await connection.execute(dump(version).replace(SCHEMA, schema))
    await connection.close()
    return database.in_schema(schema)


async def versions(database: Database, schema: str) -> list[int]:
    rows = await database.fetch(f"SELECT version FROM {schema}.collection_jobs_version")
    return [row[0] for row in rows]


async def all_rows(database: Database, schema: str) -> list[tuple[object, ...]]:
    queries = (f"SELECT * FROM {schema}.jobs ORDER BY key", f"SELECT * FROM {schema}.outcomes")
    return [tuple(row) for query in queries for row in await database.fetch(query)]


def test_there_is_a_schema_of_each_version() -> None:
    """If this fails, the schema is a new one: keep a dump of it."""
    assert sorted(int(path.stem) for path in FOLDER.glob("*.sql")) == list(VERSIONS)


@pytest.mark.parametrize("version", VERSIONS[1:])
async def test_a_store_of_each_version_is_opened_with_all_that_is_in_it(
    former: str, schema: str, database: Database, version: int
) -> None:
    kept = held_by(version)
    async with PostgresCollectionJobRepository.from_url(former) as repository:
        for job in kept:
            found = await repository.get_by_id(job.id)
            assert found == job
            assert found is not None
            # What is counted and found of it was not there before.
            assert await repository.get_stats(job.id) == JobStats.from_job(job)
            query = JobQuery(symbol=job.symbols[-1], with_failures=bool(job.failed_symbols))
            assert JobSummary.from_job(job) in await repository.find(query)
            await repository.save(replace(found, metadata={"ticket": "T-1"}))
            again = await repository.get_by_id(job.id)
            assert again == replace(job, metadata={"ticket": "T-1"})
    assert await versions(database, schema) == [POSTGRES_SCHEMA_VERSION]


async def test_the_newest_schema_permits_exactly_the_statuses_of_the_lifecycle(
    url: str, schema: str, database: Database
) -> None:
    await open_and_save(url, "a")
    query = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'status_is_known'"
    ((check,),) = await database.fetch(f"{query} AND connamespace = to_regnamespace($1)", schema)
    assert set(re.findall(r"'(\w+)'", check)) == set(JobStatus), (
        "JobStatus has other statuses than the CHECK constraint of the newest schema: a new one "
        "needs a migration on PostgreSQL, which replaces the constraint"
    )


async def test_a_store_of_the_first_version_is_migrated_and_keeps_all_that_it_held(
    former: str, schema: str, database: Database
) -> None:
    before = await all_rows(database, schema)
    async with PostgresCollectionJobRepository.from_url(former) as repository:
        found = {job.id: job for job in await repository.list_recent()}
        assert found.keys() == {"new", "worked", "ends"}
        assert found["new"].source == 'kraken\'s \\ "é" 😀'
        assert found["worked"].completed_symbols == {"BTC": LARGEST, "ETH": 0}
        assert found["worked"].failed_symbols == {"{a,b}": 'boom\n"\\'}
        assert found["ends"].end == datetime.max.replace(tzinfo=UTC)
        stats = await repository.get_stats("worked")
        assert stats is not None
        assert stats.total_candles == LARGEST
        # Revisions go on where they stood, and the trigger and the constraints are there.
        revision = found["ends"].revision
        await repository.save(found["ends"])
        again = await repository.get_by_id("ends")
        assert again is not None
        assert revision is not None
        assert again.revision is not None
        assert again.revision > revision
        assert again.completed_symbols == {"BTC": 3}
    assert await versions(database, schema) == [POSTGRES_SCHEMA_VERSION]
    after = await all_rows(database, schema)
    (stays,) = (row for row in before if row[1] == "new")
    assert [row[: len(stays)] for row in after if row[1] == "new"] == [stays]
    for wrong in ("-1", "9223372036854775808"):
        with pytest.raises(asyncpg.PostgresError):
            await database.execute(f"UPDATE {schema}.outcomes SET candles = {wrong}, error = NULL")


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_migrated_store_is_like_a_new_one(
    former: str, schema: str, database: Database
) -> None:
    new = f"{schema}_new"
    query = """
        SELECT c.table_name::text, c.column_name::text, c.domain_name::text, c.data_type::text,
            c.is_nullable::text || coalesce(c.column_default, '')
        FROM information_schema.columns AS c WHERE c.table_schema = $1
        UNION ALL SELECT r.relname::text, k.conname::text, pg_get_constraintdef(k.oid), '', ''
        FROM pg_constraint AS k LEFT JOIN pg_class AS r ON r.oid = k.conrelid
        WHERE k.connamespace = to_regnamespace($1)
        UNION ALL SELECT '', d.typname::text, pg_catalog.format_type(d.typbasetype, -1), '', ''
        FROM pg_type AS d WHERE d.typnamespace = to_regnamespace($1) AND d.typtype = 'd'
        UNION ALL SELECT tablename::text, indexname::text, indexdef, '', ''
        FROM pg_indexes WHERE schemaname = $1
        UNION ALL SELECT tgrelid::regclass::text, tgname::text, pg_get_triggerdef(oid), '', ''
        FROM pg_trigger WHERE NOT tgisinternal AND strpos(tgrelid::regclass::text, $1 || '.') = 1
        ORDER BY 1, 2, 3"""
    await open_and_save(former, "x")
    await open_and_save(database.in_schema(new), "x")
    try:
        migrated, fresh = (
            [tuple(str(value).replace(f"{name}.", "") for value in row) for row in rows]
            for name, rows in (
                (schema, await database.fetch(query, schema)),
                (new, await database.fetch(query, new)),
            )
        )
    finally:
        await database.execute(f"DROP SCHEMA {new} CASCADE")
    assert migrated == fresh
    assert len(fresh) > 30


async def test_those_that_open_a_former_store_at_once_migrate_it_once(
    former: str, schema: str, database: Database
) -> None:
    await asyncio.gather(*(open_and_save(former, f"{number}") for number in range(6)))
    assert await ids(former) == {"new", "worked", "ends", *"012345"}
    assert await versions(database, schema) == [POSTGRES_SCHEMA_VERSION]


@pytest.mark.parametrize("number", [1, 10, 13])
async def test_jobs_with_more_candles_than_fit_are_named_and_nothing_is_changed(
    former: str, schema: str, database: Database, number: int
) -> None:
    await database.execute(
        f"""INSERT INTO {schema}.jobs (key, id, source, symbols, timeframe, range_start, range_end,
            created_at, status, generation, revision)
        SELECT 100 + n, 'vast ' || n, source, symbols, timeframe, range_start, range_end,
            created_at, status, 100 + n, 100 + n
        FROM {schema}.jobs, generate_series(10, {9 + number}) AS n WHERE id = 'new'""",
        f"""INSERT INTO {schema}.outcomes (job, generation, symbol, candles)
        SELECT key, generation, symbol, {2**63} FROM {schema}.jobs,
            unnest(ARRAY['BTC', 'ETH']) AS symbol WHERE id LIKE 'vast %'""",
    )
    before = await all_rows(database, schema)
    names = ", ".join(f"'vast {n}'" for n in range(10, 10 + min(number, 10)))
    more = " and 3 more;" if number == 13 else ";"
    with pytest.raises(RepositoryError) as caught:
        await open_and_save(former, "x")
    assert f"2**63 candles or more, the most is 2**63 - 1: {names}{more}" in str(caught.value)
    assert "nothing was changed" in str(caught.value)
    assert await all_rows(database, schema) == before
    assert await versions(database, schema) == [1]
    # With fewer it can be opened.
    await database.execute(f"UPDATE {schema}.outcomes SET candles = {LARGEST} WHERE candles > 9e18")
    await open_and_save(former, "x")
    assert len(await ids(former)) == 4 + number


async def test_a_migration_waits_for_nobody_longer_than_the_lock_timeout_and_changes_nothing(
    former: str, schema: str, database: Database
) -> None:
    other = await asyncpg.connect(database.url)
    async with other.transaction():
        await other.execute(f"SELECT FROM {schema}.outcomes")
        with pytest.raises(RepositoryError, match=r"held a lock for more than 0.2 s"):
            await open_and_save(f"{former}&lock_timeout=0.2", "x")
    await other.close()
    assert await versions(database, schema) == [1]
    await open_and_save(former, "x")


async def test_a_version_that_is_none_is_refused(url: str, schema: str, database: Database) -> None:
    await open_and_save(url, "a")
    await database.execute(f"DELETE FROM {schema}.collection_jobs_version")
    with pytest.raises(RepositoryError, match="must hold a version, not None"):
        await open_and_save(url, "b")


@pytest.mark.parametrize("number", range(len(MIGRATIONS)))
def test_no_later_change_of_the_package_alters_what_a_release_has_written(number: int) -> None:
    digests = [
        "e7efa4310acc6386",
        "ac8096ce05a06d9c",
        "17a6081a228b40c8",
        "58793205be0ad03e",
        "249bdf477e253b36",
    ]
    script = " ".join(MIGRATIONS[number].script.split())
    assert sha256(script.encode()).hexdigest()[:16] == digests[number]
