"""Leases in an SQLite file: many processes, ones that die, older files, and what a claim costs."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from collection_jobs import JobStatus, Lease, LeaseLostError, RepositoryError
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository, leases, writes
from collection_jobs.adapters.sqlite.rows import LARGEST_DOCUMENT
from collection_jobs.adapters.sqlite.schema import connect_to_write
from collection_jobs.adapters.sqlite.settings import SQLiteSettings
from tests.adapters.schemas import JOBS, jobs_in, restore
from tests.adapters.sqlite_support import NOON, a_job, plain_connection
from tests.adapters.test_leases_model import counts_are_right
from tests.adapters.test_sqlite_processes import a_process, all_at_once

HOUR = timedelta(hours=1)
SHORT = timedelta(milliseconds=50)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


# Processes


async def test_of_many_processes_each_claims_other_jobs(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.add_many(a_job(f"{n:03}") for n in range(100))
        said = await all_at_once([await a_process("lease", path) for _ in range(4)])
        claims = Counter(job_id for output in said for job_id in output.split())
        assert claims == Counter(f"{n:03}" for n in range(100))
        assert len(await repository.list_by_status(JobStatus.COMPLETED)) == 100
    with plain_connection(path) as connection:
        counts_are_right(connection)
        assert connection.execute("SELECT count(*) FROM leases").fetchone() == (0,)


async def test_no_more_jobs_run_than_the_limit_whatever_processes_claim_them(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.add_many(a_job(f"{n:03}") for n in range(80))
        said = await all_at_once([await a_process("limited", path, "2") for _ in range(4)])
        assert max(map(int, said)) <= 2
        assert len(await repository.list_by_status(JobStatus.FAILED)) == 80


async def claimed_in_time(repository: SQLiteCollectionJobRepository, seconds: float) -> Lease:
    """Ask for a job again and again, as workers do, until there is one."""
    for _ in range(int(seconds * 100) + 1_000):
        lease = await repository.claim_next("heir", HOUR)
        if lease is not None:
            return lease
        await asyncio.sleep(0.01)
    raise AssertionError


async def test_the_job_of_a_killed_process_is_claimed_when_its_lease_expires(path: Path) -> None:
    seconds = 2.0
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.save(a_job())
        process = await a_process("hold", path, str(seconds))
        assert process.stdout is not None
        job_id, token, until = (await process.stdout.readline()).decode().split()
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
        expires_at = datetime.fromisoformat(until)
        lease = await claimed_in_time(repository, seconds)
        assert datetime.now(UTC) >= expires_at
        assert (lease.job.id, lease.attempt) == (job_id, 2)
        assert lease.job.started_at is not None
        assert lease.job.started_at >= expires_at
        assert lease.token > int(token)
        assert lease.job.failed_symbols == {"BTC/USDT": "boom"}
        dead = replace(lease, worker="mortal", token=int(token))
        with pytest.raises(LeaseLostError, match="'mortal' no longer has job 'job'"):
            await repository.add_completed_symbol("job", "BTC/USDT", 1, lease=dead)


# Older files, and programs that know nothing of leases


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_jobs_that_ran_before_the_migration_have_no_lease(path: Path, version: int) -> None:
    restore(version, path)
    (running,) = (job for job in JOBS if job.status is JobStatus.RUNNING)
    async with SQLiteCollectionJobRepository(path) as repository:
        assert await repository.get_lease(running.id) is None
        assert await repository.claim(running.id, "w", HOUR) is None
        first = await repository.claim_next("w", HOUR, most_running=1)
        assert first is not None
        assert (first.job.id, first.attempt) == (JOBS[0].id, 1)
        assert first.token == first.job.revision
        assert await repository.claim_next("w", HOUR) is None
        assert await repository.update_status(running.id, JobStatus.PENDING)
        again = await repository.claim_next("w", HOUR, most_running=2)
        assert again is not None
        assert (again.job.id, again.attempt) == (running.id, 1)


@pytest.mark.parametrize("version", [4, 5])
async def test_a_lease_in_a_kept_file_is_still_current(path: Path, version: int) -> None:
    restore(version, path)
    async with SQLiteCollectionJobRepository(path) as repository:
        lease = await repository.get_lease(JOBS[1].id)
        assert lease is not None
        kept = jobs_in(version)[1]
        assert (lease.job, lease.worker, lease.attempt) == (kept, "it's a worker", 1)
        renewed = await repository.renew(lease, HOUR)
        assert renewed.expires_at > datetime.now(UTC)
        assert await repository.claim_next("w", HOUR, most_running=1) is None


OLD_STATEMENTS = (  # of the release that knew version 3
    "UPDATE jobs SET status = 'completed', revision = revision + 1 WHERE id = 'job'",
    "UPDATE jobs SET status = 'pending', source = 'x', revision = revision + 1 WHERE id = 'job'",
    "DELETE FROM jobs WHERE id = 'job'",
)


@pytest.mark.parametrize("statement", OLD_STATEMENTS)
async def test_an_older_release_ends_leases_too(path: Path, statement: str) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.add_many([a_job(), a_job("next", created_at=NOON + HOUR)])
        lease = await repository.claim("job", "w", HOUR)
        assert lease is not None
        with plain_connection(path) as older:
            older.execute("PRAGMA foreign_keys = ON")
            older.execute(statement)
            counts_are_right(older)
        assert await repository.get_lease("job") is None
        with pytest.raises(LeaseLostError):
            await repository.renew(lease, HOUR)
        assert await repository.claim("next", "w", HOUR) is not None


# Large jobs, cancellation, damage


async def test_a_job_of_any_size_is_claimed_and_its_lease_read(path: Path) -> None:
    symbols = tuple(f"S{n}" for n in range(60))
    job = a_job(symbols=symbols, failed_symbols=dict.fromkeys(symbols, "\x01" * 65_535))
    assert sum(map(len, job.failed_symbols.values())) > LARGEST_DOCUMENT
    async with SQLiteCollectionJobRepository(path, synchronous="NORMAL") as repository:
        await repository.add(job)
        lease = await repository.claim_next("w", HOUR)
        assert lease is not None
        assert lease.job == job.start_running(at=lease.job.started_at)
        assert await repository.get_lease("job") == lease
        renewed = await repository.renew(lease, SHORT)
        assert renewed.job == lease.job


async def test_a_cancelled_claim_claimed_the_job_or_nothing(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.add_many(a_job(f"{n:02}") for n in range(40))
        for turns in range(40):
            call = asyncio.create_task(repository.claim_next(f"{turns}", HOUR))
            for _ in range(turns % 8):
                await asyncio.sleep(0)
            call.cancel()
            answers = await asyncio.gather(call, return_exceptions=True)
            running = await repository.get_running_jobs()
            owners = [await repository.get_lease(job.id) for job in running]
            mine = [one for one in owners if one is not None and one.worker == f"{turns}"]
            assert len(mine) <= 1
            if isinstance(answers[0], Lease):
                assert mine == [answers[0]]
            assert len(running) == len(owners)
    with plain_connection(path) as connection:
        counts_are_right(connection)


async def test_a_lease_of_a_job_that_does_not_run_is_damage(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.add(a_job())
        assert await repository.claim("job", "w", HOUR) is not None
        with plain_connection(path) as other:
            other.execute("DROP TRIGGER end_lease")
            other.execute("UPDATE jobs SET status = 'failed'")
        with pytest.raises(RepositoryError, match="lease of a job that is not running"):
            await repository.get_lease("job")


# What a claim costs


def filled(path: Path, jobs: int, *, expired: int) -> sqlite3.Connection:
    """A file of which a tenth waits, half runs under leases, and a tenth runs without."""
    connection = connect_to_write(SQLiteSettings.of(path, "NORMAL", 5.0, True))
    connection.execute("BEGIN")
    connection.execute(
        """
        WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :jobs)
        INSERT INTO jobs (id, source, timeframe, range_start, range_end, created_at, status,
            revision, attempts)
        SELECT 'job ' || (i * 7919 % :jobs), 's' || (i / 10 % 10), '1m', 0, 1, i,
            CASE i % 10 WHEN 0 THEN 'pending' WHEN 1 THEN 'completed' WHEN 2 THEN 'failed'
                WHEN 3 THEN 'cancelled' ELSE 'running' END, 1, 1
        FROM n""",
        {"jobs": jobs},
    )
    connection.execute(
        "INSERT INTO symbols (job, symbol, position, created_at) "
        "SELECT key, 'S', 0, created_at FROM jobs"
    )
    later = leases.now_micros() + 10**12
    connection.execute(
        """
        INSERT INTO leases (job, worker, token, expires_at, source, created_at, id)
        SELECT key, 'w', 1, ?, source, created_at, id FROM jobs
        WHERE status = 'running' AND created_at % 10 < 9""",
        (later,),
    )
    connection.execute(
        "UPDATE leases SET expires_at = created_at"
        " WHERE job IN (SELECT job FROM leases ORDER BY job % 97, job LIMIT ?)",
        (expired,),
    )
    connection.execute("COMMIT")
    return connection


def steps(connection: sqlite3.Connection, work: Callable[[], Any]) -> int:
    """How many steps of SQLite's machine some work takes."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    connection.set_progress_handler(step, 1)
    try:
        assert work() is not None
    finally:
        connection.set_progress_handler(None, 1)
    return count


CLAIMS: dict[str, Callable[[sqlite3.Connection], Any]] = {
    "any": lambda it: leases.claim_next(it, "w", HOUR, None, None),
    "of a source": lambda it: leases.claim_next(it, "w", HOUR, "s3", None),
    "limited": lambda it: leases.claim_next(it, "w", HOUR, None, 10**9),
    "limited of a source": lambda it: leases.claim_next(it, "w", HOUR, "s3", 10**9),
    "named": lambda it: leases.claim(it, "job 810", "w", HOUR),
}


def costs_of(connection: sqlite3.Connection) -> dict[str, int]:
    """How many steps each call takes, the expired ones being known."""
    lease = leases.claim_next(connection, "w", HOUR, None, None)
    assert lease is not None
    costs = {name: steps(connection, partial(call, connection)) for name, call in CLAIMS.items()}
    costs["renewal"] = steps(connection, lambda: leases.renew(connection, lease, HOUR))
    costs["reading"] = steps(connection, lambda: leases.find_lease(connection, lease.job.id))
    return costs


@pytest.mark.parametrize("analyzed", [False, True])
def test_a_claim_costs_the_same_in_a_store_of_any_size(tmp_path: Path, analyzed: bool) -> None:
    costs: list[dict[str, int]] = []
    for jobs in (1_000, 20_000):
        with closing(filled(tmp_path / f"{jobs}.db", jobs, expired=jobs // 20)) as connection:
            if analyzed:
                connection.execute("ANALYZE")
            costs.append(costs_of(connection))
            counts_are_right(connection)
    small, large = costs
    assert all(large[name] <= small[name] + 20 for name in small), costs
    assert max(large.values()) < 1_000


def test_each_lease_that_expires_costs_once(tmp_path: Path) -> None:
    def cost(expired: int) -> tuple[int, int]:
        with closing(filled(tmp_path / f"{expired}.db", 5_000, expired=expired)) as connection:
            call = partial(CLAIMS["any"], connection)
            return steps(connection, call), steps(connection, call)

    (few, _), (many, then) = cost(10), cost(1_000)
    assert (many - few) / 990 < 250
    assert then < 600


async def test_who_finds_no_job_writes_nothing(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.add(a_job())
        assert await repository.claim_next("w", HOUR) is not None
        with plain_connection(path) as other:
            (before,) = other.execute("PRAGMA data_version").fetchone()
            for limit in (None, 1):
                assert await repository.claim_next("w", HOUR, most_running=limit) is None
            assert await repository.claim("job", "w", HOUR) is None
            assert other.execute("PRAGMA data_version").fetchone() == (before,)
            assert await repository.update_status("job", JobStatus.PENDING)
            assert other.execute("PRAGMA data_version").fetchone() != (before,)


@pytest.mark.parametrize("analyzed", [False, True])
def test_no_statement_of_leases_scans_a_table(tmp_path: Path, analyzed: bool) -> None:
    statements: list[str] = []
    with closing(filled(tmp_path / "jobs.db", 2_000, expired=100)) as connection:
        if analyzed:
            connection.execute("ANALYZE")
        connection.set_trace_callback(statements.append)
        for call in CLAIMS.values():
            call(connection)
        lease = leases.claim_next(connection, "w", HOUR, None, None)
        assert lease is not None
        leases.renew(connection, lease, HOUR)
        leases.find_lease(connection, lease.job.id)
        leases.find_lease_whole(connection, lease.job.id)
        writes.add_completion(connection, lease.job.id, "S", 5, lease)
        writes.add_failure(connection, lease.job.id, "S", "boom", True, lease)
        writes.set_cursor(connection, lease.job.id, "S", 1, lease)
        writes.save(connection, lease.job._changed(revision=None, source="other"))
        writes.update_status(connection, lease.job.id, JobStatus.PENDING, None, lease)
        writes.add(connection, a_job())
        writes.delete(connection, lease.job.id)
        connection.set_trace_callback(None)
        plans = [
            step
            for statement in dict.fromkeys(statements)
            if not statement.lstrip().startswith(("--", "BEGIN", "COMMIT"))
            for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
        ]
    assert len(statements) > 30
    # Neither the one row of `store` nor what a statement holds itself is a table that grows: the
    # two jobs of which the older is claimed, a row of a trigger, an array of parameters.
    harmless = ("SCAN store", "SCAN json_each", "SCAN names", "SCAN CONSTANT ROW", "SCAN (subquery")
    used = {step for step in plans if step.startswith(("SCAN", "SEARCH"))}
    scans = {step for step in used if step.startswith("SCAN") and not step.startswith(harmless)}
    assert scans == {"SCAN leases USING INDEX expired_leases"}  # all that are in it, to the first
    assert {
        "SEARCH jobs USING COVERING INDEX jobs_by_status (status=?)",
        "SEARCH jobs USING COVERING INDEX jobs_by_source (source=? AND status=?)",
        "SEARCH leases USING INDEX expired_leases_by_source (source=?)",
        "SEARCH leases USING INDEX leases_by_expiry (expires_at<?)",
    } <= used
