"""SQLAlchemy's engines keep every law."""

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from collection_jobs import RepositoryError, open_repository
from collection_jobs.conformance.prelude import example_job
from collection_jobs.pytest_plugin import RepositoryConformance
from collection_jobs_sqlalchemy import SQLAlchemyCollectionJobRepository


class TestSQLite(RepositoryConformance):
    """The laws, on real SQLite files."""

    def open_repository(self, directory: Path) -> SQLAlchemyCollectionJobRepository:
        """Open the store in a directory."""
        return SQLAlchemyCollectionJobRepository.from_url(
            f"sqlite+aiosqlite:///{directory}/jobs.db"
        )


async def test_a_url_opens_it(tmp_path: Path) -> None:
    """Its scheme is an entry point of the installed package."""
    url = f"sqlite+aiosqlite:///{tmp_path}/jobs.db"
    async with open_repository(url) as repository:
        await repository.save(example_job("a"))
    engine = create_async_engine(url)
    async with SQLAlchemyCollectionJobRepository(engine) as of_the_service:
        assert await of_the_service.get_by_id("a") == example_job("a")
    async with engine.connect() as connection:  # it is still the service's
        assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
    await engine.dispose()


async def test_a_newer_layout_is_refused(tmp_path: Path) -> None:
    """Tables that a later version migrated are left as they are."""
    url = f"sqlite+aiosqlite:///{tmp_path}/jobs.db"
    async with open_repository(url):
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE collection_job_store SET layout = 4"))
        await engine.dispose()
    with pytest.raises(RepositoryError, match="the tables have layout 4, not 3"):
        async with open_repository(url):
            pass


@pytest.mark.parametrize("layout", [1, 2])
async def test_tables_of_former_layouts_are_brought_to_this_one(
    tmp_path: Path, layout: int
) -> None:
    """They had no metadata, and nothing of a symbol but its outcome."""
    url = f"sqlite+aiosqlite:///{tmp_path}/jobs.db"
    async with open_repository(url) as repository:
        await repository.save(example_job("a", completed_symbols={"BTC": 5}))
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        newer = ["permanent_failures", "failure_counts", "cursors", "metadata"]
        for name in newer[: 5 - layout]:
            await connection.execute(text(f"ALTER TABLE collection_jobs DROP COLUMN {name}"))
        former = text("UPDATE collection_job_store SET layout = :layout")
        await connection.execute(former, {"layout": layout})
    await engine.dispose()
    new = example_job("b", metadata={"ticket": "T-1"}, failure_counts={"BTC": 2**63 - 1})
    async with open_repository(url) as first, open_repository(url) as second:
        assert await first.get_by_id("a") == example_job("a", completed_symbols={"BTC": 5})
        await second.save(new)
        assert await first.get_by_id("b") == new


async def test_a_failure_is_counted_and_no_longer_permanent(tmp_path: Path) -> None:
    """The cursor of its symbol stays."""
    job = example_job("a")
    job = job.with_failed_symbol("BTC", "gone", permanent=True).with_cursor("BTC", job.start)
    async with open_repository(f"sqlite+aiosqlite:///{tmp_path}/jobs.db") as repository:
        await repository.save(job)
        assert await repository.get_by_id("a") == job
        await repository.add_failed_symbol("a", "BTC", "boom")
        assert await repository.get_by_id("a") == job.with_failed_symbol("BTC", "boom")


@pytest.mark.parametrize("url", ["nonsense", "no+driver:///jobs.db"])
def test_a_url_without_a_driver_is_a_value_error(url: str) -> None:
    """In one sentence, which is SQLAlchemy's own."""
    with pytest.raises(ValueError, match=r".+"):
        SQLAlchemyCollectionJobRepository.from_url(url)
