"""Versions of the schema: an old file is migrated whole or not at all, and nothing is lost."""

from __future__ import annotations

import re
import signal
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from collection_jobs import JobQuery, JobStats, JobStatus, RepositoryError
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository, migrations, schema
from collection_jobs.adapters.sqlite.schema import SQLITE_SCHEMA_VERSION
from tests.adapters.schemas import DELETED, FOLDER, JOBS, jobs_in, restore, schema_in
from tests.adapters.sqlite_support import a_job, know_another_version, plain_connection
from tests.adapters.test_sqlite_processes import a_process, all_at_once

VERSIONS = range(1, SQLITE_SCHEMA_VERSION + 1)
PROCESSES = 8


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file of the version that is the current one of this release."""
    path = tmp_path / "jobs.db"
    restore(SQLITE_SCHEMA_VERSION, path)
    return path


@pytest.fixture
def next_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is one of the next release."""
    monkeypatch.setattr(migrations, "STEPS", dict(migrations.STEPS))
    monkeypatch.setattr(schema, "SQLITE_SCHEMA_VERSION", SQLITE_SCHEMA_VERSION)
    know_another_version()


def content(path: Path) -> bytes:
    return path.read_bytes()


def version(path: Path) -> int:
    with plain_connection(path) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


async def holds_every_job(path: Path, former: int = SQLITE_SCHEMA_VERSION) -> None:
    """It has what the database of a version has, and serves every method."""
    async with SQLiteCollectionJobRepository(path) as repository:
        for job in jobs_in(former):
            found = await repository.get_by_id(job.id)
            assert found == job
            assert found is not None
            await repository.save(found)
            assert job in await repository.list_by_status(job.status)
        assert len(await repository.list_recent()) == len(JOBS)
        assert await repository.get_by_id(DELETED.id) is None
        await repository.save(DELETED)
        again = await repository.get_by_id(DELETED.id)
        assert again is not None
        assert (again.revision or 0) > 3  # the revisions that it had before it was deleted
        assert await repository.update_status(JOBS[0].id, JobStatus.RUNNING)
        await repository.add_failed_symbol(JOBS[0].id, "it's", "boom")


def test_there_is_a_database_of_each_version_and_a_step_from_each_but_the_last() -> None:
    assert sorted(int(path.stem) for path in FOLDER.glob("*.sql")) == list(VERSIONS)
    assert sorted(migrations.STEPS) == [0, *VERSIONS][:-1]


async def test_the_schema_is_the_one_that_was_kept_of_its_version(tmp_path: Path) -> None:
    """If this fails, the schema was changed: make that a version, with a step to it."""
    async with SQLiteCollectionJobRepository(tmp_path / "new.db"):
        pass
    restore(SQLITE_SCHEMA_VERSION, tmp_path / "kept.db")
    assert schema_in(tmp_path / "new.db") == schema_in(tmp_path / "kept.db")


@pytest.mark.parametrize("former", VERSIONS)
async def test_a_database_of_each_version_is_opened_with_all_that_is_in_it(
    former: int, tmp_path: Path
) -> None:
    path = tmp_path / "jobs.db"
    restore(former, path)
    await holds_every_job(path, former)
    assert version(path) == SQLITE_SCHEMA_VERSION
    async with SQLiteCollectionJobRepository(tmp_path / "new.db"):
        pass
    assert schema_in(path) == schema_in(tmp_path / "new.db")


def test_the_newest_schema_permits_exactly_the_statuses_of_the_lifecycle(tmp_path: Path) -> None:
    restore(SQLITE_SCHEMA_VERSION, tmp_path / "jobs.db")
    (permitted,) = re.findall(r"status IN \(([^)]*)\)", schema_in(tmp_path / "jobs.db")["jobs"])
    assert {text.strip("' ") for text in permitted.split(",")} == set(JobStatus), (
        "JobStatus has other statuses than the CHECK constraint of the newest schema: a new one "
        "needs a migration on SQLite, which rebuilds the table jobs"
    )


async def test_metadata_comes_to_the_jobs_of_an_older_file(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    restore(2, path)
    async with SQLiteCollectionJobRepository(path) as repository:
        found = await repository.get_by_id(JOBS[0].id)
        assert found is not None
        assert found.metadata == {}
        await repository.save(replace(found, metadata=JOBS[0].metadata))
        assert await repository.get_by_id(JOBS[0].id) == jobs_in(4)[0]


@pytest.mark.parametrize("former", range(1, 5))
async def test_an_older_file_gets_no_counts_of_failures_and_its_outcomes_are_counted(
    tmp_path: Path, former: int
) -> None:
    path = tmp_path / "jobs.db"
    restore(former, path)
    async with SQLiteCollectionJobRepository(path) as repository:
        for job in jobs_in(former):
            assert (job.failure_counts, job.cursors, job.symbols_left[-1]) == (
                {},
                {},
                "\u00dc\u00df",
            )
            assert await repository.get_stats(job.id) == JobStats.from_job(job)
        leased = JOBS[1].id
        found = await repository.find(JobQuery(symbol="it's"))
        assert [summary.id for summary in found] == [job.id for job in JOBS]
        leases = {each.id: each.worker for each in found if each.worker is not None}
        assert leases == ({leased: "it's a worker"} if former == 4 else {})
        await repository.add_failure(leased, "it's", "gone", permanent=True)
        await repository.set_cursor(leased, "ETH/USDT", JOBS[1].start)
        again = await repository.get_by_id(leased)
        assert again is not None
        assert again.failure_counts == {"it's": 1}
        assert again.permanent_failures == {"it's"}
        assert again.cursors == {"ETH/USDT": JOBS[1].start}


async def test_candles_that_no_release_holds_any_more_are_named_and_the_file_is_left_as_it_was(
    tmp_path: Path,
) -> None:
    path = tmp_path / "jobs.db"
    restore(1, path)
    with plain_connection(path) as connection:
        for job_id in (JOBS[1].id, JOBS[3].id):
            connection.execute(
                "UPDATE symbols SET candles = '0x8000000000000000' WHERE symbol = 'it''s'"
                " AND job = (SELECT key FROM jobs WHERE id = ?)",
                (job_id,),
            )
    before = content(path)
    with pytest.raises(RepositoryError, match="left unchanged") as raised:
        await SQLiteCollectionJobRepository(path).__aenter__()
    named = ", ".join(sorted(repr(JOBS[n].id) for n in (1, 3)))
    assert f"the jobs {named} have candles of 2**63 or more" in str(raised.value)
    assert content(path) == before
    with plain_connection(path) as connection:
        connection.execute("UPDATE symbols SET candles = 5 WHERE typeof(candles) = 'text'")
    async with SQLiteCollectionJobRepository(path) as repository:
        stats = await repository.get_stats(JOBS[1].id)
        assert stats is not None
        assert stats.total_candles == 2**63 - 1 + 5


@pytest.mark.usefixtures("next_release")
async def test_an_older_schema_is_migrated_and_nothing_is_lost(old: Path) -> None:
    await holds_every_job(old)
    assert version(old) == SQLITE_SCHEMA_VERSION + 1
    with plain_connection(old) as connection:
        assert connection.execute("SELECT DISTINCT note FROM jobs").fetchall() == [
            ("kept",),
            (None,),
        ]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.usefixtures("next_release")
async def test_a_step_that_rebuilds_a_table_keeps_what_refers_to_it(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rebuild = (
        "CREATE TABLE copies AS SELECT * FROM store",
        "DROP TRIGGER remember_deleted_revision",
        "DROP TRIGGER count_outcome",
        "DROP TRIGGER note_cursor",
        "CREATE TABLE rebuilt (key INTEGER PRIMARY KEY, id TEXT UNIQUE)",
        "INSERT INTO rebuilt SELECT key, id FROM jobs",
        "DROP TABLE jobs",
        "ALTER TABLE rebuilt RENAME TO jobs",
    )
    monkeypatch.setitem(migrations.STEPS, SQLITE_SCHEMA_VERSION, rebuild)
    async with SQLiteCollectionJobRepository(old):
        pass
    with plain_connection(old) as connection:
        ((symbols,),) = connection.execute("SELECT count(*) FROM symbols").fetchall()
    assert symbols == sum(len(job.symbols) for job in JOBS)


@pytest.mark.usefixtures("next_release")
async def test_a_step_that_fails_leaves_the_file_as_it_was(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = schema_in(old)
    steps = ("DROP TABLE symbols", "SELECT no_such_function()")
    monkeypatch.setitem(migrations.STEPS, SQLITE_SCHEMA_VERSION, steps)
    with pytest.raises(RepositoryError, match="no_such_function") as raised:
        await SQLiteCollectionJobRepository(old).__aenter__()
    assert isinstance(raised.value.__cause__, sqlite3.OperationalError)
    assert (version(old), schema_in(old)) == (SQLITE_SCHEMA_VERSION, before)


@pytest.mark.usefixtures("next_release")
async def test_a_step_may_not_leave_outcomes_of_no_job(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(migrations.STEPS, SQLITE_SCHEMA_VERSION, ("DELETE FROM jobs",))
    with pytest.raises(RepositoryError, match="outcomes of jobs that do not exist"):
        await SQLiteCollectionJobRepository(old).__aenter__()
    monkeypatch.undo()
    await holds_every_job(old)


@pytest.mark.parametrize("unknown", [0, SQLITE_SCHEMA_VERSION + 1, 99])
async def test_a_schema_that_is_not_known_is_refused_untouched_naming_both_versions(
    old: Path, unknown: int
) -> None:
    with closing(sqlite3.connect(old)) as connection:
        connection.execute(f"PRAGMA user_version = {unknown}")
    before = content(old)
    with pytest.raises(RepositoryError) as raised:
        await SQLiteCollectionJobRepository(old).__aenter__()
    assert f"schema version {unknown}, and this release" in str(raised.value)
    assert f"knows only 1 to {SQLITE_SCHEMA_VERSION}" in str(raised.value)
    assert ("update collection_jobs" in str(raised.value)) is (unknown > SQLITE_SCHEMA_VERSION)
    assert content(old) == before


@pytest.mark.usefixtures("next_release")
async def test_a_version_that_came_while_it_waited_for_the_lock_is_refused(old: Path) -> None:
    meanwhile = sqlite3.connect(old, isolation_level=None, check_same_thread=False)
    meanwhile.execute("BEGIN IMMEDIATE")
    meanwhile.execute("PRAGMA user_version = 7")
    release = threading.Timer(0.2, lambda: meanwhile.execute("COMMIT"))
    release.start()
    with pytest.raises(RepositoryError, match="schema version 7"):
        await SQLiteCollectionJobRepository(old).__aenter__()
    release.join()
    meanwhile.close()


@pytest.mark.usefixtures("next_release")
async def test_a_migration_that_came_before_it_had_the_lock_is_not_repeated(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = count()

    def look_and_let_another_come_first(*arguments: Any) -> int:
        found = look(*arguments)
        if next(looks) == 0:
            with plain_connection(old) as another:
                migrations.migrate(another, str(old), SQLITE_SCHEMA_VERSION + 1)
        return found

    look = migrations._check
    monkeypatch.setattr(migrations, "_check", look_and_let_another_come_first)
    await holds_every_job(old)
    with plain_connection(old) as connection:
        assert connection.execute("SELECT n FROM migrated").fetchall() == [(1,)]


async def test_processes_that_open_an_old_file_at_once_migrate_it_once(old: Path) -> None:
    names = [f"job {number}" for number in range(PROCESSES)]
    await all_at_once([await a_process("migrate", old, name) for name in names])
    assert version(old) == SQLITE_SCHEMA_VERSION + 1
    with plain_connection(old) as connection:
        assert connection.execute("SELECT n FROM migrated").fetchall() == [(1,)]
        ((jobs,),) = connection.execute("SELECT count(*) FROM jobs").fetchall()
    assert jobs == len(JOBS) + PROCESSES


async def test_a_process_killed_in_mid_migration_leaves_the_file_as_it_was(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = schema_in(old)
    process = await a_process("halt", old)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    with plain_connection(old) as connection, pytest.raises(sqlite3.OperationalError, match="lock"):
        connection.execute("BEGIN IMMEDIATE")  # it is in the middle of its transaction
    process.kill()
    assert await process.wait() == -signal.SIGKILL
    assert (version(old), schema_in(old)) == (SQLITE_SCHEMA_VERSION, before)
    await holds_every_job(old)
    monkeypatch.setattr(migrations, "STEPS", dict(migrations.STEPS))
    monkeypatch.setattr(schema, "SQLITE_SCHEMA_VERSION", SQLITE_SCHEMA_VERSION)
    know_another_version()
    async with SQLiteCollectionJobRepository(old) as repository:
        await repository.save(a_job("after"))
    assert version(old) == SQLITE_SCHEMA_VERSION + 1
