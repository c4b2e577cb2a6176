"""What `jobs watch` tells beside the jobs: rates, the time left, and failures as they come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from collection_jobs import CollectionJob, InMemoryCollectionJobRepository, JobSummary
from collection_jobs.cli.jobs.failure_feed import FailureFeed, SeenFailure
from collection_jobs.cli.jobs.rates import JobRate, Rates, rate_text
from collection_jobs.cli.jobs.watch_view import watch_view
from collection_jobs.conformance.spec.calls import example_job
from tests.cli.support import NOW

SYMBOLS = tuple(f"S{number}" for number in range(10))
RUNNING = example_job("a", symbols=SYMBOLS).start_running(at=NOW)


def having(done: int, candles: int = 100, job: CollectionJob = RUNNING) -> JobSummary:
    for symbol in SYMBOLS[:done]:
        job = job.with_completed_symbol(symbol, candles)
    return JobSummary.from_job(job)


def test_a_rate_is_told_once_something_was_seen_to_change() -> None:
    rates = Rates()
    rates.look([having(2)], 0.0)
    assert rates.of("a") is None
    rates.look([having(2)], 5.0)
    assert rates.of("a") is None
    rates.look([having(4)], 10.0)
    assert rates.of("a") == JobRate(20.0, timedelta(seconds=30))


def test_a_rate_is_that_of_the_last_minute() -> None:
    rates = Rates()
    for second in range(0, 130, 10):
        rates.look([having(1 if second < 60 else 1 + (second - 60) // 10)], float(second))
    pace = rates.of("a")
    assert pace is not None
    assert pace.candles == pytest.approx(10.0)


def test_the_rates_of_all_that_run_are_added() -> None:
    rates = Rates()
    other = replace(RUNNING, id="b")
    done = having(3, job=replace(RUNNING, id="c").complete(at=NOW))
    rates.look([having(0), having(0, job=other), done], 0.0)
    rates.look([having(2), having(1, job=other), done], 10.0)
    assert rates.of_all() == JobRate(30.0, timedelta(seconds=17 / 0.3))
    assert rates.of("c") is None


def test_a_job_that_is_retried_or_made_anew_has_no_negative_rate() -> None:
    rates = Rates()
    rates.look([having(5)], 0.0)
    rates.look([having(1)], 10.0)
    assert rates.of("a") is None


@pytest.mark.parametrize(
    ("pace", "told"),
    [
        (JobRate(1234.5, timedelta(hours=2)), "1,234 candles/s, 2h 00m left"),
        (JobRate(0.25, None), "0.2 candles/s"),
    ],
)
def test_a_pace_is_told_in_few_words(pace: JobRate, told: str) -> None:
    assert rate_text(pace) == told


async def test_failures_are_news_when_they_come_and_not_before() -> None:
    async with InMemoryCollectionJobRepository() as repository:
        await repository.save(RUNNING.with_failed_symbol("S0", "old"))
        await repository.save(example_job("quiet"))
        feed = FailureFeed()

        async def look() -> list[tuple[str, str, str, bool]]:
            summaries = [
                JobSummary.from_job(job)
                for name in ("a", "quiet")
                if (job := await repository.get_by_id(name)) is not None
            ]
            await feed.look(repository, summaries, NOW)
            return [(one.job_id, one.symbol, one.error, one.is_permanent) for one in feed.last]

        assert await look() == []
        await repository.add_failure("a", "S1", "gone", permanent=True)
        assert await look() == [("a", "S1", "gone", True)]
        assert len(await look()) == 1
        await repository.add_completed_symbol("a", "S0", 1)
        await repository.add_failure("a", "S2", "late")
        await repository.add_failure("a", "S0", "late")
        await repository.add_failure("quiet", "BTC", "late")
        found = await look()
        assert sorted(found[1:]) == [
            ("a", "S0", "late", False),
            ("a", "S2", "late", False),
            ("quiet", "BTC", "late", False),
        ]


def drawn(jobs: Sequence[JobSummary], width: int, height: int, failures: int = 9) -> list[str]:
    screen = Console(
        file=StringIO(), width=width, height=height, force_terminal=True, no_color=True
    )
    rates = Rates()
    rates.look([replace_stats(one, 0) for one in jobs], 0.0)
    rates.look(jobs, 10.0)
    seen = [
        SeenFailure(NOW, "j" * 50, "s" * 50, f"boom {n}\nmore", bool(n % 2))
        for n in range(failures)
    ]
    with screen.capture() as captured:
        screen.print(watch_view(jobs, rates, seen, screen, NOW))
    return Text.from_ansi(captured.get()).plain.splitlines()


def replace_stats(summary: JobSummary, done: int) -> JobSummary:
    return replace(summary, stats=replace(summary.stats, completed=done, total_candles=0))


@pytest.mark.parametrize("width", [40, 60, 100, 200])
@pytest.mark.parametrize("height", [10, 24, 60])
def test_the_picture_has_the_size_of_the_terminal(width: int, height: int) -> None:
    expires_at = NOW + timedelta(minutes=1)
    running = [having(5, job=replace(RUNNING, id=f"job {n} {'x' * 40}")) for n in range(100)]
    jobs = [replace(one, worker="w" * 60, expires_at=expires_at) for one in running]
    lines = drawn(jobs, width, height)
    assert len(lines) < height
    assert max(map(cell_len, lines)) <= width
    assert "100 running" in lines[0]
    assert any("boom" in line or "perm" in line for line in lines)
    if width >= 60:
        assert "candles/s" in "".join(lines[:2])
    assert any(line.startswith("job 0") for line in lines)


def test_nothing_to_show_is_said() -> None:
    assert drawn([], 80, 24) == ["no jobs yet"]
