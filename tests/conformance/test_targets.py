"""Both commands take a class, a factory or a URL, or say what to write instead."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from collection_jobs.conformance import TargetError, find_target
from collection_jobs.conformance.static import CheckedClassError
from collection_jobs.conformance.static.checked_class import load_class

SHOP = """
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from collection_jobs import CollectionJobRepository, InMemoryCollectionJobRepository

class Nothing(InMemoryCollectionJobRepository): ...
class Directory(InMemoryCollectionJobRepository):
    def __init__(self, directory, *, retries=3): super().__init__()
class Server(InMemoryCollectionJobRepository):
    def __init__(self, host, port): super().__init__()
class Keyword(InMemoryCollectionJobRepository):
    def __init__(self, *, path): super().__init__()
class Several(InMemoryCollectionJobRepository):
    def __init__(self, *paths): super().__init__()

def plain(directory: Path) -> Nothing: return Nothing()
def untyped(directory): return Nothing()
def general(directory: Path) -> CollectionJobRepository: return Nothing()
def missing(directory: Path) -> "NotImported": return Nothing()
def alone() -> Nothing: return Nothing()
@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[Nothing]:
    async with Nothing() as repository:
        yield repository
"""


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield
    sys.modules.pop("shop", None)


@pytest.mark.parametrize("name", ["Nothing", "Directory", "Several", "plain", "untyped", "opened"])
def test_verify_takes_a_class_and_a_factory(name: str, tmp_path: Path) -> None:
    store = find_target(f"shop:{name}").factory(tmp_path)
    assert hasattr(store, "__aenter__")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("shop:Server", "takes host, port, and the kit has a directory for each store, nothing"),
        ("shop:Server", "name a function such as def open_store(directory): return Server(host"),
        ("shop:Keyword", "'shop:Keyword' takes path, and"),
        ("shop:alone", "'shop:alone' takes no directory, and"),
        ("shop", "or module:factory; did you mean shop:open_store?"),
        ("shop.jobs.Jobs", "or module:factory; did you mean shop.jobs:Jobs?"),
        ("nowhere", "or module:factory"),
    ],
)
def test_verify_says_what_to_write_instead(name: str, said: str) -> None:
    with pytest.raises(TargetError) as caught:
        find_target(name)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("shop:plain", "shop:Nothing"),
        ("shop:opened", "shop:Nothing"),
        ("memory:", "collection_jobs.adapters.memory:InMemoryCollectionJobRepository"),
        (
            "sqlite:///nowhere/jobs.db",
            "collection_jobs.adapters.sqlite.repository:SQLiteCollectionJobRepository",
        ),
        (
            "postgresql://nobody@nowhere/none",
            "collection_jobs.adapters.postgres.repository:PostgresCollectionJobRepository",
        ),
    ],
)
def test_check_takes_a_factory_and_a_url(name: str, found: str) -> None:
    assert str(load_class(name)) == found


@pytest.mark.parametrize("name", ["untyped", "general", "missing"])
def test_check_says_what_a_factory_lacks(name: str) -> None:
    said = f"shop:{name} is a function, and its annotation does not say which class it returns"
    with pytest.raises(CheckedClassError, match=said):
        load_class(f"shop:{name}")


def test_check_shows_no_secret_of_a_url() -> None:
    with pytest.raises(CheckedClassError, match="no installed package opens") as caught:
        load_class("redis://user:secret@host")
    assert "secret" not in str(caught.value)
