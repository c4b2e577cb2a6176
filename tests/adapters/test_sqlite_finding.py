"""Finding and counting jobs in an SQLite file: what is found, and what it costs."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Generator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from collection_jobs import CollectionJob, JobQuery, JobStatus, JobSummary, RepositoryError
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository, finding, rows, writes
from collection_jobs.adapters.sqlite.conditions import BEFORE_ALL
from collection_jobs.adapters.sqlite.finding import JobSearch
from tests.adapters.sqlite_stores import filled, steps
from tests.adapters.sqlite_support import NOON, a_job, plain_connection

SMALL, LARGE = 1_000, 100_000
FAILED, RUNNING = JobStatus.FAILED, JobStatus.RUNNING
HOUR = timedelta(hours=1)


def at(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Generator[list[sqlite3.Connection]]:
    """A small store and a large one."""
    folder = tmp_path_factory.mktemp("stores")
    with (
        closing(filled(folder / "small.db", SMALL)) as small,
        closing(filled(folder / "large.db", LARGE)) as large,
    ):
        yield [small, large]


# What the jobs have in common that a page of 100 shows first: it costs the same in each store.
PAGES: dict[str, JobQuery] = {
    "all": JobQuery(),
    "a status": JobQuery(statuses=[FAILED]),
    "two statuses": JobQuery(statuses=[FAILED, RUNNING]),
    "a source": JobQuery(source="s1"),
    "an unknown source": JobQuery(source="none"),
    "a source and a status": JobQuery(source="s1", statuses=[FAILED, RUNNING]),
    "a symbol of all": JobQuery(symbol="BTC"),
    "a rare symbol": JobQuery(symbol="RARE"),
    "an unknown symbol": JobQuery(symbol="none"),
    "a status and a symbol of all": JobQuery(symbol="BTC", statuses=[FAILED]),
    "a status and a rare symbol": JobQuery(symbol="RARE", statuses=[FAILED]),
    "a status and its symbol": JobQuery(symbol="GONE", statuses=[FAILED]),
    "a source and a rare symbol": JobQuery(symbol="RARE", source="s1"),
    "failures": JobQuery(with_failures=True),
    "no failures": JobQuery(with_failures=False),
    "failures and a rare symbol": JobQuery(symbol="RARE", with_failures=True),
    "metadata of one": JobQuery(metadata={"ticket": "T77"}),
    "metadata of none": JobQuery(metadata={"ticket": "none"}),
    "metadata of all": JobQuery(metadata={"asset": "crypto"}),
    "metadata of one and of all": JobQuery(metadata={"asset": "crypto", "ticket": "T77"}),
    "an instant": JobQuery(created_from=at(500), created_before=at(600)),
    "an end of few": JobQuery(finished_before=at(40)),
    "an end of all": JobQuery(finished_before=at(LARGE)),
    "an end of none": JobQuery(finished_before=at(-1)),
}
SLACK = 60  # steps: a deeper index, a last comparison


def page(connection: sqlite3.Connection, query: JobQuery, after: tuple[int, str]) -> Any:
    return steps(connection, lambda: finding.find_all(connection, JobSearch(query, 100, after)))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_costs_the_same_in_a_store_of_any_size(
    stores: list[sqlite3.Connection], name: str
) -> None:
    query = PAGES[name]
    (few, shown), (many, shown_of_many) = (page(one, query, BEFORE_ALL) for one in stores)
    if len(shown) == len(shown_of_many):
        assert many <= few + SLACK
    assert many < 25_000  # some 5 ms
    for summary in shown_of_many:
        assert query.statuses is None or summary.status in query.statuses
        assert query.symbol is None or query.symbol in summary.symbols
    if shown_of_many:  # from the first key on, behind which there is less
        first = shown_of_many[0]
        deep, _ = page(stores[1], query, ((first.created_at - at(0)) // at_micro, first.id))
        assert deep <= many + 1_000


at_micro = timedelta(microseconds=1)


@pytest.mark.parametrize("name", PAGES)
def test_a_deep_page_costs_what_the_first_does(stores: list[sqlite3.Connection], name: str) -> None:
    first, _ = page(stores[1], PAGES[name], BEFORE_ALL)
    deep, _ = page(stores[1], PAGES[name], (LARGE * 8 // 10, "job 5"))
    assert deep <= first + 1_000


# What the search guarantees where few jobs meet both of two conditions that many meet.
RARE_TOGETHER: dict[str, tuple[JobQuery, int]] = {
    "a status and a symbol that it never has": (
        JobQuery(symbol="GONE", statuses=[RUNNING]),
        LARGE // 5,
    ),
    "a status and a symbol of few": (JobQuery(symbol="PERCENT", statuses=[RUNNING]), LARGE // 100),
    "a source of few and a symbol of many": (JobQuery(symbol="GONE", source="rare"), LARGE // 200),
}


@pytest.mark.parametrize("name", RARE_TOGETHER)
def test_a_search_reads_a_few_times_what_the_rarer_condition_has(
    stores: list[sqlite3.Connection], name: str
) -> None:
    query, candidates = RARE_TOGETHER[name]
    cost, _ = page(stores[1], query, BEFORE_ALL)
    assert cost < 5_000 + 5 * candidates * 40  # steps for each candidate


def test_jobs_of_one_instant_are_found_in_the_order_of_their_ids(tmp_path: Path) -> None:
    with closing(filled(tmp_path / "tied.db", 5_000, tied=2_000)) as connection:
        for symbol in ("BTC", "RARE", "PERCENT"):
            query = JobQuery(symbol=symbol)
            whole = finding.find_all(connection, JobSearch(query, 10_000))
            keys = [((one.created_at - at(0)) // at_micro, one.id) for one in whole]
            assert keys == sorted(keys)
            paged: list[JobSummary] = []
            while more := finding.find_few(
                connection, JobSearch(query, 7, keys[len(paged) - 1] if paged else BEFORE_ALL)
            ):
                paged += more
            assert paged == whole


@pytest.mark.parametrize("name", PAGES)
def test_counting_costs_what_is_counted(stores: list[sqlite3.Connection], name: str) -> None:
    query = PAGES[name]
    cost, counts = steps(stores[1], lambda: finding.count_jobs(stores[1], query))
    assert list(counts) == list(JobStatus)
    assert cost < 10_000 + 80 * sum(counts.values())
    shown = finding.find_all(stores[0], JobSearch(query, SMALL))
    found = finding.count_jobs(stores[0], query)
    assert found == {one: sum(each.status is one for each in shown) for one in JobStatus}


@pytest.mark.parametrize("analyzed", [False, True])
def test_no_statement_scans_a_table(tmp_path: Path, analyzed: bool) -> None:
    statements: list[str] = []
    with closing(filled(tmp_path / "jobs.db", 2_000)) as connection:
        if analyzed:
            connection.execute("ANALYZE")
        connection.set_trace_callback(statements.append)
        for query in PAGES.values():
            finding.find_few(connection, JobSearch(query, 100))
            finding.find_all(connection, JobSearch(query, 100, (5, "")))
            finding.count_jobs(connection, query)
        writes.delete_finished(connection, 500, [JobStatus.COMPLETED, JobStatus.CANCELLED], 10)
        connection.set_trace_callback(None)
        used = {
            step
            for statement in dict.fromkeys(statements)
            if not statement.lstrip().startswith(("--", "BEGIN", "COMMIT"))
            for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
            if step.startswith(("SCAN", "SEARCH"))
        }
    # What a statement is given, what it has found already, and the one row of `store`.
    harmless = ("SCAN json_each", "SCAN w", "SCAN (subquery", "SCAN CONSTANT ROW", "SCAN store")
    scans = {step for step in used if step.startswith("SCAN") and not step.startswith(harmless)}
    assert scans == set()
    for index in (
        *("jobs_by_age", "jobs_by_status", "jobs_by_source", "jobs_by_failures", "jobs_by_end"),
        *("symbols_by_name", "metadata_by_value"),
    ):
        assert any(f"INDEX {index} " in step for step in used), index


# Large ones


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


LONGEST = "\x01" * 65_535


def large(job_id: str) -> CollectionJob:
    symbols = tuple(f"{n:06}\u20ac" for n in range(100_000))
    return a_job(
        job_id,
        symbols=symbols,
        completed_symbols=dict.fromkeys(symbols[::2], 2**63 - 1),
        failed_symbols=dict.fromkeys(symbols[1:200:2], LONGEST),
        metadata={f"{n:04}\u20ac": LONGEST[:2_000] for n in range(1_000)},
        error_message=LONGEST,
    )


async def test_summaries_of_the_largest_jobs_are_read_in_parts(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    decode = rows.decode_json

    def measured(document: str) -> tuple[object, int]:
        lengths.append(len(document))
        return decode(document)

    jobs = [large("large"), *(a_job(f"small {n:04}") for n in range(1_500))]
    async with SQLiteCollectionJobRepository(path, synchronous="NORMAL") as repository:
        await repository.save_many(jobs)
        for module in ("reads", "rows", "candidates"):
            monkeypatch.setattr(f"collection_jobs.adapters.sqlite.{module}.decode_json", measured)
        wanted = [JobSummary.from_job(job) for job in jobs]
        assert await repository.find(JobQuery(), limit=10) == wanted[:10]
        assert await repository.find(JobQuery(), limit=10_000) == wanted
        assert await repository.find(JobQuery(), limit=10**30) == wanted
        assert await repository.find(JobQuery(symbol="000000\u20ac")) == wanted[:1]
        assert await repository.find(JobQuery(metadata=jobs[0].metadata)) == wanted[:1]
        stats = await repository.get_stats("large")
        assert stats == wanted[0].stats
        assert stats is not None
        assert stats.total_candles == 50_000 * (2**63 - 1)
    assert max(lengths) <= rows.LARGEST_DOCUMENT


async def test_a_find_reads_no_outcome(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        symbols = tuple(f"S{n}" for n in range(10))
        job = a_job(symbols=symbols, failed_symbols=dict.fromkeys(symbols, "boom"))
        await repository.save(job)
        with plain_connection(path) as other:
            # What cannot be decoded, where it is read.
            other.execute("UPDATE symbols SET error = CAST(x'ff' AS TEXT)")
        assert await repository.find(JobQuery(symbol="S3")) == [JobSummary.from_job(job)]
        with pytest.raises(RepositoryError):
            await repository.get_by_id("job")


async def test_a_find_shows_the_lease_of_a_job(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.add_many([a_job("a"), a_job("b")])
        lease = await repository.claim("a", "w\u00e9", HOUR)
        assert lease is not None
        found = await repository.find(JobQuery())
        assert found[0] == JobSummary.from_job(lease.job, lease)
        assert found[0].revision == lease.job.revision
        assert (found[1].worker, found[1].expires_at) == (None, None)
        await repository.update_status("a", FAILED)
        (after,) = await repository.find(JobQuery(statuses=[FAILED]))
        assert (after.worker, after.expires_at) == (None, None)


async def test_a_search_that_turns_out_long_keeps_the_event_loop_for_moments_only(
    tmp_path: Path,
) -> None:
    path = tmp_path / "jobs.db"
    filled(path, 60_000).close()
    async with SQLiteCollectionJobRepository(path) as repository:
        asked: list[Any] = []
        read_long = repository._opened().read_long

        def watched(work: Any, argument: Any) -> Any:
            asked.append(argument)
            return read_long(work, argument)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(repository._opened(), "read_long", watched)
            # 12,000 candidates of each condition, and none that meets both.
            assert await repository.find(JobQuery(symbol="GONE", statuses=[RUNNING])) == []
            assert len(asked) == 1
            assert sum((await repository.count(JobQuery())).values()) == 60_000
            assert len(asked) == 2


async def test_texts_that_begin_alike_are_told_apart(path: Path) -> None:
    texts = ["x" * 50, "x" * 51, "x" * 50 + "y", "", "\u00e9" * 60, "\u00e9" * 60 + " "]
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.add_many(a_job(f"{n}", metadata={"m": it}) for n, it in enumerate(texts))
        for number, text in enumerate(texts):
            found = await repository.find(JobQuery(metadata={"m": text}))
            assert [one.id for one in found] == [f"{number}"]
            assert await repository.find(JobQuery(metadata={"M": text})) == []
            counted = await repository.count(JobQuery(metadata={"m": text}))
            assert sum(counted.values()) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE jobs SET completed = 9",
        "UPDATE jobs SET failed = -1",
        "UPDATE jobs SET candles_low = -1",
        "UPDATE jobs SET total = 2",
        "UPDATE jobs SET total = 0",
        "UPDATE jobs SET range_end = range_start",
        "UPDATE symbols SET position = -9",
        "DELETE FROM symbols",
        "INSERT INTO leases VALUES (1, 'w', 1, 9000000000000000000, 0, 's', 1, 'job')",
    ],
)
async def test_no_summary_is_shown_that_no_job_can_have(path: Path, statement: str) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.add(a_job())
        with plain_connection(path) as other:
            other.execute("PRAGMA ignore_check_constraints = ON")
            other.execute(statement)
        for limit in (10, 1_000):
            with pytest.raises(RepositoryError, match="damaged: a stored row is not a valid job"):
                await repository.find(JobQuery(), limit=limit)


async def test_a_cancelled_search_leaves_nothing_behind(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.add_many(a_job(f"{n:04}") for n in range(500))
        for turns in range(30):
            limit = (10, 400)[turns % 2]
            call = asyncio.create_task(repository.find(JobQuery(), limit=limit))
            for _ in range(turns // 2):
                await asyncio.sleep(0)
            call.cancel()
            (answer,) = await asyncio.gather(call, return_exceptions=True)
            assert isinstance(answer, asyncio.CancelledError) or len(answer) == limit  # type: ignore[arg-type] # else a list
        assert len(await repository.find(JobQuery(), limit=1_000)) == 500
        await repository.add(a_job("last", created_at=NOON + HOUR))
        with plain_connection(path) as other:  # no snapshot keeps the log from being copied whole
            busy, _, _ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert busy == 0
