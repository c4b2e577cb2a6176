"""Damaged files: whatever is in them, a caller sees the contract's errors only (ERROR-1)."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from collection_jobs import CollectionJobError, JobStatus, RepositoryError
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository
from tests.adapters.sqlite_support import a_job
from tests.adapters.test_sqlite_losses import CALLS

FILES = 300


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file with jobs in it."""
    path = tmp_path_factory.mktemp("sound") / "jobs.db"

    async def fill() -> None:
        async with SQLiteCollectionJobRepository(path) as repository:
            symbols = tuple(f"SYMBOL-{n}" for n in range(60))
            await repository.save_many(
                a_job(
                    name,
                    symbols=symbols,
                    status=status,
                    completed_symbols=dict.fromkeys(symbols[:20], 2**40),
                    failed_symbols=dict.fromkeys(symbols[20:40], "timed out \u00e9"),
                )
                for status in JobStatus
                for name in ("before", f"{status.value} \u00e9", f"{status.value} 2")
            )

    asyncio.run(fill())
    return path.read_bytes()


def damaged(content: bytes, seed: int) -> bytes:
    """Some bytes, bits, runs or pages of a file changed."""
    random, changed = Random(seed), bytearray(content)  # noqa: S311 - not for secrets
    for _ in range(random.choice((1, 3, 30, 300))):
        # The header's first 100 bytes say what the file is, and damage there hides all else.
        place = random.randrange(100 if seed % 4 else 0, len(changed))
        kind = random.randrange(4)
        if kind == 0:
            changed[place] = random.randrange(256)
        elif kind == 1:
            changed[place] ^= 1 << random.randrange(8)
        elif kind == 2:
            run = random.randbytes(random.randrange(1, 40))
            changed[place : place + len(run)] = run[: len(changed) - place]
        else:
            page, other = (4096 * random.randrange(len(changed) // 4096) for _ in range(2))
            changed[page : page + 4096] = changed[other : other + 4096]
    return bytes(changed)


async def _use(path: Path) -> list[object]:
    """Call everything; the errors."""
    async with SQLiteCollectionJobRepository(path) as repository:
        errors = [await _error_of(call(repository)) for call in CALLS]
        errors += [await _error_of(repository.list_by_status(status)) for status in JobStatus]
        errors.append(await _error_of(repository.list_after(JobStatus.FAILED)))
        errors.append(await _error_of(repository.list_by_status(JobStatus.FAILED, limit=1_000)))
        errors.append(await _error_of(repository.save(a_job("before", symbols=("SYMBOL-1",)))))
    return errors


# What would make a job that the entity refuses, or leave nothing to count revisions by.
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE symbols SET position = 0",
        "UPDATE symbols SET position = -1",
        "UPDATE symbols SET position = 2 WHERE position = 1",
        "UPDATE symbols SET symbol = '' WHERE position = 1",
        "UPDATE symbols SET candles = 1, error = 'both' WHERE position IN (1, 30)",
        "DELETE FROM symbols",
        "UPDATE jobs SET range_end = range_start",
    ],
)
async def test_no_job_is_read_that_the_entity_would_refuse(
    tmp_path: Path, sound: bytes, statement: str
) -> None:
    path = tmp_path / "jobs.db"
    path.write_bytes(sound)
    _change(path, statement)
    async with SQLiteCollectionJobRepository(path) as repository:
        for call in (
            repository.get_by_id("before"),
            repository.list_recent(limit=10),
            repository.list_recent(limit=1_000),
            repository.get_running_jobs(),
        ):
            with pytest.raises(RepositoryError, match=r"damaged: a stored row is not a valid job"):
                await call


async def test_a_file_that_counts_no_revisions_any_more_is_damaged(
    tmp_path: Path, sound: bytes
) -> None:
    path = tmp_path / "jobs.db"
    path.write_bytes(sound)
    _change(path, "DELETE FROM store")
    async with SQLiteCollectionJobRepository(path) as repository:
        with pytest.raises(RepositoryError, match="the table store has lost its row"):
            await repository.save(a_job("new"))


def _change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA ignore_check_constraints = ON")
        other.execute(statement)


async def _error_of(call: Awaitable[object]) -> object:
    (answer,) = await asyncio.gather(call, return_exceptions=True)
    return answer if isinstance(answer, BaseException) else None


@pytest.mark.parametrize("seeds", [range(n, n + 25) for n in range(0, FILES, 25)], ids=str)
async def test_a_damaged_file_raises_the_errors_of_the_contract_only(
    tmp_path: Path, sound: bytes, seeds: range
) -> None:
    for seed in seeds:
        path = tmp_path / f"{seed}.db"
        path.write_bytes(damaged(sound, seed))
        async with asyncio.timeout(30):
            (answer,) = await asyncio.gather(_use(path), return_exceptions=True)
        for error in answer if isinstance(answer, list) else [answer]:
            assert isinstance(error, CollectionJobError | None), (seed, error)
            if isinstance(error, RepositoryError):
                assert str(path) in str(error), seed


# What no check of the schema forbids, since another program may switch the checks off.
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE jobs SET status = 'unknown'",
        "UPDATE jobs SET created_at = 9000000000000000000",
        "UPDATE jobs SET range_start = -9000000000000000000",
        "UPDATE symbols SET position = 1000",
        "UPDATE symbols SET position = -1000",
        "DELETE FROM symbols WHERE position = 1",
        "UPDATE jobs SET error_message = CAST(x'ff' AS TEXT)",
        "UPDATE symbols SET error = CAST(x'fffe22' AS TEXT)",
        "UPDATE symbols SET symbol = CAST(x'ff22' AS TEXT) WHERE position = 0",
    ],
)
async def test_what_is_no_job_is_a_repository_error_that_names_the_file(
    tmp_path: Path, sound: bytes, statement: str
) -> None:
    path = tmp_path / "jobs.db"
    path.write_bytes(sound)
    _change(path, statement)
    async with SQLiteCollectionJobRepository(path) as repository:
        for call in (
            repository.get_by_id("before"),
            repository.list_recent(),
            repository.list_recent(limit=1_000),
            repository.list_by_status(JobStatus.PENDING, limit=1),
            repository.save(a_job("before")),
        ):
            error = await _error_of(call)
            if error is not None:
                assert isinstance(error, RepositoryError)
                assert str(path) in str(error)
                assert error.__cause__ is not None
        await repository.save(a_job("new"))
        assert await repository.get_by_id("new") == a_job("new")
