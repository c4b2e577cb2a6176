"""pgbench, PostgreSQL's own load generator in C, with the adapter's statements.

It runs 16 clients at most, which serves it best, on two threads; it reads the answers and builds
nothing of them. What it counts leaves out the time to connect.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.speed.frame import Opener
from benchmarks.speed.jobs import END, ERROR, SOURCE, START, SYMBOLS, TIMEFRAME
from benchmarks.speed.workload import PAGE, Call
from collection_jobs.adapters.postgres.record_statements import RecordStatements
from collection_jobs.adapters.postgres.session import SESSION
from collection_jobs.adapters.postgres.statements import Statements

_CLIENTS = 16
_ID = "ARRAY['job-' || lpad(:n, 8, '0')]::text[]"
_NEW = "ARRAY['bench-' || :client_id || '-' || :n || '-' || :m]::text[]"
_BEFORE_ALL = "'0001-01-01 00:00:00+00'"
_LISTED = (f"{_BEFORE_ALL}", "''", str(PAGE), "0")


def _scripts(statements: Statements, records: RecordStatements) -> dict[str, str]:
    """Return the script of each method that one statement with random arguments can stand for."""
    outcome = f"(ARRAY{list(SYMBOLS)})[1 + :m % 5]"
    save = (
        *(_NEW, f"ARRAY['{SOURCE}']", f"ARRAY['{{{','.join(SYMBOLS)}}}']", f"ARRAY['{TIMEFRAME}']"),
        *(f"ARRAY['{START}'::timestamptz]", f"ARRAY['{END}'::timestamptz]"),
        *(f"ARRAY['{START}'::timestamptz]", "ARRAY['pending']"),
        *(["ARRAY[NULL::timestamptz]"] * 2),
        *("ARRAY[NULL::text]", "ARRAY['{}']", "ARRAY[0]", "ARRAY[0]", "ARRAY['0']"),
        "'5000'",
    )
    one_call = ("ARRAY[NULL::bigint]", "ARRAY[1]", "'5000'")
    texts = {
        "get_by_id": (statements.get, (_ID,)),
        "get_stats": (statements.stats, (_ID,)),
        "list_by_status": (statements.list, ("'pending'", *_LISTED)),
        "list_recent": (statements.recent, (_BEFORE_ALL, str(PAGE))),
        "get_running_jobs": (
            statements.list,
            ("'running'", _BEFORE_ALL, "''", "9223372036854775807", "0"),
        ),
        "save": (statements.save, save),
        "add_failed_symbol": (
            records.put_outcomes,
            (
                _ID,
                f"ARRAY[{outcome}]",
                "ARRAY[NULL::bigint]",
                f"ARRAY['{ERROR}']",
                "ARRAY[NULL::boolean]",
                "ARRAY[1]",
                *one_call,
            ),
        ),
        "add_completed_symbol": (
            records.put_outcomes,
            (
                _ID,
                f"ARRAY[{outcome}]",
                "ARRAY[1440::bigint]",
                "ARRAY[NULL::text]",
                "ARRAY[NULL::boolean]",
                "ARRAY[NULL::bigint]",
                *one_call,
            ),
        ),
    }
    return {name: _filled(*text) for name, text in texts.items()}


def _filled(statement: str, arguments: tuple[str, ...]) -> str:
    """Return the statement with expressions for parameters, the later first: $1 is within $12."""
    for number in range(len(arguments), 0, -1):
        statement = statement.replace(f"${number}", arguments[number - 1])
    return " ".join(statement.split()) + ";"


class Pgbench:
    """The methods that have scripts; all are played."""

    def __init__(self, program: str, url: str, schema: str, size: int, directory: Path) -> None:
        """Write the scripts."""
        self._program, self._url, self._schema = program, url, schema
        self._files: dict[str, Path] = {}
        for name, text in _scripts(Statements.on(schema), RecordStatements.on(schema)).items():
            self._files[name] = directory / f"{name}.sql"
            head = f"\\set n random(0, {size - 1})\n\\set m random(0, 1000000000)\n"
            self._files[name].write_text(head + text)

    def __getattr__(self, name: str) -> Any:
        """Whether there is a script."""
        if name in {"_files", "prepare", "forget"} or name not in self._files:
            raise AttributeError(name)
        return self._files[name]

    async def play(self, callers: list[list[Call]]) -> float:
        """Make as many calls as these, and give the seconds that they took."""
        (name,) = {name for calls in callers for name, _ in calls}
        clients = min(len(callers), _CLIENTS)
        each = max(1, sum(map(len, callers)) // clients)
        options = " ".join(
            f"-c {it.strip().removeprefix('SET ').replace(' ', '')}" for it in SESSION.split(";")
        )
        run = await asyncio.create_subprocess_exec(
            *(self._program, self._url, "-n", "-M", "prepared", "-f", str(self._files[name])),
            *("-c", str(clients), "-j", str(min(clients, 2)), "-t", str(each)),
            env={"PGOPTIONS": options},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await run.communicate()
        found = re.search(rb"tps = ([0-9.]+) \(without", output)
        if run.returncode or found is None:
            raise SystemExit(f"pgbench failed on {name}: {errors.decode()}")
        if name == "save":
            await self._forget_new()
        return sum(map(len, callers)) / float(found[1])

    async def _forget_new(self) -> None:
        connection = await asyncpg.connect(self._url)
        await connection.execute(f"DELETE FROM {self._schema}.jobs WHERE id LIKE 'bench-%'")
        await connection.close()


def open_pgbench(program: str, url: str, schema: str, size: int) -> Opener:
    """Return an opener of Pgbench."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Pgbench]:
        with tempfile.TemporaryDirectory() as directory:
            yield Pgbench(program, url, schema, size, Path(directory))

    return opened
