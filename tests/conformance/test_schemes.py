"""Schemes of other packages: the kit judges their URLs, on stores that they make and discard."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from collection_jobs import InMemoryCollectionJobRepository, open_repository
from collection_jobs.conformance import TargetError, find_target, verify
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.opening import Scheme, ScratchStores

STORES: dict[str, InMemoryCollectionJobRepository] = {}
DISCARDED: list[Path] = []
ONE_CALLER = [check for check in CHECKS if check.name == "one caller"]


class Kept(InMemoryCollectionJobRepository):
    """A store that stays in STORES, by its URL."""

    async def close(self) -> None:
        """Stay open."""


def open_kept(url: str) -> InMemoryCollectionJobRepository:
    if url.endswith("/closed"):
        raise OSError("no route to host")
    return STORES.setdefault(url, Kept())


def scratch(url: str) -> ScratchStores:
    if url.endswith("/wrong"):
        raise ValueError("there is no wrong database")

    async def discard(directories: Sequence[Path]) -> None:
        await asyncio.sleep(0)
        if url.endswith("/stuck"):
            raise OSError("it does not go away")
        DISCARDED.extend(directories)
        for directory in directories:
            STORES.pop(f"{url}{directory}", None)

    return ScratchStores(lambda directory: f"{url}{directory}", discard)


KEPT = Scheme(open_kept, scratch)


def open_plain(url: str) -> InMemoryCollectionJobRepository:
    return InMemoryCollectionJobRepository()


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    group = "collection_jobs.repositories"
    points = [
        EntryPoint("kept", f"{__name__}:KEPT", group),
        EntryPoint("plain", f"{__name__}:open_plain", group),
    ]

    def entry_points(**wanted: Any) -> EntryPoints:
        return EntryPoints(points).select(**wanted)

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    yield
    STORES.clear()
    DISCARDED.clear()


def test_the_kit_judges_stores_beside_the_users_own_and_discards_them() -> None:
    assert open_repository("kept://u:secret@h/mine") is STORES["kept://u:secret@h/mine"]
    report = verify(find_target("kept://u:secret@h/mine"), profile="quick", checks=ONE_CALLER)
    assert report.target == "kept://u:***@h/mine"
    assert not report.findings
    assert set(STORES) == {"kept://u:secret@h/mine"}
    assert len(set(DISCARDED)) > 5


def test_they_are_discarded_when_the_run_is_interrupted_or_the_store_fails() -> None:
    calls = iter([False, False, True])
    with pytest.raises(KeyboardInterrupt):
        verify(
            find_target("kept://h/mine"),
            profile="quick",
            checks=ONE_CALLER,
            interrupted=lambda: next(calls),
        )
    assert len(DISCARDED) == 2
    assert not STORES


def test_an_error_while_discarding_is_told_unless_another_came_first() -> None:
    with pytest.raises(TargetError, match="could not be removed: OSError: it does not go away"):
        verify(find_target("kept://h/stuck"), profile="quick", checks=())
    with pytest.raises(KeyboardInterrupt):
        verify(find_target("kept://h/stuck"), profile="quick", interrupted=lambda: bool(STORES))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("kept://u:secret@h/wrong", "'kept://u:***@h/wrong' is not a target: there is no wrong"),
        (
            "plain://u:secret@h/",
            "opens 'plain://u:***@h/' cannot create stores for the kit: name a fact",
        ),
        (
            "lost://u:secret@h/",
            "no installed package opens the scheme 'lost'; known are kept, memory",
        ),
    ],
)
def test_a_url_that_the_kit_cannot_judge_is_one_clear_sentence(url: str, message: str) -> None:
    with pytest.raises(TargetError) as caught:
        find_target(url)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
