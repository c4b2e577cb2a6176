"""Jobs as large as the contract permits, and larger ones that a former release stored."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from collection_jobs import CollectionJob, JobStatus
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository, reads, rows
from tests.adapters.sqlite_support import a_job

# What JSON writes as six characters each.
LONGEST = "\x01" * 65_535
A_BILLION = 1_000_000_000  # the longest text that SQLite has


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


def with_errors(job_id: str, count: int, error: str = LONGEST) -> CollectionJob:
    symbols = tuple(f"S{n}" for n in range(count))
    return a_job(job_id, symbols=symbols, failed_symbols=dict.fromkeys(symbols, error))


async def test_a_listing_of_the_longest_texts_works(path: Path) -> None:
    jobs = [with_errors(f"{n:02}", 64) for n in range(42)]
    assert sum(6 * len(LONGEST) * len(job.symbols) for job in jobs) > A_BILLION
    async with SQLiteCollectionJobRepository(path, synchronous="NORMAL") as repository:
        await repository.save_many(jobs)
        assert await repository.list_by_status(JobStatus.PENDING) == jobs
        assert await repository.get_by_id("07") == jobs[7]


async def test_a_job_of_the_most_symbols_is_saved_changed_and_read_back(path: Path) -> None:
    symbols = tuple(f"{n:06}" + "\u20ac" * 20 for n in range(100_000))
    job = a_job(
        symbols=symbols,
        completed_symbols=dict.fromkeys(symbols[::3], 2**63 - 1),
        failed_symbols=dict.fromkeys(symbols[1::3], "\x01" * 20),
    )
    changed = a_job(symbols=symbols[::-2], failed_symbols=dict.fromkeys(symbols[::-2], "gone"))
    async with SQLiteCollectionJobRepository(path, synchronous="NORMAL") as repository:
        for version in (job, changed):
            await repository.save(version)
            assert await repository.get_by_id("job") == version
            assert await repository.list_recent() == [version]
            stats = await repository.get_stats("job")
            assert stats is not None
            assert stats.total_candles == sum(version.completed_symbols.values())


async def test_the_most_metadata_is_saved_changed_and_read_back(path: Path) -> None:
    keys = tuple(f"{n:04}" + "\u20ac" * 251 for n in range(1_000))
    most = a_job("most", metadata=dict.fromkeys(keys, LONGEST[:8_000]))
    others = [a_job(f"{n}", metadata={"ticket": f"T-{n}", "Ticket": ""}) for n in range(3)]
    fewer = a_job("most", metadata=dict.fromkeys(keys[::-3], "short") | {keys[1]: LONGEST})
    async with SQLiteCollectionJobRepository(path, synchronous="NORMAL") as repository:
        await repository.save_many(others)
        for version in (most, fewer, most, a_job("most")):
            await repository.save(version)
            assert await repository.get_by_id("most") == version
            assert await repository.list_by_status(JobStatus.PENDING) == [*others, version]
            assert await repository.list_recent(limit=1_000) == [version, *others[::-1]]
            await repository.add_failed_symbol("most", "BTC/USDT", "boom")
        assert await repository.delete("most")
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT count(*) FROM metadata").fetchone() == (6,)


@pytest.mark.parametrize("length", [rows.LARGEST_DOCUMENT + 1, 20_000_000])
async def test_a_text_that_a_former_release_stored_is_read_whole(path: Path, length: int) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.save_many([with_errors(str(n), 3, "short") for n in range(3)])
    with closing(sqlite3.connect(path)) as other:
        other.execute(
            "UPDATE symbols SET error = ? WHERE job = 2 AND symbol = 'S1'", ("\x01" * length,)
        )
        other.execute("UPDATE jobs SET error_message = ? WHERE key = 3", ("\x01" * length,))
        other.commit()
    async with SQLiteCollectionJobRepository(path) as repository:
        listed = await repository.list_by_status(JobStatus.PENDING)
        assert [job.id for job in listed] == ["0", "1", "2"]
        assert {symbol: len(error) for symbol, error in listed[1].failed_symbols.items()} == {
            "S0": 5,
            "S1": length,
            "S2": 5,
        }
        assert len(listed[2].error_message or "") == length
        assert await repository.get_by_id("2") == listed[2]
        await repository.save(with_errors("1", 3, "short again"))
        assert await repository.get_by_id("1") == with_errors("1", 3, "short again")


async def test_long_texts_keep_the_event_loop_from_other_tasks_for_moments_only(
    path: Path,
) -> None:
    """No document that is decoded in one piece, while no other thread runs, is a long one."""
    lengths: list[int] = []
    decode = rows.decode_json

    def measured(document: str) -> tuple[object, int]:
        lengths.append(len(document))
        return decode(document)

    async with SQLiteCollectionJobRepository(path, synchronous="NORMAL") as repository:
        await repository.save_many([with_errors(f"{n:02}", 20) for n in range(20)])
        large = {f"{n}": LONGEST for n in range(40)}
        await repository.save(a_job("03", metadata=large))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reads, "decode_json", measured)
            patch.setattr(rows, "decode_json", measured)
            assert len(await repository.list_recent()) == 20
            assert len(await repository.list_recent(limit=1_000)) == 20
            assert await repository.get_by_id("03") == a_job("03", metadata=large)
    assert lengths
    assert max(lengths) <= rows.LARGEST_DOCUMENT


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
async def test_jobs_of_any_size_are_listed_in_their_order(
    path: Path, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "LARGEST_DOCUMENT", 2_000 * parts)
    jobs = [with_errors(f"{n:02}", 1 + 7 * n % 23, "e" * (n * 37 % 500)) for n in range(40)]
    async with SQLiteCollectionJobRepository(path, synchronous="NORMAL") as repository:
        await asyncio.gather(*map(repository.save, jobs))
        assert await repository.list_recent(limit=1_000) == jobs[::-1]
        assert await repository.list_by_status(JobStatus.PENDING, limit=1_000, offset=7) == jobs[7:]
        for job in jobs:
            await repository.save(job)
            assert await repository.get_by_id(job.id) == job
