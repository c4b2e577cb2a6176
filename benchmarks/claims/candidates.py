"""The ways to claim a job: each fills its table, opens workers, and says what a claim got."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
from procrastinate import App, PsycopgConnector

from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.conformance.spec.calls import example_job

__all__ = ["CANDIDATES", "OURS", "Candidate", "Claim"]

Claim = Callable[[], Awaitable[object]]
"""Claims a job, and gives what tells it from the others; None: there was none."""

_TTL = timedelta(hours=1)
_FIRST = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Candidate:
    """One way to claim.

    Attributes:
        name: What the table calls it.
        fill: Makes that many jobs that may be claimed, and no others.
        open: Opens so many workers.
    """

    name: str
    fill: Callable[[str, int], Awaitable[None]]
    open: Callable[[str, int], AbstractAsyncContextManager[list[Claim]]]


async def _fill_ours(url: str, jobs: int) -> None:
    async with PostgresCollectionJobRepository(url) as repository:
        await _execute(url, "TRUNCATE collection_jobs.jobs CASCADE")
        await repository.save_many(
            example_job(f"{n:07}", created_at=_FIRST + timedelta(seconds=n)) for n in range(jobs)
        )
    await _execute(url, "ANALYZE collection_jobs.jobs")


def _claims_of(repository: PostgresCollectionJobRepository, worker: str) -> Claim:
    async def claim() -> object:
        lease = await repository.claim_next(worker, _TTL)
        return None if lease is None else lease.job.id

    return claim


@asynccontextmanager
async def _one_repository(url: str, workers: int) -> AsyncIterator[list[Claim]]:
    """Open one repository, as the workers of one process have it."""
    async with PostgresCollectionJobRepository(url) as repository:
        yield [_claims_of(repository, f"worker {n}") for n in range(workers)]


@asynccontextmanager
async def _many_repositories(url: str, workers: int) -> AsyncIterator[list[Claim]]:
    """Open a repository for each worker, as on as many machines."""
    async with AsyncExitStack() as stack:
        claims: list[Claim] = []
        for n in range(workers):
            repository = PostgresCollectionJobRepository(url, connections=1)
            opened = await stack.enter_async_context(repository)
            claims.append(_claims_of(opened, f"worker {n}"))
        yield claims


_BY_HAND = """
    UPDATE by_hand SET status = 'running', worker = $1, started_at = now() WHERE id = (
        SELECT id FROM by_hand WHERE status = 'pending' ORDER BY created_at, id
        LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING *"""
_FILL_BY_HAND = """
    CREATE TABLE IF NOT EXISTS by_hand (
        id text PRIMARY KEY, source text NOT NULL, symbols text[] NOT NULL, timeframe text NOT NULL,
        range_start timestamptz NOT NULL, range_end timestamptz NOT NULL,
        created_at timestamptz NOT NULL, status text NOT NULL, worker text, started_at timestamptz);
    CREATE INDEX IF NOT EXISTS by_hand_by_age ON by_hand (created_at, id) WHERE status = 'pending';
    TRUNCATE by_hand;
    INSERT INTO by_hand SELECT id, source, symbols, timeframe, range_start, range_end, created_at,
        'pending', NULL, NULL FROM collection_jobs.jobs ORDER BY key;
    ANALYZE by_hand"""


async def _fill_by_hand(url: str, jobs: int) -> None:
    await _fill_ours(url, jobs)
    await _execute(url, _FILL_BY_HAND)


@asynccontextmanager
async def _by_hand(url: str, workers: int) -> AsyncIterator[list[Claim]]:
    """Open a pool with a connection for each worker, which does not wait for one."""

    def claims_of(pool: asyncpg.Pool[asyncpg.Record], worker: str) -> Claim:
        async def claim() -> object:
            row = await pool.fetchrow(_BY_HAND, worker)
            return None if row is None else row["id"]

        return claim

    async with asyncpg.create_pool(url, min_size=workers, max_size=workers) as pool:
        yield [claims_of(pool, f"worker {n}") for n in range(workers)]


_FILL_PROCRASTINATE = """
    TRUNCATE procrastinate_jobs CASCADE;
    INSERT INTO procrastinate_jobs (queue_name, task_name, args, scheduled_at)
    SELECT 'collect', 'collect', jsonb_build_object('source', source, 'symbols', symbols,
        'timeframe', timeframe, 'start', range_start, 'end', range_end), created_at
    FROM collection_jobs.jobs ORDER BY key;
    ANALYZE procrastinate_jobs"""


async def _fill_procrastinate(url: str, jobs: int) -> None:
    connection = await asyncpg.connect(url)
    try:
        there = await connection.fetchval("SELECT to_regclass('procrastinate_jobs') IS NOT NULL")
    finally:
        await connection.close()
    if not there:
        app = App(connector=PsycopgConnector(conninfo=url))
        async with app.open_async():
            await app.schema_manager.apply_schema_async()
    await _fill_ours(url, jobs)
    await _execute(url, _FILL_PROCRASTINATE)


@asynccontextmanager
async def _procrastinate(url: str, workers: int) -> AsyncIterator[list[Claim]]:
    """Open an app whose pool has a connection for each worker."""

    def claims_of(app: App, worker: int) -> Claim:
        async def claim() -> object:
            job = await app.job_manager.fetch_job(queues=None, worker_id=worker)
            return None if job is None else job.id

        return claim

    app = App(connector=PsycopgConnector(conninfo=url, min_size=workers, max_size=workers))
    async with app.open_async():
        manager = app.job_manager
        yield [claims_of(app, await manager.register_worker()) for _ in range(workers)]


async def _execute(url: str, statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


OURS = "one repository"
CANDIDATES = (
    Candidate(OURS, _fill_ours, _one_repository),
    Candidate("a repository each", _fill_ours, _many_repositories),
    Candidate("SKIP LOCKED by hand", _fill_by_hand, _by_hand),
    Candidate("procrastinate", _fill_procrastinate, _procrastinate),
)
