"""Where the stores of a verdict lie."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from tempfile import gettempdir

import pytest

from collection_jobs import CollectionJobRepository, InMemoryCollectionJobRepository
from collection_jobs.conformance import Target, verify
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.running.stores import stores_parent

BRIEF = [check for check in CHECKS if check.name == "a closed repository"]


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)


def test_a_target_that_names_a_disk_gets_its_stores_there(tmp_path: Path) -> None:
    seen: list[Path] = []

    def factory(directory: Path) -> AbstractAsyncContextManager[CollectionJobRepository]:
        seen.append(directory)
        return InMemoryCollectionJobRepository()

    verify(Target("noted", factory, scratch=tmp_path), profile="quick", checks=BRIEF)
    assert seen
    assert all(tmp_path in directory.parents for directory in seen)
    assert list(tmp_path.iterdir()) == []


def test_a_quick_look_is_not_kept_waiting_by_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collection_jobs.conformance.running.stores._MEMORY", tmp_path)
    assert stores_parent(None, on_disk=False) == tmp_path
    assert stores_parent(None, on_disk=True) == Path(gettempdir())


def test_where_memory_is_short_the_disk_has_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collection_jobs.conformance.running.stores._MEMORY", tmp_path)
    monkeypatch.setattr("collection_jobs.conformance.running.stores._ENOUGH", 2**62)
    assert stores_parent(None, on_disk=False) == Path(gettempdir())
    monkeypatch.setattr("collection_jobs.conformance.running.stores._MEMORY", tmp_path / "missing")
    assert stores_parent(None, on_disk=False) == Path(gettempdir())


def test_the_users_word_counts_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collection_jobs.conformance.running.stores._MEMORY", tmp_path)
    monkeypatch.setenv("TMPDIR", gettempdir())
    assert stores_parent(None, on_disk=False) == Path(gettempdir())
