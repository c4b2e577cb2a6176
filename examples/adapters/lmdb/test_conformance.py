"""LMDB keeps every law."""

from pathlib import Path

import pytest

from collection_jobs import JobStatus, RepositoryError, open_repository
from collection_jobs.conformance.prelude import example_job
from collection_jobs.pytest_plugin import RepositoryConformance
from collection_jobs_lmdb import LMDBCollectionJobRepository


class TestLMDB(RepositoryConformance):
    """The laws, on real files."""

    def open_repository(self, directory: Path) -> LMDBCollectionJobRepository:
        """Open the store in a directory."""
        return LMDBCollectionJobRepository(directory)


async def test_a_url_opens_it(tmp_path: Path) -> None:
    """Its scheme is an entry point of the installed package."""
    async with open_repository(f"lmdb:///{tmp_path}/jobs") as repository:
        await repository.save(example_job("a"))
    async with LMDBCollectionJobRepository(tmp_path / "jobs") as again:
        assert await again.get_by_id("a") == example_job("a")


async def test_ids_longer_than_a_key_are_listed_in_order(tmp_path: Path) -> None:
    """Their keys in the indexes are cut, and end alike."""
    long = "\u00e9" * 240  # two bytes each
    ids = [long + ending for ending in ("", *"cab", "\u00e9" * 15)] + [long[:235], long[:238] + "z"]
    async with LMDBCollectionJobRepository(tmp_path) as repository:
        for job_id in ids:
            await repository.save(example_job(job_id))
        in_order = sorted(ids)
        for offset in range(len(ids)):
            page = await repository.list_by_status(JobStatus.PENDING, 3, offset)
            assert [job.id for job in page] == in_order[offset : offset + 3]
        newest = await repository.list_recent(4)
        assert [job.id for job in newest] == in_order[:-5:-1]


async def test_a_full_map_is_a_repository_error_and_the_store_works_on(tmp_path: Path) -> None:
    """LMDB's file does not grow beyond what was said when it was opened."""
    symbols = tuple("abcde")  # each with as long an error as a job keeps
    large = example_job("b", symbols=symbols, failed_symbols=dict.fromkeys(symbols, "x" * 2**16))
    async with LMDBCollectionJobRepository(tmp_path, map_size=2**18) as repository:
        await repository.save(example_job("a"))
        with pytest.raises(RepositoryError, match="MDB_MAP_FULL"):
            await repository.save(large)
        await repository.save(example_job("c"))
        assert [job.id for job in await repository.list_recent()] == ["c", "a"]
