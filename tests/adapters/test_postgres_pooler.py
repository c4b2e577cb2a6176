"""A real PgBouncer before the server: what pools sessions works, what shares them is told so."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

import asyncpg
import pytest

from collection_jobs import JobStatus, RepositoryError, StaleJobError
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository, connecting
from collection_jobs.adapters.postgres.statements import Statements
from collection_jobs.conformance.spec.calls import example_job
from tests.adapters.postgres_server import PGBOUNCER, Database, Server, a_pooler

pytestmark = pytest.mark.skipif(
    PGBOUNCER is None, reason="PgBouncer is not installed (apt-get install pgbouncer)"
)


@pytest.fixture(scope="module")
def transactions(server: Server) -> Generator[Database]:
    with a_pooler(server, "transaction") as pooler:
        yield pooler


@pytest.fixture(scope="module")
def sessions(server: Server) -> Generator[Database]:
    with a_pooler(server, "session", size=8) as pooler:
        yield pooler


async def works(url: str) -> None:
    """Make calls of every kind, alone and together, on two repositories."""
    async with (
        PostgresCollectionJobRepository.from_url(url) as one,
        PostgresCollectionJobRepository.from_url(url) as two,
    ):
        jobs = [example_job(f"{n}", failed_symbols={"BTC": "x" * 5_000}) for n in range(40)]
        await asyncio.gather(*(one.save(job) for job in jobs))
        assert await asyncio.gather(*(two.get_by_id(job.id) for job in jobs)) == jobs
        wins = await asyncio.gather(
            *(each.update_status(job.id, JobStatus.RUNNING) for each in (one, two) for job in jobs)
        )
        assert sum(wins) == 40
        stale = await one.get_by_id("7")
        await two.add_failed_symbol("7", "ETH", "boom")
        assert stale is not None
        with pytest.raises(StaleJobError):
            await one.save_many([*(example_job(f"new {n}") for n in range(250)), stale])
        assert len(await two.list_recent(1_000)) == 40
        await one.save_many(example_job(f"new {n}") for n in range(250))
        assert len(await two.list_by_status(JobStatus.PENDING, 1_000)) == 250
        for _ in range(6):  # more often than there are connections
            listing = asyncio.create_task(two.list_recent(1_000))
            await asyncio.sleep(0)
            listing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await listing
        gone = await asyncio.gather(*(one.delete(job.id) for job in jobs))
        assert all(gone)


async def settings_of(pooler: Database) -> set[tuple[str, ...]]:
    """What the sessions of a pooler have set."""
    query = "SELECT current_setting('enable_seqscan'), current_setting('lock_timeout')"
    found: set[tuple[str, ...]] = set()
    connections = [await asyncpg.connect(pooler.url, statement_cache_size=0) for _ in range(3)]
    for connection in connections:
        await connection.execute("BEGIN")
    for connection in connections:  # each has a session of its own now
        (row,) = await connection.fetch(query)
        found.add(tuple(row))
        await connection.execute("COMMIT")
        await connection.close()
    return found


async def test_a_pooler_of_sessions_changes_nothing(sessions: Database) -> None:
    await works(sessions.in_schema("by_session"))


async def test_one_that_shares_sessions_is_refused_with_what_to_set_and_nothing_is_set_there(
    transactions: Database,
) -> None:
    with pytest.raises(
        RepositoryError, match=r"shares sessions among transactions.*: set statement_cache=0"
    ):
        async with PostgresCollectionJobRepository.from_url(transactions.in_schema("refused")):
            pytest.fail("it opened")
    assert await settings_of(transactions) == {("on", "0")}
    found = await transactions.fetch("SELECT FROM pg_namespace WHERE nspname = 'refused'")
    assert found == []


async def test_one_that_shares_sessions_works_without_prepared_statements(
    transactions: Database,
) -> None:
    await works(transactions.in_schema("by_transaction", statement_cache=0))
    assert await settings_of(transactions) == {("on", "0")}


async def test_a_lock_is_waited_for_no_longer_than_its_time_behind_one_that_shares_sessions(
    transactions: Database, server: Server
) -> None:
    url = transactions.in_schema("locked", statement_cache=0, lock_timeout=0.2)
    async with PostgresCollectionJobRepository.from_url(url) as repository:
        await repository.save_many([example_job("a"), example_job("b")])
        other = await asyncpg.connect(server.url)
        async with other.transaction():
            await other.execute("UPDATE locked.jobs SET source = 'mine' WHERE id = 'a'")
            with pytest.raises(RepositoryError, match=r"held a lock for more than 0.2 s"):
                await repository.update_status("a", JobStatus.RUNNING)
            assert await repository.update_status("b", JobStatus.RUNNING)
        await other.close()
        assert await repository.update_status("a", JobStatus.RUNNING)


async def test_where_sessions_are_mixed_up_unseen_no_statement_runs_in_place_of_another(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unseen(*_: object) -> bool:
        return False

    monkeypatch.setattr(connecting, "_is_shared", unseen)
    with a_pooler(server, "transaction", size=2) as pooler:
        holder = await asyncpg.connect(pooler.url, statement_cache_size=0)
        url = pooler.in_schema("mixed", connections=1)
        async with (
            PostgresCollectionJobRepository.from_url(url) as one,
            PostgresCollectionJobRepository.from_url(url) as two,
        ):
            job = example_job("a")
            await one.save(job)
            # Both take one array of texts. The first is prepared in one session of the server; and
            # while a transaction holds that one, the second in the other session.
            assert await one.get_by_id("a") == job
            (first,) = one._opened()._connections._idle
            await holder.execute("BEGIN")
            stats = await two.get_stats("a")
            assert await one.get_by_id("a") == job
            assert stats == await two.get_stats("a") == await one.get_stats("a")
            await holder.execute("COMMIT")
            assert await one.get_by_id("a") == job
            # The answer of another statement could not have been read.
            assert one._opened()._connections._idle == [first]
            assert first._forgotten
        await holder.close()


def test_every_statement_has_a_name_of_its_own() -> None:
    from collection_jobs.adapters.postgres.pooled import statement_name

    texts = [
        getattr(Statements.on(schema), name) for schema in "ab" for name in Statements.__slots__
    ]
    names = {statement_name(text, 0) for text in texts}
    assert len(names) == len(set(texts)) == len(texts)
    assert all(len(name) < 64 for name in names)
    assert statement_name(texts[0], 0) != statement_name(texts[0], 1)
