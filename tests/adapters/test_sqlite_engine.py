"""The engine: group commit, cancellation, locks, long reads, checkpoints and the end."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from collection_jobs import (
    CollectionJob,
    JobStatus,
    RepositoryClosedError,
    RepositoryError,
    StaleJobError,
)
from collection_jobs.adapters.sqlite import (
    SQLiteCollectionJobRepository,
    group_commit,
    reads,
    writes,
)
from collection_jobs.adapters.sqlite import engine as engine_module
from collection_jobs.adapters.sqlite.engine import SQLiteEngine
from collection_jobs.adapters.sqlite.settings import SQLiteSettings
from tests.adapters.sqlite_support import a_job, files_in, plain_connection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
async def engine(path: Path) -> AsyncIterator[SQLiteEngine]:
    opened = SQLiteEngine(SQLiteSettings.of(path, "FULL", 5.0))
    await opened.open()
    yield opened
    await opened.close()


class Pause:
    """A write that stops within its transaction until it is let go."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reached = asyncio.Event()
        self._go_on = threading.Event()

    def __call__(self, connection: sqlite3.Connection) -> None:
        writes.save(connection, a_job("paused"))
        self._loop.call_soon_threadsafe(self._reached.set)
        assert self._go_on.wait(10)

    async def reached(self) -> None:
        await asyncio.wait_for(self._reached.wait(), 10)

    def let_go(self) -> None:
        self._go_on.set()


async def a_turn() -> None:
    """Let the other tasks run until they wait."""
    for _ in range(3):
        await asyncio.sleep(0)


def start(
    engine: SQLiteEngine, *works: Callable[[sqlite3.Connection], None]
) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(engine.write(work)) for work in works]


def saves(*jobs: CollectionJob) -> list[Callable[[sqlite3.Connection], None]]:
    return [partial(writes.save, job=job) for job in jobs]


async def ids(engine: SQLiteEngine) -> set[str]:
    return {job.id for job in await engine.read(reads.list_few, (reads.RECENT, (0, 1000)))}


async def test_writes_that_wait_together_share_a_transaction(engine: SQLiteEngine) -> None:
    statements: list[str] = []
    await engine.write(lambda connection: connection.set_trace_callback(statements.append))
    pause = Pause()
    tasks = start(engine, pause)
    await pause.reached()
    tasks += start(engine, *saves(*(a_job(str(n)) for n in range(20))))
    await a_turn()
    pause.let_go()
    await asyncio.gather(*tasks)
    assert len(await ids(engine)) == 21
    # The trace begins within the transaction that sets it.
    assert statements.count("COMMIT") == 1 + 2


async def test_a_refused_write_leaves_its_neighbours(engine: SQLiteEngine) -> None:
    pause = Pause()
    tasks = start(engine, pause)
    await pause.reached()
    tasks += start(engine, *saves(a_job("a"), a_job("b", revision=5), a_job("c")))
    await a_turn()
    pause.let_go()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [answer is None for answer in answers] == [True, True, False, True]
    assert isinstance(answers[2], StaleJobError)
    assert await ids(engine) == {"paused", "a", "c"}


async def test_a_write_that_fails_half_way_leaves_its_neighbours_and_nothing_of_itself(
    engine: SQLiteEngine,
) -> None:
    def fails_half_way(connection: sqlite3.Connection) -> None:
        writes.save(connection, a_job("half"))
        connection.execute("UPDATE jobs SET status = 'lost'")

    pause = Pause()
    tasks = start(engine, pause)
    await pause.reached()
    tasks += start(engine, *saves(a_job("a")), fails_half_way, *saves(a_job("b")))
    await a_turn()
    pause.let_go()
    _, first, failed, last = await asyncio.gather(*tasks, return_exceptions=True)
    assert (first, last) == (None, None)
    assert isinstance(failed, RepositoryError)
    assert isinstance(failed.__cause__, sqlite3.IntegrityError)
    assert await ids(engine) == {"paused", "a", "b"}


async def test_a_full_disk_fails_only_what_does_not_fit(engine: SQLiteEngine) -> None:
    await engine.write(lambda connection: connection.execute("PRAGMA max_page_count = 40"))
    pause = Pause()
    tasks = start(engine, pause)
    await pause.reached()
    symbols = tuple(f"SYMBOL{number}" for number in range(20))
    huge = a_job("huge", symbols=symbols, failed_symbols=dict.fromkeys(symbols, "x" * 60_000))
    tasks += start(engine, *saves(a_job("a"), huge, a_job("b")))
    await a_turn()
    pause.let_go()
    _, first, failed, last = await asyncio.gather(*tasks, return_exceptions=True)
    assert (first, last) == (None, None)
    assert isinstance(failed, RepositoryError)
    assert "full" in str(failed)
    assert await ids(engine) == {"paused", "a", "b"}


async def test_a_commit_that_fails_fails_all_its_writes_and_the_next_one_works(
    engine: SQLiteEngine,
) -> None:
    def breaks_the_commit(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA defer_foreign_keys = ON")
        connection.execute(
            "INSERT INTO symbols (job, symbol, position, created_at) VALUES (99, 'orphan', 0, 0)"
        )

    pause = Pause()
    tasks = start(engine, pause)
    await pause.reached()
    tasks += start(engine, *saves(a_job("a")), breaks_the_commit)
    await a_turn()
    pause.let_go()
    _, *failed = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in failed] == [RepositoryError, RepositoryError]
    assert failed[0] is not failed[1]
    await asyncio.gather(*start(engine, *saves(a_job("b"))))
    assert await ids(engine) == {"paused", "b"}


async def test_an_error_of_ours_reaches_the_caller_as_it_is(engine: SQLiteEngine) -> None:
    def broken(connection: sqlite3.Connection) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await engine.write(broken)
    await asyncio.gather(*start(engine, *saves(a_job("after"))))


async def test_a_write_cancelled_while_it_waits_does_not_happen(engine: SQLiteEngine) -> None:
    pause = Pause()
    first = start(engine, pause)
    await pause.reached()
    kept, cancelled = start(engine, *saves(a_job("kept"), a_job("cancelled")))
    await a_turn()
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled  # answered although the writer is still busy
    pause.let_go()
    await asyncio.gather(*first, kept)
    assert await ids(engine) == {"paused", "kept"}


async def test_a_write_cancelled_in_its_transaction_waits_for_what_becomes_of_it(
    engine: SQLiteEngine,
) -> None:
    pause = Pause()
    (task,) = start(engine, pause)
    await pause.reached()
    for _ in range(3):  # once is not enough to hurry it
        task.cancel()
        await a_turn()
    assert not task.done()
    assert await ids(engine) == set()
    pause.let_go()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await ids(engine) == {"paused"}


async def test_a_write_cancelled_at_any_point_is_settled_when_its_caller_hears_of_it(
    path: Path,
) -> None:
    happened: set[bool] = set()
    async with SQLiteCollectionJobRepository(path) as repository:
        for turns in count():
            job = a_job(str(turns))
            task = asyncio.create_task(repository.save(job))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            found = await repository.get_by_id(job.id)
            assert found in (job, None)
            assert found == job or task.cancelled()
            await repository.save(a_job("a later transaction"))
            assert await repository.get_by_id(job.id) == found
            happened.add(found is not None)
            if turns > 300 and len(happened) == 2:
                break


async def test_a_timeout_ends_a_call_that_waits_for_another_connection_s_lock(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path, busy_timeout=60) as repository:
        with plain_connection(path) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await repository.save(a_job("late"))
            other.execute("ROLLBACK")
        await repository.save(a_job("next"))
        assert [job.id for job in await repository.list_recent()] == ["next"]


async def test_a_lock_held_too_long_is_named_and_the_next_write_works(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path, busy_timeout=0.1) as repository:
        with plain_connection(path) as other:
            other.execute("BEGIN IMMEDIATE")
            calls = [repository.save(a_job(str(n))) for n in range(3)]
            errors = await asyncio.gather(*calls, return_exceptions=True)
            assert await repository.list_recent() == []  # readers do not wait for a writer
            other.execute("ROLLBACK")
        for error in errors:
            assert isinstance(error, RepositoryError)
            assert isinstance(error.__cause__, sqlite3.OperationalError)
            assert str(error) == (
                f"another connection has held the lock of {str(path)!r} for more than 0.1 s"
            )
        await repository.save(a_job())


async def test_a_write_waits_for_a_lock_that_is_released_in_time(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        with plain_connection(path) as other:
            other.execute("BEGIN IMMEDIATE")
            task = asyncio.create_task(repository.save(a_job()))
            await a_turn()
            other.execute("ROLLBACK")
            await task


def count_to(connection: sqlite3.Connection, upto: int) -> int:
    """A read that is as long as one likes."""
    ((counted,),) = connection.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        "SELECT count(*) FROM n",
        (upto,),
    ).fetchall()
    return int(counted)


SHORT, LONG = 10, 100_000


async def test_a_read_that_turns_out_long_moves_to_the_helper(engine: SQLiteEngine) -> None:
    threads: list[int] = []

    def read(connection: sqlite3.Connection, upto: int) -> int:
        threads.append(threading.get_ident())
        return count_to(connection, upto)

    here = threading.get_ident()
    assert await engine.read(read, SHORT) == SHORT
    assert threads == [here]
    assert await engine.read(read, LONG) == LONG
    assert threads[:2] == [here, here]
    assert threads[2] != here


async def test_after_two_long_listings_in_a_row_the_next_go_to_the_helper_at_once(
    engine: SQLiteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_LONG_LISTINGS_LAST", 3_600.0)
    monkeypatch.setattr(engine_module, "_LONG_LISTINGS_LAST_AT_MOST", 3_600.0)
    tried_here: list[bool] = []
    here = threading.get_ident()

    def read(connection: sqlite3.Connection, upto: int) -> list[int]:
        tried_here.append(threading.get_ident() == here)
        return [count_to(connection, upto)]

    async def where(*lengths: int) -> list[bool]:
        tried_here.clear()
        for length in lengths:
            assert await engine.read_jobs(read, length, read) == [length]
        return tried_here

    # One alone may be a short one in the middle of which a busy machine has stopped the thread.
    assert await where(LONG, SHORT) == [True, False, True]
    assert await where(LONG, SHORT) == [True, False, True]
    assert await where(LONG, LONG, SHORT) == [True, False, True, False, False]


async def test_readers_cannot_write(engine: SQLiteEngine) -> None:
    for read in (engine.read, engine.read_long):
        with pytest.raises(RepositoryError, match="readonly"):
            await read(writes.delete, "job")


async def test_no_read_holds_a_transaction_open(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.save_many(a_job(str(n)) for n in range(200))
        await repository.get_by_id("1")
        await repository.list_recent(limit=5)
        await repository.list_recent(limit=1000)
        with plain_connection(path) as other:
            other.execute("UPDATE jobs SET revision = revision + 1")
            ((busy, log, copied),) = other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            assert (busy, log, copied) == (0, 0, 0)
        job = await repository.get_by_id("1")
        assert job is not None
        assert job.revision == 2


async def test_a_cancelled_long_read_leaves_a_repository_that_works(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.save_many(a_job(str(n)) for n in range(300))
        tasks = [asyncio.create_task(repository.list_recent(limit=1000)) for _ in range(5)]
        await a_turn()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert len(await repository.list_recent(limit=1000)) == 300


async def test_a_read_sees_every_write_that_was_answered_before_it(path: Path) -> None:
    async with (
        SQLiteCollectionJobRepository(path) as repository,
        SQLiteCollectionJobRepository(path) as another,
    ):
        for n in range(50):
            await repository.save(a_job(str(n)))
            assert await repository.get_by_id(str(n)) is not None
            assert await another.get_by_id(str(n)) is not None
            assert len(await another.list_by_status(JobStatus.PENDING, limit=1000)) == n + 1


async def test_of_two_handles_one_claims_a_job(path: Path) -> None:
    async with (
        SQLiteCollectionJobRepository(path) as one,
        SQLiteCollectionJobRepository(path) as two,
    ):
        await one.save(a_job())
        claims = [handle.update_status("job", JobStatus.RUNNING) for handle in (one, two) * 10]
        assert sum(await asyncio.gather(*claims)) == 1


async def test_concurrent_outcomes_are_all_kept(path: Path) -> None:
    symbols = tuple(f"S{n}" for n in range(100))
    async with (
        SQLiteCollectionJobRepository(path) as one,
        SQLiteCollectionJobRepository(path) as two,
    ):
        await one.save(a_job(symbols=symbols))
        calls = [(one, two)[n % 2].add_failed_symbol("job", s, s) for n, s in enumerate(symbols)]
        await asyncio.gather(*calls, one.update_status("job", JobStatus.RUNNING))
        job = await one.get_by_id("job")
        assert job is not None
        assert job.failed_symbols == {symbol: symbol for symbol in symbols}
        assert job.revision == 102


async def test_another_thread_s_event_loop_opens_its_own(path: Path) -> None:
    async def save_some(first: int) -> None:
        async with SQLiteCollectionJobRepository(path) as repository:
            await asyncio.gather(*(repository.save(a_job(str(first + n))) for n in range(20)))

    await asyncio.gather(
        *(asyncio.to_thread(asyncio.run, save_some(first)) for first in (0, 100, 200))
    )
    async with SQLiteCollectionJobRepository(path) as repository:
        assert len(await repository.list_recent()) == 60


async def test_closing_answers_the_writes_that_wait(path: Path) -> None:
    repository = SQLiteCollectionJobRepository(path)
    async with repository:
        tasks = [asyncio.create_task(repository.save(a_job(str(n)))) for n in range(10)]
        await a_turn()
    await asyncio.gather(*tasks)
    async with repository:
        assert len(await repository.list_recent()) == 10


async def test_closing_again_or_from_two_tasks_does_nothing_more(path: Path) -> None:
    repository = SQLiteCollectionJobRepository(path)
    async with repository:
        await asyncio.gather(repository.close(), repository.close())
        await repository.close()


async def test_a_cancelled_close_has_closed_when_it_raises(path: Path) -> None:
    repository = SQLiteCollectionJobRepository(path)
    await repository.__aenter__()
    await repository.save(a_job())
    closing = asyncio.create_task(repository.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    with pytest.raises(RepositoryClosedError):
        await repository.get_by_id("job")
    assert files_in(path.parent) == ["jobs.db"]


async def test_a_cancelled_opening_has_closed_all_when_it_raises(path: Path) -> None:
    repository = SQLiteCollectionJobRepository(path)
    opening = asyncio.create_task(repository.__aenter__())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert set(files_in(path.parent)) <= {"jobs.db"}
    async with repository:
        await repository.save(a_job())


async def test_a_cancelled_opening_does_not_wait_for_a_lock(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path):
        pass
    with plain_connection(path) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        repository = SQLiteCollectionJobRepository(path, busy_timeout=3_600)
        async with asyncio.timeout(10):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await repository.__aenter__()


async def test_a_forgotten_repository_s_threads_end_with_it(path: Path) -> None:
    repository = SQLiteCollectionJobRepository(path)
    await repository.__aenter__()
    await repository.save(a_job())
    await repository.list_recent(limit=1000)
    alive = weakref.ref(repository)
    del repository
    gc.collect()
    assert alive() is None
    await the_writers_end()


async def the_writers_end() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("collection-jobs-sqlite"):
            await asyncio.to_thread(thread.join, 10)
            assert not thread.is_alive()


async def test_a_call_under_way_when_the_repository_closes_says_it_is_closed(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:

        async def read_on() -> None:
            while True:
                await repository.get_by_id("job")

        reading = asyncio.create_task(read_on())
        await a_turn()
    with pytest.raises(RepositoryClosedError):
        await reading


async def test_the_log_is_copied_into_the_database_while_writes_go_on(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path, synchronous="NORMAL") as repository:
        for n in range(10_000):
            await repository.save(a_job(str(n)))
            if n % 50 == 0 and jobs_without_log(path):
                return
    pytest.fail("no checkpoint in 10,000 transactions")


def jobs_without_log(path: Path) -> int:
    uri = f"file:{path}?mode=ro&immutable=1"
    connection = sqlite3.connect(uri, uri=True)
    try:
        return int(connection.execute("SELECT count(*) FROM jobs").fetchone()[0])
    except sqlite3.DatabaseError:
        return 0  # read in the middle of a checkpoint, without a lock
    finally:
        connection.close()


async def test_the_log_begins_anew_although_the_writer_never_rests(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "_CHANGES_PER_CHECKPOINT", 20)
    monkeypatch.setattr(group_commit, "_LONG_LOG", 100)
    log = path.with_name("jobs.db-wal")
    beginnings: set[bytes] = set()
    async with SQLiteCollectionJobRepository(path, synchronous="NORMAL") as repository:

        async def write_on(name: int) -> None:
            for n in range(2_000):
                await repository.save(a_job(f"{name}-{n}"))
                # Where the log's header counts how often it began anew.
                beginnings.add(log.read_bytes()[12:16])
                if len(beginnings) > 3:
                    return

        await asyncio.gather(*(write_on(name) for name in range(8)))
    assert len(beginnings) > 3


async def test_closing_copies_the_log_also_while_others_have_the_file_open(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path):
        async with SQLiteCollectionJobRepository(path) as repository:
            await repository.save(a_job("a"))
            await repository.save(a_job("b"))
        assert jobs_without_log(path) == 2


async def test_stats_are_never_a_mix_of_two_states(path: Path) -> None:
    symbols = tuple(f"S{n}" for n in range(20))
    states = [
        a_job(symbols=symbols, completed_symbols=dict.fromkeys(symbols, 1)),
        a_job(symbols=symbols, failed_symbols=dict.fromkeys(symbols, "no")),
    ]
    async with (
        SQLiteCollectionJobRepository(path, synchronous="NORMAL") as writer,
        SQLiteCollectionJobRepository(path) as reader,
    ):
        await writer.save(states[0])

        async def flip() -> None:
            for n in range(200):
                await writer.save(states[n % 2])

        flipping = asyncio.create_task(flip())
        while not flipping.done():
            stats = await reader.get_stats("job")
            assert stats is not None
            assert {stats.completed, stats.failed} == {0, 20}
            (job,) = await reader.list_recent(limit=1000)
            assert job in states
        await flipping


async def test_a_listing_reads_one_snapshot(engine: SQLiteEngine) -> None:
    await asyncio.gather(*start(engine, *saves(*(a_job(f"{n:03}") for n in range(250)))))
    listed = await engine.read_long(reads.list_all, (reads.RECENT, (0, 1000)))
    assert len(listed) == 250
