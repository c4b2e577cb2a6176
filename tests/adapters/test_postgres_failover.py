"""Another server becomes the primary: several hosts, commits without a standby, read-only sessions.

`nox -s cluster` does the same to a real cluster, and found what these tests hold fast.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from collection_jobs import RepositoryError
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.adapters.postgres.hosts import Connection, Host, Hosts
from collection_jobs.conformance.spec.calls import example_job
from tests.adapters.postgres_proxy import BOTH, TO_CLIENT, TO_SERVER, Link, Proxy, a_proxy
from tests.adapters.postgres_server import Server
from tests.adapters.test_postgres_network import SetLoop

Repository = PostgresCollectionJobRepository
PARSED = b"1\0\0\0\4"
"""What the server answers first to a statement that is prepared."""
LIMIT = 0.6
"""Seconds that every call has where the network is cut."""


@pytest.fixture
def schema() -> str:
    """The name of a schema on the server, which nobody needs afterwards."""
    return f"failover_{uuid4().hex[:12]}"


@asynccontextmanager
async def set_on_the_server(server: Server, name: str, value: str) -> AsyncGenerator[None]:
    """A setting of the whole server, for a while."""
    await server.execute(f"ALTER SYSTEM SET {name} = '{value}'", "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        await server.execute(f"ALTER SYSTEM RESET {name}", "SELECT pg_reload_conf()")


async def one_that_waits(
    server: Server, make: Callable[[], Coroutine[Any, Any, None]]
) -> tuple[asyncio.Task[None], int]:
    """A call whose commit waits for a standby, and the process of its session.

    Made again where the server acknowledged it: a setting is heeded a moment after it is told.
    """
    query = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    async with asyncio.timeout(10):
        while True:
            call = asyncio.create_task(make())
            while not call.done():
                if rows := await server.fetch(query):
                    return call, int(rows[0][0])
            await call


@pytest.mark.parametrize("statement_cache", [100, 0])
@pytest.mark.parametrize("jobs", [1, 450])
async def test_a_commit_that_no_standby_has_is_not_acknowledged(
    server: Server, schema: str, jobs: int, statement_cache: int
) -> None:
    url = server.in_schema(schema, statement_cache=statement_cache)
    async with Repository.from_url(url) as repository:
        await repository.save(example_job("before"))
        async with set_on_the_server(server, "synchronous_standby_names", "nobody"):
            some = [example_job(f"{n}") for n in range(jobs)]
            saving, pid = await one_that_waits(
                server,
                lambda: repository.save_many(some) if jobs > 1 else repository.save(some[0]),
            )
            # What an operator does to a session that hangs: PostgreSQL then acknowledges it.
            await server.execute(f"SELECT pg_cancel_backend({pid})")
            with pytest.raises(RepositoryError, match=r"standby.*may have happened"):
                await saving
        await repository.save(example_job("after"))
        assert {job.id for job in await repository.list_recent(1000)} > {"before", "after"}


async def test_a_write_that_no_session_takes_has_surely_not_happened(
    server: Server, schema: str
) -> None:
    async with Repository.from_url(server.in_schema(schema)) as repository:
        await repository.save(example_job("a"))
    await server.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
    try:
        async with Repository.from_url(server.in_schema(schema)) as repository:
            assert await repository.get_by_id("a") is not None
            with pytest.raises(RepositoryError, match="read-only transaction") as caught:
                await repository.save(example_job("b"))
            assert "may have happened" not in str(caught.value)
            assert await repository.get_by_id("b") is None
    finally:
        await let_write(server)


async def let_write(server: Server) -> None:
    await server.execute(
        "BEGIN READ WRITE; ALTER DATABASE postgres RESET default_transaction_read_only; COMMIT"
    )


async def test_a_session_of_a_former_standby_is_replaced(server: Server, schema: str) -> None:
    async with Repository.from_url(server.in_schema(schema)) as repository:
        await repository.save(example_job("a"))
    await server.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
    try:
        async with Repository.from_url(server.in_schema(schema)) as repository:
            assert await repository.get_by_id("a") is not None
            await let_write(server)  # for new sessions
            await repository.save(example_job("b"))
            assert await repository.get_by_id("b") is not None
    finally:
        await let_write(server)


async def test_opening_waits_for_a_primary(server: Server, schema: str) -> None:
    url = server.in_schema(schema, target_session_attrs="read-write")
    await server.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
    try:
        opening = asyncio.create_task(save_one(url))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(opening), 0.3)
        await let_write(server)
        await opening
    finally:
        await let_write(server)


async def save_one(url: str) -> None:
    async with Repository.from_url(url) as repository:
        await repository.save(example_job("a"))


@asynccontextmanager
async def two_ways(
    server: Server, schema: str, **options: object
) -> AsyncGenerator[tuple[Proxy, str]]:
    """A URL of two hosts: a proxy before the server, and the server."""
    async with a_proxy(server.tcp_url) as (proxy, url):
        address = server.tcp_url.rpartition("@")[2].partition("/")[0]
        first, slash, database = url.rpartition("/")
        more = "".join(f"&{name}={value}" for name, value in options.items())
        yield proxy, f"{first},{address}{slash}{database}?schema={schema}&sslmode=disable{more}"


async def test_a_host_that_takes_connections_and_is_silent_holds_up_nobody(
    server: Server, schema: str
) -> None:
    async with two_ways(server, schema, connect_timeout=30) as (proxy, url):
        proxy.stall(*BOTH)
        async with asyncio.timeout(2.5):
            await save_one(url)
        assert proxy.links, "the silent one was asked first"


async def test_a_call_that_was_not_answered_has_others_connect_elsewhere(
    server: Server, schema: str
) -> None:
    async with (
        two_ways(server, schema, command_timeout=LIMIT, connections=3) as (proxy, url),
        Repository.from_url(url) as repository,
    ):
        jobs = [example_job(f"{n}") for n in range(60)]
        async with asyncio.timeout(5):
            while len(proxy.links) < 2:
                await asyncio.gather(*(repository.add_many([job]) for job in jobs))
        proxy.stall(*BOTH)
        with pytest.raises(RepositoryError, match="no answer within"):
            await repository.save(example_job("first"))
        # The other idle connection is as dead, and would take all of this call's time.
        await repository.save(example_job("second"))
        assert await repository.get_by_id("second") is not None


async def test_a_primary_that_answers_no_write_is_not_asked_again_while_there_is_another(
    server: Server, schema: str
) -> None:
    # One that was cut off from its standbys, or whose agent died, still says that it is one.
    async with (
        two_ways(server, schema, command_timeout=LIMIT) as (proxy, url),
        Repository.from_url(url) as repository,
    ):
        proxy.filter = without_writes
        with pytest.raises(RepositoryError, match="no answer within"):
            await repository.save(example_job("first"))
        await repository.save(example_job("second"))
        assert await repository.get_by_id("second") is not None


async def test_a_host_that_did_not_answer_does_not_win_because_another_is_slow(
    server: Server,
) -> None:
    async with a_proxy(server.tcp_url) as (slow, url), a_proxy(server.tcp_url) as (quick, _):
        slow.delay = 0.08  # there are several round trips before a session is open
        hosts = Hosts(url.replace(f":{slow.port}/", f":{slow.port},127.0.0.1:{quick.port}/"))

        async def attempt(host: Host) -> Connection:
            return await asyncpg.connect(url, host=host.name, port=host.port, ssl=False)

        for expected in (quick, slow):
            connection = await hosts.connect(attempt)
            driver: Any = connection  # asyncpg shows its address nowhere else
            assert driver._addr[1] == expected.port
            hosts.put_last(connection)
            connection.terminate()


def without_writes(link: Link, direction: str, chunk: bytes) -> bytes:
    return b"" if direction == TO_SERVER and b"INSERT INTO" in chunk else chunk


def test_an_answer_that_comes_at_the_deadline_is_no_error_of_the_driver(
    server: Server, schema: str
) -> None:
    # asyncpg has the answer of a Parse, and before it looks at it the connection is dropped.
    async def scenario(loop: SetLoop) -> None:
        async with a_proxy(server.tcp_url) as (proxy, url):
            url += f"?schema={schema}&command_timeout={LIMIT}&sslmode=disable"
            async with Repository.from_url(url) as repository:

                def late(link: Link, direction: str, chunk: bytes) -> bytes:
                    if direction == TO_CLIENT and chunk.startswith(PARSED):
                        loop.clock += LIMIT
                    return chunk

                proxy.filter = late
                with pytest.raises(RepositoryError, match="no answer within"):
                    await repository.save(example_job("a"))

    with asyncio.Runner(loop_factory=SetLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, SetLoop)
        runner.run(scenario(loop))


@pytest.mark.parametrize(
    ("dsn", "hosts"),
    [
        ("postgresql://u:p@a:1,b:2/db", [("a", 1), ("b", 2)]),
        ("postgresql://u:p@a,b:2/db?target_session_attrs=read-write", [("a", 5432), ("b", 2)]),
        ("postgresql://[::1]:1,[::2]/db", [("::1", 1), ("::2", 5432)]),
        ("postgresql:///db?host=a,b&port=1,2", [("a", 1), ("b", 2)]),
        ("postgresql:///db?host=a,b&port=1", [("a", 1), ("b", 1)]),
        ("postgresql:///db?host=a,b", [("a", 5432), ("b", 5432)]),
        # What is left to asyncpg.
        ("postgresql://a:1/db", []),
        ("postgresql:///db", []),
        ("postgresql:///db?host=/tmp,b", []),
        ("postgresql://a,/db", []),
        ("postgresql:///db?host=a,b&port=1,2,3", []),
        ("postgresql://a,b/db?target_session_attrs=prefer-standby", []),
    ],
)
def test_several_hosts_are_read_from_a_url(dsn: str, hosts: list[tuple[str, int]]) -> None:
    found = Hosts(dsn)
    assert found._order == [Host(*host) for host in hosts]
    assert found.are_several is bool(hosts)
