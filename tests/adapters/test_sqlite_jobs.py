"""What goes in comes out: the laws of SAVE, GET, LIST, RECENT and STATS on one SQLite file."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collection_jobs import (
    CollectionJob,
    JobNotFoundError,
    JobQuery,
    JobStats,
    JobStatus,
    StaleJobError,
    UnknownSymbolError,
)
from collection_jobs.adapters import sqlite
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository
from tests.adapters.sqlite_support import NOON, a_job

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
instants = st.datetimes(timezones=st.just(UTC))
candles = st.integers(0, 2**63 - 1) | st.sampled_from([2**53 + 1, 2**63 - 1])


@st.composite
def jobs(draw: st.DrawFn) -> CollectionJob:
    symbols = draw(st.lists(names, min_size=1, max_size=6, unique=True))
    start, end = sorted(draw(st.lists(instants, min_size=2, max_size=2, unique=True)))
    outcomes = {symbol: draw(st.none() | candles | st.text()) for symbol in symbols}
    return CollectionJob(
        id=draw(names),
        source=draw(names),
        symbols=tuple(symbols),
        timeframe=draw(names),
        start=start,
        end=end,
        created_at=draw(instants),
        status=draw(st.sampled_from(JobStatus)),
        started_at=draw(st.none() | instants),
        finished_at=draw(st.none() | instants),
        error_message=draw(st.none() | st.text()),
        completed_symbols={s: n for s, n in outcomes.items() if isinstance(n, int)},
        failed_symbols={s: e for s, e in outcomes.items() if isinstance(e, str)},
    )


@pytest.fixture
async def repository(tmp_path: Path) -> AsyncIterator[SQLiteCollectionJobRepository]:
    async with SQLiteCollectionJobRepository(tmp_path / "jobs.db") as opened:
        yield opened


@settings(max_examples=30, deadline=None)
@given(versions=st.lists(jobs(), min_size=1, max_size=12))
def test_what_is_saved_is_read_back_equal_whatever_it_replaces(
    versions: list[CollectionJob],
) -> None:
    async def save_each_over_the_last() -> None:
        async with SQLiteCollectionJobRepository(Path(folder) / "jobs.db") as repository:
            for version in versions:
                await repository.save(version)
                assert await repository.get_by_id(version.id) == version
                assert await repository.get_stats(version.id) == JobStats.from_job(version)
                assert version in await repository.list_recent(limit=1000)
                one = a_version_of(version)
                await repository.save(one)
                assert await repository.get_by_id("one") == one

    def a_version_of(job: CollectionJob) -> CollectionJob:
        values: dict[str, Any] = {field.name: getattr(job, field.name) for field in fields(job)}
        values["id"] = "one"
        return CollectionJob(**values)

    with TemporaryDirectory() as folder:
        asyncio.run(save_each_over_the_last())


@pytest.mark.parametrize(
    "text", ["'; DROP TABLE jobs; --", '"', "\\", "\\u0000", "\x01\x1f\x7f", "\u2028", "😀", "é é"]
)
async def test_hostile_text_is_only_text(
    repository: SQLiteCollectionJobRepository, text: str
) -> None:
    job = a_job(text, source=text, symbols=(text,), timeframe=text, error_message=text)
    await repository.save(job)
    await repository.add_failed_symbol(text, text, text)
    assert await repository.get_by_id(text) == job.with_failed_symbol(text, text)
    assert await repository.get_by_id(text + " ") is None


async def test_the_sum_of_candles_has_no_upper_bound(
    repository: SQLiteCollectionJobRepository,
) -> None:
    counts = [2**63 - 1, 2**63 - 1, 1, 2**62]
    job = a_job(symbols=("A", "B", "C", "D"))
    await repository.save(job)
    for symbol, count in zip(job.symbols, counts, strict=True):
        await repository.add_completed_symbol(job.id, symbol, count)
    stored = await repository.get_by_id(job.id)
    assert stored is not None
    assert list(stored.completed_symbols.values()) == counts
    assert await repository.get_stats(job.id) == JobStats(4, 4, 0, sum(counts))


async def test_limits_and_offsets_have_no_upper_bound(
    repository: SQLiteCollectionJobRepository,
) -> None:
    await repository.save(a_job())
    assert len(await repository.list_recent(limit=2**80)) == 1
    assert len(await repository.list_by_status(JobStatus.PENDING, limit=2**80)) == 1
    assert await repository.list_by_status(JobStatus.PENDING, offset=2**80) == []
    assert await repository.list_recent(limit=0) == []


async def test_a_revision_beyond_64_bits_is_stale_and_not_an_overflow(
    repository: SQLiteCollectionJobRepository,
) -> None:
    with pytest.raises(StaleJobError):
        await repository.save(a_job(revision=2**80))
    await repository.save(a_job())
    with pytest.raises(StaleJobError) as caught:
        await repository.save(a_job(revision=2**80))
    assert (caught.value.expected, caught.value.found) == (2**80, 1)


async def test_every_change_gives_a_greater_revision_also_after_a_deletion(
    repository: SQLiteCollectionJobRepository,
) -> None:
    seen: list[int | None] = []

    async def look() -> CollectionJob:
        job = await repository.get_by_id("job")
        assert job is not None
        seen.append(job.revision)
        return job

    await repository.save(a_job())
    first = await look()
    await repository.save(first)
    await look()
    await repository.update_status("job", JobStatus.RUNNING)
    await look()
    await repository.add_failed_symbol("job", "BTC/USDT", "gone")
    await look()
    await repository.delete("job")
    await repository.save(a_job())
    await look()
    assert seen == sorted(set(seen), key=lambda revision: revision or 0)
    with pytest.raises(StaleJobError):
        await repository.save(first)


async def test_a_call_that_changes_nothing_leaves_the_revision(
    repository: SQLiteCollectionJobRepository,
) -> None:
    await repository.save(a_job())
    await repository.save(a_job())
    assert not await repository.update_status("job", JobStatus.COMPLETED)
    with pytest.raises(UnknownSymbolError):
        await repository.add_failed_symbol("job", "DOGE", "?")
    with pytest.raises(StaleJobError):
        await repository.save(a_job(revision=1))
    job = await repository.get_by_id("job")
    assert job is not None
    assert job.revision == 2


async def test_an_unknown_job_is_named(repository: SQLiteCollectionJobRepository) -> None:
    with pytest.raises(JobNotFoundError, match="'nobody'"):
        await repository.add_failed_symbol("nobody", "BTC/USDT", "?")
    with pytest.raises(JobNotFoundError, match="'nobody'"):
        await repository.add_completed_symbol("nobody", "BTC/USDT", 1)
    assert not await repository.update_status("nobody", JobStatus.RUNNING)
    assert await repository.get_stats("nobody") is None
    assert not await repository.delete("nobody")


async def test_listings_of_any_length_come_in_the_order_of_the_contract(
    repository: SQLiteCollectionJobRepository,
) -> None:
    ids = ["Z", "a", "é", "z", "\uffff", "😀", *(f"{n:03}" for n in range(350))]
    expected = sorted(
        (a_job(job_id, created_at=NOON + timedelta(seconds=len(job_id))) for job_id in ids),
        key=lambda job: (job.created_at, job.id),
    )
    await repository.save_many(reversed(expected))
    assert await repository.list_by_status(JobStatus.PENDING, limit=1000) == expected
    assert await repository.list_recent(limit=1000) == expected[::-1]
    assert await repository.list_recent(limit=2) == expected[:-3:-1]
    for limit in (7, 100, 101):
        pages = [
            await repository.list_by_status(JobStatus.PENDING, limit, offset)
            for offset in range(0, len(expected), limit)
        ]
        assert [job for page in pages for job in page] == expected
    assert (
        await repository.list_recent(since=NOON + timedelta(seconds=2))
        == (await repository.list_recent(limit=350))[:100]
    )


async def test_line_breaks_part_no_job_from_its_symbols(
    repository: SQLiteCollectionJobRepository,
) -> None:
    """A page is read as lines."""
    odd = ("a\nb", "\n", "c\r\x1c\x85\u2028", '"', "\\n")
    jobs = [
        a_job(
            f"{name}{number}",
            symbols=odd[number:],
            completed_symbols={odd[3]: number},
            failed_symbols={odd[4]: "\n\n"},
            failure_counts={odd[4]: 1 + number} if number % 2 else {},
            metadata={"\n": "x\ny"} if number == 2 else {},
            error_message="one\ntwo",
        )
        for number in range(4)
        for name in ("\n", "plain")
    ]
    await repository.save_many(jobs)
    listed = await repository.list_by_status(JobStatus.PENDING)
    assert listed == sorted(jobs, key=lambda job: job.id)
    assert await repository.list_by_status(JobStatus.PENDING, limit=1_000) == listed
    for job in jobs:
        assert await repository.get_by_id(job.id) == job
    found = await repository.find(JobQuery())
    assert [summary.symbols for summary in found] == [job.symbols for job in listed]


async def test_jobs_of_the_same_symbols_share_them(
    repository: SQLiteCollectionJobRepository,
) -> None:
    few, many = ("a", "b"), tuple(f"{n}" for n in range(5_000))
    await repository.save_many(a_job(f"{n}", symbols=few if n % 2 else many) for n in range(4))
    first, second, third, fourth = await repository.list_recent()
    assert first.symbols is third.symbols
    assert second.symbols == fourth.symbols == many
    assert second.symbols is not fourth.symbols  # too long to be remembered


async def test_pages_by_key_join_up_to_the_whole(
    repository: SQLiteCollectionJobRepository,
) -> None:
    await repository.save_many(a_job(f"{n:03}") for n in range(50))
    found: list[CollectionJob] = []
    after: tuple[datetime, str] | None = None
    while page := await repository.list_after(JobStatus.PENDING, after, limit=7):
        found += page
        after = (page[-1].created_at, page[-1].id)
    assert found == await repository.list_by_status(JobStatus.PENDING)


async def test_save_many_saves_all_or_none(repository: SQLiteCollectionJobRepository) -> None:
    with pytest.raises(StaleJobError):
        await repository.save_many([a_job("a"), a_job("b", revision=7), a_job("c")])
    assert await repository.list_recent() == []
    await repository.save_many([a_job("a"), a_job("b")])
    assert len(await repository.list_recent()) == 2


async def test_a_change_of_status_sets_and_clears_what_the_lifecycle_says(
    repository: SQLiteCollectionJobRepository,
) -> None:
    async def changed_to(status: JobStatus, error: str | None = None) -> CollectionJob:
        assert await repository.update_status("job", status, error)
        job = await repository.get_by_id("job")
        assert job is not None
        return job

    await repository.save(a_job())
    before = datetime.now(UTC)
    running = await changed_to(JobStatus.RUNNING)
    assert running.started_at is not None
    assert before <= running.started_at <= datetime.now(UTC)
    failed = await changed_to(JobStatus.FAILED, "no \0 power")
    assert failed.error_message == "no \ufffd power"
    assert (failed.started_at, failed.finished_at is None) == (running.started_at, False)
    again = await changed_to(JobStatus.PENDING)
    assert (again.started_at, again.finished_at, again.error_message) == (None, None, None)


async def test_a_short_read_that_repeats_itself_leaves_turns_to_other_tasks(
    repository: SQLiteCollectionJobRepository,
) -> None:
    turns = 0

    async def other_task() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    await repository.save(a_job())
    task = asyncio.create_task(other_task())
    for _ in range(2000):
        await repository.get_by_id("job")
    task.cancel()
    assert turns >= 10


async def test_a_wrong_argument_is_refused_even_while_closed(tmp_path: Path) -> None:
    repository = SQLiteCollectionJobRepository(tmp_path / "jobs.db")
    with pytest.raises(ValueError, match="-1"):
        await repository.list_recent(limit=-1)
    with pytest.raises(ValueError, match="naive"):
        await repository.list_recent(since=datetime(2024, 1, 1))  # noqa: DTZ001 - the naive one
    with pytest.raises(ValueError, match="255"):
        await repository.get_by_id("x" * 256)
    with pytest.raises(TypeError, match="nan"):
        await repository.add_completed_symbol("job", "A", math.nan)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - the wrong one


def test_no_statement_numbers_its_parameters() -> None:
    """Python 3.12.0 to 3.12.3 take ?1 for a name, and warn of each."""
    package = Path(sqlite.__file__).parent
    for module in package.glob("*.py"):
        assert not re.search(r"[ (]\?\d", module.read_text(encoding="utf-8")), module.name
