"""What other indexes would make of the SQLite schema: the reason for each version, or for none.

    python -m benchmarks.schema [JOBS]

Each variant is a file with so many jobs in it (100,000 by default), on which the same statements
are then run in turn, 64 to a transaction as the writer groups them, in seven rounds. Printed are
the least microseconds of the process's own work per statement as ratios to the schema as it is:
what else the machine does hardly shows in them.
"""

from __future__ import annotations

import random
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

from collection_jobs import JobStatus
from collection_jobs.adapters.sqlite.schema import connect_to_write
from collection_jobs.adapters.sqlite.settings import SQLiteSettings
from collection_jobs.adapters.sqlite.writes import delete, save, update_status
from collection_jobs.conformance.spec.calls import example_job

_ROUNDS, _CALLS, _GROUP = 7, 2048, 64
_DROP = "DROP INDEX jobs_by_status;"
_LIVE = "'pending', 'running'"
VARIANTS = {
    "as it is": "",
    "a partial index for each status": _DROP
    + "".join(
        f"CREATE INDEX jobs_{one.value} ON jobs (created_at, id) WHERE status = '{one.value}';"
        for one in JobStatus
    ),
    "a partial index for the live statuses": _DROP
    + f"CREATE INDEX jobs_live ON jobs (status, created_at, id) WHERE status IN ({_LIVE});",
    "no index for statuses": _DROP,
    "no index for symbols": "DROP INDEX symbols_by_name;",
    "no index for sources": "DROP INDEX jobs_by_source;",
    "no index for failures": "DROP INDEX jobs_by_failures;",
    "no index for ends": "DROP INDEX jobs_by_end;",
    "no index for metadata": "DROP INDEX metadata_by_value;",
    "statistics (ANALYZE)": "ANALYZE;",
}


def main(jobs: int) -> None:
    """Fill every file, run every statement on each in turn, and print a table."""
    with TemporaryDirectory() as folder, ExitStack() as opened:
        files = {
            name: opened.enter_context(closing(_filled(Path(folder) / f"{n}.db", sql, jobs)))
            for n, (name, sql) in enumerate(VARIANTS.items())
        }
        least: dict[str, dict[str, float]] = {name: {} for name in files}
        for round_ in range(_ROUNDS):
            for name, connection in files.items():
                for what, seconds in _measured(connection, round_, jobs):
                    least[name][what] = min(seconds, least[name].get(what, seconds))
        sizes = {name: _pages(connection) for name, connection in files.items()}
    _print(jobs, least, sizes)


def _filled(path: Path, sql: str, jobs: int) -> sqlite3.Connection:
    connection = connect_to_write(SQLiteSettings.of(path, "NORMAL", 5.0))
    connection.executescript(sql)
    statuses = (JobStatus.COMPLETED,) * 8 + (JobStatus.PENDING, JobStatus.FAILED)
    connection.execute("BEGIN")
    for number in range(jobs):
        save(connection, example_job(f"job {number}", status=statuses[number % 10]))
    connection.execute("COMMIT")
    return connection


def _measured(
    connection: sqlite3.Connection, round_: int, jobs: int
) -> Iterator[tuple[str, float]]:
    draw = random.Random(round_)
    ids = [f"new {draw.random()}" for _ in range(_CALLS)]
    yield (
        "save of a new job",
        _time(connection, lambda id_: save(connection, example_job(id_)), ids),
    )
    running, done = JobStatus.RUNNING, JobStatus.COMPLETED
    yield "claim", _time(connection, lambda id_: update_status(connection, id_, running, None), ids)
    yield (
        "completion",
        _time(connection, lambda id_: update_status(connection, id_, done, None), ids),
    )
    yield "deletion", _time(connection, lambda id_: delete(connection, id_), ids)


def _time(connection: sqlite3.Connection, work: Callable[[str], object], ids: list[str]) -> float:
    began = time.process_time()
    for first in range(0, len(ids), _GROUP):
        connection.execute("BEGIN IMMEDIATE")
        for id_ in ids[first : first + _GROUP]:
            work(id_)
        connection.execute("COMMIT")
    seconds = (time.process_time() - began) / len(ids)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return seconds


def _pages(connection: sqlite3.Connection) -> int:
    ((pages,),) = connection.execute("PRAGMA page_count").fetchall()
    return int(pages)


def _print(jobs: int, least: dict[str, dict[str, float]], sizes: dict[str, int]) -> None:
    base, size = least["as it is"], sizes["as it is"]
    print(f"{jobs:,} jobs, ratios to the schema as it is")
    print(f"{'':38} {'  '.join(f'{what:>17}' for what in base)}  {'file':>6}")
    for name, times in least.items():
        ratios = "  ".join(f"{times[what] / base[what]:17.2f}" for what in base)
        print(f"{name:38} {ratios}  {sizes[name] / size:6.2f}")
    print("microseconds, as it is:", {what: round(one * 1e6, 1) for what, one in base.items()})


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
