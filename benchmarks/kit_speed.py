"""Where the time of a verification goes: to each check alone, and to the command with all of them.

    python -m benchmarks.kit_speed --help

Run it from the root of the project, on a machine that does nothing else. Processor time is that of
the process and of the workers that it has waited for.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import click

from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository
from collection_jobs.conformance import find_target, verify
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.spec.operations import OPERATIONS

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- kit: begin -->", "<!-- kit: end -->"
CALL = 0.005
"""The seconds that each call of the slow adapter waits, as for a server at some distance."""


class SlowRepository(SQLiteCollectionJobRepository):
    """A store of files, each of whose calls waits for 5 ms before it begins."""

    def __init__(self, directory: Path) -> None:
        """Keep the jobs in a file in this directory."""
        super().__init__(directory / "jobs.db")


def _waiting(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    async def waiting(*arguments: Any, **named: Any) -> Any:
        await asyncio.sleep(CALL)
        return await method(*arguments, **named)

    return waiting


for _name in OPERATIONS:
    setattr(SlowRepository, _name, _waiting(getattr(SlowRepository, _name)))


class Took(NamedTuple):
    """What something took, in seconds."""

    processor: float
    elapsed: float

    def __str__(self) -> str:
        """Show both, for a table."""
        return f"{self.processor:.1f} | {self.elapsed:.1f}"


TARGETS = {
    "in memory": "collection_jobs:InMemoryCollectionJobRepository",
    "SQLite": None,
    "SQLite, and 5 ms for each call": "benchmarks.kit_speed:SlowRepository",
}


@click.command(help=__doc__.splitlines()[0] if __doc__ else None)
@click.option("--profile", default="quick", help="How thoroughly to look.")
@click.option("--write", is_flag=True, help=f"Write docs/{PAGE.name}, between its markers.")
@click.option("--alone", hidden=True, help="Make one check in this process, and tell what it took.")
def main(profile: str, write: bool, alone: str | None) -> None:
    """Measure, and print the table."""
    if alone is not None:
        click.echo(json.dumps(_made_here(*json.loads(alone))))
        return
    columns = {name: _of_target(target, profile) for name, target in TARGETS.items()}
    text = _table(columns, profile)
    click.echo(text)
    if write:
        before, rest = PAGE.read_text().split(BEGIN)
        _, after = rest.split(END)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def _of_target(target: str | None, profile: str) -> dict[str, Took]:
    """Measure each check in a process of its own, and then the command with all of them."""
    names = ["", *(check.name for check in CHECKS)]
    took = {name: _in_a_process(target, profile, name) for name in names}
    before = took.pop("")
    each = {name: _less(one, before) for name, one in took.items()}
    return {
        "the start of a process, and a first look": before,
        **each,
        "all, by the command, the first time": _whole(target, profile),
    }


def _less(one: Took, other: Took) -> Took:
    return Took(*(max(0.0, a - b) for a, b in zip(one, other, strict=True)))


def _in_a_process(target: str | None, profile: str, check: str) -> Took:
    request = json.dumps([target, profile, check])
    command = [sys.executable, "-m", "benchmarks.kit_speed", "--alone", request]
    began = time.perf_counter()
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    return Took(json.loads(ended.stdout)[0], time.perf_counter() - began)


def _made_here(target: str | None, profile: str, check: str) -> tuple[float]:
    verify(
        find_target(target), profile=profile, checks=[one for one in CHECKS if one.name == check]
    )
    return (_processor_time(),)


def _processor_time() -> float:
    """Return the seconds of this process and of those it has waited for."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _whole(target: str | None, profile: str) -> Took:
    """Measure the command, which makes some checks in a second process where that pays.

    In a new home, where mypy has no cache and Hypothesis no table of characters yet: what a CI
    server sees.
    """
    before, began = _processor_time(), time.perf_counter()
    named = [] if target is None else [target]
    with tempfile.TemporaryDirectory() as home:
        subprocess.run(
            [sys.executable, "-m", "collection_jobs", "verify", *named, "--profile", profile, "-q"],
            check=False,  # which laws hold is not asked here
            capture_output=True,
            env={**os.environ, "HOME": home},
        )
    return Took(_processor_time() - before, time.perf_counter() - began)


def _table(columns: dict[str, dict[str, Took]], profile: str) -> str:
    load = os.getloadavg()[0]
    heads = " | ".join(f"{name}: processor | elapsed" for name in columns)
    lines = [
        f"Seconds of the *{profile}* profile on {os.cpu_count()} cores, load average {load:.1f}.",
        "",
        f"| check | {heads} |",
        f"|---|{'---|' * 2 * len(columns)}",
    ]
    rows = next(iter(columns.values()))
    lines += [f"| {row} | {' | '.join(str(c[row]) for c in columns.values())} |" for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
