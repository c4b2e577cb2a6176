"""A schema that is dropped, made again or altered while repositories are open on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from collection_jobs import JobQuery, JobStatus, RepositoryError
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.conformance.spec.calls import example_job
from tests.adapters.postgres_server import Database, Server

Change = Callable[[Database, str], Awaitable[None]]


async def made_again(database: Database, schema: str) -> None:
    await database.execute(f"DROP SCHEMA {schema} CASCADE")
    async with PostgresCollectionJobRepository.from_url(database.in_schema(schema)):
        pass


async def altered(database: Database, schema: str) -> None:
    await database.execute(
        f"ALTER TABLE {schema}.jobs ADD COLUMN later_{uuid4().hex} text",
        f"ALTER TABLE {schema}.jobs ALTER COLUMN timeframe TYPE varchar(300)",
        f"ALTER TABLE {schema}.outcomes ALTER COLUMN error TYPE varchar(70000)",
    )


async def deallocated(database: Database, schema: str) -> None:
    """What a pooler's DISCARD ALL does, seen from the server: every session is another one."""
    query = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE strpos(query, $1) > 0 AND pid <> pg_backend_pid()"
    )
    await database.fetch(query, schema)


async def every_call(repository: PostgresCollectionJobRepository, source: str) -> None:
    """Make each kind of call, so that each statement is prepared; several at once, too."""
    job = example_job("a", source=source, failed_symbols={"ETH": "x" * 5_000})
    await repository.save(job)
    await repository.save(example_job("plain", source=source))
    await repository.save_many(example_job(f"{n}", source=source) for n in range(250))
    assert await repository.get_by_id("a") == job
    assert await repository.update_status("a", JobStatus.RUNNING)
    await repository.add_completed_symbol("a", "BTC", 3)
    stats = await repository.get_stats("a")
    assert stats is not None
    assert (stats.completed, stats.failed) == (1, 1)
    assert [one.id for one in await repository.get_running_jobs()] == ["a"]
    await repository.set_cursor("a", "ETH", job.start)
    query = JobQuery(symbol="BTC", source=source, statuses=[JobStatus.RUNNING])
    assert [one.id for one in await repository.find(query)] == ["a"]
    assert (await repository.count(query))[JobStatus.RUNNING] == 1
    assert await repository.delete_finished(job.start) == 0
    assert len(await repository.list_recent(1_000)) >= 252
    found = await asyncio.gather(*(repository.get_by_id(f"{n}") for n in range(40)))
    assert {one.source for one in found if one is not None} == {source}
    done = await asyncio.gather(*(repository.delete(f"{n}") for n in range(250)))
    assert all(done)
    assert await repository.delete("a")


async def run(server: Server, program: str, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(str(server.programs / program), *arguments)
    assert await process.wait() == 0


@pytest.mark.parametrize("change", [made_again, altered, deallocated])
async def test_an_open_repository_works_on(
    url: str, schema: str, database: Database, change: Change
) -> None:
    async with PostgresCollectionJobRepository.from_url(url) as repository:
        await every_call(repository, "before")
        for number in range(3):
            await change(database, schema)
            # A session that ends is noticed only when the loop has read so.
            await asyncio.sleep(0.05 if change is deallocated else 0)
            await every_call(repository, f"{number}")


async def test_statements_that_the_session_has_lost_are_prepared_again(url: str) -> None:
    async with PostgresCollectionJobRepository.from_url(url) as repository:
        await every_call(repository, "before")
        pooled = repository._opened()._connections._idle
        for command in ("DEALLOCATE ALL", "DISCARD PLANS", "DEALLOCATE ALL"):
            for one in pooled:
                await one.connection.execute(command)
            await every_call(repository, command)


async def test_callers_at_work_while_it_is_made_again_hear_of_nothing_else(
    url: str, schema: str, database: Database
) -> None:
    async with PostgresCollectionJobRepository.from_url(url) as repository:
        await every_call(repository, "before")
        ended = False
        errors: list[str] = []

        async def work(number: int) -> None:
            while not ended:
                try:
                    await repository.save(example_job(f"{number}"))
                    await repository.list_recent()
                except RepositoryError as error:
                    errors.append(str(error))

        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(work(number))
            for _ in range(3):
                await made_again(database, schema)
            ended = True
        assert [text for text in errors if "gone or of another version" not in text] == []
        await every_call(repository, "after")


async def test_tables_that_are_gone_are_one_clear_error_until_they_are_back(
    url: str, schema: str, database: Database
) -> None:
    async with PostgresCollectionJobRepository.from_url(url) as repository:
        await repository.save(example_job("a"))
        await database.execute(f"ALTER SCHEMA {schema} RENAME TO {schema}_away")
        try:
            for call in (
                lambda: repository.get_by_id("a"),
                lambda: repository.save(example_job("a")),
                lambda: repository.list_recent(),
                lambda: repository.delete("a"),
                lambda: repository.save_many(example_job(f"{n}") for n in range(250)),
            ):
                with pytest.raises(RepositoryError) as caught:
                    await call()
                assert "tables of the repository are gone or of another version" in str(
                    caught.value
                )
                assert isinstance(caught.value.__cause__, asyncpg.PostgresError)
        finally:
            await database.execute(f"ALTER SCHEMA {schema}_away RENAME TO {schema}")
        assert await repository.get_by_id("a") == example_job("a")
        await every_call(repository, "after")


async def test_a_dump_that_is_restored_over_it_is_what_it_works_on(
    server: Server, tmp_path: Path
) -> None:
    dump = tmp_path / "dump"
    async with PostgresCollectionJobRepository.from_url(server.in_schema("restored")) as repository:
        await repository.save(example_job("kept", completed_symbols={"BTC": 3}))
        await run(server, "pg_dump", "-Fc", "-n", "restored", "-f", str(dump), server.url)
        await every_call(repository, "before")
        await run(server, "pg_restore", "--clean", "-d", server.url, str(dump))
        assert [job.id for job in await repository.list_recent()] == ["kept"]
        kept = await repository.get_by_id("kept")
        assert kept is not None
        assert kept.completed_symbols == {"BTC": 3}
        await repository.delete("kept")
        await every_call(repository, "after")


async def test_no_more_is_held_prepared_than_the_cache_allows(url: str) -> None:
    prepared: list[int] = []
    async with PostgresCollectionJobRepository.from_url(
        f"{url}&statement_cache=2&connections=1"
    ) as repository:
        await every_call(repository, "x")
        pooled: list[PooledConnection] = repository._opened()._connections._idle
        for one in pooled:
            # What was dropped is closed with the next that is prepared.
            rows = await one.connection.fetch("SELECT name FROM pg_prepared_statements")
            prepared.append(sum(row[0].startswith("collection_jobs_") for row in rows))
    assert prepared
    assert max(prepared) <= 3
