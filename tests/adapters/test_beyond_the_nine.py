"""The capabilities beyond the nine methods, on every adapter that ships with the package."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import Protocol

from collection_jobs import (
    CollectionJob,
    CollectionJobRepository,
    JobNotFoundError,
    JobStatus,
    PagesByKey,
    RecordsCompletedSymbols,
    RepositoryClosedError,
    SavesMany,
    StaleJobError,
    UnknownSymbolError,
    open_repository,
)
from collection_jobs.conformance.spec.calls import example_job

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
KEYS = [(NOON + timedelta(seconds=number // 3), f"job {number % 3}") for number in range(10)]


class Whole(CollectionJobRepository, RecordsCompletedSymbols, SavesMany, PagesByKey, Protocol):
    """A repository with every capability."""


@pytest.fixture
def postgresql(url: str) -> str:
    return url


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/jobs.db"


@pytest.fixture
def memory() -> str:
    return "memory:"


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def repository(request: pytest.FixtureRequest) -> AsyncGenerator[Whole]:
    url: str = request.getfixturevalue(request.param)
    async with open_repository(url) as opened:
        whole: Any = opened
        yield whole


async def test_a_capability_can_be_asked_for(repository: Whole) -> None:
    for capability in (RecordsCompletedSymbols, SavesMany, PagesByKey):
        assert isinstance(repository, capability)
    assert not isinstance(object(), RecordsCompletedSymbols)


async def test_a_completed_symbol_replaces_its_former_outcome(repository: Whole) -> None:
    await repository.save(example_job("a", failed_symbols={"BTC": "boom"}))
    before = await repository.get_by_id("a")
    await repository.add_completed_symbol("a", "BTC", 2**63 - 1)
    job = await repository.get_by_id("a")
    assert before is not None
    assert job == before.with_completed_symbol("BTC", 2**63 - 1)
    assert job is not None
    assert job.revision is not None
    assert before.revision is not None
    assert job.revision > before.revision


async def test_a_completion_that_belongs_nowhere_is_refused(repository: Whole) -> None:
    await repository.save(example_job("a"))
    with pytest.raises(JobNotFoundError):
        await repository.add_completed_symbol("b", "BTC", 1)
    with pytest.raises(UnknownSymbolError):
        await repository.add_completed_symbol("a", "XRP", 1)
    with pytest.raises(ValueError, match="candles must be 0 or more: -1"):
        await repository.add_completed_symbol("a", "BTC", -1)
    assert await repository.get_by_id("a") == example_job("a")


async def test_many_are_saved_or_none(repository: Whole) -> None:
    await repository.save(example_job("a"))
    stale = await repository.get_by_id("a")
    await repository.save(example_job("a", source="kraken"))
    assert stale is not None
    with pytest.raises(StaleJobError):
        await repository.save_many([example_job("b"), stale, example_job("c")])
    assert [job.id for job in await repository.list_recent()] == ["a"]
    current = await repository.get_by_id("a")
    assert current is not None
    await repository.save_many([example_job("b"), current, example_job("c")])
    assert [job.id for job in await repository.list_recent()] == ["c", "b", "a"]


async def test_a_job_that_comes_twice_is_saved_in_its_order(repository: Whole) -> None:
    await repository.save_many([example_job("a"), example_job("a", source="kraken")])
    job = await repository.get_by_id("a")
    assert job == example_job("a", source="kraken")
    assert job is not None
    with pytest.raises(StaleJobError):
        await repository.save_many([job, job])
    assert await repository.get_by_id("a") == job


async def test_pages_by_key_join_up_to_the_whole(repository: Whole) -> None:
    for created_at, job_id in KEYS:
        await repository.save(example_job(f"{job_id} {created_at:%S}", created_at=created_at))
    await repository.save(example_job("running", status=JobStatus.RUNNING, created_at=NOON))
    whole = await repository.list_by_status(JobStatus.PENDING)
    for limit in (1, 3, 4, 100):
        pages, after = list[CollectionJob](), None
        while page := await repository.list_after(JobStatus.PENDING, after, limit):
            assert len(page) <= limit
            # Else a page that begins with the last job of the former one would have no end.
            assert after is None or (page[0].created_at, page[0].id) > after
            pages += page
            after = (page[-1].created_at, page[-1].id)
        assert pages == whole
    assert await repository.list_after(JobStatus.PENDING, limit=0) == []


async def test_a_page_goes_on_behind_a_job_that_is_gone(repository: Whole) -> None:
    for name in "abc":
        await repository.save(example_job(name, created_at=NOON))
    await repository.delete("b")
    rest = await repository.list_after(JobStatus.PENDING, (NOON, "b"))
    assert [job.id for job in rest] == ["c"]


@pytest.mark.parametrize(
    ("after", "error"),
    [
        ("b", TypeError),
        ((NOON,), TypeError),
        ((NOON.replace(tzinfo=None), "b"), ValueError),
        ((NOON, ""), ValueError),
    ],
)
async def test_a_wrong_key_is_refused(
    repository: Whole, after: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="after"):
        await repository.list_after(JobStatus.PENDING, after)


async def test_closed_is_closed() -> None:
    opening: Any = open_repository("memory:")
    async with opening as repository:
        pass
    for call in (
        repository.add_completed_symbol("a", "BTC", 1),
        repository.save_many([]),
        repository.list_after(JobStatus.PENDING),
    ):
        with pytest.raises(RepositoryClosedError):
            await call
