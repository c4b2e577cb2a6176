"""The candidates on PostgreSQL, and their tables: a database for each size of store."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.speed import orm, procrastinate_jobs
from benchmarks.speed.frame import Candidate
from benchmarks.speed.jobs import CANDLES, ERROR, SOURCE, SYMBOLS, TIMEFRAME, status_of
from benchmarks.speed.pgbench import open_pgbench
from benchmarks.speed.postgres_limit import open_held, open_pipelined, open_pool
from collection_jobs import JobStatus

OURS, HELD, PIPELINED, POOL = "collection_jobs", "held asyncpg", "pipelined psycopg", "asyncpg pool"
ORM, PROCRASTINATE, PGBENCH = "SQLAlchemy ORM", "procrastinate", "pgbench"
_SCHEMA = "collection_jobs"

_FILL = f"""
    INSERT INTO {_SCHEMA}.jobs (key, id, source, symbols, timeframe, range_start, range_end,
        created_at, status, started_at, finished_at, error_message, generation, revision)
    SELECT n, 'job-' || lpad(n::text, 8, '0'), '{SOURCE}', ARRAY{list(SYMBOLS)}, '{TIMEFRAME}',
        '2024-01-01Z', '2024-02-01Z', at, status,
        CASE WHEN status <> '{JobStatus.PENDING}' THEN at END,
        CASE WHEN status IN ('{JobStatus.FAILED}', '{JobStatus.COMPLETED}') THEN at END,
        CASE WHEN status = '{JobStatus.FAILED}' THEN '{ERROR}' END, n, n + 1
    FROM unnest($1::int[], $2::text[]) AS jobs (n, status),
        LATERAL (SELECT timestamptz '2024-01-01Z' + n * interval '1 second' AS at) AS instants"""
_FILL_OUTCOMES = f"""
    INSERT INTO {_SCHEMA}.outcomes (job, generation, symbol, candles, error)
    SELECT key, generation, symbol, candles, error FROM {_SCHEMA}.jobs, (VALUES
        ('{SYMBOLS[0]}', {CANDLES}, NULL), ('{SYMBOLS[1]}', {CANDLES}, NULL),
        ('{SYMBOLS[2]}', NULL, '{ERROR}')) AS outcomes (symbol, candles, error) ORDER BY key"""
_FILL_ORM = f"""
    INSERT INTO orm_jobs (id, source, timeframe, range_start, range_end, created_at, status,
        started_at, finished_at, error_message, revision)
    SELECT id, source, timeframe, range_start, range_end, created_at, status, started_at,
        finished_at, error_message, revision FROM {_SCHEMA}.jobs ORDER BY key"""
_FILL_ORM_SYMBOLS = f"""
    INSERT INTO orm_symbols (job_id, symbol, position, candles, error)
    SELECT j.id, s.symbol, s.position - 1, o.candles, o.error FROM {_SCHEMA}.jobs AS j
    CROSS JOIN LATERAL unnest(j.symbols) WITH ORDINALITY AS s (symbol, position)
    LEFT JOIN {_SCHEMA}.outcomes AS o ON o.job = j.key AND o.symbol = s.symbol ORDER BY j.key"""


@asynccontextmanager
async def databases(server: str, sizes: list[int]) -> AsyncIterator[dict[int, list[Candidate]]]:
    """A database for each size, and the candidates on it; dropped at the end."""
    names = {size: f"collection_jobs_bench_{os.getpid()}_{size}" for size in sizes}
    connection = await asyncpg.connect(server)
    try:
        for name in names.values():
            await connection.execute(f'CREATE DATABASE "{name}"')
        yield {size: await _candidates(_beside(server, name), size) for size, name in names.items()}
    finally:
        for name in names.values():
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await connection.close()


def _beside(server: str, name: str) -> str:
    """The URL of another database on the same server."""
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


async def _candidates(url: str, size: int) -> list[Candidate]:
    async with PostgresCollectionJobRepository(url):
        pass
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
    await orm.create_tables(engine)
    await procrastinate_jobs.create_tables(url)
    await _fill(url, size)
    found = [
        Candidate(OURS, lambda: PostgresCollectionJobRepository(url)),
        Candidate(HELD, open_held(url, _SCHEMA)),
        Candidate(PIPELINED, open_pipelined(url, _SCHEMA)),
        Candidate(POOL, open_pool(url, _SCHEMA)),
        Candidate(ORM, orm.open_orm(engine)),
        Candidate(PROCRASTINATE, procrastinate_jobs.open_procrastinate(url)),
    ]
    program = _pgbench()
    if program is not None:
        found.append(Candidate(PGBENCH, open_pgbench(program, url, _SCHEMA, size)))
    return found


def _pgbench() -> str | None:
    """The program, where PostgreSQL's packages have put it."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))
    return shutil.which("pgbench") or (str(versions[-1]) if versions else None)


async def _fill(url: str, size: int) -> None:
    connection = await asyncpg.connect(url)
    # Checked already: the triggers of foreign keys would take most of the time.
    await connection.execute("SET session_replication_role = replica")
    numbers = list(range(size))
    await connection.execute(_FILL, numbers, [status_of(n, size).value for n in numbers])
    for statement in (
        _FILL_OUTCOMES,
        f"SELECT setval('{_SCHEMA}.revisions', {size + 1})",
        _FILL_ORM,
        _FILL_ORM_SYMBOLS,
        procrastinate_jobs.FILL.format(schema=_SCHEMA),
        "VACUUM ANALYZE",
    ):
        await connection.execute(statement)
    await connection.close()
