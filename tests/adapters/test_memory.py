"""The in-memory repository: its keys stay in order, and its lifecycle passes the state machine."""

from __future__ import annotations

from bisect import insort
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collection_jobs import InMemoryCollectionJobRepository, JobStatus, RepositoryClosedError
from collection_jobs.adapters import sorted_keys
from collection_jobs.adapters.sorted_keys import Key, SortedKeys
from collection_jobs.conformance import LifecycleMachine, OpenStore
from collection_jobs.conformance.spec.calls import example_job

START = datetime(2024, 1, 1, tzinfo=UTC)


class InMemoryLifecycle(LifecycleMachine):
    def new_store(self) -> OpenStore:
        return OpenStore(InMemoryCollectionJobRepository())


TestInMemoryLifecycle = InMemoryLifecycle.TestCase
TestInMemoryLifecycle.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def key(number: int) -> Key:
    return START + timedelta(seconds=number // 3), str(number % 3)


@given(numbers=st.lists(st.integers(0, 40)), offset=st.integers(0, 50))
def test_keys_are_listed_as_a_sorted_list_would_list_them(numbers: list[int], offset: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_keys, "_BLOCK", 3)  # small blocks split and vanish often
        keys, plain = SortedKeys(), list[Key]()
        for number in numbers:  # a number seen again takes its key away
            if key(number) in plain:
                keys.remove(key(number))
                plain.remove(key(number))
            else:
                keys.add(key(number))
                insort(plain, key(number))
            assert list(keys.ascending()) == plain
        assert list(keys.ascending(offset)) == plain[offset:]
        assert list(keys.descending()) == plain[::-1]


def test_a_listing_looks_at_no_more_keys_than_it_shows() -> None:
    keys = SortedKeys()
    for number in range(10_000):
        keys.add(key(number))
    blocks = len(keys._blocks)
    assert blocks >= 10_000 / (2 * sorted_keys._BLOCK)
    page = list(islice(keys.ascending(9_000), 2))
    assert page == [key(9_000), key(9_001)]


async def test_a_test_may_set_the_clock() -> None:
    repository = InMemoryCollectionJobRepository(clock=lambda: START)
    await repository.save(example_job("a"))
    await repository.update_status("a", JobStatus.RUNNING)
    job = await repository.get_by_id("a")
    assert job is not None
    assert job.started_at == START


async def test_leaving_the_block_closes_and_closing_twice_is_nothing() -> None:
    async with InMemoryCollectionJobRepository() as repository:
        await repository.save(example_job("a"))
    await repository.close()
    with pytest.raises(RepositoryClosedError, match="closed"):
        await repository.get_by_id("a")
    with pytest.raises(RepositoryClosedError):
        async with repository:
            pass
