"""Where the time of a listing and of a write goes: into SQLite or PostgreSQL, and into Python.

    python -m benchmarks.parts [--postgres]

Printed are, in microseconds of the processor's time, the best of several rounds: what a listing of
50 jobs on SQLite spends in its statement, in decoding JSON and in building the jobs; what a lone
``update_status`` takes as a transaction and as a single statement; and with ``--postgres`` what a
page, and each outcome of 64 callers, take the client and the server. And how many pages a write
puts into SQLite's log, alone and among 256, in a small store and in a large one: the 256 of a small
store put mostly the same.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from random import Random
from time import process_time, thread_time
from typing import Any

import asyncpg

from benchmarks.speed.sqlite_engine import original
from benchmarks.speed.sqlite_files import copy
from collection_jobs import JobStatus
from collection_jobs.adapters.sqlite import reads, writes
from collection_jobs.adapters.sqlite.decoding import symbol_lines
from collection_jobs.adapters.sqlite.rows import decode_json
from collection_jobs.adapters.sqlite.schema import FIRST_INSTANT

_ROUNDS, _CALLS = 9, 200
_SMALL, _LARGE = 1_000, 100_000
_PAGE = 4096 + 24  # of the log, with its header
_KEYS = reads.BY_STATUS, (JobStatus.PENDING.value, FIRST_INSTANT, "", 50, 0)
_TICKS = os.sysconf("SC_CLK_TCK")


def best(call: Callable[[], object]) -> float:
    """Return the microseconds that a call takes of this thread's time, in its best round."""
    taken = []
    for _ in range(_ROUNDS):
        began = thread_time()
        for _ in range(_CALLS):
            call()
        taken.append((thread_time() - began) / _CALLS * 1e6)
    return min(taken)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=64)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def listing(connection: sqlite3.Connection) -> dict[str, float]:
    """Return the parts of a listing."""
    statement, parameters = _KEYS

    def read() -> reads.Page:
        return reads.read_page(connection, reads.JOBS, f"({statement})", parameters)

    page = read()
    headers, lines = page[0], symbol_lines(page[1])
    outcomes = f"[{','.join(lines[1::2])}]"
    return {
        "the statement": best(read),
        "decoding its JSON": best(lambda: (decode_json(headers), decode_json(outcomes))),
        "decoding and building": best(lambda: reads.JOBS.decode_page(page)),
        "all of it": best(lambda: reads.list_few(connection, _KEYS)),
    } | _with_orjson(headers, outcomes)


def _with_orjson(headers: str, outcomes: str) -> dict[str, float]:
    try:
        import orjson
    except ImportError:
        return {}
    return {"decoding with orjson": best(lambda: (orjson.loads(headers), orjson.loads(outcomes)))}


def lone_write(connection: sqlite3.Connection) -> dict[str, float]:
    """Return what a change of status takes in a transaction, and by itself."""
    execute = connection.execute

    def there_and_back() -> None:
        for status in (JobStatus.RUNNING, JobStatus.PENDING):
            writes.update_status(connection, "job-00000001", status, None)

    def in_transactions() -> None:
        for status in (JobStatus.RUNNING, JobStatus.PENDING):
            execute("BEGIN IMMEDIATE")
            writes.update_status(connection, "job-00000001", status, None)
            execute("COMMIT")

    return {
        "update_status in a transaction": best(in_transactions) / 2,
        "update_status by itself": best(there_and_back) / 2,
    }


def pages(path: Path, size: int, together: int) -> float:
    """Return how many pages a change of status puts into the log, among some in a transaction."""
    random, log = Random(0), Path(f"{path}-wal")
    with closing(_connect(path)) as connection:
        before = log.stat().st_size if log.exists() else 0
        for _ in range(10):
            connection.execute("BEGIN IMMEDIATE")
            for number in random.sample(range(size), together):
                job_id = f"job-{number:08}"
                if not writes.update_status(connection, job_id, JobStatus.CANCELLED, None):
                    writes.update_status(connection, job_id, JobStatus.PENDING, None)
            connection.execute("COMMIT")
        return (log.stat().st_size - before) / _PAGE / 10 / together


async def on_postgres(server: str) -> dict[str, tuple[float, float]]:
    """Return what a call takes the client and the server, the adapter's and those of a pool."""
    from benchmarks.speed.postgres_engine import databases
    from benchmarks.speed.workload import Workload

    work = Workload(_SMALL * 20, 0)
    taken: dict[str, tuple[float, float]] = {}
    async with databases(server, [work.size], keep=False) as (_, stores):
        for candidate in stores[work.size]:
            if candidate.name not in ("collection_jobs", "asyncpg pool"):
                continue
            async with candidate.open() as store, _processes(server) as processes:
                for method, calls in (("list_after", 640), ("add_completed_symbol", 3_200)):
                    found = []
                    for _ in range(_ROUNDS):
                        (phase,) = work.phases(method, calls, 64)
                        pids = await processes()
                        client, others = process_time(), _time_of(pids)
                        await asyncio.gather(*[_caller(store, it) for it in phase.callers])
                        found.append((process_time() - client, _time_of(pids) - others))
                    client, others = (
                        min(each) / calls * 1e6 for each in zip(*found[1:], strict=True)
                    )
                    taken[f"{method}, {candidate.name}"] = client, others
    return taken


@asynccontextmanager
async def _processes(server: str) -> AsyncGenerator[Callable[[], Awaitable[list[int]]]]:
    """Give a function that names the server's processes that serve the benchmark's databases."""
    connection = await asyncpg.connect(server)

    async def found() -> list[int]:
        rows = await connection.fetch(
            "SELECT pid FROM pg_stat_activity WHERE datname LIKE 'collection_jobs_bench_%'"
        )
        return [row[0] for row in rows]

    yield found
    await connection.close()


async def _caller(store: Any, calls: list[tuple[str, tuple[Any, ...]]]) -> None:
    for name, args in calls:
        await getattr(store, name)(*args)


def _time_of(processes: list[int]) -> float:
    """Return the seconds that some processes have used."""
    times = [
        Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()[11:13]
        for process in processes
    ]
    return sum(int(part) for each in times for part in each) / _TICKS


async def _on_sqlite(folder: Path) -> None:
    paths = {
        size: copy(await original(folder, size), folder / f"{size}.db") for size in (_SMALL, _LARGE)
    }
    with closing(_connect(paths[_SMALL])) as connection:
        for what, taken in (listing(connection) | lone_write(connection)).items():
            print(f"{what:40}{taken:8.1f} us")
    for size, path in paths.items():
        for together in (1, 256):
            what = f"pages of log, {together} of {size:,} jobs"
            print(f"{what:40}{pages(path, size, together):8.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.parts", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL, too, on Linux")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="collection-jobs-parts-") as folder:
        asyncio.run(_on_sqlite(Path(folder)))
    if asked.postgres:
        from benchmarks.speed.postgres_server import a_durable_server

        with a_durable_server() as server:
            for what, (client, others) in asyncio.run(on_postgres(server)).items():
                print(f"{what:40}{client:8.0f} us {others:8.0f} us of the server")


if __name__ == "__main__":
    main()
