"""Deleting finished jobs from an SQLite file: which, what it costs, and what is left of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from collection_jobs import CollectionJob, JobStatus
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository, writes
from tests.adapters.sqlite_stores import counts_are_right, filled, steps
from tests.adapters.sqlite_support import NOON, a_job, plain_connection
from tests.adapters.test_sqlite_processes import a_process, all_at_once

SECOND = timedelta(seconds=1)
FINAL = (JobStatus.COMPLETED, JobStatus.CANCELLED)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


def ended(number: int, status: JobStatus = JobStatus.COMPLETED) -> CollectionJob:
    """Make a job that ended so many seconds after noon; the later it ended, the less is its id."""
    return a_job(f"{999 - number}", status=status, finished_at=NOON + number * SECOND)


async def test_those_that_ended_first_go_first_of_both_statuses(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        jobs = [ended(n * 7919 % 100, FINAL[n % 2]) for n in range(100)]
        await repository.save_many(jobs)
        assert await repository.delete_finished(NOON + 50 * SECOND, limit=20) == 20
        left = sorted(job.id for job in await repository.list_recent(limit=1_000))
        assert left == [f"{999 - n}" for n in reversed(range(20, 100))]
        assert await repository.delete_finished(NOON + 50 * SECOND, statuses=[FINAL[1]]) == 15
        assert await repository.delete_finished(NOON + 50 * SECOND, limit=10**30) == 15
        assert await repository.delete_finished(NOON + 50 * SECOND) == 0
        assert len(await repository.list_recent(limit=1_000)) == 50


async def test_nothing_of_a_deleted_job_is_left_and_no_revision_comes_back(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        job = ended(1)
        for _ in range(5):
            await repository.save(
                a_job(job.id, failed_symbols={"BTC/USDT": "boom"}, metadata={"m": "1"})
            )
        await repository.save(job)
        stored = await repository.get_by_id(job.id)
        assert stored is not None
        assert stored.revision is not None
        assert await repository.delete_finished(NOON + SECOND) == 0
        assert await repository.delete_finished(NOON + 2 * SECOND) == 1
        assert await repository.add(a_job(job.id))
        again = await repository.get_by_id(job.id)
        assert again == a_job(job.id)
        assert again is not None
        assert again.revision is not None
        assert again.revision > stored.revision
        await repository.delete(job.id)
    with plain_connection(path) as connection:
        for table in ("jobs", "symbols", "metadata", "leases"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


async def test_of_many_processes_each_deletes_other_jobs(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.save_many(ended(n) for n in range(200))
        said = await all_at_once([await a_process("purge", path) for _ in range(4)])
        assert sum(map(int, said)) == 200
        assert await repository.list_recent() == []


async def test_a_cancelled_call_deleted_all_of_its_jobs_or_none(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path, synchronous="NORMAL") as repository:
        await repository.save_many(ended(n) for n in range(300))
        left, seen = 300, Counter[int]()
        for turns in range(40):
            call = asyncio.create_task(repository.delete_finished(NOON + 999 * SECOND, limit=7))
            for _ in range(turns % 5):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            now = len(await repository.list_recent(limit=1_000))
            seen[left - now] += 1
            left = now
        assert seen.keys() <= {0, 7}
    with plain_connection(path) as connection:
        counts_are_right(connection)


async def test_writes_beside_it_wait_for_one_batch_only(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.save_many([*(ended(n) for n in range(100)), a_job("live")])
        purge = asyncio.create_task(repository.delete_finished(NOON + 999 * SECOND, limit=40))
        await repository.add_failed_symbol("live", "BTC/USDT", "boom")
        assert await purge == 40
        job = await repository.get_by_id("live")
        assert job is not None
        assert job.failure_counts == {"BTC/USDT": 1}


def test_a_purge_costs_the_same_in_a_store_of_any_size(tmp_path: Path) -> None:
    def costs(jobs: int) -> list[int]:
        found: list[int] = []
        with closing(filled(tmp_path / f"{jobs}.db", jobs)) as connection:
            for statuses, before, number in (
                (FINAL, 10**9, 50),
                (FINAL[:1], 10**9, 50),
                (FINAL, -1, 0),
            ):
                work = partial(writes.delete_finished, connection, before, list(statuses), 50)
                cost, deleted = steps(connection, work)
                assert deleted == number
                found.append(cost)
        return found

    small, large = costs(1_000), costs(50_000)
    assert all(many <= few + 200 for few, many in zip(small, large, strict=True))
    assert large[-1] < 200
