"""The trial: a cluster, a load, the faults in turn, and the judgement."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from benchmarks.cluster.calls import Call, read_calls
from benchmarks.cluster.faults import Happened, inflict
from benchmarks.cluster.judging import CHECKS, Jobs
from benchmarks.cluster.nodes import Cluster, a_cluster
from benchmarks.cluster.outages import Outage, late_calls, late_tasks, outages, stale_reads
from benchmarks.cluster.prober import TABLE
from collection_jobs import JobStatus
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository

__all__ = ["COMMAND_TIMEOUT", "Trial", "run_trial"]

COMMAND_TIMEOUT = 4.0
"""Seconds that every call has: who waits for a primary that is gone hears of it in time."""
_OPTIONS = f"&connect_timeout=30&command_timeout={COMMAND_TIMEOUT:g}"
_PROCESSES = 4
_CALM = 3.0
"""Seconds of load without a fault, before the first and after each."""


@dataclass(frozen=True)
class Trial:
    """What came of it.

    Attributes:
        calls: All calls of the load.
        outages: What each fault came to.
        jobs: How many jobs there are in the end.
        stale: How many reads showed less than was acknowledged before.
        wrong: Sentences about what no cluster may do.
    """

    calls: Sequence[Call]
    outages: Sequence[Outage]
    jobs: int
    stale: int
    wrong: Sequence[str]


def run_trial(home: Path, api: str, faults: int, names: Sequence[str], seed: int) -> Trial:
    """Run it, in a namespace of its own."""
    with a_cluster(home, api) as cluster:
        asyncio.run(_prepare(cluster))
        happened: list[Happened] = []
        wrong: list[str] = []
        with _load(cluster, home):
            time.sleep(_CALM)
            for number, name in enumerate(_in_turn(faults, names, seed), 1):
                try:
                    happened.append(inflict(cluster, name))
                except RuntimeError as error:  # what was acknowledged is judged all the same
                    wrong.append(f"{error} ({name})")
                    break
                time.sleep(_CALM)
                _say(number, faults, happened[-1])
        jobs = asyncio.run(_stored(cluster))
    return _judged(home, happened, jobs, wrong)


def _in_turn(faults: int, names: Sequence[str], seed: int) -> list[str]:
    """Give each fault as often as the others, in random order."""
    chosen = random.Random(seed)
    order: list[str] = []
    while len(order) < faults:
        order += chosen.sample(list(names), len(names))
    return order[:faults]


def _say(number: int, faults: int, happened: Happened) -> None:
    moved = "another node is the primary" if happened.moved else "the primary is the same"
    seconds = happened.mended - happened.began
    text = f"{number} of {faults}: {happened.name}; {moved}; well again after {seconds:.0f} s"
    print(text, file=sys.stderr, flush=True)


async def _prepare(cluster: Cluster) -> None:
    """Make the tables, so that all processes of the load find them."""
    connection = await asyncpg.connect(cluster.url(), timeout=10)
    await connection.execute(TABLE)
    await connection.close()
    async with PostgresCollectionJobRepository.from_url(cluster.url() + _OPTIONS):
        pass


@contextmanager
def _load(cluster: Cluster, home: Path) -> Generator[None]:
    """Run the load and the prober; let them end what they do."""
    with ExitStack() as stack:
        urls = [_of_one(cluster, node.address) for node in cluster.nodes]
        stack.enter_context(_module("prober", str(home / "probe"), *urls))
        for number in range(_PROCESSES):
            name = f"process{number}"
            path = home / f"{name}.calls"
            stack.enter_context(_module("load", cluster.url() + _OPTIONS, str(path), name))
        yield


def _of_one(cluster: Cluster, address: str) -> str:
    user = cluster.url().partition("@")[0]
    return f"{user}@{address}:5432/postgres?sslmode=disable"


@contextmanager
def _module(name: str, *arguments: str) -> Generator[None]:
    """Run a module of this room until the end."""
    command = [sys.executable, "-m", f"benchmarks.cluster.{name}", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        if process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"{name} ended with {process.wait()}")
        yield
        process.terminate()
        if process.wait(60):
            raise RuntimeError(f"{name} ended with {process.returncode}")
    finally:
        process.kill()
        process.wait()


async def _stored(cluster: Cluster) -> Jobs:
    """Read all jobs."""
    url = f"{cluster.url()}&connect_timeout=30&command_timeout=120"
    async with PostgresCollectionJobRepository.from_url(url) as repository:
        jobs = {job.id: job for job in await repository.list_recent(10**9)}
        ended = await repository.list_by_status(JobStatus.COMPLETED, limit=10**9)
        assert {job.id for job in ended} <= jobs.keys()  # noqa: S101 - of one store
        return jobs


def _judged(home: Path, faults: Sequence[Happened], jobs: Jobs, broken: list[str]) -> Trial:
    calls = sorted(_read(home.glob("*.calls")), key=lambda call: call.ended)
    writes = sorted(float(line.split()[2]) for line in (home / "probe").read_text().splitlines())
    wrong = broken + [sentence for check in CHECKS for sentence in check(calls, jobs)]
    wrong += late_calls(calls, COMMAND_TIMEOUT)
    wrong += late_tasks(faults, calls, writes)
    return Trial(calls, list(outages(faults, calls, writes)), len(jobs), stale_reads(calls), wrong)


def _read(paths: Iterable[Path]) -> Iterable[Call]:
    for path in paths:
        yield from read_calls(path)
