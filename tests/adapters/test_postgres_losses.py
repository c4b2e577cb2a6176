"""Lost connections: sessions that are ended or killed in mid-call, and a server that goes away."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from collection_jobs import JobStatus, RepositoryError
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.conformance.spec.calls import example_job
from tests.adapters.postgres_server import Server

SYMBOLS = tuple(f"S{number}" for number in range(400))
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%{}%' AND pid <> pg_backend_pid()"

Kill = Callable[[Server, int], Awaitable[None]]
Claim = Callable[[PostgresCollectionJobRepository, str], Awaitable[None]]


async def killed(server: Server, pid: int) -> None:
    """SIGKILL: PostgreSQL ends all its sessions, and recovers from its log."""
    server.kill(pid)


async def terminated(server: Server, pid: int) -> None:
    await server.execute(f"SELECT pg_terminate_backend({pid})")


class Load:
    """Callers at work on one job and on many, and what was acknowledged to them."""

    def __init__(self, repository: PostgresCollectionJobRepository) -> None:
        self.repository = repository
        self.recorded: set[str] = set()
        self.saved: set[str] = set()
        self.doubtful: list[RepositoryError] = []
        self.answers = 0
        self.answered = asyncio.Event()
        self.ended = False

    async def run(self, until: Callable[[], Awaitable[None]]) -> None:
        """Work until what is done meanwhile has been done, and then to the end."""
        await self.repository.save(example_job("hot", symbols=SYMBOLS))
        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(self.record(SYMBOLS[number::8]))
                group.create_task(self.save(number))
                group.create_task(self.read())
            await until()
            self.ended = True

    async def attempt(self, call: Awaitable[None]) -> bool:
        try:
            await call
        except RepositoryError as error:
            self.doubtful.append(error)
            return False
        self.answers += 1
        self.answered.set()
        return True

    async def goes_on(self, answers: int) -> None:
        """Wait until so many more calls are answered."""
        wanted = self.answers + answers
        while self.answers < wanted:
            self.answered.clear()
            await self.answered.wait()

    async def record(self, symbols: tuple[str, ...]) -> None:
        for symbol in symbols:
            if self.ended:
                return
            if await self.attempt(self.repository.add_failed_symbol("hot", symbol, "boom")):
                self.recorded.add(symbol)

    async def save(self, number: int) -> None:
        while not self.ended:
            job = example_job(f"{number} {self.answers}", failed_symbols={"BTC": "x", "ETH": "y"})
            if await self.attempt(self.repository.save(job)):
                self.saved.add(job.id)

    async def read(self) -> None:
        while not self.ended:
            job = await self.repository.get_by_id("hot")  # a read is never in doubt
            assert job is not None
            assert len(await self.repository.list_recent(3)) <= 3


@pytest.mark.parametrize("kill", [terminated, killed])
async def test_what_was_acknowledged_survives_the_death_of_sessions_and_nothing_is_half_done(
    server: Server, kill: Kill
) -> None:
    schema = f"under_{kill.__name__}"
    url = server.in_schema(schema, connect_timeout=30)
    async with PostgresCollectionJobRepository.from_url(url) as repository:
        load = Load(repository)

        async def kill_some() -> None:
            rounds = 0
            # A session that dies between two calls puts none in doubt.
            while rounds < 4 or (not load.doubtful and rounds < 100):
                rounds += 1
                await load.goes_on(40)
                try:
                    sessions = await server.fetch(SESSIONS.format(schema))
                    for (pid,) in sessions[:2] if kill is terminated else sessions[:1]:
                        await kill(server, pid)
                except (OSError, asyncpg.PostgresError):
                    continue  # the server is recovering from the last one

        await load.run(kill_some)
        assert load.doubtful, "no call was under way when its session died"
        for error in load.doubtful:
            assert "may have happened" in str(error)
            assert isinstance(
                error.__cause__, asyncpg.PostgresError | asyncpg.InterfaceError | OSError
            )
        jobs = {job.id: job for job in await repository.list_recent(100_000)}
        assert load.saved <= jobs.keys()
        assert load.recorded <= jobs.pop("hot").failed_symbols.keys()
        assert all(
            job == example_job(job.id, failed_symbols={"BTC": "x", "ETH": "y"})
            for job in jobs.values()
        )
        doubtful = jobs.keys() - load.saved
        assert len(doubtful) <= len(load.doubtful)


async def test_a_claim_that_is_in_doubt_was_won_once_or_not_at_all(server: Server) -> None:
    url = server.in_schema("claims")
    async with (
        PostgresCollectionJobRepository.from_url(url) as one,
        PostgresCollectionJobRepository.from_url(url) as other,
    ):
        ids = [f"{number}" for number in range(300)]
        await one.save_many(example_job(job_id) for job_id in ids)
        won: Counter[str] = Counter()
        some_won = asyncio.Event()
        doubtful: set[str] = set()

        async def claim(repository: PostgresCollectionJobRepository, job_id: str) -> None:
            try:
                mine = await repository.update_status(job_id, JobStatus.RUNNING)
            except RepositoryError:
                doubtful.add(job_id)
            else:
                won[job_id] += mine
                if len(won) == 30:
                    some_won.set()

        async def end_sessions() -> None:
            await some_won.wait()
            for (pid,) in await server.fetch(SESSIONS.format("claims")):
                await terminated(server, pid)

        async with asyncio.TaskGroup() as group:
            group.create_task(end_sessions())
            for first in range(0, 300, 50):
                for repository in (one, other):
                    group.create_task(_one_by_one(claim, repository, ids[first : first + 50]))
        assert max(won.values()) == 1
        running = {job.id for job in await one.get_running_jobs()}
        assert {job_id for job_id, times in won.items() if times} <= running
        assert running - {job_id for job_id, times in won.items() if times} <= doubtful


async def _one_by_one(
    claim: Claim, repository: PostgresCollectionJobRepository, ids: list[str]
) -> None:
    for job_id in ids:
        await claim(repository, job_id)


async def test_sessions_that_ended_while_nobody_called_are_replaced_unnoticed(
    server: Server,
) -> None:
    async with PostgresCollectionJobRepository.from_url(server.in_schema("idle")) as repository:
        for number in range(3):
            await repository.save(example_job(f"{number}"))
            server.restart()
            await asyncio.sleep(0.05)  # for the loop to hear of it: nothing of ours tells it
        await repository.save(example_job("last"))
        assert len(await repository.list_recent()) == 4


async def test_a_server_that_is_away_is_an_error_in_time_and_no_error_when_it_is_back(
    server: Server,
) -> None:
    url = server.in_schema("away", connect_timeout=0.3)
    async with PostgresCollectionJobRepository.from_url(url) as repository:
        await repository.save(example_job("a"))
        server.stop()
        try:
            await asyncio.sleep(0.05)  # as above
            calls = (
                repository.get_by_id("a"),
                repository.save(example_job("b")),
                repository.list_recent(),
                repository.delete("a"),
            )
            for error in await asyncio.gather(*calls, return_exceptions=True):
                assert isinstance(error, RepositoryError)
                assert "no connection to PostgreSQL" in str(error)
                assert isinstance(error.__cause__, OSError)
        finally:
            server.start()
        assert await repository.get_by_id("a") == example_job("a")
        assert await repository.get_by_id("b") is None
    with pytest.raises(RepositoryError, match="no connection"):
        async with PostgresCollectionJobRepository(f"postgresql://x@/y?host={server.data}"):
            pass


async def test_a_lost_connection_is_logged_and_so_is_the_next(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "collection_jobs")
    url = server.in_schema("logged")
    async with PostgresCollectionJobRepository.from_url(url) as repository:
        await repository.save(example_job("a"))
        ((pid,),) = await server.fetch(SESSIONS.format("logged"))
        await terminated(server, pid)
        assert await repository.get_by_id("a") is not None
        await repository.delete("a")
    said = caplog.messages
    assert said[0].startswith("created the tables of ")
    assert any("was lost" in text for text in said)
    assert any(text.startswith("connected to ") and text.endswith(" again") for text in said)
    assert all("schema 'logged'" in text for text in said), said
