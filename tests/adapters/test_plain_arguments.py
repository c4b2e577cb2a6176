"""Every method of every adapter takes its arguments by the slots of their base types."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from collection_jobs import JobStatus, open_repository
from collection_jobs.conformance.spec.calls import example_job
from collection_jobs.conformance.spec.domain_texts import LONG_TEXTS
from collection_jobs.validation import MAX_CANDLES, MAX_SYMBOLS, check_text
from tests.liars import LyingDatetime, LyingInt, LyingStr, LyingTuple

BORN = datetime(2024, 3, 1, tzinfo=UTC)


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
async def repository(request: pytest.FixtureRequest) -> AsyncGenerator[Any]:
    url: str = request.getfixturevalue(request.param)
    async with open_repository(url) as opened:
        yield opened


async def test_lying_arguments_do_what_plain_ones_do(repository: Any) -> None:
    name, born = LyingStr("a"), LyingDatetime(2024, 3, 1, tzinfo=UTC)
    for number in range(3):
        await repository.save(example_job("abc"[number], symbols=("BTC", "ETH", "XRP")))
    assert (await repository.get_by_id(name)).id == "a"
    assert await repository.update_status(name, JobStatus.RUNNING, LyingStr("why")) is True
    await repository.add_failed_symbol(name, LyingStr("BTC"), LyingStr("boom"))
    await repository.add_completed_symbol(name, LyingStr("ETH"), LyingInt(MAX_CANDLES))
    job = await repository.get_by_id("a")
    assert (job.error_message, dict(job.failed_symbols)) == ("why", {"BTC": "boom"})
    assert dict(job.completed_symbols) == {"ETH": MAX_CANDLES}
    assert (await repository.get_stats(name)).total_candles == MAX_CANDLES
    pending = await repository.list_by_status(JobStatus.PENDING, LyingInt(1), LyingInt(1))
    assert [job.id for job in pending] == ["c"]
    recent = await repository.list_recent(LyingInt(2), born)
    assert [job.id for job in recent] == ["c", "b"]
    after = LyingTuple((born, LyingStr("b")))
    assert [
        job.id for job in await repository.list_after(JobStatus.PENDING, after, LyingInt(5))
    ] == ["c"]
    assert await repository.delete(name) is True
    assert await repository.get_by_id("a") is None


@pytest.mark.parametrize("number", range(len(LONG_TEXTS)))
async def test_a_long_text_is_cut_alike_by_every_method(repository: Any, number: int) -> None:
    text, due = LONG_TEXTS[number], check_text("error", LONG_TEXTS[number])
    await repository.save(example_job("a", failed_symbols={"ETH": text}))
    await repository.add_failed_symbol("a", "BTC", text)
    await repository.update_status("a", JobStatus.FAILED, text)
    for job in (await repository.get_by_id("a"), (await repository.list_recent())[0]):
        assert dict(job.failed_symbols) == {"BTC": due, "ETH": due}
        assert job.error_message == due


async def test_a_job_at_the_bound_of_symbols_is_read_back(repository: Any) -> None:
    job = example_job("a", symbols=tuple(map(str, range(MAX_SYMBOLS))))
    await repository.save(job)
    await repository.add_completed_symbol("a", "99999", MAX_CANDLES)
    assert await repository.get_by_id("a") == job.with_completed_symbol("99999", MAX_CANDLES)


@pytest.mark.parametrize("job_id", ["a\0b", "a\ud800b"])
async def test_an_id_that_no_job_can_have_is_refused_in_queries(
    repository: Any, job_id: str
) -> None:
    calls: tuple[Callable[[str], Any], ...] = (
        repository.get_by_id,
        repository.delete,
        repository.get_stats,
        lambda job_id: repository.update_status(job_id, JobStatus.RUNNING),
        lambda job_id: repository.add_failed_symbol(job_id, "BTC", "boom"),
        lambda job_id: repository.list_after(JobStatus.PENDING, (BORN, job_id)),
    )
    for call in calls:
        with pytest.raises(ValueError, match="must have no NUL and no lone surrogate"):
            await call(job_id)
