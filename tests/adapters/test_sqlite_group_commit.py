"""Which writes share a transaction, and when the log is copied.

It is copied not while it may begin anew, and by the writer itself if it is long.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from collection_jobs import JobNotFoundError, JobStatus
from collection_jobs.adapters.sqlite import group_commit, writes
from collection_jobs.adapters.sqlite.background import BackgroundWork
from collection_jobs.adapters.sqlite.files import Files
from collection_jobs.adapters.sqlite.group_commit import GroupCommit, Write
from collection_jobs.adapters.sqlite.schema import connect_to_write
from collection_jobs.adapters.sqlite.settings import SQLiteSettings
from tests.adapters.sqlite_support import a_job


class Checkpoints:
    """Checkpoints that end when a test says so."""

    def __init__(self) -> None:
        self.started: list[BackgroundWork[int]] = []
        self.pages = 0

    def start(self) -> BackgroundWork[int]:
        self.started.append(BackgroundWork(lambda: self.pages))
        return self.started[-1]


class Writer:
    """A committer on a real file, whose every commit is due for a checkpoint."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        settings = SQLiteSettings.of(path, "FULL", 5.0)
        self.checkpoints = Checkpoints()
        self.connection = connection
        self.statements: list[str] = []
        connection.set_trace_callback(self.statements.append)
        self._committer = GroupCommit(
            connection, Files(str(path), None), settings, self.checkpoints.start
        )
        self._count = 0

    def commit(self, *ends_a_checkpoint: int) -> None:
        """Save a job; a checkpoint under way ends in the middle of it, with so many pages."""

        def work(connection: sqlite3.Connection) -> None:
            writes.save(connection, a_job(str(self._count)))
            for pages in ends_a_checkpoint:
                self.checkpoints.pages = pages
                self.checkpoints.started[-1].run()

        self._count += 1
        (write,) = self.do((work,))
        assert write.kept

    def do(self, *calls: tuple[Any, ...]) -> list[Write]:
        """Commit what arrives at the same time: a function for each, and its arguments."""
        loop = asyncio.get_running_loop()
        together = [Write(work, tuple(args), loop.create_future()) for work, *args in calls]
        self.commit_all(together)
        return together

    def commit_all(self, together: list[Write]) -> None:
        """Commit what arrives at the same time."""
        self._committer.commit(together)

    def transactions(self) -> int:
        """How many were begun by a statement of their own since the last time."""
        begun = self.statements.count("BEGIN IMMEDIATE")
        self.statements.clear()
        return begun

    @property
    def inline_checkpoints(self) -> int:
        return sum("wal_checkpoint" in statement for statement in self.statements)


@pytest.fixture
def writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writer]:
    monkeypatch.setattr(group_commit, "_CHANGES_PER_CHECKPOINT", 1)
    path = tmp_path / "jobs.db"
    with closing(connect_to_write(SQLiteSettings.of(path, "FULL", 5.0))) as connection:
        yield Writer(path, connection)


async def test_a_checkpoint_is_started_after_enough_changes(writer: Writer) -> None:
    writer.commit()
    assert len(writer.checkpoints.started) == 1


async def test_no_checkpoint_starts_while_another_one_is_under_way(writer: Writer) -> None:
    for _ in range(3):
        writer.commit()
    assert len(writer.checkpoints.started) == 1


async def test_no_checkpoint_starts_after_a_commit_that_began_during_the_last_one(
    writer: Writer,
) -> None:
    """That commit may have begun the log anew: where SQLite before 3.51.3 can lose pages."""
    writer.commit()
    writer.commit(10)
    assert len(writer.checkpoints.started) == 1
    writer.commit()
    assert len(writer.checkpoints.started) == 2


async def test_a_long_log_is_copied_by_the_writer_itself_so_that_it_can_begin_anew(
    writer: Writer,
) -> None:
    writer.commit()
    writer.commit(group_commit._LONG_LOG + 1)
    assert writer.inline_checkpoints == 0
    writer.commit()
    assert writer.inline_checkpoints == 1
    assert len(writer.checkpoints.started) == 1


async def test_a_log_that_is_not_long_is_left_to_the_other_thread(writer: Writer) -> None:
    writer.commit()
    writer.commit(group_commit._LONG_LOG)
    writer.commit()
    assert writer.inline_checkpoints == 0
    assert len(writer.checkpoints.started) == 2


CANCEL = writes.update_status, "1", JobStatus.CANCELLED, None, None
FAIL = writes.add_failure, "1", "BTC/USDT", "timed out", False, None


@pytest.mark.parametrize(("call", "result"), [(CANCEL, True), (FAIL, None)])
async def test_a_lone_write_of_one_statement_begins_no_transaction(
    writer: Writer, call: tuple[Any, ...], result: object
) -> None:
    writer.commit()
    writer.transactions()
    (write,) = writer.do(call)
    assert (write.kept, write.error, write.result) == (True, None, result)
    assert writer.transactions() == 0


async def test_writes_that_wait_together_share_one_transaction(writer: Writer) -> None:
    writer.commit()
    writer.transactions()
    first, second = writer.do(CANCEL, CANCEL)
    assert (first.result, second.result) == (True, False)
    assert writer.transactions() == 1


async def test_a_lone_refusal_is_explained_within_a_transaction(writer: Writer) -> None:
    """Else the job could come between the refusal and the look for its reason."""
    (write,) = writer.do(FAIL)
    assert isinstance(write.error, JobNotFoundError)
    assert writer.transactions() == 1


async def test_a_lone_write_waits_for_anothers_lock_and_may_be_cancelled_meanwhile(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.commit()
    with closing(sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waited: list[bool] = []

        def let_go(settings: SQLiteSettings, step: Callable[[], object]) -> object:
            waited.append(write.started)
            other.execute("ROLLBACK")
            return step()

        monkeypatch.setattr(group_commit, "retry_while_locked", let_go)
        write = Write(CANCEL[0], CANCEL[1:], asyncio.get_running_loop().create_future())
        writer.commit_all([write])
    assert waited == [False]
    assert (write.kept, write.result) == (True, True)
