"""Leases on PostgreSQL: each law, among callers, repositories, sessions and releases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from collection_jobs import (
    AddsJobs,
    CollectionJob,
    JobStatus,
    Lease,
    LeaseLostError,
    LeasesJobs,
    RepositoryError,
    UnknownSymbolError,
)
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.adapters.postgres.lease_statements import LeaseStatements
from collection_jobs.adapters.postgres.session import SESSION
from collection_jobs.conformance.spec.calls import example_job
from tests.adapters.postgres_server import Database, Server
from tests.adapters.schemas.postgres import SCHEMA, dump

Repository = PostgresCollectionJobRepository
HOUR = timedelta(hours=1)
SHORT = timedelta(milliseconds=50)
START = datetime(2024, 5, 1, tzinfo=UTC)


@pytest.fixture
async def repository(url: str) -> AsyncGenerator[Repository]:
    async with Repository.from_url(url) as opened:
        yield opened


def aged(job_id: str, minutes: int, **changes: object) -> CollectionJob:
    """A job of an age: the greater the number, the younger."""
    return example_job(job_id, created_at=START + timedelta(minutes=minutes), **changes)


async def read(repository: Repository, job_id: str) -> CollectionJob:
    job = await repository.get_by_id(job_id)
    assert job is not None
    return job


async def claimed(repository: Repository, job_id: str, ttl: timedelta = HOUR) -> Lease:
    lease = await repository.claim(job_id, "worker", ttl)
    assert lease is not None
    return lease


async def expired(repository: Repository, database: Database, schema: str, job_id: str) -> Lease:
    """A lease of a job that has expired, without waiting for it."""
    lease = await claimed(repository, job_id)
    await database.execute(
        f"UPDATE {schema}.jobs SET lease_expires_at = clock_timestamp() - interval '1 s'"
        f" WHERE id = '{job_id}'"
    )
    return lease


async def server_time(database: Database) -> datetime:
    ((now,),) = await database.fetch("SELECT clock_timestamp()")
    assert isinstance(now, datetime)
    return now


@asynccontextmanager
async def a_session(
    database: Database,
) -> AsyncGenerator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(database.url)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def locked(
    database: Database, schema: str, job_id: str
) -> AsyncGenerator[asyncpg.Connection[asyncpg.Record]]:
    """Hold a job's row, as the transaction of another writer does."""
    async with a_session(database) as other, other.transaction():
        await other.execute(f"SELECT FROM {schema}.jobs WHERE id = $1 FOR NO KEY UPDATE", job_id)
        yield other


async def waits_for_a_lock(database: Database, schema: str) -> None:
    """Return when a call on the schema waits."""
    async with asyncio.timeout(20):
        while not await database.fetch(
            "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND strpos(query, $1) > 0",
            schema,
        ):
            pass


def test_it_has_both_capabilities(url: str) -> None:
    repository = Repository.from_url(url)
    assert isinstance(repository, AddsJobs)
    assert isinstance(repository, LeasesJobs)


async def test_a_claim_gives_the_job_as_it_is_stored_then(repository: Repository) -> None:
    job = aged("a", 0, completed_symbols={"BTC": 5}, failed_symbols={"ETH": "boom"})
    await repository.save(job)
    before = await read(repository, "a")
    began = datetime.now(UTC)
    lease = await repository.claim_next("w 1", HOUR)
    assert lease is not None
    assert lease.job == await read(repository, "a")
    assert lease.job.revision == lease.token == (await read(repository, "a")).revision
    assert before.revision is not None
    assert lease.token > before.revision
    assert (lease.worker, lease.attempt) == ("w 1", 1)
    assert lease.job.status is JobStatus.RUNNING
    assert lease.job.completed_symbols == {"BTC": 5}
    assert lease.job.failed_symbols == {"ETH": "boom"}
    assert lease.job.started_at is not None
    minute = timedelta(minutes=1)  # the clocks of the server and of the test
    assert abs(lease.job.started_at - began) < minute
    assert abs(lease.expires_at - began - HOUR) < minute
    assert await repository.get_lease("a") == lease
    assert await repository.claim_next("w 2", HOUR) is None
    assert await repository.claim("a", "w 2", HOUR) is None
    assert await repository.claim("none", "w 2", HOUR) is None
    assert await repository.get_lease("none") is None


# LEASE-1: which job


async def test_the_oldest_is_claimed_of_those_that_wait_and_those_whose_lease_has_expired(
    repository: Repository, database: Database, schema: str
) -> None:
    order = ["e", "b", "B", "c", "a", "d"]  # of equal age, by code point
    await repository.save_many(
        aged(job_id, 5 if job_id in "bB" else number, source=f"{number % 2}")
        for number, job_id in enumerate(order)
    )
    await expired(repository, database, schema, "a")
    await expired(repository, database, schema, "B")
    await claimed(repository, "d")  # not expired
    assert await repository.update_status("c", JobStatus.RUNNING)  # without a lease
    leases = [await repository.claim_next("w", HOUR) for _ in range(5)]
    got = [(lease.job.id, lease.attempt) for lease in leases if lease is not None]
    assert got == [("e", 1), ("a", 2), ("B", 2), ("b", 1)]
    assert leases[4] is None
    assert await repository.claim("c", "w", HOUR) is None


async def test_of_a_source_the_oldest_is_claimed(
    repository: Repository, database: Database, schema: str
) -> None:
    await repository.save_many(aged(f"{n}", n, source="xyx"[n % 3]) for n in range(12))
    await expired(repository, database, schema, "4")
    await expired(repository, database, schema, "6")
    got: list[str] = []
    while (lease := await repository.claim_next("w", HOUR, source="y")) is not None:
        got.append(lease.job.id)
    assert got == ["1", "4", "7", "10"]
    assert await repository.claim_next("w", HOUR, source="z") is None
    assert (await read(repository, "6")).source == "x"
    lease = await repository.claim_next("w", HOUR)
    assert lease is not None
    assert lease.job.id == "0"


async def test_a_takeover_is_a_change_as_every_claim(
    repository: Repository, database: Database, schema: str
) -> None:
    await repository.save(aged("a", 0))
    former = await expired(repository, database, schema, "a")
    await repository.add_completed_symbol("a", "BTC", 7, lease=former)
    before = await read(repository, "a")
    lease = await repository.claim_next("other", HOUR)
    assert lease is not None
    assert lease.attempt == 2
    assert lease.token > former.token
    assert lease.job.completed_symbols == {"BTC": 7}
    assert before.revision is not None
    assert lease.job.revision is not None
    assert lease.job.revision > before.revision
    assert lease.job.started_at is not None
    assert before.started_at is not None
    assert lease.job.started_at > before.started_at
    assert (lease.job.finished_at, lease.job.error_message) == (None, None)


@pytest.mark.parametrize("source", [None, "binance"])
@pytest.mark.parametrize("status", ["pending", "expired"])
async def test_the_oldest_job_is_waited_for_while_its_row_is_held_and_not_passed_over(
    repository: Repository, database: Database, schema: str, source: str | None, status: str
) -> None:
    """As where a slow worker records a symbol just then: the job may be claimed all the while."""
    await repository.save_many([aged("old", 0), aged("young", 1)])
    if status == "expired":
        await expired(repository, database, schema, "old")
    async with locked(database, schema, "old"):
        claim = asyncio.create_task(repository.claim_next("w", HOUR, source=source))
        await waits_for_a_lock(database, schema)
        # Another passes over it: it is being claimed.
        other = await repository.claim_next("other", HOUR, source=source)
    lease = await claim
    assert lease is not None
    assert other is not None
    assert (lease.job.id, other.job.id) == ("old", "young")


async def test_where_a_job_became_older_than_the_one_waited_for_it_is_claimed(
    repository: Repository, database: Database, schema: str
) -> None:
    await repository.save(aged("old", 1))
    async with locked(database, schema, "old"):
        claim = asyncio.create_task(repository.claim_next("w", HOUR))
        await waits_for_a_lock(database, schema)
        await repository.save(aged("older", 0))
    lease = await claim
    assert lease is not None
    assert lease.job.id == "older"


@pytest.mark.parametrize("call", ["claim_next", "claim", "renew"])
async def test_what_was_recorded_while_a_call_waited_is_in_its_answer(
    repository: Repository, database: Database, schema: str, call: str
) -> None:
    await repository.save(aged("a", 0))
    former = await expired(repository, database, schema, "a")
    async with locked(database, schema, "a") as other:
        calls: dict[str, Callable[[], Coroutine[Any, Any, Lease | None]]] = {
            "claim_next": lambda: repository.claim_next("w", HOUR),
            "claim": lambda: repository.claim("a", "w", HOUR),
            "renew": lambda: repository.renew(former, HOUR),
        }
        asked = asyncio.create_task(calls[call]())
        await waits_for_a_lock(database, schema)
        await other.execute(
            f"INSERT INTO {schema}.outcomes SELECT key, generation, 'ETH', 5 FROM {schema}.jobs"
        )
    lease = await asked
    assert lease is not None
    assert lease.job == await read(repository, "a")
    assert lease.job.completed_symbols == {"ETH": 5}


@pytest.mark.parametrize("together", [1, 3])
async def test_a_job_that_is_held_for_too_long_keeps_nobody_from_the_others(
    url: str, database: Database, schema: str, together: int
) -> None:
    async with Repository.from_url(f"{url}&lock_timeout=0.3") as repository:
        await repository.save_many(aged(f"{n}", n) for n in range(5))
        async with locked(database, schema, "0"):
            claims = (repository.claim_next("w", HOUR) for _ in range(together))
            leases = await asyncio.gather(*claims)
            got = sorted(lease.job.id for lease in leases if lease is not None)
            assert got == ["1", "2", "3"][:together]
            for _ in range(4 - together):
                assert await repository.claim_next("w", HOUR) is not None
            assert await repository.claim_next("w", HOUR) is None
        lease = await repository.claim_next("w", HOUR)
        assert lease is not None
        assert lease.job.id == "0"


# LEASE-2: one each


async def test_many_callers_of_two_repositories_claim_each_job_once_and_leave_none(
    url: str,
) -> None:
    jobs = [aged(f"{n:03}", n) for n in range(300)]
    async with Repository.from_url(url) as one, Repository.from_url(url) as other:
        await one.save_many(jobs)
        got: list[list[str]] = []

        async def work(repository: Repository, worker: str) -> None:
            mine: list[str] = []
            got.append(mine)
            while (lease := await repository.claim_next(worker, HOUR)) is not None:
                assert lease.worker == worker
                mine.append(lease.job.id)

        async with asyncio.TaskGroup() as group:
            for n in range(16):
                group.create_task(work((one, other)[n % 2], f"w {n}"))
        everything = [job_id for mine in got for job_id in mine]
        assert sorted(everything) == [job.id for job in jobs]
        assert all(mine == sorted(mine) for mine in got)  # each caller sees the oldest first


async def test_as_many_callers_as_jobs_all_get_one(
    url: str, database: Database, schema: str
) -> None:
    """Also while the jobs' rows are held by those who record symbols, and where others are late."""
    async with Repository.from_url(url) as one, Repository.from_url(url) as other:
        for number in range(8):
            jobs = [aged(f"{number} {n}", n) for n in range(8)]
            await one.save_many(jobs)
            for job in jobs[:4]:
                await expired(one, database, schema, job.id)
            claims = [repository.claim_next("w", HOUR) for repository in (one, other) * 4]
            records = [
                repository.add_completed_symbol(job.id, "BTC", 1)
                for job in jobs
                for repository in (one, other)
            ]
            leases = (await asyncio.gather(*records, *claims))[16:]
            assert {lease.job.id for lease in leases if lease is not None} == {
                job.id for job in jobs
            }


# LEASE-3: fencing


async def fenced_calls(repository: Repository, lease: Lease) -> None:
    """Every call with a lease that is not current: each raises, and nothing changes."""
    job_id = lease.job.id
    before = await repository.get_by_id(job_id), await repository.get_lease(job_id)
    calls = (
        repository.renew(lease, HOUR),
        repository.update_status(job_id, JobStatus.COMPLETED, lease=lease),
        repository.update_status(job_id, JobStatus.RUNNING, lease=lease),
        repository.add_failed_symbol(job_id, "BTC", "late", lease=lease),
        repository.add_failed_symbol(job_id, "none", "late", lease=lease),
        repository.add_completed_symbol(job_id, "BTC", 99, lease=lease),
    )
    for error in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(error, LeaseLostError), error
        assert (error.job_id, error.worker) == (job_id, lease.worker)
    assert (await repository.get_by_id(job_id), await repository.get_lease(job_id)) == before


async def test_a_lease_that_was_lost_changes_nothing(
    repository: Repository, database: Database, schema: str
) -> None:
    async def claimed_again(lease: Lease) -> None:
        assert await repository.claim(lease.job.id, "other", HOUR) is not None

    async def cancelled(lease: Lease) -> None:
        assert await repository.update_status(lease.job.id, JobStatus.CANCELLED)

    async def given_back(lease: Lease) -> None:
        assert await repository.update_status(lease.job.id, JobStatus.PENDING)

    async def started_by_hand(lease: Lease) -> None:
        await given_back(lease)
        assert await repository.update_status(lease.job.id, JobStatus.RUNNING)

    async def deleted(lease: Lease) -> None:
        assert await repository.delete(lease.job.id)

    async def made_anew(lease: Lease) -> None:
        await deleted(lease)
        await repository.save(lease.job.with_revision(None))
        assert (await read(repository, lease.job.id)).status is JobStatus.RUNNING

    async def saved_with_another_status(lease: Lease) -> None:
        await repository.save_many([lease.job.with_status(JobStatus.FAILED, at=START)])

    async def saved_as_running_after_that(lease: Lease) -> None:
        await saved_with_another_status(lease)
        await repository.save(lease.job.with_revision(None))

    for lose in (
        claimed_again,
        cancelled,
        given_back,
        started_by_hand,
        deleted,
        made_anew,
        saved_with_another_status,
        saved_as_running_after_that,
    ):
        await repository.save(aged(lose.__name__, 0))
        lease = await expired(repository, database, schema, lose.__name__)
        await lose(lease)
        await fenced_calls(repository, lease)


async def test_a_lease_that_is_current_does_what_no_lease_does(repository: Repository) -> None:
    await repository.save(aged("a", 0))
    lease = await claimed(repository, "a")
    assert not await repository.update_status("a", JobStatus.RUNNING, lease=lease)
    await repository.add_failed_symbol("a", "BTC", "boom", lease=lease)
    await asyncio.gather(
        repository.add_completed_symbol("a", "BTC", 4, lease=lease),
        *(repository.add_failed_symbol("a", "ETH", f"{n}", lease=lease) for n in range(20)),
    )
    for call in (
        repository.add_failed_symbol("a", "XRP", "boom", lease=lease),
        repository.add_completed_symbol("a", "XRP", 1, lease=lease),
    ):
        with pytest.raises(UnknownSymbolError):
            await call
    job = await read(repository, "a")
    assert (job.completed_symbols, job.failed_symbols) == ({"BTC": 4}, {"ETH": "19"})
    assert job.revision is not None
    assert job.revision >= lease.token + 22  # each call draws one
    assert await repository.get_lease("a") is not None
    assert await repository.update_status("a", JobStatus.FAILED, "1 failed", lease=lease)
    job = await read(repository, "a")
    assert (job.status, job.error_message) == (JobStatus.FAILED, "1 failed")
    assert job.finished_at is not None
    assert job.started_at == lease.job.started_at
    with pytest.raises(LeaseLostError):
        await repository.update_status("a", JobStatus.PENDING, lease=lease)
    assert await repository.get_lease("a") is None


async def test_calls_of_the_former_and_of_the_present_holder_that_travel_together_are_told_apart(
    repository: Repository, database: Database, schema: str
) -> None:
    await repository.save_many(aged(f"{n}", n) for n in range(10))
    former = [await expired(repository, database, schema, f"{n}") for n in range(10)]
    present = [await claimed(repository, f"{n}") for n in range(10)]
    done = await asyncio.gather(
        *(
            repository.add_completed_symbol(lease.job.id, "BTC", lease.token, lease=lease)
            for pair in zip(former, present, strict=True)
            for lease in pair
        ),
        return_exceptions=True,
    )
    assert [isinstance(one, LeaseLostError) for one in done] == [True, False] * 10
    for lease in present:
        assert (await read(repository, lease.job.id)).completed_symbols == {"BTC": lease.token}
    changed = await asyncio.gather(
        *(
            repository.update_status(lease.job.id, JobStatus.COMPLETED, lease=lease)
            for pair in zip(former, present, strict=True)
            for lease in pair
        ),
        return_exceptions=True,
    )
    assert [one is True for one in changed] == [False, True] * 10


async def test_a_save_that_leaves_the_job_running_leaves_its_lease(
    repository: Repository, database: Database, schema: str
) -> None:
    await repository.save(aged("a", 0))
    lease = await expired(repository, database, schema, "a")
    await repository.save(lease.job.with_completed_symbol("BTC", 3))
    await repository.save(aged("a", 9, source="new", status=JobStatus.RUNNING))
    found = await repository.get_lease("a")
    assert found is not None
    assert (found.token, found.worker, found.attempt) == (lease.token, "worker", 1)
    await repository.add_completed_symbol("a", "ETH", 1, lease=lease)
    taken = await repository.claim_next("other", HOUR, source="new")
    assert taken is not None
    assert taken.attempt == 2


# LEASE-4: renewing


async def test_a_renewal_moves_the_expiry_and_is_no_change_of_the_job(
    repository: Repository, database: Database, schema: str
) -> None:
    await repository.save(aged("a", 0))
    lease = await expired(repository, database, schema, "a")
    copy = await read(repository, "a")
    renewed = await repository.renew(lease, HOUR)
    assert renewed.expires_at > lease.expires_at
    assert (renewed.token, renewed.attempt, renewed.job) == (lease.token, 1, copy)
    assert await repository.claim_next("other", HOUR) is None
    assert (await read(repository, "a")).revision == copy.revision
    await repository.save(copy.with_completed_symbol("BTC", 1))  # not stale
    shorter = await repository.renew(lease, SHORT)  # any copy of the lease will do
    assert shorter.expires_at < renewed.expires_at
    assert shorter.job.completed_symbols == {"BTC": 1}


async def test_the_clock_is_the_servers_and_not_that_of_the_transactions_start(
    repository: Repository,
    database: Database,
    schema: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # it is a lie
            return datetime(2124, 1, 1, tzinfo=UTC)

    for module in ("writes", "repository"):
        monkeypatch.setattr(f"collection_jobs.adapters.postgres.{module}.datetime", Ahead)
    await repository.save(aged("a", 0))
    async with locked(database, schema, "a"):
        claim = asyncio.create_task(repository.claim_next("w", HOUR))
        await waits_for_a_lock(database, schema)
        released = await server_time(database)
    lease = await claim
    assert lease is not None
    assert lease.job.started_at is not None
    assert released < lease.job.started_at
    assert released + HOUR < lease.expires_at < await server_time(database) + HOUR
    async with locked(database, schema, "a"):
        renew = asyncio.create_task(repository.renew(lease, HOUR))
        await waits_for_a_lock(database, schema)
        released = await server_time(database)
    assert released + HOUR < (await renew).expires_at < await server_time(database) + HOUR


async def test_a_lease_expires_by_itself(repository: Repository) -> None:
    await repository.save(aged("a", 0))
    lease = await claimed(repository, "a", SHORT)
    while (taken := await repository.claim_next("other", HOUR)) is None:
        pass
    assert taken.job.started_at is not None
    assert taken.job.started_at >= lease.expires_at
    await fenced_calls(repository, lease)


# LEASE-5: tokens and attempts


async def test_attempts_are_counted_since_the_job_was_made_or_given_back(
    repository: Repository, database: Database, schema: str
) -> None:
    await repository.save(aged("a", 0))
    tokens: list[int] = []

    async def attempt() -> int:
        lease = await expired(repository, database, schema, "a")
        tokens.append(lease.token)
        return lease.attempt

    assert [await attempt() for _ in range(3)] == [1, 2, 3]
    await repository.save(aged("a", 0))  # it ends the lease and forgets no attempt
    assert await repository.get_lease("a") is None
    assert await attempt() == 4
    assert await repository.update_status("a", JobStatus.FAILED)
    assert await repository.update_status("a", JobStatus.PENDING)
    assert [await attempt(), await attempt()] == [1, 2]
    lease = await repository.get_lease("a")
    assert lease is not None
    assert await repository.update_status("a", JobStatus.PENDING, lease=lease)
    assert await attempt() == 1
    assert await repository.delete("a")
    assert await repository.add(aged("a", 0))
    assert await attempt() == 1
    assert tokens == sorted(set(tokens))


# LEASE-6: limits


@pytest.mark.parametrize("source", [None, "binance"])
async def test_at_no_instant_do_more_jobs_run_than_the_limit_says(
    url: str, database: Database, schema: str, source: str | None
) -> None:
    async with Repository.from_url(url) as one, Repository.from_url(url) as other:
        await one.save_many(aged(f"{n:03}", n) for n in range(120))
        await one.save(aged("x", 0, source="other"))
        assert await one.update_status("x", JobStatus.RUNNING)  # under no lease: it counts nowhere
        most = 3
        running: set[str] = set()
        peak = done = 0

        async def work(repository: Repository, worker: str) -> None:
            nonlocal peak, done
            while done < 60:
                lease = await repository.claim_next(worker, HOUR, source=source, most_running=most)
                if lease is None:
                    continue
                running.add(lease.job.id)
                peak = max(peak, len(running))
                for _ in range(3):
                    await asyncio.sleep(0)
                running.remove(lease.job.id)  # before it is told: it may be claimed at once
                assert await repository.update_status(
                    lease.job.id, JobStatus.COMPLETED, lease=lease
                )
                done += 1

        async with asyncio.TaskGroup() as group:
            for n in range(16):
                group.create_task(work((one, other)[n % 2], f"w {n}"))
        assert peak == most


async def test_a_limit_counts_the_leases_that_have_not_expired(
    repository: Repository, database: Database, schema: str
) -> None:
    await repository.save_many(aged(f"{n}", n, source="xy"[n % 2]) for n in range(8))

    async def claim(source: str | None, most: int) -> str | None:
        lease = await repository.claim_next("w", HOUR, source=source, most_running=most)
        return None if lease is None else lease.job.id

    assert [await claim("x", 2) for _ in range(3)] == ["0", "2", None]
    assert await claim("y", 1) == "1"
    assert await claim(None, 3) is None
    assert await claim(None, 4) == "3"
    await database.execute(
        f"UPDATE {schema}.jobs SET lease_expires_at = clock_timestamp() WHERE id = '2'"
    )
    assert [await claim("x", 2), await claim("x", 2)] == ["2", None]
    await database.execute(
        f"UPDATE {schema}.jobs SET lease_expires_at = clock_timestamp() WHERE id = '0'"
    )
    assert [await claim(None, 4), await claim(None, 4)] == ["0", None]
    # Only claims are held to it.
    assert await repository.claim("4", "w", HOUR) is not None
    assert await claim("x", 3) is None
    assert await claim("x", 10**30) == "6"
    got = await asyncio.gather(*(claim("y", 3) for _ in range(5)))
    assert got == ["5", None, None, None, None]


@pytest.mark.parametrize("first", ["binance", None])
@pytest.mark.parametrize("second", ["binance", None])
async def test_a_claim_under_a_limit_waits_for_one_that_is_not_committed_yet(
    repository: Repository,
    database: Database,
    schema: str,
    first: str | None,
    second: str | None,
) -> None:
    """It could not see it: not even where it would take another job, which has come since."""
    await repository.save(aged("old", 1))
    statement = LeaseStatements.on(schema).claim_next
    async with a_session(database) as other:
        async with other.transaction():
            rows = await other.fetch(statement, ["w"], [HOUR], first, 1, True, "5000")
            assert [row[0] for row in rows] == ["old"]
            await repository.save(aged("older", 0))
            claim = asyncio.create_task(
                repository.claim_next("w", HOUR, source=second, most_running=1)
            )
            await waits_for_a_lock(database, schema)
        assert await claim is None


async def test_limits_of_one_source_and_of_all_are_kept_at_once(url: str) -> None:
    async with Repository.from_url(url) as one, Repository.from_url(url) as other:
        for number in range(8):
            await one.save_many(aged(f"{number} {n}", n, source="x") for n in range(12))
            leases = await asyncio.gather(
                *(one.claim_next("w", HOUR, source="x", most_running=3) for _ in range(8)),
                *(other.claim_next("w", HOUR, most_running=5) for _ in range(8)),
            )
            by_source, by_all = leases[:8], leases[8:]
            assert sum(lease is not None for lease in by_source) <= 3
            assert sum(lease is not None for lease in leases) == 5
            for lease in by_all:
                assert lease is None or lease.job.source == "x"
            for lease in leases:
                if lease is not None:
                    assert await one.update_status(lease.job.id, JobStatus.COMPLETED, lease=lease)
            for n in range(12):
                await one.delete(f"{number} {n}")


# AddsJobs


async def test_an_added_job_is_stored_whole_and_never_replaces_one(repository: Repository) -> None:
    job = aged(
        "a", 0, completed_symbols={"BTC": 5}, failed_symbols={"ETH": "boom"}, metadata={"k": "v"}
    )
    assert await repository.add(replace(job, revision=99))
    found = await read(repository, "a")
    assert found == job
    for other in (aged("a", 9), found, replace(found, revision=2**70)):
        assert not await repository.add(other)
        assert await repository.add_many([other, aged("b", 1), other]) == [
            False,
            other.revision is None,
            False,
        ]
    assert (await read(repository, "a")).revision == found.revision
    assert await repository.add_many([]) == []


async def test_of_many_additions_of_one_job_one_creates_it(url: str) -> None:
    async with Repository.from_url(url) as one, Repository.from_url(url) as other:
        for number in range(5):
            ids = [f"{number} {n}" for n in range(10)]
            many = [aged(job_id, 0, source="many") for job_id in reversed(ids)]
            done = await asyncio.gather(
                *(
                    repository.add(aged(job_id, 0, source="one"))
                    for job_id in ids
                    for repository in (one, other, one, other)
                ),
                one.add_many(many),
                other.add_many([*many, *many]),
            )
            by_one, (first, second) = done[:40], done[40:]
            assert isinstance(first, list)
            assert isinstance(second, list)
            assert not any(second[10:])
            for place, job_id in enumerate(ids):
                together = first[9 - place] + second[9 - place]
                assert sum(map(bool, by_one[4 * place : 4 * place + 4])) + together == 1
                assert (await read(one, job_id)).source == ("many" if together else "one")


async def test_many_and_large_jobs_are_added_in_parts_all_at_one_instant(
    repository: Repository, database: Database, schema: str
) -> None:
    symbols = tuple(f"S{number}" for number in range(12_000))
    large = aged(
        "large",
        0,
        symbols=symbols,
        completed_symbols=dict.fromkeys(symbols[:7_000], 1),
        failed_symbols=dict.fromkeys(symbols[7_000:], "boom"),
        metadata={f"{n}": "x" * 20_000 for n in range(100)},
    )
    few = [aged(f"{n:03}", n) for n in range(450)]
    await repository.add(few[7])
    await database.execute(
        f"CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'no more'; END $$",
        f"CREATE TRIGGER refuse BEFORE INSERT ON {schema}.jobs FOR EACH ROW"
        f" WHEN (new.id = 'large') EXECUTE FUNCTION {schema}.refuse()",
    )
    with pytest.raises(RepositoryError, match="no more"):
        await repository.add_many([*few, large])
    assert [job.id for job in await repository.list_recent()] == ["007"]
    await database.execute(f"DROP TRIGGER refuse ON {schema}.jobs")
    added = await repository.add_many([*few, large, large, *few])
    assert added == [n != 7 for n in range(450)] + [True] + [False] * 451
    assert await repository.get_by_id("large") == large
    assert not await repository.add(large)
    # A claim of such a job, and a renewal, read it in parts.
    for lease in (
        await repository.claim("large", "w", HOUR),
        await repository.get_lease("large"),
    ):
        assert lease is not None
        assert lease.job == await repository.get_by_id("large")
        assert await repository.renew(lease, SHORT) != lease
    while (lease := await repository.claim("large", "w", HOUR)) is None:
        pass
    assert await repository.update_status("large", JobStatus.PENDING, lease=lease)
    assert await repository.update_status("000", JobStatus.CANCELLED)
    found = await repository.claim_next("w", HOUR)
    assert found is not None
    assert found.job == await repository.get_by_id("large")
    assert found.job.completed_symbols == large.completed_symbols


@pytest.mark.parametrize("there", ["before", "meanwhile"])
async def test_a_job_that_was_found_stays_until_the_others_are_added(
    url: str, database: Database, schema: str, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or there would be an instant with neither it nor the new ones, which no order explains."""
    monkeypatch.setattr("collection_jobs.adapters.postgres.locks._SHORT", 5.0)
    insert = f"""INSERT INTO {schema}.jobs (key, id, source, symbols, timeframe, range_start,
            range_end, created_at, status, generation, revision)
        SELECT -ascii($1), $1, source, symbols, timeframe, range_start, range_end, created_at,
            status, generation, revision FROM {schema}.jobs WHERE id = 'template'"""
    blocked_by = "SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))"
    async with (
        Repository.from_url(url) as repository,
        a_session(database) as other,
        a_session(database) as third,
    ):
        await repository.save(aged("template", 0))
        if there == "before":
            await repository.save(aged("a", 0))
        async with other.transaction():
            await other.execute(insert, "z")
            async with third.transaction():
                if there == "meanwhile":
                    await third.execute(insert, "a")
                add = asyncio.create_task(repository.add_many([aged("a", 0), aged("z", 0)]))
                first = third if there == "meanwhile" else other
                while not await database.fetch(blocked_by, first.get_server_pid()):
                    pass
            while not await database.fetch(blocked_by, other.get_server_pid()):
                pass
            await third.execute("SET lock_timeout = 100")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await third.execute(f"DELETE FROM {schema}.jobs WHERE id = 'a'")
        assert await add == [False, False]


async def test_an_addition_waits_for_nobody_who_writes_the_job_that_is_there(
    repository: Repository, database: Database, schema: str
) -> None:
    await repository.save(aged("a", 0))
    async with locked(database, schema, "a"), asyncio.timeout(2):
        assert not await repository.add(aged("a", 0))
        assert await repository.add_many([aged("a", 0), aged("b", 0)]) == [False, True]


# Sessions that end, and servers that do not keep them


async def test_a_claim_that_is_in_doubt_was_made_once_or_not_at_all(server: Server) -> None:
    url = server.in_schema("leases")
    async with Repository.from_url(url) as one, Repository.from_url(url) as other:
        await one.save_many(aged(f"{n:03}", n) for n in range(300))
        got: list[str] = []
        doubtful: list[RepositoryError] = []

        async def work(repository: Repository) -> None:
            while True:
                try:
                    lease = await repository.claim_next("w", HOUR)
                except RepositoryError as error:
                    doubtful.append(error)
                    continue
                if lease is None:
                    return
                got.append(lease.job.id)

        async def end_sessions() -> None:
            for number in range(1, 8):
                while len(got) < 30 * number:  # noqa: ASYNC110 - nothing tells it
                    await asyncio.sleep(0)
                await server.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE query LIKE '%leases%' AND pid <> pg_backend_pid()"
                )

        async with asyncio.TaskGroup() as group:
            group.create_task(end_sessions())
            for n in range(16):
                group.create_task(work((one, other)[n % 2]))
        assert len(got) == len(set(got))
        assert all("may have happened" in str(error) for error in doubtful)
        running = {job.id for job in await one.get_running_jobs()}
        assert len(running) == 300
        assert len(running - set(got)) <= len(doubtful)


async def test_without_prepared_statements_all_is_the_same(
    url: str, database: Database, schema: str
) -> None:
    """As behind a pooler that shares sessions among transactions."""
    async with Repository.from_url(f"{url}&statement_cache=0") as repository:
        assert await repository.add_many(aged(f"{n}", n) for n in range(4)) == [True] * 4
        former = await expired(repository, database, schema, "0")
        leases = await asyncio.gather(
            *(repository.claim_next("w", HOUR, most_running=3) for _ in range(5))
        )
        assert [lease.job.id for lease in leases if lease is not None] == ["0", "1", "2"]
        lease = leases[0]
        assert lease is not None
        assert (await repository.renew(lease, SHORT)).token == lease.token
        await fenced_calls(repository, former)
        assert await repository.update_status("0", JobStatus.FAILED, lease=lease)


async def test_a_cancelled_claim_claimed_a_job_or_none(
    repository: Repository, database: Database, schema: str
) -> None:
    await repository.save_many([aged("a", 0), aged("b", 1)])
    async with locked(database, schema, "a"):
        claim = asyncio.create_task(repository.claim_next("w", HOUR))
        await waits_for_a_lock(database, schema)
        waiting = asyncio.create_task(repository.claim("b", "w", HOUR))
        waiting.cancel()
        claim.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claim
    found = await repository.get_lease("a")
    assert (found is None) == ((await read(repository, "a")).status is JobStatus.PENDING)
    assert await repository.get_lease("b") is None
    assert await repository.claim_next("w", HOUR) is not None


# The cost


FILL = """
    INSERT INTO {schema}.jobs (key, id, source, symbols, timeframe, range_start, range_end,
        created_at, status, generation, revision, counted, lease_worker, lease_token,
        lease_expires_at, lease_lapsed, attempts)
    SELECT -n, 'job ' || n, source || n % 3, symbols, timeframe, range_start, range_end,
        created_at + n * interval '1 s', CASE WHEN w IS NULL THEN 'pending' ELSE 'running' END,
        generation, revision, 0, w, n * w::integer,
        clock_timestamp() + CASE WHEN n % 101 < 2 THEN interval '-1 h' ELSE '1 h' END * w::integer,
        w::integer = 0, w::integer
    FROM {schema}.jobs, generate_series(1, $1::integer) AS n,
        LATERAL (SELECT CASE WHEN n % 2 = 1 THEN '1' END AS w) AS leased"""
CLAIMS = {
    "any": "NULL, NULL",
    "of a source": "'binance1', NULL",
    "any under a limit": "NULL, 20",
    "of a source under a limit": "'binance1', 20",
}


async def blocks(connection: asyncpg.Connection[asyncpg.Record], claim: str) -> int:
    """The blocks that a claim reads, those of what it calls included."""
    worker = "ARRAY['w'], ARRAY[interval '1 h']"
    ((text,),) = await connection.fetch(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE claim_next"
        f" ({worker}, {CLAIMS[claim]}, true, '5000')"
    )
    plan: dict[str, int] = json.loads(text)[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


@pytest.mark.parametrize("jobs", [40_000, pytest.param(1_000_000, marks=pytest.mark.release)])
async def test_a_claim_costs_the_same_however_many_jobs_run_and_leases_have_expired(
    url: str, database: Database, schema: str, jobs: int
) -> None:
    async with Repository.from_url(url) as repository:
        await repository.save(aged("a", 0))
    statement = LeaseStatements.on(schema).claim_next
    async with a_session(database) as former, a_session(database) as fresh:

        async def assert_cheap(connection: asyncpg.Connection[asyncpg.Record], most: int) -> None:
            for claim in CLAIMS:
                assert min([await blocks(connection, claim) for _ in range(3)]) < most, claim

        await former.execute(SESSION)
        await former.execute(f"PREPARE claim_next AS {statement}")
        for claim in CLAIMS:  # plans made while the table is as good as empty
            await blocks(former, claim)
        await former.fetch(FILL.format(schema=schema), jobs)
        # Those who come first look at all that has expired, and mark a part.
        for _ in range(2 + jobs * 2 // 101 // 1000):
            await blocks(former, "any")
        await assert_cheap(former, 200)
        await former.execute(f"VACUUM ANALYZE {schema}.jobs")
        await assert_cheap(former, 100)
        await fresh.execute(SESSION)  # plans made when the table is large
        await fresh.execute(f"PREPARE claim_next AS {statement}")
        await assert_cheap(fresh, 100)


async def test_many_leases_that_have_expired_are_claimed_by_age_before_and_after_they_are_marked(
    repository: Repository, database: Database, schema: str
) -> None:
    await repository.save_many(aged(f"{n:03}", n, source=f"{n % 2}") for n in range(300))
    assert await repository.update_status("299", JobStatus.CANCELLED)
    claims = [repository.claim_next("w", HOUR) for _ in range(250)]
    leases = {lease.job.id: lease for lease in await asyncio.gather(*claims) if lease is not None}
    await database.execute(
        f"UPDATE {schema}.jobs SET lease_expires_at = clock_timestamp() - random() * interval '1 h'"
        " WHERE lease_token IS NOT NULL"
    )

    async def marked() -> int:
        ((number,),) = await database.fetch(
            f"SELECT count(*) FROM {schema}.jobs WHERE lease_lapsed"
        )
        assert isinstance(number, int)
        return number

    first = await repository.claim_next("w", HOUR, source="1")
    assert first is not None
    assert await marked() > 100
    # A marked lease is current, as every expired one, and is none any more once it is renewed.
    await repository.add_completed_symbol("000", "BTC", 1, lease=leases["000"])
    await repository.renew(leases["000"], HOUR)
    await repository.save(leases["004"].job.with_status(JobStatus.PENDING))
    assert await repository.update_status("002", JobStatus.CANCELLED, lease=leases["002"])
    got = [first.job.id]
    while (lease := await repository.claim_next("w", HOUR, source="0")) is not None:
        got.append(lease.job.id)
    while (lease := await repository.claim_next("w", HOUR)) is not None:
        got.append(lease.job.id)
    assert got[1:149] == [f"{n:03}" for n in range(4, 300, 2)]
    assert [got[0], *got[149:]] == [f"{n:03}" for n in range(1, 299, 2)]
    assert await marked() == 0


# Programs of former releases, and operators


async def test_a_process_of_the_release_before_works_on_beside_a_migration(
    database: Database, schema: str
) -> None:
    """What it sees is RUNNING jobs. Whatever it does to a job's status ends the job's lease."""
    await database.execute(dump(3).replace(SCHEMA, schema))
    async with a_session(database) as former:
        listing = await former.prepare(
            f"SELECT j.id, j.status FROM (SELECT * FROM {schema}.jobs WHERE status = $1) AS j"
        )
        change = await former.prepare(
            f"""UPDATE {schema}.jobs AS j SET status = asked.status, error_message = NULL,
                started_at = $3, finished_at = NULL, revision = nextval('{schema}.revisions')
            FROM unnest($1::text[], $2::text[]) AS asked (id, status) WHERE j.id = asked.id
            RETURNING j.id"""
        )

        async def ids(status: str) -> set[str]:
            return {row["id"] for row in await listing.fetch(status)}

        assert await ids("pending") == {"ends", "new"}
        async with Repository.from_url(database.in_schema(schema)) as repository:
            first, second = await claimed(repository, "new"), await claimed(repository, "ends")
            assert await ids("pending") == set()
            assert await ids("running") == {"ends", "new"}
            for status in ("failed", "pending", "running"):
                rows = await change.fetch(["new"], [status], START)
                assert [row["id"] for row in rows] == ["new"]
            await fenced_calls(repository, first)
            assert await repository.claim("new", "w", HOUR) is None  # it runs without a lease
            await repository.renew(second, HOUR)
            with pytest.raises(asyncpg.CheckViolationError, match="lease_is_whole"):
                await database.execute(f"UPDATE {schema}.jobs SET lease_token = 7")
