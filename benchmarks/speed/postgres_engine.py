"""The candidates on PostgreSQL, and their tables: a database for each size of store."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from benchmarks.speed import orm, procrastinate_jobs
from benchmarks.speed.frame import Candidate
from benchmarks.speed.jobs import CANDLES, ERROR, SOURCE, SYMBOLS, TIMEFRAME, status_of
from benchmarks.speed.pgbench import open_pgbench
from benchmarks.speed.postgres_limit import open_held, open_pipelined, open_pool
from collection_jobs import JobStatus
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository

OURS, HELD, PIPELINED, POOL = "collection_jobs", "held asyncpg", "pipelined psycopg", "asyncpg pool"
ORM, PROCRASTINATE, PGBENCH = "SQLAlchemy ORM", "procrastinate", "pgbench"
_SCHEMA = "collection_jobs"

_FILL = f"""
    INSERT INTO {_SCHEMA}.jobs (key, id, source, symbols, timeframe, range_start, range_end,
        created_at, status, started_at, finished_at, error_message, generation, revision,
        counted, completed, failed, has_failed, candles)
    SELECT n, 'job-' || lpad(n::text, 8, '0'), '{SOURCE}', ARRAY{list(SYMBOLS)}, '{TIMEFRAME}',
        '2024-01-01Z', '2024-02-01Z', at, status,
        CASE WHEN status <> '{JobStatus.PENDING}' THEN at END,
        CASE WHEN status IN ('{JobStatus.FAILED}', '{JobStatus.COMPLETED}') THEN at END,
        CASE WHEN status = '{JobStatus.FAILED}' THEN '{ERROR}' END, n, n + 1,
        n + 1, 2, 1, true, {2 * CANDLES}
    FROM unnest($1::int[], $2::text[]) AS jobs (n, status),
        LATERAL (SELECT timestamptz '2024-01-01Z' + n * interval '1 second' AS at) AS instants"""
_FILL_OUTCOMES = f"""
    INSERT INTO {_SCHEMA}.outcomes (job, generation, symbol, candles, error)
    SELECT key, generation, o.symbol, o.candles, o.error FROM {_SCHEMA}.jobs, (VALUES
        ('{SYMBOLS[0]}', {CANDLES}, NULL), ('{SYMBOLS[1]}', {CANDLES}, NULL),
        ('{SYMBOLS[2]}', NULL, '{ERROR}')) AS o (symbol, candles, error) ORDER BY key"""
_FILL_SYMBOLS = f"""
    INSERT INTO {_SCHEMA}.job_symbols (symbol, created_at, id)
    SELECT s.symbol, j.created_at, j.id
    FROM {_SCHEMA}.jobs AS j, unnest(j.symbols) AS s (symbol)"""
_FILL_OURS = (
    *(_FILL, _FILL_OUTCOMES, _FILL_SYMBOLS),
    f"SELECT setval('{_SCHEMA}.revisions', (SELECT max(revision) FROM {_SCHEMA}.jobs))",
    "VACUUM ANALYZE",
)
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

_FILL_OTHERS = (_FILL_ORM, _FILL_ORM_SYMBOLS, procrastinate_jobs.FILL, "VACUUM ANALYZE")


@asynccontextmanager
async def databases(
    server: str, sizes: list[int], *, keep: bool
) -> AsyncIterator[tuple[int, dict[int, list[Candidate]]]]:
    """Give the server's version, and the candidates on a database for each size.

    The databases are dropped at the end, or kept for a later run. In the smallest and the largest
    only the adapter and the limit are measured: together the others would take most of the time.
    """
    connection = await asyncpg.connect(server)
    names = {size: f"collection_jobs_bench_{size}" for size in sizes}
    try:
        stores = {}
        for size, name in names.items():
            middle = size == sizes[len(sizes) // 2]
            url = _beside(server, name)
            if not await connection.fetch("SELECT FROM pg_database WHERE datname = $1", name):
                await connection.execute(f"CREATE DATABASE {name}")
                await _fill(url, size, others=middle)
            stores[size] = _candidates(url, size, all_of_them=middle)
        yield connection.get_server_version().major, stores
    finally:
        for name in [] if keep else names.values():
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.close()


def _beside(server: str, name: str) -> str:
    """Return the URL of another database on the same server."""
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


async def _fill(url: str, size: int, *, others: bool) -> None:
    async with PostgresCollectionJobRepository(url):
        pass
    await _execute(url, *_FILL_OURS, size=size)
    if others:
        await orm.create_tables(_engine(url))
        await procrastinate_jobs.create_tables(url)
        await _execute(url, *_FILL_OTHERS)


def _engine(url: str) -> AsyncEngine:
    return create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))


def _candidates(url: str, size: int, *, all_of_them: bool) -> list[Candidate]:
    found = [
        Candidate(OURS, lambda: PostgresCollectionJobRepository(url)),
        Candidate(HELD, open_held(url, _SCHEMA)),
    ]
    if all_of_them:
        found += [
            Candidate(PIPELINED, open_pipelined(url, _SCHEMA)),
            Candidate(POOL, open_pool(url, _SCHEMA)),
            Candidate(ORM, orm.open_orm(_engine(url))),
            Candidate(PROCRASTINATE, procrastinate_jobs.open_procrastinate(url)),
        ]
        program = _pgbench()
        if program is not None:
            found.append(Candidate(PGBENCH, open_pgbench(program, url, _SCHEMA, size)))
    return found


def _pgbench() -> str | None:
    """Return the program, where PostgreSQL's packages have put it."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))
    return shutil.which("pgbench") or (str(versions[-1]) if versions else None)


async def _execute(url: str, *statements: str, size: int | None = None) -> None:
    """Run statements that fill, the first one with a number and a status for each job."""
    connection = await asyncpg.connect(url)
    # What is filled in is right: the triggers of foreign keys would take most of the time.
    await connection.execute("SET session_replication_role = replica")
    for statement in statements:
        arguments = ()
        if "$1" in statement and size is not None:
            arguments = range(size), [status_of(n, size).value for n in range(size)]
        await connection.execute(statement.format(schema=_SCHEMA), *arguments)
    await connection.close()
