"""What may happen to an open repository: its files go, its process forks, its writer ends."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

from collection_jobs import JobStatus, RepositoryError
from collection_jobs.adapters.sqlite import (
    SQLiteCollectionJobRepository,
    engine,
    files,
    reads,
    writes,
)
from collection_jobs.adapters.sqlite.engine import SQLiteEngine
from collection_jobs.adapters.sqlite.group_commit import GroupCommit, Write
from collection_jobs.adapters.sqlite.schema import FIRST_INSTANT
from collection_jobs.adapters.sqlite.settings import SQLiteSettings
from tests.adapters.sqlite_support import a_job, plain_connection
from tests.adapters.test_sqlite_processes import a_module, a_process

Repository = SQLiteCollectionJobRepository


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store" / "jobs.db"


# Files that go.


def delete(path: Path) -> None:
    path.unlink()


def rename(path: Path) -> None:
    path.rename(path.with_name("kept.db"))


def replace(path: Path) -> None:
    other = path.with_name("other.db")
    asyncio.run(_filled(other))
    other.replace(path)


async def _filled(path: Path) -> None:
    async with Repository(path) as repository:
        await repository.save(a_job("of the other file"))


def rename_the_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


def delete_the_log(path: Path) -> None:
    path.with_name("jobs.db-wal").unlink()


def replace_the_log(path: Path) -> None:
    delete_the_log(path)
    path.with_name("jobs.db-wal").touch()


def delete_the_index(path: Path) -> None:
    path.with_name("jobs.db-shm").unlink()


def empty(path: Path) -> None:
    os.truncate(path, 0)


CHANGES: list[Callable[[Path], None]] = [
    delete,
    rename,
    replace,
    rename_the_folder,
    delete_the_log,
    replace_the_log,
    delete_the_index,
    empty,
]

CALLS: list[Callable[[Repository], Awaitable[object]]] = [
    lambda repository: repository.save(a_job("later")),
    lambda repository: repository.get_by_id("before"),
    lambda repository: repository.list_recent(),
    lambda repository: repository.list_recent(limit=1_000),
    lambda repository: repository.get_running_jobs(),
    lambda repository: repository.get_stats("before"),
    lambda repository: repository.update_status("before", JobStatus.RUNNING),
    lambda repository: repository.add_failed_symbol("before", "BTC/USDT", "boom"),
    lambda repository: repository.delete("before"),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("first", [0, 3], ids=["then written", "then read"])
async def test_files_that_go_while_they_are_open_are_noticed(
    path: Path, change: Callable[[Path], None], first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_LOOK_EVERY", 0.0)
    async with Repository(path) as repository:
        await repository.save(a_job("before"))
        await repository.list_recent(limit=1_000)  # behind the checkpoint, on the same thread
        await asyncio.to_thread(change, path)
        for call in CALLS[first:] + CALLS[:first]:
            with pytest.raises(RepositoryError, match="deleted, renamed, replaced or emptied"):
                await call(repository)
    if change not in (replace_the_log, empty):
        async with Repository(_where_it_is(path, change)) as repository:
            gone = change in (delete, replace)
            assert await repository.get_by_id("before") == (None if gone else a_job("before"))
            assert await repository.get_by_id("later") is None or change is delete_the_log


def _where_it_is(path: Path, change: Callable[[Path], None]) -> Path:
    if change is rename:
        return path.with_name("kept.db")
    return path.parent.with_name("moved") / path.name if change is rename_the_folder else path


async def test_closing_leaves_the_file_that_replaced_the_open_one(path: Path) -> None:
    async with Repository(path) as repository:
        await repository.save(a_job("before"))
        await asyncio.to_thread(replace, path)
        with pytest.raises(RepositoryError, match="replaced"):
            await repository.save(a_job("later"))
    with plain_connection(path) as other:
        assert other.execute("SELECT id FROM jobs").fetchall() == [("of the other file",)]
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_what_was_written_before_a_file_was_renamed_is_in_it_whole(path: Path) -> None:
    async with Repository(path) as repository:
        for n in range(20):
            await repository.save(a_job(str(n)))
        await asyncio.to_thread(rename, path)
        with pytest.raises(RepositoryError, match="renamed"):
            await repository.save(a_job("later"))
        with closing(sqlite3.connect(path.with_name("kept.db"))) as kept:
            ((count,),) = kept.execute("SELECT count(*) FROM jobs").fetchall()
        assert count >= 20


async def test_a_file_whose_log_was_replaced_is_not_opened_again_in_this_process(
    path: Path,
) -> None:
    async with Repository(path) as repository:
        await repository.save(a_job("before"))
        await asyncio.to_thread(replace_the_log, path)
        with pytest.raises(RepositoryError, match="replaced"):
            await repository.save(a_job("later"))
    with pytest.raises(RepositoryError, match="cannot be opened in this process: its log was"):
        await Repository(path).__aenter__()


async def test_a_link_that_leads_elsewhere_is_noticed(path: Path) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)
    async with Repository(link) as repository:
        await repository.save(a_job("before"))
        link.unlink()
        link.symlink_to(path.with_name("another.db"))
        with pytest.raises(RepositoryError, match="replaced"):
            await repository.save(a_job("later"))


@pytest.mark.parametrize("step", ["connect_to_write", "connect_to_read"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_file_that_is_replaced_while_it_is_opened_is_refused(
    path: Path, step: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _filled(path)
    await _filled(path.with_name("other.db"))
    real: Callable[..., sqlite3.Connection] = getattr(engine, step)

    def replacing(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = real(*args, **options) if after else None
        if path.with_name("other.db").exists():
            path.with_name("other.db").replace(path)
        return connection or real(*args, **options)

    monkeypatch.setattr(engine, step, replacing)
    with pytest.raises(RepositoryError, match="replaced"):
        async with Repository(path) as repository:
            await repository.save(a_job("lost"))
    async with Repository(path) as repository:
        assert await repository.list_recent() == [a_job("of the other file")]


async def test_a_folder_that_another_of_the_same_instant_replaces_is_noticed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_SETTLED_AFTER", 0)
    former, other = path.parent / "former" / "jobs", path.parent / "other" / "jobs"
    for folder in (former, other):
        folder.mkdir(parents=True)
    async with Repository(former / "jobs.db") as repository:
        await repository.save(a_job("before"))
        await repository.list_recent(limit=1_000)
        for _ in range(10_000):
            (former / "file").touch()
            (other / "file").touch()
            if former.stat().st_ctime_ns == other.stat().st_ctime_ns:
                break
            (former / "file").unlink()
            (other / "file").unlink()
        await repository.save(a_job("settled"))
        former.parent.rename(path.parent / "kept")
        other.parent.rename(former.parent)
        with pytest.raises(RepositoryError, match="renamed"):
            await repository.save(a_job("later"))


# Another process, thread or event loop.


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
@pytest.mark.parametrize(
    "when", ["used", "idle", "collected", "cancels", "importing", "closed before", "closed after"]
)
async def test_a_forked_child_loses_nothing_and_takes_nothing(path: Path, when: str) -> None:
    process = await a_module("tests.adapters.sqlite_fork", str(path), when)
    output, errors = await asyncio.wait_for(process.communicate(), 30)
    assert errors == b""
    assert process.returncode == 0
    saved = {line.split()[1] for line in output.decode().splitlines() if line.startswith("saved")}
    assert len(saved) == (60 if when == "closed before" else 40)
    with plain_connection(path) as other:
        stored = {job_id for (job_id,) in other.execute("SELECT id FROM jobs")}
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert saved <= stored


async def test_another_event_loop_is_refused_and_nothing_is_written(path: Path) -> None:
    async with Repository(path) as repository:

        async def call_everything() -> None:
            for call in CALLS:
                with pytest.raises(RepositoryError, match="opened in another thread"):
                    await call(repository)
            with pytest.raises(RepositoryError, match="opened in another thread"):
                await repository.close()

        await asyncio.to_thread(asyncio.run, call_everything())
        assert await repository.list_recent() == []


def test_a_later_event_loop_of_the_same_thread_is_refused(path: Path) -> None:
    repository = Repository(path)
    asyncio.run(repository.__aenter__())
    for call in CALLS:
        with pytest.raises(RepositoryError, match="opened in another event loop"):
            asyncio.run(_called(call, repository))


async def _called(call: Callable[[Repository], Awaitable[object]], repository: Repository) -> None:
    await call(repository)


# A writer that ends.


@pytest.fixture
async def opened(path: Path) -> SQLiteEngine:
    opened = SQLiteEngine(SQLiteSettings.of(path, "FULL", 5.0))
    await opened.open()
    return opened


def _out_of_memory(connection: sqlite3.Connection) -> None:
    writes.save(connection, a_job("half"))
    raise MemoryError


def _exits(connection: sqlite3.Connection) -> None:
    writes.save(connection, a_job("half"))
    sys.exit("the end")


def _cannot_roll_back(connection: sqlite3.Connection) -> None:
    writes.save(connection, a_job("half"))
    connection.set_authorizer(_no_transactions)
    raise MemoryError


def _no_transactions(action: int, *_: object) -> int:
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_TRANSACTION else sqlite3.SQLITE_OK


@pytest.mark.parametrize("ends", [_out_of_memory, _exits])
async def test_a_write_that_runs_out_of_memory_fails_alone(
    opened: SQLiteEngine, ends: Callable[[sqlite3.Connection], None]
) -> None:
    calls = [opened.write(writes.save, a_job("a")), opened.write(ends)]
    calls.append(opened.write(writes.save, a_job("b")))
    async with asyncio.timeout(10):
        first, failed, last = await asyncio.gather(*calls, return_exceptions=True)
        assert (first, last) == (None, None)
        assert isinstance(failed, RepositoryError)
        assert isinstance(failed.__cause__, MemoryError | SystemExit)
        await opened.write(writes.save, a_job("c"))
        await opened.close()


async def test_a_transaction_that_cannot_be_rolled_back_ends_with_its_connection(
    opened: SQLiteEngine, path: Path
) -> None:
    async with asyncio.timeout(10):
        await opened.write(writes.save, a_job("before"))
        calls = [opened.write(writes.save, a_job(str(n))) for n in range(3)]
        calls.insert(1, opened.write(_cannot_roll_back))
        calls += [opened.write(writes.save, a_job(f"late {n}")) for n in range(3)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(answer) for answer in answers} == {RepositoryError}
        for call in (opened.write(writes.delete, "before"), opened.read(_count, None)):
            with pytest.raises(RepositoryError, match="could not be rolled back"):
                await call
        with plain_connection(path) as other:  # nothing is locked
            other.execute("BEGIN IMMEDIATE")
            assert other.execute("SELECT id FROM jobs").fetchall() == [("before",)]
        await opened.close()


def _count(connection: sqlite3.Connection, _: None) -> int:
    return int(connection.execute("SELECT count(*) FROM jobs").fetchone()[0])


async def test_a_batch_that_the_writer_cannot_even_begin_is_answered(
    opened: SQLiteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(GroupCommit, "commit", ends)
    async with asyncio.timeout(10):
        for _ in range(2):
            with pytest.raises(RepositoryError, match=r"the writer .*ended"):
                await opened.write(writes.save, a_job())
        await opened.close()


async def test_a_writer_that_ends_within_a_transaction_leaves_it_at_once(
    opened: SQLiteEngine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(_: Write) -> bool:
        raise MemoryError

    async with asyncio.timeout(10):
        with monkeypatch.context() as patch:
            patch.setattr(Write, "start", ends)
            with pytest.raises(RepositoryError, match=r"the writer .*ended"):
                await opened.write(writes.save, a_job())
            with pytest.raises(RepositoryError, match=r"the writer .*ended"):
                await opened.write(writes.save, a_job())
        with plain_connection(path) as other:  # nothing is locked before the repository is closed
            other.execute("BEGIN IMMEDIATE")
            assert other.execute("SELECT id FROM jobs").fetchall() == []
        await opened.close()


async def test_a_lack_of_memory_that_goes_on_leaves_no_caller_without_an_answer(
    opened: SQLiteEngine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(real: Callable[..., object], times: int) -> Callable[..., object]:
        left = iter([MemoryError] * times)

        def call(*args: Any) -> object:
            for error in left:
                raise error
            return real(*args)

        return call

    monkeypatch.setattr(GroupCommit, "commit", lacking(GroupCommit.commit, 1))
    monkeypatch.setattr(SQLiteEngine, "_fail", lacking(SQLiteEngine._fail, 2))
    async with asyncio.timeout(10):
        calls = [opened.write(writes.save, a_job(str(n))) for n in range(3)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(answer) for answer in answers} == {RepositoryError}
        with suppress(RepositoryError):
            await opened.close()
    with plain_connection(path) as other:
        other.execute("BEGIN EXCLUSIVE")


class _LacksMemory(sqlite3.Connection):
    """A connection on which so many statements of some text fail for want of memory."""

    lacking: ClassVar[dict[str, int]] = {}

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if self.lacking.get(sql, 0):
            self.lacking[sql] -= 1
            raise MemoryError
        return super().execute(sql, *parameters)


@pytest.mark.parametrize("times", [1, 2, 3, 10])
async def test_a_read_that_lacks_memory_even_at_its_end_keeps_no_snapshot_from_the_next(
    path: Path, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Repository(path) as repository:
        await repository.save(a_job())
    keys = (reads.RECENT, (FIRST_INSTANT, 10))
    with closing(sqlite3.connect(path, factory=_LacksMemory, isolation_level=None)) as connection:
        monkeypatch.setitem(_LacksMemory.lacking, "COMMIT", times)
        for _ in range(4):
            assert reads.list_all(connection, keys) == [a_job()]
        assert not connection.in_transaction


async def test_where_no_thread_is_to_be_had_calls_say_so(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    async with Repository(path) as repository:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", no_thread)
            with pytest.raises(RepositoryError, match="no thread could be started"):
                await Repository(path).__aenter__()
            with pytest.raises(RepositoryError, match="no thread could be started"):
                await repository.list_recent(limit=1_000)
        await repository.save(a_job())
        assert await repository.list_recent(limit=1_000) == [a_job()]


async def test_a_process_that_has_no_memory_left_answers_every_call(path: Path) -> None:
    process = await a_process("starve", path)
    output, errors = await asyncio.wait_for(process.communicate(b"go\n"), 60)
    assert errors == b""
    *_, answered = output.decode().split()
    assert answered == "40"
    shutil.copy(path, path.with_name("copy.db"))
    with plain_connection(path.with_name("copy.db")) as other:
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
