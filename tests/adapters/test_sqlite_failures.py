"""Failures and cursors in an SQLite file: many processes, leases, damage, older releases."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from collection_jobs import (
    JobNotFoundError,
    JobQuery,
    JobStats,
    JobStatus,
    LeaseLostError,
    RepositoryError,
    UnknownSymbolError,
)
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository, migrations
from collection_jobs.capabilities import FindsJobs, Purges
from collection_jobs.leasing import RecordsCursorsUnderLease, RecordsFailuresUnderLease
from tests.adapters.sqlite_stores import counts_are_right
from tests.adapters.sqlite_support import NOON, a_job, plain_connection
from tests.adapters.test_sqlite_processes import a_process, all_at_once

HOUR = timedelta(hours=1)
BTC, ETH = "BTC/USDT", "ETH/USDT"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


def test_it_has_the_optional_protocols(path: Path) -> None:
    repository = SQLiteCollectionJobRepository(path)
    for protocol in (RecordsFailuresUnderLease, RecordsCursorsUnderLease, FindsJobs, Purges):
        assert isinstance(repository, protocol)


async def test_concurrent_failures_of_many_processes_all_count(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.add(a_job())
        said = await all_at_once([await a_process("fail", path, "50") for _ in range(3)])
        assert [int(output) for output in said] == [50] * 3
        job = await repository.get_by_id("job")
        assert job is not None
        assert job.failure_counts == {BTC: 150}
        assert (await repository.get_stats("job")) == JobStats(3, 0, 1, 0)
        with plain_connection(path) as other:
            counts_are_right(other)


async def test_a_completion_clears_the_mark_and_the_cursor_and_keeps_the_count(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.add(a_job())
        await repository.set_cursor("job", BTC, NOON + HOUR)
        await repository.add_failure("job", BTC, "gone", permanent=True)
        job = await repository.get_by_id("job")
        assert job is not None
        expected = a_job().with_cursor(BTC, NOON + HOUR)
        assert job == expected.with_failed_symbol(BTC, "gone", permanent=True)
        assert job.symbols_left == a_job().symbols[1:]
        await repository.add_completed_symbol("job", BTC, 7)
        done = await repository.get_by_id("job")
        assert done == job.with_completed_symbol(BTC, 7)
        assert done is not None
        await repository.set_cursor("job", BTC, NOON)
        again = await repository.get_by_id("job")
        assert again is not None
        assert again.revision == done.revision
        await repository.add_failed_symbol("job", BTC, "boom")
        failed = await repository.get_by_id("job")
        assert failed == done.with_failed_symbol(BTC, "boom")
        assert failed is not None
        assert (failed.failure_counts, failed.permanent_failures) == ({BTC: 2}, frozenset())


async def test_a_count_that_is_full_stays(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.add(a_job(failure_counts={BTC: 2**63 - 2}))
        for _ in range(3):
            await repository.add_failed_symbol("job", BTC, "boom")
        job = await repository.get_by_id("job")
        assert job is not None
        assert job.failure_counts == {BTC: 2**63 - 1}


async def test_errors_come_in_the_order_of_the_contract(path: Path) -> None:
    job, early = a_job(), NOON - HOUR
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.add(job)
        lease = await repository.claim("job", "w", HOUR)
        assert lease is not None
        with pytest.raises(JobNotFoundError):
            await repository.set_cursor("other", "none", early)
        with pytest.raises(UnknownSymbolError):
            await repository.set_cursor("job", "none", early)
        with pytest.raises(
            ValueError, match=r"until must lie within .*: 2024-01-01T11:00:00\+00:00"
        ):
            await repository.set_cursor("job", BTC, early, lease=lease)
        for until in (job.start, job.end):
            await repository.set_cursor("job", BTC, until, lease=lease)
        await repository.add_failure("job", ETH, "gone", permanent=True, lease=lease)
        assert await repository.claim("job", "w", HOUR) is None
        before = await repository.get_by_id("job")
        await repository.update_status("job", JobStatus.FAILED)
        for call in (
            repository.set_cursor("job", "none", early, lease=lease),
            repository.add_failure("job", "none", "gone", lease=lease),
        ):
            with pytest.raises(LeaseLostError):
                await call
        after = await repository.get_by_id("job")
        assert before is not None
        assert after is not None
        assert (before.failure_counts, before.cursors) == (after.failure_counts, after.cursors)


async def test_a_refused_cursor_does_not_disturb_the_writes_beside_it(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.add(a_job())
        calls: list[Any] = []
        for n in range(50):
            calls.append(repository.add_failure("job", BTC, f"{n}"))
            calls.append(repository.set_cursor("job", BTC, NOON - HOUR))
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert answers[::2] == [None] * 50
        assert {type(answer) for answer in answers[1::2]} == {ValueError}
        job = await repository.get_by_id("job")
        assert job is not None
        assert job.failure_counts == {BTC: 50}


@pytest.mark.parametrize("method", ["add_failure", "set_cursor"])
async def test_a_cancelled_call_took_effect_wholly_or_not_at_all(path: Path, method: str) -> None:
    async with SQLiteCollectionJobRepository(path, synchronous="NORMAL") as repository:
        await repository.add(a_job())
        revision, count = 1, 0
        for turns in range(120):
            argument: Any = "boom" if method == "add_failure" else NOON + turns * HOUR / 10
            call = asyncio.create_task(getattr(repository, method)("job", BTC, argument))
            for _ in range(turns % 6):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            job = await repository.get_by_id("job")
            assert job is not None
            assert job.revision is not None
            counted = job.failure_counts.get(BTC, 0)
            if method == "add_failure":
                assert (counted - count) == (job.revision > revision)
                assert (BTC in job.failed_symbols) == (counted > 0)
            elif job.revision > revision:
                assert job.cursors == {BTC: argument}
            revision, count = job.revision, counted


async def test_a_save_of_any_size_is_counted(path: Path) -> None:
    symbols = tuple(f"S{n}" for n in range(3_000))
    many = a_job(
        symbols=symbols,
        completed_symbols=dict.fromkeys(symbols[::3], 2**63 - 1),
        failed_symbols=dict.fromkeys(symbols[1::3], "boom"),
        permanent_failures=frozenset(symbols[1::6]),
        failure_counts=dict.fromkeys(symbols[::2], 2**63 - 1),
        cursors=dict.fromkeys(symbols[2::3], NOON + HOUR),
    )
    fewer = a_job(
        symbols=symbols[:1_500:-1],
        failed_symbols=dict.fromkeys(symbols[2_000:], "x" * 20_000),
        cursors={symbols[1_600]: NOON},
        created_at=NOON + HOUR,
    )
    async with SQLiteCollectionJobRepository(path, synchronous="NORMAL") as repository:
        for job in (many, fewer, a_job(), many):
            await repository.save(job)
            assert await repository.get_by_id("job") == job
            assert await repository.list_recent() == [job]
            assert await repository.get_stats("job") == JobStats.from_job(job)
            (summary,) = await repository.find(JobQuery(symbol=job.symbols[-1]))
            assert summary.stats == JobStats.from_job(job)
            assert (summary.created_at, summary.symbols) == (job.created_at, job.symbols)
            with plain_connection(path) as other:
                counts_are_right(other)


# Damage


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE symbols SET failures = 0",
        "UPDATE symbols SET failures = -1",
        "UPDATE symbols SET is_permanent = 2",
        "UPDATE symbols SET is_permanent = 1 WHERE symbol = 'ETH/USDT'",
        "UPDATE symbols SET cursor = 0",
        "UPDATE symbols SET cursor = 9000000000000000000",
        "UPDATE symbols SET candles = 1 WHERE symbol = 'ETH/USDT'",
    ],
)
async def test_no_job_is_read_that_the_entity_would_refuse(path: Path, statement: str) -> None:
    job = a_job(
        failed_symbols={BTC: "boom"},
        permanent_failures={BTC},
        failure_counts={BTC: 3},
        cursors={ETH: NOON},
    )
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.add(job)
        with plain_connection(path) as other:
            other.execute("PRAGMA ignore_check_constraints = ON")
            other.execute(statement)
        for call in (repository.get_by_id("job"), repository.list_recent(limit=1_000)):
            with pytest.raises(RepositoryError, match="damaged: a stored row is not a valid job"):
                await call


# Programs of a release that knew version 4

OUTCOME = "UPDATE symbols SET candles = ?, error = ? WHERE job = 1 AND symbol = ?"


async def test_an_outcome_that_an_older_release_records_is_counted(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.add(a_job())
        with plain_connection(path) as older:
            older.execute(OUTCOME, (2**63 - 1, None, BTC))
            older.execute(OUTCOME, (2**63 - 1, None, ETH))
            assert await repository.get_stats("job") == JobStats(3, 2, 0, 2**64 - 2)
            older.execute(OUTCOME, (None, "boom", BTC))
            counts_are_right(older)
        assert await repository.get_stats("job") == JobStats(3, 1, 1, 2**63 - 1)
        (found,) = await repository.find(JobQuery(with_failures=True))
        assert found.stats == JobStats(3, 1, 1, 2**63 - 1)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO symbols (job, symbol, position) VALUES (1, 'new', 3)",
        "UPDATE symbols SET candles = 1, error = NULL WHERE symbol = 'BTC/USDT'",
        "UPDATE symbols SET candles = 1, error = NULL WHERE symbol = 'ETH/USDT'",
    ],
)
async def test_what_an_older_release_would_half_do_fails_whole(path: Path, statement: str) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.add(a_job())
        await repository.add_failure("job", BTC, "gone", permanent=True)
        await repository.set_cursor("job", ETH, NOON)
        before = await repository.get_by_id("job")
        with plain_connection(path) as older, pytest.raises(sqlite3.IntegrityError):
            older.execute(statement)
        assert await repository.get_by_id("job") == before


async def test_a_large_file_of_version_4_is_migrated_whole(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        migrations.take_steps(old, str(path), 0, 4)
        old.execute("BEGIN")
        old.execute(
            """
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
            INSERT INTO jobs (key, id, source, timeframe, range_start, range_end, created_at,
                status, revision)
            SELECT i, 'job ' || i, 's', '1m', 0, 1, i, 'running', 1 FROM n"""
        )
        old.execute(
            """
            WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 199)
            INSERT INTO symbols SELECT key, 'S' || i, i,
                CASE i % 3 WHEN 0 THEN 9223372036854775807 END, CASE i % 3 WHEN 1 THEN 'boom' END
            FROM jobs, n"""
        )
        old.execute("COMMIT")
    async with SQLiteCollectionJobRepository(path) as repository:
        found = await repository.find(JobQuery(symbol="S199"), limit=1_000)
        assert len(found) == 500
        assert {one.stats for one in found} == {JobStats(200, 67, 67, 67 * (2**63 - 1))}
        job = await repository.get_by_id("job 77")
        assert job is not None
        assert JobStats.from_job(job) == found[0].stats
        assert (job.failure_counts, job.cursors, job.permanent_failures) == ({}, {}, frozenset())
    with plain_connection(path) as connection:
        counts_are_right(connection)
