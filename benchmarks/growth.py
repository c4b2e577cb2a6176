"""What claims, finds, purges and the rest cost in PostgreSQL as a store grows to ten million jobs.

    python -m benchmarks.growth [URL] [--sizes 10000 1000000] [--calls 40]

Each size is a schema of its own, filled by SQL and analysed, so that the planner knows how large
its tables are; it is dropped at the end. Without a URL, a new durable server is started.
Of the jobs a fifth are PENDING, a thousand are RUNNING under leases, and the others are done, of
twenty sources, with two symbols each. Printed are the milliseconds of a call, the median of many
that one caller makes, and how many times the smallest store's that is. The schemas take turns, call
by call, so other work on the machine slows them alike.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from statistics import median
from time import perf_counter

import asyncpg

from benchmarks.speed.postgres_server import a_durable_server
from collection_jobs import JobQuery, JobStatus
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository

START = datetime(2024, 1, 1, tzinfo=UTC)
TTL = timedelta(hours=1)
_PART = 500_000
_SOURCES, _SYMBOLS, _RUNNING = 20, 500, 1_000
_CREATED = "timestamptz '2024-01-01Z' + n * interval '1 second'"
# The triggers, which are switched off, would name the symbols.
_FILL = (
    f"""INSERT INTO {{schema}}.jobs (key, id, source, symbols, timeframe, range_start, range_end,
        created_at, status, started_at, finished_at, generation, revision, counted, completed,
        failed, has_failed, candles, lease_worker, lease_token, lease_expires_at,
        lease_lapsed, attempts)
    SELECT n, 'job-' || lpad(n::text, 9, '0'), 'source-' || n % {_SOURCES},
        ARRAY['S' || n % {_SYMBOLS}, 'S' || (n + 1) % {_SYMBOLS}], '1m', '2024-01-01Z',
        '2024-02-01Z', {_CREATED}, status, CASE WHEN status <> 'pending' THEN {_CREATED} END,
        CASE WHEN status IN ('completed', 'failed', 'cancelled') THEN {_CREATED} END,
        n, n + 1, n + 1, (status = 'completed')::integer, (status = 'failed')::integer,
        status = 'failed', 0,
        CASE WHEN leased THEN 'w' END, CASE WHEN leased THEN n + 1 END,
        CASE WHEN leased THEN now() + interval '1 day' END, CASE WHEN leased THEN false END,
        CASE WHEN leased THEN 1 END
    FROM generate_series($1::bigint, $2::bigint) AS n,
        LATERAL (SELECT n % $3::bigint = 0 AS leased) AS l,
        LATERAL (SELECT CASE WHEN leased THEN 'running' WHEN n % 10 < 2 THEN 'pending'
            WHEN n % 10 = 2 THEN 'failed' WHEN n % 100 = 3 THEN 'cancelled'
            ELSE 'completed' END AS status) AS s""",
    """INSERT INTO {schema}.outcomes (job, generation, symbol, candles, error)
    SELECT key, generation, symbols[1], CASE WHEN failed = 0 THEN 0 END,
        CASE WHEN failed = 1 THEN 'HTTP 429' END
    FROM {schema}.jobs WHERE key BETWEEN $1 AND $2 AND completed + failed = 1""",
    """INSERT INTO {schema}.job_symbols (symbol, created_at, id)
    SELECT s.symbol, j.created_at, j.id
    FROM {schema}.jobs AS j, unnest(j.symbols) AS s (symbol) WHERE key BETWEEN $1 AND $2""",
)

Repository = PostgresCollectionJobRepository
Method = Callable[[Repository, int, Random], Awaitable[object]]


def _created_before(size: int, random: Random) -> datetime:
    return START + timedelta(seconds=random.randrange(size))


async def _claim(repository: Repository, source: str | None, most: int | None) -> None:
    """Claim, and give back, so that the store stays as it is."""
    lease = await repository.claim_next("w", TTL, source=source, most_running=most)
    if lease is not None:
        await repository.update_status(lease.job.id, JobStatus.PENDING, lease=lease)


async def _record(repository: Repository, size: int, random: Random) -> None:
    number = random.randrange(1, size)
    symbol = f"S{number % _SYMBOLS}"
    await repository.add_completed_symbol(f"job-{number:09}", symbol, 7)


def _finding(query: Callable[[int, Random], JobQuery], limit: int = 50) -> Method:
    return lambda repository, size, random: repository.find(query(size, random), limit)


METHODS: dict[str, Method] = {
    "get_by_id": lambda it, size, random: it.get_by_id(f"job-{random.randrange(1, size):09}"),
    "list_after": lambda it, size, random: it.list_after(
        JobStatus.COMPLETED, (_created_before(size, random), "job-"), 50
    ),
    "add_completed_symbol": _record,
    "claim_next, and back": lambda it, size, random: _claim(it, None, None),
    "claim_next of a source, and back": lambda it, size, random: _claim(it, "source-1", None),
    "claim_next under most_running, and back": lambda it, size, random: _claim(it, None, 2_000),
    "find all": _finding(lambda size, random: JobQuery()),
    "find of a status": _finding(lambda size, random: JobQuery(statuses=[JobStatus.FAILED])),
    "find of a source and a status": _finding(
        lambda size, random: JobQuery(source="source-2", statuses=[JobStatus.FAILED])
    ),
    "find of a symbol": _finding(lambda size, random: JobQuery(symbol="S77")),
    "find of a symbol and a status": _finding(
        lambda size, random: JobQuery(symbol="S77", statuses=[JobStatus.RUNNING])
    ),
    "find with failures, from an instant": _finding(
        lambda size, random: JobQuery(
            with_failures=True, created_from=_created_before(size, random)
        )
    ),
    "count of the running": lambda it, size, random: it.count(
        JobQuery(statuses=[JobStatus.RUNNING])
    ),
    "delete_finished of 100": lambda it, size, random: it.delete_finished(
        START + timedelta(days=10_000), limit=100
    ),
}


@asynccontextmanager
async def _filled(server: str, size: int) -> AsyncGenerator[Repository]:
    schema = f"growth_{size}"
    connection = await asyncpg.connect(server)
    await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    repository = Repository(server, schema=schema)
    try:
        async with repository:
            await connection.execute("SET session_replication_role = replica")
            began = perf_counter()
            for first in range(1, size + 1, _PART):
                part = first, min(first + _PART - 1, size)
                await connection.execute(
                    _FILL[0].format(schema=schema), *part, max(2, size // _RUNNING)
                )
                for statement in _FILL[1:]:
                    await connection.execute(statement.format(schema=schema), *part)
            await connection.execute(f"SELECT setval('{schema}.revisions', {size + 2})")
            await connection.execute(
                f"VACUUM ANALYZE {schema}.jobs, {schema}.outcomes, {schema}.job_symbols"
            )
            print(f"filled {size:,} jobs in {perf_counter() - began:,.0f} s", flush=True)
            yield repository
    finally:
        await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        await connection.close()


async def _measured(server: str, sizes: list[int], calls: int) -> None:
    random = Random(0)
    taken: dict[tuple[str, int], list[float]] = defaultdict(list)
    async with AsyncExitStack() as stack:
        stores = {size: await stack.enter_async_context(_filled(server, size)) for size in sizes}
        for name, call in METHODS.items():
            for number in range(calls + 3):
                for size in random.sample(sizes, len(sizes)):
                    began = perf_counter()
                    await call(stores[size], size, random)
                    if number >= 3:  # the first ones prepare statements
                        taken[name, size].append((perf_counter() - began) * 1000)
    print(f"\n| call | {' | '.join(f'{size:,} jobs' for size in sizes)} | growth |")
    print(f"|---|{'---|' * len(sizes)}---|")
    for name in METHODS:
        each = [median(taken[name, size]) for size in sizes]
        shown = " | ".join(f"{value:.2f} ms" for value in each)
        print(f"| {name} | {shown} | {each[-1] / each[0]:.2f} |", flush=True)


def main() -> None:
    """Parse and measure."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("url", nargs="?", help="a server on which schemas can be made")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--calls", type=int, default=40, help="of each method on each store")
    asked = parser.parse_args()
    if asked.url is not None:
        asyncio.run(_measured(asked.url, asked.sizes, asked.calls))
        return
    with a_durable_server() as server:
        asyncio.run(_measured(server, asked.sizes, asked.calls))


if __name__ == "__main__":
    main()
