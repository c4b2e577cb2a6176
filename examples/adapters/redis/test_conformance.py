"""Redis keeps every law that it declares, and what it does not declare it does not keep."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from collection_jobs import CollectionJob, RepositoryError, open_repository
from collection_jobs.conformance.prelude import example_job
from collection_jobs.pytest_plugin import RepositoryConformance
from collection_jobs_redis import RedisCollectionJobRepository
from redis_server import Server, shared_url


class TestRedis(RepositoryConformance):
    """The laws, on a real server."""

    def open_repository(self, directory: Path) -> RedisCollectionJobRepository:
        """Open the store that belongs to a directory: it is a prefix on one server."""
        return RedisCollectionJobRepository(shared_url(), prefix=str(directory))


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    """Return the servers that a test starts; they end with it."""
    started: list[Server] = []
    yield started
    for server in started:
        server.kill()


async def _after_a_crash(server: Server) -> CollectionJob | None:
    async with RedisCollectionJobRepository(server.url) as repository:
        await repository.save(example_job("a"))
        server.kill()
        server.start()
    async with RedisCollectionJobRepository(server.url) as repository:
        return await repository.get_by_id("a")


async def test_durability_is_the_servers_to_promise(tmp_path: Path, servers: list[Server]) -> None:
    """Why `durable` is not declared: with the settings of most servers, a crash loses jobs."""
    for name, options in {
        "default": (),
        "always": ("--appendonly", "yes", "--appendfsync", "always"),
    }.items():
        directory = tmp_path / name
        directory.mkdir()
        servers.append(Server(directory, *options).start())
    forgets, keeps = servers
    assert await _after_a_crash(forgets) is None
    assert await _after_a_crash(keeps) == example_job("a")


async def test_a_server_that_is_gone_is_a_repository_error(
    tmp_path: Path, servers: list[Server]
) -> None:
    """And when it is there again, the same repository works on."""
    server = Server(tmp_path).start()
    servers.append(server)
    async with RedisCollectionJobRepository(server.url) as repository:
        server.kill()
        with pytest.raises(RepositoryError) as caught:
            await repository.get_by_id("a")
        assert isinstance(caught.value.__cause__, RedisConnectionError)
        server.start()
        assert await repository.get_by_id("a") is None


async def test_a_url_opens_it() -> None:
    """Its scheme is an entry point of the installed package."""
    async with open_repository(shared_url()) as repository:
        await repository.save(example_job("a"))
        assert await repository.get_by_id("a") == example_job("a")


@pytest.mark.parametrize("layout", [1, 2])
async def test_a_store_of_a_former_layout_is_brought_to_this_one(
    tmp_path: Path, servers: list[Server], layout: int
) -> None:
    """It had no metadata, no version of a job's fields, and nothing of a symbol but its outcome."""
    server = Server(tmp_path).start()
    servers.append(server)
    async with RedisCollectionJobRepository(server.url, prefix="jobs") as repository:
        await repository.save(example_job("a", failed_symbols={"BTC": "boom"}))
    client: Any = Redis.from_url(server.url)  # pyright: ignore[reportUnknownMemberType] # its options
    if layout == 1:
        await client.execute_command("HDEL", "{jobs}:job:a", "metadata", "version")
    else:
        await client.execute_command("HSET", "{jobs}:job:a", "version", "2")
    await client.execute_command("SET", "{jobs}:layout", str(layout))
    new = example_job("b", metadata={"ticket": "T-1"}, failure_counts={"BTC": 2})
    async with RedisCollectionJobRepository(server.url, prefix="jobs") as repository:
        assert await repository.get_by_id("a") == example_job("a", failed_symbols={"BTC": "boom"})
        await repository.save(new)
        assert await repository.get_by_id("b") == new
        await repository.add_failed_symbol("a", "BTC", "again")
        former = await repository.get_by_id("a")
        assert former is not None
        assert former.failure_counts == {"BTC": 1}
    assert await client.execute_command("GET", "{jobs}:layout") == b"3"
    await client.aclose()


async def test_a_failure_is_counted_and_no_longer_permanent(tmp_path: Path) -> None:
    """The cursor of its symbol stays; a count that is full stays, too."""
    job = example_job("a", failure_counts={"BTC": 2**63 - 3})
    job = job.with_failed_symbol("BTC", "gone", permanent=True).with_cursor("BTC", job.start)
    async with RedisCollectionJobRepository(shared_url(), prefix=str(tmp_path)) as repository:
        await repository.save(job)
        assert await repository.get_by_id("a") == job
        for _ in range(3):
            await repository.add_failed_symbol("a", "BTC", "boom")
        assert await repository.get_by_id("a") == job.with_failed_symbol("BTC", "boom")


async def test_a_job_of_many_symbols(tmp_path: Path) -> None:
    """Lua unpacks some thousand values at most."""
    job = example_job("a", symbols=tuple(f"S{number}" for number in range(10_000)))
    async with RedisCollectionJobRepository(shared_url(), prefix=str(tmp_path)) as repository:
        await repository.save(job)
        assert await repository.get_by_id("a") == job
