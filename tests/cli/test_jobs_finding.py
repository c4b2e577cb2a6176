"""collection-jobs jobs: what is found, in which order and on which page, counted and grouped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from collection_jobs import (
    CollectionJob,
    CollectionJobRepository,
    InMemoryCollectionJobRepository,
    JobQuery,
    JobStatus,
    JobSummary,
)
from collection_jobs.cli.jobs import queries, totals
from collection_jobs.cli.jobs.failure_groups import FailureGroups
from collection_jobs.cli.jobs.ordering import ORDERS, page_of_summaries
from collection_jobs.conformance.spec.calls import example_job
from tests.cli.support import NOW, fill, jobs, one_of_each

LACKING: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "finding": ("find", "count"),
    "finding and keys": ("find", "count", "list_after"),
}
"""Methods that a store may lack beyond the nine."""


def lacking(name: str) -> InMemoryCollectionJobRepository:
    hidden = dict.fromkeys(LACKING[name])
    made: InMemoryCollectionJobRepository = type(
        "Less", (InMemoryCollectionJobRepository,), hidden
    )()
    return made


def some_jobs() -> list[CollectionJob]:
    """Jobs of several sources, symbols and statuses, many of one instant and some of the future."""
    made = list[CollectionJob]()
    for number in range(60):
        job = example_job(
            f"job {number:02}",
            source=("binance", "kraken", "bybit")[number % 3],
            symbols=("BTC", "ETH", "XRP")[number % 2 :],
            created_at=NOW + timedelta(days=40 * (number % 20) if number < 50 else 99_000),
        )
        if number % 4:
            job = job.start_running(at=NOW)
        if number % 4 == 2:
            job = job.with_failed_symbol(job.symbols[0], f"after {number} s")
            job = job.fail("no luck", at=NOW + timedelta(hours=number))
        if number % 4 == 3:
            job = job.with_completed_symbol(job.symbols[-1], number).complete(at=NOW)
        made.append(job)
    return made


QUERIES: tuple[dict[str, Any], ...] = (
    {},
    {"statuses": [JobStatus.FAILED]},
    {"statuses": [JobStatus.FAILED, JobStatus.PENDING], "source": "kraken"},
    {"symbol": "BTC", "with_failures": True},
    {"created_from": NOW + timedelta(days=80), "created_before": NOW + timedelta(days=700)},
    {"created_from": datetime(2100, 1, 1, tzinfo=UTC)},
    {"source": "nobody"},
)


def age(summary: JobSummary) -> tuple[datetime, str]:
    return summary.created_at, summary.id


async def read(
    repository: CollectionJobRepository, query: JobQuery, order: str, limit: int, skipped: int
) -> list[JobSummary]:
    return [one async for one in page_of_summaries(repository, query, order, limit, skipped)]


@pytest.mark.parametrize("name", LACKING)
@pytest.mark.parametrize("conditions", QUERIES)
async def test_every_store_is_listed_in_every_order_and_on_every_page(
    name: str, conditions: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "PAGE", 4)
    made, query = some_jobs(), JobQuery(**conditions)
    due = [JobSummary.from_job(job) for job in made if query.matches(job)]
    ranks: dict[str, Callable[[JobSummary], Any]] = {
        "newest": age,
        "oldest": age,
        "finished": lambda one: (one.finished_at or datetime.min.replace(tzinfo=UTC), *age(one)),
        "failed": lambda one: (one.stats.failed, *age(one)),
        "candles": lambda one: (one.stats.total_candles, *age(one)),
    }
    assert set(ranks) == set(ORDERS)
    async with lacking(name) as repository:
        await repository.save_many(made)
        for order, rank in ranks.items():
            ordered = sorted(due, key=rank, reverse=order != "oldest")
            for limit, skipped in ((1, 0), (3, 3), (7, 14), (1000, 0), (5, 1000)):
                found = await read(repository, query, order, limit, skipped)
                assert found == ordered[skipped : skipped + limit], (order, limit, skipped)


async def test_the_newest_of_many_are_found_without_going_through_all() -> None:
    class Counting(InMemoryCollectionJobRepository):
        shown = 0

        async def find(
            self, query: JobQuery, limit: int = 100, after: tuple[datetime, str] | None = None
        ) -> list[JobSummary]:
            found = await super().find(query, limit, after)
            self.shown += len(found)
            return found

    async with Counting() as repository:
        now = datetime.now(UTC)
        await repository.save_many(
            example_job(f"{number}", created_at=now - timedelta(minutes=number))
            for number in range(20_000)
        )
        found = await read(repository, JobQuery(), "newest", 50, 0)
        assert [one.id for one in found] == [f"{number}" for number in range(50)]
        assert repository.shown <= 2 * queries.PAGE


@pytest.mark.parametrize("name", LACKING)
async def test_sums_are_those_of_all_jobs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PAGE", 4)
    made = some_jobs()
    async with lacking(name) as repository:
        await repository.save_many(made)
        counted = await totals.counts_by_source(repository, JobQuery())
        summed = await totals.sums_by_source(repository, JobQuery())
    for found in (counted, summed):
        assert list(found) == ["binance", "bybit", "kraken"]
        for source, of_source in found.items():
            for status, sums in of_source.items():
                due = [job for job in made if (job.source, job.status) == (source, status)]
                assert sums.jobs == len(due)
    candles = sum(one.symbols.total_candles for of in summed.values() for one in of.values())
    assert candles == sum(sum(job.completed_symbols.values()) for job in made)


async def test_counting_by_source_reads_no_more_summaries_than_needed() -> None:
    class Finding(InMemoryCollectionJobRepository):
        pages = 0

        async def find(
            self, query: JobQuery, limit: int = 100, after: tuple[datetime, str] | None = None
        ) -> list[JobSummary]:
            self.pages += 1
            return await super().find(query, limit, after)

    async with Finding() as repository:
        sources = ("kraken", "binance")
        await repository.save_many(
            example_job(f"{number}", source=sources[number % 2]) for number in range(5_000)
        )
        found = await totals.counts_by_source(repository, JobQuery())
        assert {source: sums[JobStatus.PENDING].jobs for source, sums in found.items()} == {
            "binance": 2_500,
            "kraken": 2_500,
        }
        assert repository.pages == 1


def ids(output: str) -> list[str]:
    return [job["id"] for job in json.loads(output)["jobs"]]


def test_conditions_narrow_a_listing_and_are_joined_by_and(tmp_path: Path) -> None:
    url = fill(tmp_path, some_jobs())
    made = some_jobs()

    def due(**conditions: Any) -> set[str]:
        return {job.id for job in made if JobQuery(**conditions).matches(job)}

    both: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
        (("--source", "kraken"), {"source": "kraken"}),
        (("--symbol", "BTC", "--status", "failed"), {
            "symbol": "BTC", "statuses": [JobStatus.FAILED],
        }),
        (("--with-failures",), {"with_failures": True}),
        (("--without-failures", "--source", "bybit"), {"with_failures": False, "source": "bybit"}),
        (("--since", "2024-06-01", "--until", "2025-06-01"), {
            "created_from": datetime(2024, 6, 1, tzinfo=UTC),
            "created_before": datetime(2025, 6, 1, tzinfo=UTC),
        }),
    )  # fmt: skip
    for options, conditions in both:
        found = json.loads(jobs(url, *options, "--json", "--limit", "1000").stdout)
        assert {job["id"] for job in found["jobs"]} == due(**conditions)
        assert (found["total"], found["more"]) == (len(found["jobs"]), False)


def test_a_page_says_where_it_stands_and_how_many_there_are(tmp_path: Path) -> None:
    url = fill(tmp_path, some_jobs())
    first = jobs(url, "--limit", "25", "--sort", "oldest")
    assert first.stderr.strip() == "1 to 25 of 60 jobs; --page 2 shows the next"
    last = jobs(url, "--limit", "25", "--page", "3", "--sort", "oldest")
    assert last.stderr.strip() == "51 to 60 of 60 jobs"
    beyond = jobs(url, "--limit", "25", "--page", "4")
    assert beyond.stderr.endswith(" on page 4, of 60 jobs\n")
    assert jobs(url, "--limit", "100").stderr == ""


def piped(*arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "collection_jobs", "jobs", *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "", "HOME": os.devnull},
    )
    return ran.stdout


def test_what_is_piped_is_one_row_of_fields_a_job(tmp_path: Path) -> None:
    long = "e" * 60_000 + "\ttab\nline"
    made = [example_job(f"job {number}", created_at=NOW) for number in range(50)]
    made[7] = made[7].start_running(at=NOW).with_completed_symbol("BTC", 5).fail(long, at=NOW)
    rows = [line.split("\t") for line in piped(fill(tmp_path, made)).splitlines()]
    assert len(rows) == 50
    assert {len(row) for row in rows} == {16}
    assert sum(len("".join(row)) for row in rows) < 80_000
    (row,) = (row for row in rows if row[0] == "job 7")
    assert row[1:6] == ["failed", "1", "0", "2", "5"]
    assert row[6] == NOW.isoformat()
    assert row[15] == "e" * 60_000 + r"\ttab\nline"


def test_json_is_printed_as_it_is_read(tmp_path: Path) -> None:
    """Of a long listing, no more is held than some pages."""
    failed = dict.fromkeys(("BTC", "ETH"), "e" * 300)
    made = (
        example_job(f"{n}", metadata={"note": "m" * 3_000}, failed_symbols=failed)
        for n in range(3_000)
    )
    url = fill(tmp_path, made)
    tracemalloc.start()
    try:
        printed = jobs(url, "--json", "--limit", "3000", "--sort", "oldest").stdout
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(ids(printed)) == 3_000
    assert len(printed) > 9_000_000
    assert most < 6 * len(printed)  # the runner of the test keeps all that is printed, itself


def test_stats_count_by_source_and_status(tmp_path: Path) -> None:
    url = fill(tmp_path, some_jobs())
    counted = json.loads(jobs("stats", url, "--json").stdout)
    assert counted["jobs"] == 60
    assert counted["statuses"]["failed"] == {"jobs": 15}
    assert counted["sources"]["kraken"]["pending"] == {"jobs": 5}
    assert jobs("stats", url).stdout.splitlines()[0].split() == [
        *("source", "pending", "running", "completed", "failed", "cancelled", "jobs"),
    ]
    rows = [line.split("\t") for line in piped("stats", url).splitlines()]
    assert ["kraken", "pending", "5"] in rows
    assert sum(int(number) for _, _, number in rows) == 60
    one = json.loads(jobs("stats", url, "--source", "kraken", "--json").stdout)
    assert list(one["sources"]) == ["kraken"]


def failures(made: Iterable[CollectionJob]) -> FailureGroups:
    groups = FailureGroups()
    for job in made:
        groups.add(job)
    return groups


def test_failures_that_differ_in_numbers_are_one_group() -> None:
    texts = ("429: retry after 17 s", "429: retry after 8 s", "429: retry after 17 s")
    made = [
        example_job(f"{n}").with_failed_symbol("BTC", text).with_failed_symbol("ETH", "a 7 b")
        for n, text in enumerate(texts)
    ]
    found = failures(made).errors(permanent=False)
    assert [(group.line, group.failures, len(group.jobs)) for group in found] == [
        ("429: retry after # s", 3, 3),
        ("a 7 b", 3, 3),
    ]


def test_of_a_traceback_the_last_line_counts() -> None:
    text = "Traceback (most recent call last):\n  File 'x', line 3\nTimeoutError: slow\n"
    (group,) = failures([example_job().with_failed_symbol("BTC", text)]).errors(permanent=False)
    assert group.line == "TimeoutError: slow"


def test_permanent_failures_stand_apart_and_counts_are_summed(tmp_path: Path) -> None:
    made = [
        example_job("a").with_failed_symbol("BTC", "gone", permanent=True),
        example_job("b").with_failed_symbol("BTC", "late").with_failed_symbol("BTC", "late"),
        example_job("c").with_failed_symbol("BTC", "late").with_failed_symbol("ETH", "x\x1b[2J"),
    ]
    url = fill(tmp_path, made)
    found = json.loads(jobs("failures", url, "--json").stdout)
    assert (found["failures"], found["jobs"]) == (4, 3)
    assert found["symbols"][0] == {
        "symbol": "BTC", "permanent": False, "failures": 3, "jobs": 2, "error": "late",
    }  # fmt: skip
    assert [error["error"] for error in found["errors"] if error["permanent"]] == ["gone"]
    shown = jobs("failures", url).stdout
    assert shown.index("a retry may mend") < shown.index("late") < shown.index("permanent")
    assert "\x1b" not in shown
    rows = [line.split("\t") for line in piped("failures", url, "--symbol", "BTC").splitlines()]
    assert ["error", "permanent", "1", "1", "1", "gone"] in rows
    assert not any("ETH" in row for row in rows)
    assert "no failures in sqlite" in jobs("failures", url, "--source", "no").stderr


def test_a_retry_leaves_out_what_failed_for_good_unless_it_is_told(tmp_path: Path) -> None:
    gone = example_job("gone", symbols=("A",)).start_running()
    gone = gone.with_failed_symbol("A", "gone", permanent=True).fail("1 of 1 symbols failed")
    late = example_job("late").start_running().with_failed_symbol("BTC", "gone", permanent=True)
    url = fill(
        tmp_path, [gone, late.with_failed_symbol("ETH", "late").fail("2 of 2 symbols failed")]
    )
    refused = jobs("retry", url, "gone")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "1 permanent failure, which --permanent tries again" in refused.stderr
    every = jobs("retry", url, "--all", "--yes")
    assert (every.exit_code, every.stdout) == (0, "late was failed and is pending\n")
    assert "1 job was left as it is: job 'gone' has nothing that a retry can mend" in every.stderr
    told = jobs("retry", url, "gone", "--permanent")
    assert (told.exit_code, told.stdout) == (0, "gone was failed and is pending\n")
    found = json.loads(jobs("show", url, "gone", "--json").stdout)
    assert (found["permanent_failures"], found["failed_symbols"]) == ([], {"A": "gone"})
    assert json.loads(jobs("show", url, "late", "--json").stdout)["permanent_failures"] == ["BTC"]


def test_a_purge_counts_asks_and_deletes_what_finished_before(tmp_path: Path) -> None:
    old = [
        example_job(f"old {n}", created_at=NOW - timedelta(days=n)).cancel(at=NOW - timedelta(n))
        for n in range(150)
    ]
    url = fill(tmp_path, [*old, *one_of_each()])
    before = ("--older-than", "2024-02-01")
    counted = jobs("purge", url, *before, "--dry-run")
    assert counted.stdout == (
        "120 cancelled jobs finished before 2024-02-01 00:00 UTC; nothing was deleted\n"
    )
    refused = jobs("purge", url, *before)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "use --yes to delete 120 jobs without asking" in refused.stderr
    asked = jobs("purge", url, *before, answer="n\n")
    assert "Delete 120 cancelled jobs that finished before 2024-02-01 00:00 UTC?" in asked.stderr
    assert json.loads(jobs("list", url, "--json").stdout)["total"] == 155
    assert (
        jobs("purge", url, *before, "--status", "completed", "--yes").stdout == "0 jobs deleted\n"
    )
    done = jobs("purge", url, *before, "--yes", "--json")
    assert json.loads(done.stdout) == {"deleted": 120}
    left = json.loads(jobs("list", url, "--json", "--limit", "100").stdout)
    assert left["total"] == 35
    again = jobs("purge", url, *before, "--yes", "--dry-run", "--json")
    assert json.loads(again.stdout) == {"would_delete": 0, "statuses": {}}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("stats", "a", "--source", "x"), "name the job 'a', or select jobs by options"),
        (("stats", "a", "--symbols"), "name the job 'a', or select jobs by options"),
        (("watch", "a", "--status", "failed"), "name the job 'a', or select jobs by options"),
        (("purge",), "Missing option '--older-than'"),
        (("purge", "--older-than", "soon"), "'soon' is not a time"),
        (("purge", "--older-than", "1d", "--status", "failed"), "'failed' is not one of"),
        (("list", "--source", ""), "source must have 1 to 255 characters"),
        (("list", "--sort", "size"), "'size' is not one of 'newest', 'oldest'"),
        (("list", "--page", "0"), "0 is not in the range x>=1"),
    ],
)
def test_a_wrong_option_is_refused(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    command, *options = arguments
    refused = jobs(command, fill(tmp_path, []), *options)
    assert refused.exit_code == 2
    assert said in refused.stderr
