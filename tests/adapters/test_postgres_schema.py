"""The schema: made once however many open it, migrated, and refused where it is none of ours."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from collection_jobs import RepositoryError, open_repository
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.adapters.postgres.migrations import MIGRATIONS, SCHEMA_VERSION, Migration
from collection_jobs.conformance.calls import example_job
from tests.adapters.postgres_server import Database, Server


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
    monkeypatch.setattr(module, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    await asyncio.gather(*(open_and_save(url, f"{number}") for number in range(4)))
    assert await ids(url) == {"before", *"0123"}
    rows = await database.fetch(f"SELECT version FROM {schema}.collection_jobs_version")
    assert [row[0] for row in rows] == [SCHEMA_VERSION + 1]


async def test_a_migration_that_fails_leaves_the_schema_as_it_was(
    url: str, schema: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from collection_jobs.adapters.postgres import schema as module

    await open_and_save(url, "before")
    wrong = "DROP INDEX {schema}.jobs_by_age; SELECT 1 / 0"
    with monkeypatch.context() as patch:
        patch.setattr(module, "MIGRATIONS", (*MIGRATIONS, Migration(wrong)))
        patch.setattr(module, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
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
    with pytest.raises(RepositoryError, match=f"version 99, .* only {SCHEMA_VERSION} and older"):
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
