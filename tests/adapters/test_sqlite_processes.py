"""Many processes on one file, and processes that die."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from pathlib import Path

import pytest

from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository
from tests.adapters.sqlite_support import a_job, plain_connection

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


async def a_process(command: str, path: Path, *arguments: str) -> Process:
    return await a_module("tests.adapters.sqlite_worker", command, str(path), *arguments)


async def a_module(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", *arguments),
        cwd=ROOT,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )


async def all_at_once(processes: list[Process]) -> list[str]:
    """Let them begin together; what they say."""
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    said = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [errors for _, errors in said] == [b""] * len(processes)
    return [output.decode() for output, _ in said]


async def test_of_many_processes_one_claims_each_job(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.save_many(a_job(f"{n:03}") for n in range(100))
        said = await all_at_once([await a_process("claim", path) for _ in range(4)])
        claims = Counter(job_id for output in said for job_id in output.split())
        assert claims == Counter(f"{n:03}" for n in range(100))
        assert len(await repository.get_running_jobs()) == 100


async def test_processes_that_create_the_same_file_at_once_share_it(tmp_path: Path) -> None:
    for round_ in range(3):
        path = tmp_path / f"{round_}.db"
        await all_at_once([await a_process("create", path, str(n)) for n in range(4)])
        async with SQLiteCollectionJobRepository(path) as repository:
            assert {job.id for job in await repository.list_recent()} == set("0123")


async def test_what_was_acknowledged_survives_the_death_of_the_process(path: Path) -> None:
    process = await a_process("write", path)
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()
    process.stdin.write(b"go\n")
    acknowledged = [await process.stdout.readline() for _ in range(300)]
    process.kill()
    rest, _ = await process.communicate()
    # The last line may be half of one.
    saved = {line.decode() for line in [*acknowledged, *rest.splitlines(keepends=True)]}
    saved = {line.strip() for line in saved if line.endswith("\n")}
    async with SQLiteCollectionJobRepository(path) as repository:
        found = {job.id: job for job in await repository.list_recent(limit=100_000)}
        assert saved <= found.keys()
        assert all(job == a_job(job_id) for job_id, job in found.items())
        await repository.save(a_job("after"))
    with plain_connection(path) as other:
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert other.execute("PRAGMA foreign_key_check").fetchall() == []


async def test_a_repository_that_nobody_closed_lets_the_process_end_in_silence(
    path: Path,
) -> None:
    process = await a_process("forget", path)
    async with asyncio.timeout(20):
        assert await process.communicate() == (b"", b"")
    assert process.returncode == 0
    async with SQLiteCollectionJobRepository(path) as repository:
        assert await repository.get_by_id("job") == a_job()
