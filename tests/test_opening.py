"""open_repository: every scheme opens its engine, and a wrong URL is one clear sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from collection_jobs import (
    CollectionJobRepository,
    InMemoryCollectionJobRepository,
    RepositoryError,
    open_repository,
)
from collection_jobs.conformance.spec.calls import example_job


async def test_memory_opens_a_new_store_each_time() -> None:
    async with open_repository("memory:") as one, open_repository("memory:") as other:
        await one.save(example_job("a"))
        assert await one.get_by_id("a") == example_job("a")
        assert await other.get_by_id("a") is None


async def test_sqlite_opens_the_same_file_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    async with open_repository(url) as repository:
        assert isinstance(repository, CollectionJobRepository)
        await repository.save(example_job("a"))
    async with open_repository(url) as repository:
        assert await repository.get_by_id("a") == example_job("a")


async def test_who_only_looks_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match=r"there is no file '.*jobs\.db'"):
        async with open_repository(f"sqlite:///{tmp_path}/jobs.db", create=False):
            pytest.fail("it opened")
    assert not (tmp_path / "jobs.db").exists()
    async with open_repository("memory:", create=False) as repository:
        assert await repository.list_recent() == []


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


async def test_three_slashes_are_a_relative_path_and_four_an_absolute_one(here: Path) -> None:
    async with open_repository("sqlite:///beside.db"):
        assert (here / "beside.db").exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("jobs.db", "begins with its scheme"),
        ("", "begins with its scheme"),
        (":", "begins with its scheme"),
        ("memory:jobs", "memory: takes nothing after it: 'memory:***'"),
        ("mongodb://user:secret@host/db", "no installed package opens the scheme 'mongodb'"),
        ("sqlite:///jobs.db?synchronous=OFF", "OFF"),
        ("sqlite:///:memory:", "memory:"),
    ],
)
def test_a_wrong_url_is_one_clear_sentence(url: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is looked at below
        open_repository(url)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_package_adds_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("ram", f"{__name__}:open_ram", "collection_jobs.repositories")

    def entry_points(**wanted: Any) -> EntryPoints:
        return EntryPoints([point]).select(**wanted)

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    opened = open_repository("ram://anywhere")
    assert isinstance(opened, InMemoryCollectionJobRepository)
    open_repository("ram://anywhere", create=False)
    assert sys.modules[__name__].opened_urls == ["ram://anywhere", "ram://anywhere, if it exists"]


opened_urls: list[str] = []


def open_ram(url: str, *, create: bool = True) -> InMemoryCollectionJobRepository:
    """What the entry point of another package would load."""
    opened_urls.append(url if create else f"{url}, if it exists")
    return InMemoryCollectionJobRepository()
