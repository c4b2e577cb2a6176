"""Several handles of one process on one file: SQLite's locks belong to the process."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
from asyncio.subprocess import Process
from contextlib import closing
from pathlib import Path

import pytest

from collection_jobs import JobStatus, RepositoryError, open_repository
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository
from tests.adapters.sqlite_support import a_job, files_in, plain_connection
from tests.adapters.test_sqlite_processes import a_process

VISITORS = 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


def locks_on(path: Path) -> list[str]:
    """The locks that this process has on a file, as the kernel has them.

    The kernel shows its locks a page at a time, and skips or repeats some where others come and go
    meanwhile. A lock that is gone is in no look, though: so the longest of some looks is taken.
    """
    return max((_look_at_locks(path) for _ in range(5)), key=len)


def _look_at_locks(path: Path) -> list[str]:
    inode = f":{path.stat().st_ino}"
    rows = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
    return sorted(
        {
            " ".join(row[1:4] + row[6:])
            for row in rows
            if row[4] == str(os.getpid()) and row[5].endswith(inode)
        }
    )


@pytest.fixture(params=["the path", "a symbolic link", "another spelling"])
def other_path(request: pytest.FixtureRequest, path: Path) -> Path:
    """A path that leads to the same file."""
    if request.param == "a symbolic link":
        link = path.parent / "link.db"
        link.symlink_to(path)
        return link
    if request.param == "another spelling":
        return path.parent / ".." / path.parent.name / path.name
    return path


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="only Linux shows the locks")
async def test_opening_looking_at_and_closing_a_handle_leaves_the_locks_of_others(
    path: Path, other_path: Path
) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.save(a_job())
        before = locks_on(path)
        assert before
        async with SQLiteCollectionJobRepository(other_path) as another:
            await another.save(a_job("other"))
            assert set(before) <= set(locks_on(path))
        assert locks_on(path) == before
        for url in (f"sqlite:///{path}", f"sqlite:///{other_path}"):
            async with open_repository(url, create=False) as looking:
                await looking.list_recent()
            assert locks_on(path) == before


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="only Linux shows the locks")
async def test_a_handle_leaves_the_locks_of_a_connection_that_is_not_ours(
    path: Path, other_path: Path
) -> None:
    async with SQLiteCollectionJobRepository(path):
        pass
    with plain_connection(path) as own:
        own.execute("BEGIN IMMEDIATE")
        before = locks_on(path)
        assert before
        async with SQLiteCollectionJobRepository(other_path) as repository:
            assert await repository.list_recent() == []
        assert locks_on(path) == before


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="only Linux shows the locks")
async def test_a_handle_that_is_refused_leaves_the_locks_of_others(path: Path) -> None:
    with plain_connection(path) as own:
        own.execute("CREATE TABLE bookmarks (url TEXT)")
        own.execute("BEGIN IMMEDIATE")
        before = locks_on(path)
        assert before
        with pytest.raises(RepositoryError, match="another application"):
            await SQLiteCollectionJobRepository(path).__aenter__()
        assert locks_on(path) == before


async def test_a_file_with_two_names_is_refused_for_each_would_have_a_log_of_its_own(
    path: Path,
) -> None:
    async with SQLiteCollectionJobRepository(path) as repository:
        link = path.parent / "link.db"
        link.hardlink_to(path)
        with pytest.raises(RepositoryError, match=r"link\.db' has 2 names"):
            await SQLiteCollectionJobRepository(link).__aenter__()
        await repository.save(a_job())
        link.unlink()
    async with SQLiteCollectionJobRepository(path) as repository:
        assert await repository.get_by_id("job") == a_job()


@pytest.mark.parametrize("kind", ["FIFO", "device", "socket"])
async def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "jobs.db"
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    else:
        bound = socket.socket(socket.AF_UNIX)
        bound.bind(str(path))
        bound.close()
    async with asyncio.timeout(5):
        with pytest.raises(RepositoryError, match="is a device, a pipe or a socket, not a file"):
            await SQLiteCollectionJobRepository(path).__aenter__()


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
async def test_a_log_that_is_no_file_is_refused_at_once(path: Path, suffix: str) -> None:
    async with SQLiteCollectionJobRepository(path):
        pass
    os.mkfifo(f"{path}{suffix}")
    async with asyncio.timeout(5):
        with pytest.raises(RepositoryError, match=f"db{suffix}', where SQLite keeps its log"):
            await SQLiteCollectionJobRepository(path).__aenter__()


async def test_a_process_that_changes_its_directory_keeps_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    async with SQLiteCollectionJobRepository("jobs.db") as repository:
        monkeypatch.chdir(tmp_path / "there")
        await repository.save(a_job())
        assert await repository.list_recent(limit=1_000) == [a_job()]
    assert files_in(tmp_path / "there") == []
    assert files_in(tmp_path / "here") == ["jobs.db"]


@pytest.mark.parametrize("handles", [2, 3])
async def test_nothing_acknowledged_is_lost_with_many_handles_processes_and_kills(
    path: Path, handles: int
) -> None:
    said: list[str] = []
    for _ in range(4):
        said += await _a_life(path, handles)
    saved = {line.removeprefix("saved ") for line in said if line.startswith("saved ")}
    failed = [line.removeprefix("failed ") for line in said if line.startswith("failed ")]
    assert said.count("claimed common") <= 4  # it is put back once in each round
    assert len(saved) > 4 * (1 + 10 * VISITORS)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    async with SQLiteCollectionJobRepository(path) as repository:
        stored = {job.id for job in await repository.list_recent(limit=1_000_000)}
        common = await repository.get_by_id("common")
    assert sorted(saved - stored) == []
    assert common is not None
    if failed:
        assert common.failed_symbols == {"BTC/USDT": failed[-1]}


async def _a_life(path: Path, handles: int) -> list[str]:
    """A service with several handles, which others visit, and which is killed; what they say."""
    async with SQLiteCollectionJobRepository(path) as repository:
        if not await repository.update_status("common", JobStatus.PENDING):
            await repository.save(a_job("common"))
    service = await a_process("serve", path, str(handles))
    assert service.stdin is not None
    assert service.stdout is not None
    said: list[str] = []
    while (line := await service.stdout.readline()) != b"ready\n":
        assert line, (await service.communicate())[1]
        said.append(line.decode().strip())
    service.stdin.write(b"go\n")
    reading = asyncio.create_task(_lines(service))
    for _ in range(VISITORS):
        visitor = await a_process("visit", path)
        output, errors = await visitor.communicate()
        assert errors == b""
        said += output.decode().splitlines()
    assert service.returncode is None, (await service.communicate())[1].decode()
    service.kill()
    said += await reading
    assert await service.wait() < 0
    return said


async def _lines(process: Process) -> list[str]:
    """What a process says until it is killed, which may be in the middle of a line."""
    assert process.stdout is not None
    lines = [line.decode() async for line in process.stdout]
    return [line.strip() for line in lines if line.endswith("\n")]
