"""Calls that travel together: their order, their neighbours, and what a cancelled one leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, NamedTuple

import asyncpg
import pytest

from collection_jobs import (
    JobNotFoundError,
    JobStatus,
    RepositoryClosedError,
    RepositoryError,
    StaleJobError,
    UnknownSymbolError,
)
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.adapters.postgres.batching import WaitingWrites
from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.adapters.postgres.write import PostgresWrite
from collection_jobs.conformance.spec.calls import example_job
from tests.adapters.postgres_server import Database


@pytest.fixture
async def repository(url: str) -> AsyncGenerator[PostgresCollectionJobRepository]:
    async with PostgresCollectionJobRepository.from_url(url) as opened:
        yield opened


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that are sent."""
    statements: list[str] = []
    fetch = PooledConnection.fetch

    async def noted(pooled: PooledConnection, statement: str, *args: object) -> list[object]:
        statements.append(statement)
        return await fetch(pooled, statement, *args)

    monkeypatch.setattr(PooledConnection, "fetch", noted)
    return statements


async def test_calls_that_wait_together_travel_as_one_statement(
    repository: PostgresCollectionJobRepository, sent: list[str]
) -> None:
    jobs = [example_job(f"{number}") for number in range(80)]
    await asyncio.gather(*(repository.save(job) for job in jobs))
    assert len(sent) <= 3  # the first call is alone; it goes at once
    sent.clear()
    found = await asyncio.gather(*(repository.get_by_id(job.id) for job in jobs))
    assert found == jobs
    assert len(sent) <= 3
    sent.clear()
    lists = await asyncio.gather(*(repository.list_recent(5) for _ in range(20)))
    assert len(sent) <= 3
    lists[1].clear()
    assert [len(listed) for listed in lists] == [5, 0, *[5] * 18]
    sent.clear()
    after = jobs[0].created_at, "5"
    pages = await asyncio.gather(
        *(repository.list_after(JobStatus.PENDING, after, 5) for _ in range(20))
    )
    assert len(sent) <= 3
    assert [[job.id for job in page] for page in pages] == [["50", "51", "52", "53", "54"]] * 20


async def test_statements_are_prepared_once_for_each_connection(
    repository: PostgresCollectionJobRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[str] = []
    prepare = asyncpg.Connection.prepare

    async def noted(connection: Any, query: str, *, name: str) -> Any:
        statement = await prepare(connection, query, name=name)
        prepared.append(statement.get_name())
        return statement

    monkeypatch.setattr(asyncpg.Connection, "prepare", noted)
    for _ in range(3):
        await repository.save(example_job("a"))
        assert await repository.get_by_id("a") == example_job("a")
    # One without a name would be parsed and planned anew each time.
    assert len(set(prepared)) == len(prepared) == 2
    assert all(prepared)


async def test_a_refused_call_does_not_touch_its_neighbours(
    repository: PostgresCollectionJobRepository,
) -> None:
    await repository.save_many(example_job(f"{number}") for number in range(6))
    stale = await repository.get_by_id("4")
    assert stale is not None
    await repository.save(stale)
    done = await asyncio.gather(
        repository.add_failed_symbol("0", "BTC", "boom"),
        repository.add_failed_symbol("1", "BTC", "boom"),
        repository.add_failed_symbol("none", "BTC", "boom"),
        repository.add_failed_symbol("2", "XRP", "boom"),
        repository.add_completed_symbol("2", "BTC", 4),
        repository.save(example_job("3", source="new")),
        repository.save(stale),
        repository.save(example_job("5", source="new")),
        repository.update_status("0", JobStatus.RUNNING),
        repository.update_status("none", JobStatus.RUNNING),
        repository.update_status("1", JobStatus.COMPLETED),
        repository.delete("none"),
        return_exceptions=True,
    )
    assert [type(one) for one in done if isinstance(one, Exception)] == [
        JobNotFoundError,
        UnknownSymbolError,
        StaleJobError,
    ]
    assert done[8:] == [True, False, False, False]
    found = {job.id: job for job in await repository.list_recent()}
    assert [found[one].source for one in "345"] == ["new", "binance", "new"]
    assert [dict(found[one].failed_symbols) for one in "01"] == [{"BTC": "boom"}] * 2
    assert found["2"].completed_symbols == {"BTC": 4}


async def test_each_of_several_save_many_that_travel_together_is_all_or_none(
    repository: PostgresCollectionJobRepository, sent: list[str]
) -> None:
    await repository.save_many(example_job(f"{number}") for number in range(40))
    stale = await repository.get_by_id("7")
    assert stale is not None
    await repository.save(stale)
    current = await repository.get_by_id("8")
    assert current is not None
    sent.clear()
    # The first is alone and goes at once; the third one is stale; the next ones share a job.
    done = await asyncio.gather(
        repository.save_many([example_job("0", source="new")]),
        repository.save_many([example_job("1", source="new"), example_job("2", source="new")]),
        repository.save_many([example_job("3", source="new"), stale, example_job("9")]),
        repository.save(example_job("4", source="new", completed_symbols={"ETH": 2})),
        repository.save_many([current, example_job("5", failed_symbols={"BTC": "boom"})]),
        repository.save_many([example_job("6", source="new"), current]),
        repository.save_many([]),
        return_exceptions=True,
    )
    assert len(sent) == 3
    refused = {n: one.job_id for n, one in enumerate(done) if isinstance(one, StaleJobError)}
    assert refused == {2: "7", 5: "8"}
    assert [one for one in done if not isinstance(one, StaleJobError)] == [None] * 5
    found = {job.id: job for job in await repository.list_recent()}
    assert [n for n in range(10) if found[f"{n}"].source == "new"] == [0, 1, 2, 4]
    assert found["4"].completed_symbols == {"ETH": 2}
    assert found["5"].failed_symbols == {"BTC": "boom"}


async def test_a_call_that_postgresql_refuses_does_not_touch_its_neighbours(
    repository: PostgresCollectionJobRepository, database: Database, schema: str
) -> None:
    await repository.save_many(example_job(f"{number}") for number in range(9))
    await database.execute(f"ALTER TABLE {schema}.outcomes ADD CHECK (candles <> 4)")
    done = await asyncio.gather(
        *(repository.add_completed_symbol(f"{n}", "BTC", n) for n in range(9)),
        return_exceptions=True,
    )
    error = done.pop(4)
    assert done == [None] * 8
    assert isinstance(error, RepositoryError)
    assert isinstance(error.__cause__, asyncpg.PostgresError)
    found = {job.id: dict(job.completed_symbols) for job in await repository.list_recent()}
    assert found == {f"{n}": {} if n == 4 else {"BTC": n} for n in range(9)}


async def test_calls_on_one_job_keep_their_order(
    repository: PostgresCollectionJobRepository,
) -> None:
    for _ in range(5):
        done = await asyncio.gather(
            repository.save(example_job("other")),
            repository.save(example_job("a", source="1")),
            repository.save(example_job("a", source="2")),
            repository.add_failed_symbol("a", "BTC", "1"),
            repository.add_failed_symbol("a", "BTC", "2"),
            repository.update_status("a", JobStatus.RUNNING),
            repository.update_status("a", JobStatus.RUNNING),
            repository.update_status("a", JobStatus.COMPLETED, "done"),
            repository.delete("a"),
            repository.delete("a"),
            repository.save(example_job("a", source="3")),
            repository.add_completed_symbol("a", "BTC", 1),
        )
        assert done == [None] * 5 + [True, False, True, True, False, None, None]
        wanted = example_job("a", source="3", completed_symbols={"BTC": 1})
        assert await repository.get_by_id("a") == wanted
        await repository.delete("a")


async def test_each_of_many_outcomes_on_one_job_draws_a_revision(
    repository: PostgresCollectionJobRepository,
) -> None:
    await repository.save(example_job("a"))
    before = await repository.get_by_id("a")
    await asyncio.gather(
        *(repository.add_failed_symbol("a", "BTC", f"{number}") for number in range(40))
    )
    after = await repository.get_by_id("a")
    assert before is not None
    assert after is not None
    assert after.failed_symbols == {"BTC": "39"}
    assert before.revision is not None
    assert after.revision is not None
    assert after.revision >= before.revision + 40


# Which calls share a statement


class Asked(NamedTuple):
    """A request of some jobs."""

    name: str
    ids: tuple[str, ...]
    weight: int = 1


class Kind:
    """A kind of writes that may share whatever it is told."""

    def __init__(self, *, together: int = 100, shares: bool = False) -> None:
        self.together = together
        self.shares = shares

    def may_share(self, first: Asked, later: Asked) -> bool:
        return self.shares

    async def run(self, pooled: PooledConnection, requests: Sequence[Asked]) -> list[None]:
        raise NotImplementedError


async def test_what_shares_a_statement_and_what_waits() -> None:
    saves, outcomes = Kind(), Kind(shares=True)
    many = Kind(together=0)
    writes = WaitingWrites()
    names: dict[str, PostgresWrite[Asked, None]] = {}

    def add(name: str, kind: Kind, *ids: str) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        names[name] = PostgresWrite(kind, Asked(name, ids), future, 0.0)
        writes.add(names[name])

    add("save a", saves, "a")
    add("put b", outcomes, "b")
    add("save b", saves, "b")  # behind the other kind on its job
    add("save a again", saves, "a")  # not beside the first
    add("save c", saves, "c")
    add("put c", outcomes, "c")
    add("put d", outcomes, "d")
    add("put d again", outcomes, "d")
    add("many", many, "e", "f")
    add("save e", saves, "e")
    add("cancelled", saves, "g")
    names["cancelled"].future.cancel()

    def next_ones() -> list[str]:
        return [write.request.name for write in writes.next()]

    assert next_ones() == ["save a", "save c"]
    assert next_ones() == ["put b", "put d", "put d again"]
    assert next_ones() == ["many"]
    assert next_ones() == []  # the rest is about jobs that are being written
    writes.done([names["save a"]])
    assert next_ones() == ["save a again"]
    writes.done([names["put b"], names["save c"], names["many"]])
    assert next_ones() == ["save b", "save e"]
    assert next_ones() == ["put c"]
    assert not writes


# Cancellation


async def is_waiting(database: Database, schema: str) -> None:
    """Return when a call on the schema waits for a lock."""
    query = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1"
    while not await database.fetch(query, f"%{schema}%"):
        pass


async def test_a_write_that_was_sent_is_settled_when_its_cancellation_is_heard_of(
    repository: PostgresCollectionJobRepository, database: Database, schema: str
) -> None:
    await repository.save_many([example_job("a"), example_job("b")])
    other = await asyncpg.connect(database.url)
    async with other.transaction():
        await other.execute(f"UPDATE {schema}.jobs SET source = 'mine' WHERE id = 'a'")
        claim = asyncio.create_task(repository.update_status("a", JobStatus.RUNNING))
        await is_waiting(database, schema)
        claim.cancel()
        claim.cancel()
        behind = asyncio.create_task(repository.update_status("a", JobStatus.CANCELLED))
        dropped = asyncio.create_task(repository.add_failed_symbol("a", "BTC", "x"))
        # Others are not held up.
        assert await repository.update_status("b", JobStatus.RUNNING)
        dropped.cancel()
        assert not claim.done()
    with pytest.raises(asyncio.CancelledError):
        await claim
    job = await repository.get_by_id("a")
    assert job is not None
    assert job.status is JobStatus.RUNNING or job.status is JobStatus.CANCELLED
    assert await behind
    with pytest.raises(asyncio.CancelledError):
        await dropped
    job = await repository.get_by_id("a")
    assert job is not None
    assert not job.failed_symbols
    await other.close()


async def test_a_cancelled_read_is_stopped_at_the_server_and_its_connection_used_again(
    repository: PostgresCollectionJobRepository, database: Database, schema: str
) -> None:
    await repository.save(example_job("a"))
    other = await asyncpg.connect(database.url)
    for _ in range(6):  # more often than there are connections
        async with other.transaction():
            await other.execute(f"LOCK {schema}.jobs IN ACCESS EXCLUSIVE MODE")
            read = asyncio.create_task(repository.get_by_id("a"))
            await is_waiting(database, schema)
            read.cancel()
            with pytest.raises(asyncio.CancelledError):
                await read
        assert await repository.get_by_id("a") == example_job("a")
        assert await repository.update_status("a", JobStatus.RUNNING)
        assert await repository.update_status("a", JobStatus.PENDING)
        await repository.save(example_job("a"))
    await other.close()
    sessions = await database.fetch(
        "SELECT FROM pg_stat_activity WHERE query LIKE $1 AND pid <> pg_backend_pid()",
        f"%{schema}%",
    )
    assert len(sessions) <= 4


async def test_calls_under_way_are_answered_before_it_closes(url: str) -> None:
    repository = PostgresCollectionJobRepository.from_url(url)
    async with repository:
        calls = [asyncio.create_task(repository.save(example_job(f"{n}"))) for n in range(300)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*calls) == [None] * 300
    with pytest.raises(RepositoryClosedError):
        await repository.get_by_id("1")
    async with repository:
        assert len(await repository.list_recent(1_000)) == 300


async def test_one_connection_is_enough(url: str) -> None:
    async with PostgresCollectionJobRepository.from_url(f"{url}&connections=1") as repository:
        jobs = [example_job(f"{n}") for n in range(50)]
        await asyncio.gather(
            *map(repository.save, jobs), *(repository.list_recent(n) for n in range(9))
        )
        assert await asyncio.gather(*(repository.get_by_id(job.id) for job in jobs)) == jobs


async def test_it_closes_at_once_where_all_that_wait_were_cancelled(
    url: str, database: Database, schema: str
) -> None:
    other = await asyncpg.connect(database.url)
    async with PostgresCollectionJobRepository.from_url(f"{url}&connections=1") as repository:
        await repository.save(example_job("a"))
        async with other.transaction():
            await other.execute(f"LOCK {schema}.jobs IN ACCESS EXCLUSIVE MODE")
            reads: list[asyncio.Task[Any]] = [asyncio.create_task(repository.get_by_id("a"))]
            await is_waiting(database, schema)
            reads += [asyncio.create_task(repository.list_recent(n)) for n in range(3)]
            await asyncio.sleep(0)
            for read in reads:
                read.cancel()
            await asyncio.wait(reads)
            async with asyncio.timeout(10):  # a third of what a call may take
                await repository.close()
    await other.close()
