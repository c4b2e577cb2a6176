"""The file: what is opened, what is refused untouched, what its schema forbids and its plans."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from collection_jobs import JobStatus, RepositoryClosedError, RepositoryError, open_repository
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository, reads, writes
from collection_jobs.adapters.sqlite.schema import FIRST_INSTANT, connect_to_write
from collection_jobs.adapters.sqlite.settings import SQLiteSettings
from collection_jobs.documents import to_micros
from tests.adapters.sqlite_support import a_job, files_in, plain_connection
from tests.liars import LyingStr, PretendsToBeInt


async def test_what_was_saved_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    repository = SQLiteCollectionJobRepository(tmp_path / "jobs.db")
    async with repository:
        await repository.save(a_job())
    async with repository:
        assert await repository.get_by_id("job") == a_job()
    assert files_in(tmp_path) == ["jobs.db"]


async def test_a_repository_that_is_not_open_says_so(tmp_path: Path) -> None:
    repository = SQLiteCollectionJobRepository(tmp_path / "jobs.db")
    assert files_in(tmp_path) == []
    with pytest.raises(RepositoryClosedError, match=r"jobs\.db' is not open"):
        await repository.get_by_id("job")
    async with repository:
        with pytest.raises(RepositoryError, match="open already"):
            await repository.__aenter__()
    with pytest.raises(RepositoryClosedError, match="not open"):
        await repository.save(a_job())
    with pytest.raises(RepositoryClosedError, match="not open"):
        await repository.get_running_jobs()
    await repository.close()


async def open_and_close(path: Path) -> None:
    async with SQLiteCollectionJobRepository(path):
        pass


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match=r"no folder '.*missing'"):
        await open_and_close(tmp_path / "missing" / "jobs.db")
    with pytest.raises(RepositoryError, match="is a folder"):
        await open_and_close(tmp_path)


@pytest.mark.parametrize("content", [b"x", b"SQLite format 3\0", b"not a database" * 1000])
async def test_what_is_no_database_is_refused_untouched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(RepositoryError, match=r"notes\.txt' is not a SQLite database"):
        await open_and_close(path)
    assert path.read_bytes() == content
    assert files_in(tmp_path) == [path.name]


async def test_a_damaged_file_of_ours_is_a_repository_error(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    await open_and_close(path)
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 20_000)
    with pytest.raises(RepositoryError) as caught:
        await open_and_close(path)
    assert isinstance(caught.value.__cause__, sqlite3.Error)


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
async def test_the_database_of_another_application_is_refused_untouched(
    tmp_path: Path, mode: str
) -> None:
    path = tmp_path / "bookmarks.db"
    with plain_connection(path) as other:
        other.execute(f"PRAGMA journal_mode = {mode}")
        other.execute("CREATE TABLE bookmarks (url TEXT)")
    content = path.read_bytes()
    with pytest.raises(RepositoryError, match="another application"):
        await open_and_close(path)
    assert path.read_bytes() == content
    assert files_in(tmp_path) == [path.name]


async def test_an_empty_file_becomes_a_repository(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").touch()
    await open_and_close(tmp_path / "jobs.db")


async def test_who_only_looks_makes_no_file(tmp_path: Path) -> None:
    missing, empty = tmp_path / "none" / "jobs.db", tmp_path / "empty.db"
    empty.touch()
    for path, message in ((missing, "there is no file"), (empty, "is an empty file")):
        with pytest.raises(RepositoryError, match=message):
            async with SQLiteCollectionJobRepository(path, create=False):
                pytest.fail("it opened")
    assert not missing.parent.exists()
    assert empty.stat().st_size == 0
    async with (
        SQLiteCollectionJobRepository(empty),
        SQLiteCollectionJobRepository(empty, create=False) as repository,
    ):
        assert await repository.list_recent() == []


@pytest.mark.parametrize(
    ("url", "path", "synchronous", "busy_timeout"),
    [
        ("sqlite:///jobs.db", "jobs.db", "FULL", 5.0),
        ("SQLite:////var/lib/jobs.db?synchronous=NORMAL", "/var/lib/jobs.db", "NORMAL", 5.0),
        ("sqlite:///a%20b%3F.db?busy_timeout=0.5", "a b?.db", "FULL", 0.5),
    ],
)
def test_a_url_reads_as_sqlalchemy_s_do(
    url: str, path: str, synchronous: str, busy_timeout: float
) -> None:
    settings = SQLiteSettings.from_url(url)
    assert (settings.path, settings.synchronous, settings.busy_timeout) == (
        path,
        synchronous,
        busy_timeout,
    )


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:", "reads sqlite:///relative.db"),
        ("sqlite://host/jobs.db", "sqlite://host/jobs.db"),
        ("sqlite:///", "must name a file"),
        ("sqlite:///:memory:", "open memory:"),
        ("sqlite:///a%00b", "must name a file"),
        ("sqlite:///a%ff", "UTF-8"),
        ("sqlite:///a?mode=ro", "'mode'"),
        ("sqlite:///a?synchronous", "name=value"),
        ("sqlite:///a?synchronous=OFF", "'OFF'"),
        ("sqlite:///a?synchronous=FULL&synchronous=FULL", "once"),
        ("sqlite:///a?busy_timeout=soon", "'soon'"),
        ("sqlite:///a?busy_timeout=nan", "nan"),
        ("sqlite:///a?busy_timeout=-1", "-1"),
    ],
)
def test_a_wrong_url_is_refused_in_a_sentence_that_shows_what_is_wrong(
    url: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        open_repository(url)


def test_a_wrong_setting_is_refused() -> None:
    with pytest.raises(TypeError, match="str"):
        SQLiteCollectionJobRepository(b"jobs.db")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - the wrong one
    with pytest.raises(TypeError, match="'5'"):
        SQLiteCollectionJobRepository("jobs.db", busy_timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - the wrong one
    with pytest.raises(ValueError, match="memory:"):
        SQLiteCollectionJobRepository(":memory:")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": 5}, "path must be .*: 5"),
        ({"path": None}, "path must be .*: None"),
        ({"synchronous": None}, "synchronous must be .*: None"),
        ({"synchronous": LyingStr("OFF")}, "synchronous must be FULL or NORMAL: 'OFF'"),
        ({"busy_timeout": PretendsToBeInt()}, "busy_timeout must be a number"),
        ({"busy_timeout": 10**5_000}, "busy_timeout must be 0 to 86400 seconds"),
        ({"create": 1}, "create must be a bool, not int: 1"),
    ],
)
def test_a_setting_of_a_wrong_type_is_named_and_shown(
    settings: dict[str, Any], message: str
) -> None:
    path: Any = "jobs.db"
    with pytest.raises((TypeError, ValueError), match=message):
        SQLiteCollectionJobRepository(**{"path": path} | settings)


async def test_a_path_that_lies_is_the_path_that_it_is(tmp_path: Path) -> None:
    async with SQLiteCollectionJobRepository(LyingStr(tmp_path / "jobs.db")) as repository:
        await repository.save(a_job())
    assert files_in(tmp_path) == ["jobs.db"]


async def test_open_repository_opens_the_file_of_the_url(tmp_path: Path) -> None:
    async with open_repository(f"sqlite:///{tmp_path}/jobs.db?synchronous=NORMAL") as repository:
        await repository.save(a_job())
    assert (tmp_path / "jobs.db").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE jobs SET status = 'lost'",
        "UPDATE jobs SET id = ''",
        "UPDATE jobs SET id = 'a' || char(0)",
        "UPDATE jobs SET source = printf('%.256c', 'x')",
        "UPDATE jobs SET timeframe = NULL",
        "UPDATE jobs SET range_end = range_start",
        "UPDATE jobs SET created_at = 'today'",
        "UPDATE jobs SET created_at = 1.5",
        "UPDATE jobs SET started_at = 9223372036854775807",
        "UPDATE jobs SET revision = 0",
        "UPDATE jobs SET error_message = char(0)",
        "INSERT INTO jobs SELECT * FROM jobs",
        "UPDATE symbols SET candles = -1",
        "UPDATE symbols SET candles = 1.5",
        "UPDATE symbols SET candles = 'twelve'",
        "UPDATE symbols SET candles = '0x8000000000000000'",
        "UPDATE symbols SET candles = x'00'",
        "UPDATE symbols SET candles = 1, error = 'both'",
        "UPDATE symbols SET position = -1",
        "UPDATE symbols SET symbol = ''",
        "UPDATE symbols SET symbol = 'the same'",
        "INSERT INTO symbols (job, symbol, position, created_at) VALUES (99, 'orphan', 0, 0)",
        "UPDATE symbols SET failures = 0",
        "UPDATE symbols SET failures = 9223372036854775808",
        "UPDATE symbols SET is_permanent = 2, error = 'boom'",
        "UPDATE symbols SET is_permanent = 1, error = NULL",
        "UPDATE symbols SET cursor = 253402300800000000",
        "UPDATE symbols SET cursor = 0, candles = 1, error = NULL",
        "UPDATE symbols SET created_at = NULL",
        "UPDATE jobs SET completed = -1",
        "UPDATE jobs SET failed = -1",
        "UPDATE jobs SET candles_high = -1",
        "UPDATE jobs SET candles_low = -1",
        "UPDATE jobs SET total = -1",
        "UPDATE jobs SET has_failures = 2",
    ],
)
async def test_no_other_writer_can_store_what_is_no_job(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "jobs.db"
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.save(a_job())
    with plain_connection(path) as other:
        other.execute("PRAGMA foreign_keys = ON")
        with pytest.raises(sqlite3.IntegrityError):
            other.execute(statement)


def test_no_statement_scans_a_table_or_sorts(tmp_path: Path) -> None:
    statements: list[str] = []
    with closing(
        connect_to_write(SQLiteSettings.of(tmp_path / "jobs.db", "FULL", 5.0))
    ) as connection:
        connection.set_trace_callback(statements.append)
        job = a_job(completed_symbols={"BTC/USDT": 5})
        writes.save(connection, job)
        writes.save(connection, a_job(symbols=("BTC/USDT", "XRP/USDT"), status=JobStatus.RUNNING))
        for status in JobStatus:
            writes.update_status(connection, "job", status, None)
        writes.add_failure(connection, "job", "BTC/USDT", "gone", True)
        writes.set_cursor(connection, "job", "BTC/USDT", to_micros(job.start))
        writes.add_completion(connection, "job", "BTC/USDT", 5)
        reads.find(connection, "job")
        reads.stats(connection, "job")
        for listed in (reads.list_few, reads.list_all):
            listed(connection, (reads.BY_STATUS, ("pending", FIRST_INSTANT, "", 10, 10)))
            listed(connection, (reads.RECENT, (FIRST_INSTANT, 10)))
        writes.delete(connection, "job")
        connection.set_trace_callback(None)
        plans = {
            step
            for statement in statements
            if not statement.lstrip().startswith(("--", "BEGIN", "COMMIT"))
            for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
        }
    assert len(statements) > 15
    # Neither the one row of `store` nor a JSON array of parameters is a table that grows.
    harmless = ("SCAN store", "SCAN json_each", "SCAN names", "SCAN wanted", "SCAN CONSTANT ROW")
    costly = {step for step in plans if "SCAN" in step and not step.startswith(harmless)}
    assert costly == set()
    assert {step for step in plans if "TEMP B-TREE" in step} == set()
    assert "SEARCH jobs USING COVERING INDEX jobs_by_age (created_at>?)" in plans


async def test_a_path_that_leads_through_a_file_is_a_repository_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RepositoryError, match="cannot be opened"):
        await open_and_close(tmp_path / "file" / "jobs.db")


@pytest.mark.parametrize("length", [248, 251, 252, 255])
@pytest.mark.parametrize("there", [False, True])
async def test_a_name_so_long_that_its_log_can_have_none_is_refused_untouched(
    tmp_path: Path, length: int, there: bool
) -> None:
    path = tmp_path / ("a" * length)
    if there:
        path.touch()
    with pytest.raises(RepositoryError, match=r"keeps its log in .*: File name too long"):
        await SQLiteCollectionJobRepository(path).__aenter__()
    assert files_in(tmp_path) == ([path.name] if there else [])


def test_a_path_that_no_file_system_can_spell_is_refused() -> None:
    with pytest.raises(ValueError, match=r"path must be one .*\\ud800"):
        SQLiteCollectionJobRepository("a\ud800")
