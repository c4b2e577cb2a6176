"""The files keep every law that they declare."""

from pathlib import Path

import pytest

from collection_jobs import RepositoryError, open_repository
from collection_jobs.conformance.prelude import example_job
from collection_jobs.pytest_plugin import RepositoryConformance
from collection_jobs_files import FileCollectionJobRepository


class TestFiles(RepositoryConformance):
    """The laws, on real files."""

    def open_repository(self, directory: Path) -> FileCollectionJobRepository:
        """Open the store in a directory."""
        return FileCollectionJobRepository(directory)


async def test_a_url_opens_it(tmp_path: Path) -> None:
    """Its scheme is an entry point of the installed package."""
    async with open_repository(f"files:///{tmp_path}/jobs") as repository:
        await repository.save(example_job("a"))
    async with FileCollectionJobRepository(tmp_path / "jobs") as again:
        assert await again.get_by_id("a") == example_job("a")


async def test_a_newer_layout_is_refused(tmp_path: Path) -> None:
    """A directory that a later version wrote is left as it is."""
    async with FileCollectionJobRepository(tmp_path):
        (tmp_path / "layout").write_text("2")
    with pytest.raises(RepositoryError, match="layout says b'2', not '1'"):
        async with FileCollectionJobRepository(tmp_path):
            pass
