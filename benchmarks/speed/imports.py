"""What a process needs before it can use the package: imports, a first read, the help.

In fresh interpreters, alternately, with the bytecode of all modules in a cache of their own, as an
installed package has it. By the processor time of the whole process, except the ratio of the import
itself, which a process measures within: on a machine with nothing else to do, that is the time.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

STANDARD = "import dataclasses, enum, datetime, typing"
_TIMED = "from time import perf_counter as now; began = now(); {}; print(now() - began)"
_OURS = """
import asyncio
from collection_jobs import open_repository
async def main():
    async with open_repository({url!r}) as repository:
        await repository.get_by_id("job-00000000")
asyncio.run(main())
"""
_BY_HAND = """
import asyncio, json, sqlite3
async def main():
    connection = sqlite3.connect({path!r}, isolation_level=None)
    connection.execute("SELECT * FROM jobs WHERE id = ?", ("job-00000000",)).fetchall()
    connection.close()
asyncio.run(main())
"""
_HELP = ("-m", "collection_jobs", "--help")


def ratio(rounds: int) -> float:
    """Return the median ratio of the import to that of the standard modules that it needs."""
    with _bytecode() as environment:
        _seconds("import collection_jobs", environment)
        return median(
            _seconds("import collection_jobs", environment) / _seconds(STANDARD, environment)
            for _ in range(rounds)
        )


def start_up(path: Path, rounds: int) -> dict[str, float]:
    """Return how long processes take that do little with a store on SQLite.

    The first three figures are ratios: of a process that reads a job, to one that does so by hand
    and to an interpreter that does nothing, and of the import to the latter. The last one are the
    seconds of the command line's help.
    """
    programs = {
        "ours": ("-c", _OURS.format(url=f"sqlite:///{path}")),
        "by hand": ("-c", _BY_HAND.format(path=str(path))),
        "import": ("-c", "import collection_jobs"),
        "nothing": ("-c", "pass"),
        "help": _HELP,
    }
    with _bytecode() as environment:
        for arguments in programs.values():
            _processor_seconds(arguments, environment)
        taken = [
            {name: _processor_seconds(it, environment) for name, it in programs.items()}
            for _ in range(rounds)
        ]
    return {
        "first read, to by hand": median(it["ours"] / it["by hand"] for it in taken),
        "first read, to nothing": median(it["ours"] / it["nothing"] for it in taken),
        "import, to nothing": median(it["import"] / it["nothing"] for it in taken),
        "help": median(it["help"] for it in taken),
    }


@contextmanager
def _bytecode() -> Generator[Mapping[str, str]]:
    """Give an environment whose first run of a program writes its bytecode, whoever forbids it."""
    with tempfile.TemporaryDirectory(prefix="collection-jobs-bytecode-") as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        yield environment


def _seconds(statement: str, environment: Mapping[str, str]) -> float:
    command = [sys.executable, "-c", _TIMED.format(statement)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(ran.stdout)


def _processor_seconds(arguments: tuple[str, ...], environment: Mapping[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
