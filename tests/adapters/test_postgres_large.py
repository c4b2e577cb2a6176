"""Jobs at the bounds: 100,000 symbols, errors of 65,535 bytes, and more than a row can hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from collection_jobs import CollectionJob, JobStatus, StaleJobError
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.conformance.spec.calls import example_job
from tests.adapters.postgres_server import Database

LONGEST = 65_535
CONTROL = "\x01" * LONGEST
"""JSON takes six characters for each."""
LARGEST_STATEMENT = 6_000_000

Repository = PostgresCollectionJobRepository


@pytest.fixture(params=["prepared", pytest.param("unprepared", marks=pytest.mark.release)])
async def repository(
    url: str, request: pytest.FixtureRequest
) -> AsyncGenerator[PostgresCollectionJobRepository]:
    cache = 0 if request.param == "unprepared" else 100
    options = f"&statement_cache={cache}&command_timeout=300&lock_timeout=60"
    async with Repository.from_url(f"{url}{options}") as opened:
        yield opened


@pytest.fixture
def largest(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many characters the statements that are sent have in arguments, and their answers."""
    sizes: list[int] = []
    for name in ("fetch", "run"):
        send: Any = getattr(PooledConnection, name)

        async def noted(
            pooled: PooledConnection, statement: str, *args: object, send: Any = send
        ) -> object:
            sizes.append(_characters(args))
            rows: list[Any] = await send(pooled, statement, *args)
            sizes.append(sum(_characters(tuple(row)) for row in rows))
            return rows

        monkeypatch.setattr(PooledConnection, name, noted)
    return sizes


def _characters(value: Any) -> int:
    if type(value) in (list, tuple):
        return sum(map(_characters, value))
    return len(value) if isinstance(value, str) else 1


def failed(job_id: str, number: int, error: str) -> CollectionJob:
    symbols = tuple(f"S{n:05}" for n in range(number))
    return example_job(job_id, symbols=symbols, failed_symbols=dict.fromkeys(symbols, error))


async def is_at_rest(database: Database, schema: str) -> bool:
    query = "SELECT FROM pg_stat_activity WHERE state LIKE 'idle in %' AND strpos(query, $1) > 0"
    return not await database.fetch(query, schema)


async def test_a_job_that_no_row_can_hold_comes_back_whole(url: str, largest: list[int]) -> None:
    job = failed("vast", 2_800, CONTROL)  # more than 1 GB of JSON
    async with Repository.from_url(f"{url}&command_timeout=300") as repository:
        await repository.save(example_job("small", failed_symbols={"BTC": "boom"}))
        await repository.save(job)
        assert max(largest) < LARGEST_STATEMENT
        assert await repository.get_by_id("vast") == job
        assert [one.id for one in await repository.list_by_status(JobStatus.PENDING)] == [
            "small",
            "vast",
        ]
        assert max(largest) < LARGEST_STATEMENT
        stats = await repository.get_stats("vast")
        assert stats is not None
        assert stats.failed == 2_800
        assert await repository.delete("vast")


async def test_a_listing_of_many_large_jobs_is_read_in_parts(
    repository: PostgresCollectionJobRepository, largest: list[int]
) -> None:
    jobs = [failed(f"{n:02}", 30, CONTROL) for n in range(20)]
    jobs.append(example_job("20", completed_symbols={"BTC": 3}, failed_symbols={"ETH": "boom"}))
    await asyncio.gather(*(repository.save(job) for job in jobs))
    assert max(largest) < LARGEST_STATEMENT
    assert await repository.list_by_status(JobStatus.PENDING) == jobs
    assert await repository.list_recent(5) == jobs[::-1][:5]
    assert await repository.list_recent(since=jobs[0].created_at + timedelta(1)) == []
    found = await asyncio.gather(*(repository.get_by_id(job.id) for job in [*jobs, jobs[3]]))
    assert found == [*jobs, jobs[3]]
    assert max(largest) < LARGEST_STATEMENT


async def test_a_job_of_100_000_symbols(
    repository: PostgresCollectionJobRepository, largest: list[int]
) -> None:
    symbols = tuple(f"S{number}" for number in range(100_000))
    completed, errors = symbols[:60_000], symbols[60_000:]
    job = example_job(
        "many",
        symbols=symbols,
        completed_symbols={symbol: number for number, symbol in enumerate(completed)},
        failed_symbols=dict.fromkeys(errors, "boom \U0001f4a5"),
    )
    await repository.save(job)
    found = await repository.get_by_id("many")
    assert found == job
    assert found is not None
    await repository.add_failed_symbol("many", "S0", "too late")
    with pytest.raises(StaleJobError):
        await repository.save(found)
    await repository.save_many([example_job("beside"), job])
    assert {one.id: one for one in await repository.list_recent()}["many"] == job
    assert max(largest) < LARGEST_STATEMENT


@pytest.mark.parametrize("size", [1, 40, 5_000, LONGEST])
async def test_metadata_of_any_size_comes_back_whole(
    repository: PostgresCollectionJobRepository, largest: list[int], size: int
) -> None:
    keys = [f"{number}" for number in range(100)]
    jobs = [
        example_job("a", metadata={"ticket": CONTROL[:size], "Ticket": ""}),
        example_job("b", metadata=dict.fromkeys(keys, "x" * size), failed_symbols={"BTC": "boom"}),
        example_job("c", metadata={"ticket": "{}"}),
        example_job("d", metadata={"note": '" : null', "b\\": "it's \"\\ \U0001f600"}),
    ]
    await repository.save_many(jobs)
    for _ in range(2):
        assert await repository.list_by_status(JobStatus.PENDING) == jobs
        for job in jobs:
            found = await repository.get_by_id(job.id)
            assert found == job
            assert found is not None
            await repository.save(found)
    await repository.add_failed_symbol("b", "BTC", "again")
    (_, changed, *_) = await repository.list_by_status(JobStatus.PENDING)
    assert changed.metadata == jobs[1].metadata
    await repository.save(example_job("b"))
    assert await repository.get_by_id("b") == example_job("b")
    assert max(largest) < LARGEST_STATEMENT


async def test_the_most_metadata_comes_back_whole(url: str, largest: list[int]) -> None:
    keys = [f"{number:04}" + "\u20ac" * 251 for number in range(1_000)]
    job = example_job("a", metadata=dict.fromkeys(keys, CONTROL[:20_000]))
    async with Repository.from_url(f"{url}&command_timeout=300") as repository:
        await repository.save(job)
        assert await repository.get_by_id("a") == job
        await repository.add_failed_symbol("a", "BTC", "boom")
        (found,) = await repository.list_by_status(JobStatus.PENDING)
        assert found.metadata == job.metadata
        await repository.save(example_job("a"))
        assert await repository.get_by_id("a") == example_job("a")
    assert max(largest) < LARGEST_STATEMENT


async def test_what_is_read_in_parts_is_of_one_instant(
    repository: PostgresCollectionJobRepository,
) -> None:
    states = [
        replace(failed("a", 60, letter * 30_000), metadata={letter: letter * 60_000})
        for letter in "xy"
    ]
    ended = False

    async def write() -> None:
        while not ended:
            for state in states:
                await repository.save(state)

    async with asyncio.TaskGroup() as group:
        await repository.save(states[0])
        group.create_task(write())
        for _ in range(10):
            assert await repository.get_by_id("a") in states
            (listed,) = await repository.list_recent()
            assert listed in states
        ended = True


async def test_a_large_job_that_is_refused_changes_nothing(
    repository: PostgresCollectionJobRepository,
) -> None:
    job = failed("a", 300, "x" * LONGEST)
    await repository.save(job)
    stale = await repository.get_by_id("a")
    assert stale is not None
    await repository.add_failed_symbol("a", "S00001", "later")
    with pytest.raises(StaleJobError):
        await repository.save(stale)
    found = await repository.get_by_id("a")
    assert found is not None
    assert found.failed_symbols == {**job.failed_symbols, "S00001": "later"}


async def test_a_cancelled_reading_in_parts_leaves_no_transaction_open(
    repository: PostgresCollectionJobRepository, database: Database, schema: str
) -> None:
    job = failed("a", 300, "x" * LONGEST)
    await repository.save(job)
    for rounds in range(0, 60, 6):
        read = asyncio.create_task(repository.get_by_id("a"))
        for _ in range(rounds):
            await asyncio.sleep(0)
        read.cancel()
        await asyncio.wait([read])
        assert await repository.get_by_id("a") == job
    await repository.save(example_job("b"))
    while repository._opened()._connections._settling:
        await asyncio.wait(repository._opened()._connections._settling)
    assert await is_at_rest(database, schema)


async def test_others_have_their_turn_while_a_large_job_is_written_and_read(
    repository: PostgresCollectionJobRepository,
) -> None:
    notes = {f"{number}": "x" * 50_000 for number in range(200)}
    job = replace(failed("a", 1_000, "x" * 50_000), metadata=notes)
    loop = asyncio.get_running_loop()
    gaps: list[float] = []
    last = loop.time()
    ended = False

    def tick() -> None:
        nonlocal last
        gaps.append(loop.time() - last)
        last = loop.time()
        if not ended:
            loop.call_soon(tick)

    loop.call_soon(tick)
    await repository.save(job)
    written = len(gaps)
    found = await repository.get_by_id("a")
    ended = True
    assert found == job
    # 50 MB at once would be one round for each; a second is far beyond any part, however busy.
    assert written > 5
    assert len(gaps) - written > 40
    assert max(gaps) < 1


async def test_many_large_jobs_are_saved_all_or_none_in_statements_of_bounded_size(
    repository: PostgresCollectionJobRepository, largest: list[int]
) -> None:
    jobs = [failed(f"{n:02}", 30, "x" * 60_000) for n in range(15)]
    await repository.save_many(jobs)
    assert max(largest) < LARGEST_STATEMENT
    assert await repository.list_by_status(JobStatus.PENDING) == jobs
    stale = await repository.get_by_id("14")
    assert stale is not None
    await repository.add_completed_symbol("14", "S00000", 3)
    with pytest.raises(StaleJobError):
        await repository.save_many([*(failed(f"{n:02}", 30, "y") for n in range(14)), stale])
    assert (await repository.list_by_status(JobStatus.PENDING))[:14] == jobs[:14]
