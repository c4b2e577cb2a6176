"""Locks of others: a job that another transaction holds keeps nobody from the other jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from collection_jobs import JobStatus, RepositoryError
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.conformance.spec.calls import example_job
from tests.adapters.postgres_proxy import TO_SERVER, Link, a_proxy
from tests.adapters.postgres_server import Database, Server, a_schema

IDS = [f"{number:02}" for number in range(30)]
LOCKED = "15"
OTHERS = [job_id for job_id in IDS if job_id != LOCKED]
PATIENCE = 20
"""Seconds for what must not wait for the lock, which is waited for three times as long."""
TIMEOUTS = "lock_timeout=60&command_timeout=80"

Repository = PostgresCollectionJobRepository


@asynccontextmanager
async def locked(database: Database, schema: str, job_id: str = LOCKED) -> AsyncGenerator[None]:
    """Hold a job's row, as another application's transaction does."""
    other = await asyncpg.connect(database.url)
    try:
        async with other.transaction():
            await other.execute(f"SELECT FROM {schema}.jobs WHERE id = $1 FOR UPDATE", job_id)
            yield
    finally:
        await other.close()


@asynccontextmanager
async def two(url: str) -> AsyncGenerator[tuple[Repository, Repository]]:
    """Repositories of two machines, with jobs."""
    url = f"{url}&{TIMEOUTS}"
    async with Repository.from_url(url) as one, Repository.from_url(url) as other:
        await one.save_many(example_job(job_id) for job_id in IDS)
        yield one, other


CALLS: dict[str, Callable[[Repository, str], Awaitable[Any]]] = {
    "save": lambda repository, job_id: repository.save(example_job(job_id)),
    "save, whole": lambda repository, job_id: repository.save(
        example_job(job_id, failed_symbols={"BTC": "boom"})
    ),
    "update_status": lambda repository, job_id: repository.update_status(job_id, JobStatus.RUNNING),
    "add_failed_symbol": lambda repository, job_id: repository.add_failed_symbol(
        job_id, "BTC", "boom"
    ),
    "delete": lambda repository, job_id: repository.delete(job_id),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_locked_job_in_a_batch_delays_neither_its_neighbours_nor_another_machine(
    url: str, database: Database, schema: str, name: str
) -> None:
    call = CALLS[name]
    async with two(url) as (one, other):
        async with locked(database, schema):
            calls = {job_id: asyncio.ensure_future(call(one, job_id)) for job_id in IDS}
            async with asyncio.timeout(PATIENCE):
                while not await database.fetch(
                    "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                    " AND strpos(query, $1) > 0",
                    schema,
                ):
                    pass
                # Another machine, which writes the same jobs but for the locked one.
                for job_id in OTHERS:
                    await other.add_completed_symbol(job_id, "ETH", 1) if name != "delete" else None
                    await other.save(example_job(f"new {job_id}"))
                await asyncio.gather(*(calls[job_id] for job_id in OTHERS))
                # Later calls on this machine, alone and together.
                await one.save(example_job("later"))
                await asyncio.gather(*(one.save(example_job(f"later {n}")) for n in range(20)))
            assert not calls[LOCKED].done()
        await calls[LOCKED]


@pytest.mark.parametrize("together", [True, False])
async def test_several_locked_jobs_leave_connections_to_the_others(
    url: str, database: Database, schema: str, *, together: bool
) -> None:
    async with two(url) as (one, _):
        other = await asyncpg.connect(database.url)
        async with other.transaction():
            await other.execute(f"SELECT FROM {schema}.jobs WHERE id < '10' FOR UPDATE")
            waiting: list[asyncio.Task[bool]] = []
            engine = one._opened()
            for number, job_id in enumerate(IDS[:10]):
                waiting.append(asyncio.create_task(one.update_status(job_id, JobStatus.RUNNING)))
                while not together and engine._writing < min(number + 1, 3):  # noqa: ASYNC110 - nothing tells it
                    await asyncio.sleep(0)
            async with asyncio.timeout(PATIENCE):
                for _ in range(5):
                    await asyncio.gather(*(one.save(example_job(job_id)) for job_id in IDS[10:]))
            assert not any(call.done() for call in waiting)
        await other.close()
        assert await asyncio.gather(*waiting) == [True] * 10


async def test_a_call_on_several_jobs_of_which_one_is_locked_holds_up_nobody(
    url: str, database: Database, schema: str
) -> None:
    async with two(url) as (one, other):
        async with locked(database, schema):
            few = asyncio.create_task(
                one.save_many(example_job(job_id, source="new") for job_id in IDS)
            )
            jobs = [example_job(f"new {n}") for n in range(300)]
            many = asyncio.create_task(other.save_many([*jobs, example_job(LOCKED)]))
            async with asyncio.timeout(PATIENCE):
                for _ in range(3):
                    for repository in (one, other):
                        await repository.save(example_job("beside"))
                for job_id in OTHERS:
                    await other.add_completed_symbol(job_id, "ETH", 1)
            assert not few.done()
            assert not many.done()
        await few
        await many
        assert {job.source for job in await one.list_recent(1_000) if job.id in OTHERS} == {"new"}


async def test_calls_on_the_locked_job_keep_their_order(
    url: str, database: Database, schema: str
) -> None:
    async with two(url) as (one, _):
        async with locked(database, schema):
            first = asyncio.gather(
                *(one.update_status(job_id, JobStatus.RUNNING) for job_id in IDS)
            )
            then = [
                asyncio.create_task(one.update_status(LOCKED, JobStatus.FAILED, "first")),
                asyncio.create_task(one.update_status(LOCKED, JobStatus.PENDING, "second")),
                asyncio.create_task(one.delete("none")),
            ]
            await then[2]
        assert await first == [True] * len(IDS)
        assert await asyncio.gather(*then) == [True, True, False]
        job = await one.get_by_id(LOCKED)
        assert job is not None
        assert job.error_message == "second"


async def test_a_job_that_another_is_about_to_create_delays_nobody_else(
    url: str, database: Database, schema: str
) -> None:
    async with two(url) as (one, _):
        other = await asyncpg.connect(database.url)
        async with other.transaction():
            await other.execute(
                f"""INSERT INTO {schema}.jobs (key, id, source, symbols, timeframe, range_start,
                    range_end, created_at, status, generation, revision)
                SELECT -1, 'coming', source, symbols, timeframe, range_start, range_end, created_at,
                    status, generation, revision FROM {schema}.jobs LIMIT 1"""
            )
            coming = asyncio.create_task(one.save(example_job("coming", source="mine")))
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*(one.save(example_job(f"new {n}")) for n in range(20)))
            assert not coming.done()
        await other.close()
        await coming
        job = await one.get_by_id("coming")
        assert job is not None
        assert job.source == "mine"


async def test_a_call_that_waits_for_a_lock_in_vain_fails_after_its_time_whatever_it_shares(
    url: str, database: Database, schema: str
) -> None:
    async with Repository.from_url(f"{url}&lock_timeout=0.4") as repository:
        await repository.save_many(example_job(job_id) for job_id in IDS)
        loop = asyncio.get_running_loop()
        async with locked(database, schema):
            for call in (
                repository.save_many(example_job(job_id) for job_id in IDS),
                repository.save_many(example_job(f"{n:02}") for n in range(250)),
                repository.delete(LOCKED),
            ):
                began = loop.time()
                with pytest.raises(RepositoryError, match=r"held a lock for more than 0.4 s"):
                    await call
                assert 0.35 < loop.time() - began < 4
        await repository.save_many(example_job(job_id) for job_id in IDS)


async def test_a_large_call_takes_its_locks_in_the_order_of_the_ids(
    url: str, database: Database, schema: str
) -> None:
    """So two of them never wait for each other."""
    ids = [f"{number:04}" for number in range(600)]
    async with Repository.from_url(f"{url}&{TIMEOUTS}") as repository:
        jobs = [example_job(job_id) for job_id in ids]
        await repository.save_many(jobs)
        other = await asyncpg.connect(database.url)
        # Blocked by whoever holds a lock now: not by the look at the free rows, which was brief.
        waits = (
            "SELECT query_start FROM pg_stat_activity"
            " WHERE cardinality(pg_blocking_pids(pid)) > 0 AND strpos(query, $1) > 0"
        )
        free = f"SELECT id FROM {schema}.jobs WHERE id <> $1 FOR UPDATE SKIP LOCKED"
        async with locked(database, schema, ids[450]):
            save = asyncio.create_task(repository.save_many(reversed(jobs)))
            while True:
                waiting = await other.fetch(waits, schema)
                rows = await other.fetch(free, ids[450])
                # Each attempt waits for a while only; one must be looked at as it waits.
                if waiting and await other.fetch(waits, schema) == waiting:
                    break
        await save
        await other.close()
    # It waits within the third statement, and has the jobs of the first two.
    assert {row[0] for row in rows} == set(ids[451:])


@pytest.fixture
def of_server(server: Server) -> Generator[str]:
    """The name of a schema that is not there yet, on a server with a port."""
    with a_schema(server) as name:
        yield name


async def test_all_callers_end_where_everything_is_cancelled_while_locked_jobs_are_looked_for(
    server: Server, of_server: str
) -> None:
    """As at the end of ``asyncio.run``: the engine's own tasks are cancelled, too."""
    looked = asyncio.Event()

    def look(link: Link, direction: str, chunk: bytes) -> bytes:
        if direction == TO_SERVER and b"SKIP LOCKED" in chunk:
            looked.set()
        return chunk

    async with a_proxy(server.tcp_url) as (proxy, url):
        url = f"{url}?schema={of_server}&sslmode=disable&{TIMEOUTS}"
        async with Repository.from_url(url) as repository:
            await repository.save_many(example_job(job_id) for job_id in IDS)
            async with locked(server, of_server):
                others = asyncio.all_tasks()
                proxy.filter = look
                calls = [
                    asyncio.create_task(repository.update_status(job_id, JobStatus.RUNNING))
                    for job_id in IDS
                ]
                await looked.wait()
                for task in asyncio.all_tasks() - others:
                    task.cancel()
                _, hanging = await asyncio.wait(calls, timeout=PATIENCE)
                assert not hanging
            await repository.save_many(example_job(job_id) for job_id in IDS)


# What was rolled back for another's sake


class Refused:
    """A kind of reads that a standby's recovery gets in the way of, as often as it is told."""

    together = 1

    def __init__(self, code: type[asyncpg.PostgresError], times: int) -> None:
        self.code = code
        self.times = times

    async def run(self, pooled: PooledConnection, keys: Sequence[Any]) -> dict[Any, Any]:
        await pooled.fetch("SELECT 1")
        self.times -= 1
        if self.times >= 0:
            raise self.code("canceling statement due to conflict with recovery")
        return dict.fromkeys(keys, "read")


@pytest.mark.parametrize("together", [1, 5])
async def test_a_read_that_a_standbys_recovery_has_cancelled_is_made_again(
    url: str, together: int
) -> None:
    async with Repository.from_url(url) as repository:
        engine = repository._opened()
        for code in (asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
            kind = Refused(code, 3)
            reads = (engine.read(kind, key) for key in range(together))
            assert await asyncio.gather(*reads) == ["read"] * together
        endless = Refused(asyncpg.SerializationError, 10**9)
        with pytest.raises(RepositoryError, match="conflict with recovery"):
            await engine.read(endless, 1)
