"""A load model: what a million jobs a day from a thousand workers ask of one PostgreSQL server.

    python -m benchmarks.load_model [--jobs 2000] [--write]

It takes jobs through their whole life on a server, measures what each call writes, and multiplies.
``--write`` puts the figures into docs/scaling-out.md. The clients run on the same cores as the
server, so the rate at which they collect is less than the server alone could serve.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg

sys.path.insert(0, str(Path(__file__).parent.parent))

from collection_jobs import JobStatus, Lease
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.conformance.spec.calls import example_job
from tests.adapters.postgres_server import a_server

PAGE = Path(__file__).parent.parent / "docs/scaling-out.md"
BEGIN, END = "<!-- computed: begin -->", "<!-- computed: end -->"

A_DAY = 86_400
JOBS_A_DAY = 1_000_000
WORKERS = 1_000
SYMBOLS = 10
FAILING = 0.02
"""The share of symbols of which a failure is recorded before they are completed."""
LEASE = 30.0
"""Seconds, renewed after a third of them."""
PEAK = 3.0
"""How many times the mean the busiest hour has."""
KEPT = 30
"""Days for which jobs are kept."""
PLANNED = 100
"""Jobs in a call of `add_many`."""
AT_ONCE = 16

_SETTINGS = (
    "autovacuum = off\nfull_page_writes = off\ncheckpoint_timeout = 1d\nmax_wal_size = 4GB\n"
    "shared_buffers = 256MB\nsynchronous_commit = on\nfsync = on\n"
)
_SIZES = """
    SELECT c.relname, CASE c.relkind WHEN 'i' THEN 'index' ELSE 'table' END,
        pg_relation_size(c.oid) + coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0)
    FROM pg_class AS c WHERE c.relnamespace = 'collection_jobs'::regnamespace
        AND c.relkind IN ('r', 'i') AND pg_relation_size(c.oid) > 8192
    ORDER BY 2 DESC, 3 DESC"""
_OF_ROWS = "versions of rows a call | of which touch no index"
_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'collection_jobs'"
_VERSIONS = """
    SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint, sum(n_tup_hot_upd)::bigint
    FROM pg_stat_user_tables WHERE schemaname = 'collection_jobs'"""


@dataclass(frozen=True)
class Cost:
    """What the calls of one method write.

    Attributes:
        method: It.
        per_job: How many calls a job takes.
        wal: Bytes of the log for each call.
        versions: Versions of rows for each call.
        hot: Those of them that touch no index.
    """

    method: str
    per_job: float
    wal: float
    versions: float
    hot: float

    @property
    def a_second(self) -> float:
        return self.per_job * JOBS_A_DAY / A_DAY


class Life:
    """Jobs that are taken through their life, one method after another."""

    def __init__(self, url: str, jobs: int) -> None:
        """Remember where, and how many."""
        self._url, self._jobs = url, jobs
        self._leases: list[Lease] = []

    async def costs(self) -> list[Cost]:
        """Measure each method."""
        seconds = WORKERS * A_DAY / JOBS_A_DAY
        phases: list[tuple[str, float, Callable[[Any], Awaitable[int]]]] = [
            ("add_many", 1 / PLANNED, self._plan),
            ("claim_next", 1, self._claim),
            ("renew", seconds / (LEASE / 3), self._renew),
            ("add_failure", SYMBOLS * FAILING, self._fail),
            ("add_completed_symbol", SYMBOLS, self._complete),
            ("update_status", 1, self._end),
        ]
        return [await self._cost(*phase) for phase in phases]

    async def purge(self) -> Cost:
        """Measure the deletion; a job is one of the thousand of a call."""
        return await self._cost("delete_finished", 1 / 1000, self._purge)

    async def _cost(self, name: str, per_job: float, work: Callable[[Any], Awaitable[int]]) -> Cost:
        before = await self._counters()
        # A session tells what it has done when it ends.
        async with PostgresCollectionJobRepository(self._url, connections=1) as repository:
            calls = await work(repository)
        wal, versions, hot = (
            now - then for now, then in zip(await self._counters(), before, strict=True)
        )
        return Cost(name, per_job, wal / calls, versions / calls, hot / calls)

    async def _counters(self) -> tuple[int, int, int]:
        connection = await asyncpg.connect(self._url)
        try:
            while await connection.fetchval(_SESSIONS):
                pass  # one that ends tells nobody
            wal = await connection.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
            ((versions, hot),) = await connection.fetch(_VERSIONS)
            return int(wal), int(versions or 0), int(hot or 0)
        finally:
            await connection.close()

    async def _plan(self, repository: PostgresCollectionJobRepository) -> int:
        symbols = tuple(f"SYM{number}/USDT" for number in range(SYMBOLS))
        for first in range(0, self._jobs, PLANNED):
            await repository.add_many(
                example_job(f"binance 2024-01-01 {number:09}", symbols=symbols)
                for number in range(first, first + PLANNED)
            )
        return self._jobs // PLANNED

    async def _claim(self, repository: PostgresCollectionJobRepository) -> int:
        while lease := await repository.claim_next("worker", timedelta(hours=1)):
            self._leases.append(lease)
        assert len(self._leases) == self._jobs  # noqa: S101 - or the figures are of something else
        return self._jobs

    async def _renew(self, repository: PostgresCollectionJobRepository) -> int:
        for lease in self._leases:
            await repository.renew(lease, timedelta(hours=1))
        return self._jobs

    async def _fail(self, repository: PostgresCollectionJobRepository) -> int:
        for lease in self._leases:
            await repository.add_failure(lease.job.id, "SYM0/USDT", "timed out", lease=lease)
        return self._jobs

    async def _complete(self, repository: PostgresCollectionJobRepository) -> int:
        for lease in self._leases:
            for symbol in lease.job.symbols:
                await repository.add_completed_symbol(lease.job.id, symbol, 1440, lease=lease)
        return self._jobs * SYMBOLS

    async def _end(self, repository: PostgresCollectionJobRepository) -> int:
        for lease in self._leases:
            await repository.update_status(lease.job.id, JobStatus.COMPLETED, lease=lease)
        return self._jobs

    async def _purge(self, repository: PostgresCollectionJobRepository) -> int:
        calls = 0
        while await repository.delete_finished(self._leases[0].expires_at):
            calls += 1
        return calls


async def jobs_a_second(url: str, jobs: int) -> float:
    """Let workers collect jobs without downloads, each with a connection of its own."""

    async def work(number: int) -> None:
        async with PostgresCollectionJobRepository(url, connections=1) as repository:
            while lease := await repository.claim_next(f"worker {number}", timedelta(hours=1)):
                for symbol in lease.job.symbols:
                    await repository.add_completed_symbol(lease.job.id, symbol, 9, lease=lease)
                await repository.update_status(lease.job.id, JobStatus.COMPLETED, lease=lease)

    symbols = tuple(f"SYM{number}/USDT" for number in range(SYMBOLS))
    async with PostgresCollectionJobRepository(url) as repository:
        await repository.add_many(example_job(f"{n:09}", symbols=symbols) for n in range(jobs))
    began = time.perf_counter()
    await asyncio.gather(*map(work, range(AT_ONCE)))
    return jobs / (time.perf_counter() - began)


async def sizes(url: str) -> list[tuple[str, str, int]]:
    """Measure the tables and indexes, packed."""
    connection = await asyncpg.connect(url)
    try:
        for table in ("jobs", "outcomes", "job_symbols"):
            await connection.execute(f"VACUUM FULL collection_jobs.{table}")
        return [tuple(row) for row in await connection.fetch(_SIZES)]
    finally:
        await connection.close()


def _calls(costs: list[Cost]) -> list[str]:
    lines = [
        f"| call | a job | a second | at the peak | log, bytes a call | {_OF_ROWS} |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| `{c.method}` | {c.per_job:g} | {c.a_second:,.1f} | {PEAK * c.a_second:,.1f}"
        f" | {c.wal:,.0f} | {c.versions:,.1f} | {c.hot:,.1f} |"
        for c in costs
    ]
    total = sum(c.a_second for c in costs)
    lines.append(
        f"| all | {sum(c.per_job for c in costs):g} | {total:,.0f} | {PEAK * total:,.0f} | | | |"
    )
    return lines


def _a_day(costs: list[Cost]) -> list[str]:
    wal = sum(c.wal * c.per_job for c in costs)
    calls = sum(c.per_job for c in costs) * JOBS_A_DAY
    versions = sum(c.versions * c.per_job for c in costs) * JOBS_A_DAY
    revisions = sum(c.per_job for c in costs if c.method != "renew") * JOBS_A_DAY
    return [
        "| in a day | |",
        "|---|---:|",
        f"| log of each job | {wal / 1024:,.1f} KiB |",
        f"| log | {wal * JOBS_A_DAY / 2**30:,.0f} GiB |",
        f"| log a second | {wal * JOBS_A_DAY / A_DAY / 2**20:,.2f} MiB |",
        f"| transactions that write | {calls / 1e6:,.1f} million |",
        f"| days until 200 million (`autovacuum_freeze_max_age`) | {2e8 / calls:,.1f} |",
        f"| versions of rows | {versions / 1e6:,.0f} million |",
        f"| revisions drawn, at least | {revisions / 1e6:,.1f} million |",
        f"| years that 2^63 of them last | {2**63 / revisions / 365:,.0f} |",
    ]


def _space(measured: list[tuple[str, str, int]], jobs: int) -> list[str]:
    lines = [
        f"| table or index | bytes a job | for {KEPT} days |",
        "|---|---:|---:|",
    ]
    many = JOBS_A_DAY * KEPT
    rows = [*measured, ("all", "", sum(size for _, _, size in measured))]
    for name, kind, size in rows:
        label = f"`{name}` ({kind})" if kind else name
        lines.append(f"| {label} | {size / jobs:,.0f} | {size / jobs * many / 2**30:,.1f} GiB |")
    return lines


async def model(url: str, jobs: int) -> str:
    """Measure and compute; the text of the page."""
    life = Life(url, jobs)
    costs = await life.costs()
    measured = await sizes(url)
    costs.append(await life.purge())
    rate = await jobs_a_second(url, jobs)
    needed = PEAK * JOBS_A_DAY / A_DAY
    seconds = WORKERS * A_DAY / JOBS_A_DAY
    parts = [
        [
            (
                f"{JOBS_A_DAY:,} jobs a day of {SYMBOLS} symbols, {WORKERS:,} workers: a job is a"
                f" worker's for {seconds:.1f} s, a symbol for {seconds / SYMBOLS:.1f} s. Leases of"
                f" {LEASE:.0f} s are renewed every {LEASE / 3:.0f} s, {FAILING:.0%} of the symbols"
                f" fail once, the busiest hour has {PEAK:.0f} times the mean, and jobs are deleted"
                f" after {KEPT} days. Measured with {jobs:,} jobs, without full-page images."
            ),
        ],
        _calls(costs),
        _a_day(costs),
        _space(measured, jobs),
        [
            (
                f"{AT_ONCE} workers without downloads, each with a connection of its own, collect"
                f" {rate:,.0f} jobs a second on this machine, clients and server together. The"
                f" peak is {needed:,.1f} jobs a second: {needed / rate:.0%} of it."
            ),
        ],
    ]
    return "\n\n".join("\n".join(part) for part in parts)


def main() -> None:
    """Measure, and print or write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    with a_server() as server:
        with (server.data / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS)
        server.restart()
        text = asyncio.run(model(server.url, arguments.jobs))
    if arguments.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}")
    else:
        print(text)


if __name__ == "__main__":
    main()
