"""What an index of the symbols costs a save in SQLite: the reason for the one that the schema has.

    python -m benchmarks.symbol_index [--jobs 600] [--symbols 1000] [--together 1 16]

Each variant is a file of bare tables with so many jobs, all of the same symbols; then some more are
saved, one or several to a transaction. Printed are the least milliseconds of a save, the log that
it writes, and the size of the file. Every symbol's entries stand in another place of an index, so a
save changes a page for each symbol, whatever the index holds; jobs that are saved together share
those pages.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

_ROUNDS = 8
_TABLES = """
    PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;
    CREATE TABLE jobs (key INTEGER PRIMARY KEY, id TEXT UNIQUE, created_at INTEGER);
    CREATE TABLE symbols (job INTEGER, symbol TEXT, position INTEGER, created_at INTEGER, id TEXT,
        PRIMARY KEY (job, symbol)) WITHOUT ROWID;"""
_ROWS = "INSERT INTO symbols (job, symbol, position{0}) SELECT ?1, value, key{1} FROM json_each(?4)"
_PLAIN = _ROWS.format("", "")
_TIMED = _ROWS.format(", created_at", ", ?2")
_NAMED = _ROWS.format(", created_at, id", ", ?2, ?3")
_APART = "INSERT INTO apart SELECT value, ?2, {0} FROM json_each(?4)"
_TABLE = (
    "CREATE TABLE apart (symbol TEXT, created_at INTEGER, {0}, PRIMARY KEY ({1})) WITHOUT ROWID"
)
VARIANTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "none": ("", (_PLAIN,)),
    "(symbol), and so the job": ("CREATE INDEX by_name ON symbols (symbol)", (_PLAIN,)),
    "(symbol, created_at), as it is": (
        "CREATE INDEX by_name ON symbols (symbol, created_at)",
        (_TIMED,),
    ),
    "(symbol, created_at, id)": (
        "CREATE INDEX by_name ON symbols (symbol, created_at, id)",
        (_NAMED,),
    ),
    "a table (symbol, created_at, job)": (
        _TABLE.format("job INTEGER", "symbol, created_at, job"),
        (_PLAIN, _APART.format("?1")),
    ),
    "a table (symbol, created_at, id)": (
        _TABLE.format("id TEXT", "symbol, created_at, id"),
        (_PLAIN, _APART.format("?3")),
    ),
}


class File:
    """A file of one variant."""

    def __init__(self, path: Path, variant: str, symbols: int) -> None:
        """Make the tables."""
        self.path = path
        sql, self._statements = VARIANTS[variant]
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.executescript(f"{_TABLES}{sql};")
        self._names = json.dumps([f"SYMBOL{n:05}/USDT" for n in range(symbols)])
        self._jobs = 0

    def save(self, jobs: int) -> tuple[float, float]:
        """Save so many jobs in one transaction; return the seconds and the bytes of log of each."""
        began = perf_counter()
        self.connection.execute("BEGIN IMMEDIATE")
        for _ in range(jobs):
            self._jobs += 1
            values = (self._jobs, 1_700_000_000_000_000 + self._jobs * 1_000, str(uuid.uuid4()))
            self.connection.execute("INSERT INTO jobs VALUES (?1, ?3, ?2)", values)
            for statement in self._statements:
                self.connection.execute(statement, (*values, self._names))
        self.connection.execute("COMMIT")
        seconds = perf_counter() - began
        log = self.path.with_name(f"{self.path.name}-wal").stat().st_size
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return seconds / jobs, log / jobs


def main(jobs: int, symbols: int, together: list[int]) -> None:
    """Fill the files, save in each in turn, and print a table for each number of jobs together."""
    with TemporaryDirectory() as folder:
        files = {
            name: File(Path(folder) / f"{n}.db", name, symbols) for n, name in enumerate(VARIANTS)
        }
        for file in files.values():
            file.save(jobs)
        for number in together:
            print(f"{jobs:,} jobs of {symbols:,} symbols; {number} saved together")
            saved: dict[str, list[tuple[float, float]]] = {name: [] for name in files}
            for _ in range(_ROUNDS):
                for name, file in files.items():
                    saved[name].append(file.save(number))
            for name, figures in saved.items():
                seconds, log = (
                    min(seconds for seconds, _ in figures),
                    max(log for _, log in figures),
                )
                size = files[name].path.stat().st_size / 2**20
                print(f"{name:36} {seconds * 1e3:8.2f} ms {log / 2**10:7.0f} KB {size:6.0f} MB")
        for file in files.values():
            with closing(file.connection):
                pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=600)
    parser.add_argument("--symbols", type=int, default=1_000)
    parser.add_argument("--together", type=int, nargs="+", default=[1, 16])
    asked = parser.parse_args()
    main(asked.jobs, asked.symbols, asked.together)
