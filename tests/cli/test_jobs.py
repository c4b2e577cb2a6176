"""collection-jobs jobs: what it shows of a store, what it changes, and how it refuses."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from collection_jobs import (
    CollectionJob,
    InMemoryCollectionJobRepository,
    JobQuery,
    JobStatus,
    RepositoryError,
    open_repository,
)
from collection_jobs.cli.jobs.transitions import retried
from collection_jobs.conformance.spec.calls import example_job
from tests.cli.support import NOW, fill, jobs, one_of_each, stored

EVIL = "\x1b]0;owned\x07\x1b[2J[bold]x[/bold]\u202egnp"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return fill(tmp_path, one_of_each())


def ids(output: str) -> list[str]:
    return [job["id"] for job in json.loads(output)["jobs"]]


# Listing


def test_jobs_are_listed_newest_first_whether_or_not_list_is_said(url: str) -> None:
    expected = ["running", "pending", "failed", "completed", "cancelled"]
    for arguments, usual in ((["list", url], ""), ([url], ""), (["list"], url), ([], url)):
        result = jobs(*arguments, url=usual)
        assert result.exit_code == 0, result.output
        lines = result.stdout.splitlines()[2:]
        assert [line.split()[0] for line in lines] == expected


def test_a_listing_can_be_narrowed(tmp_path: Path) -> None:
    old = [example_job(f"old {n}", created_at=NOW - timedelta(days=n)) for n in range(1, 5)]
    url = fill(tmp_path, [*old, *one_of_each()])
    assert ids(jobs(url, "--json", "--status", "failed", "--status", "running").stdout) == [
        "running",
        "failed",
    ]
    assert ids(jobs(url, "--json", "--status", "pending").stdout)[:2] == ["pending", "old 1"]
    since = jobs(url, "--json", "--status", "pending", "--since", "2024-02-28T00:00").stdout
    assert ids(since) == ["pending", "old 1", "old 2"]
    assert ids(jobs(url, "--json", "--since", "1h").stdout) == []
    limited = jobs(url, "--json", "--limit", "2")
    assert json.loads(limited.stdout)["more"] is True
    assert len(ids(limited.stdout)) == 2
    assert json.loads(jobs(url, "--json").stdout)["more"] is False


def test_what_is_left_out_is_said(url: str) -> None:
    result = jobs(url, "--limit", "2")
    assert result.stderr.strip() == "1 to 2 of 5 jobs; --page 2 shows the next"
    result = jobs(url, "--since", "1s")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no jobs like these in sqlite:///" in result.stderr.replace("\n", "")


@pytest.mark.parametrize("width", [60, 80, 100, 140, 160, 200])
def test_the_table_fits_the_terminal(tmp_path: Path, width: int) -> None:
    wide = example_job("界" * 60, symbols=tuple(f"S{n}" for n in range(2000)), source="s" * 200)
    long = example_job("a" * 120 + "-tail").start_running().fail("because " * 40)
    result = jobs(fill(tmp_path, [wide, long, *one_of_each()]), width=width)
    lines = result.stdout.splitlines()
    assert max(map(cell_len, lines)) <= width
    assert len(lines) == 2 + 7
    assert any("…" in line and "-tail" in line for line in lines)
    assert "candles" in lines[0]
    if width >= 100:
        assert "took" in lines[0]
    if width >= 160:
        assert "created (UTC)" in lines[0]


def test_what_is_piped_is_whole_and_has_a_line_for_each_job(tmp_path: Path) -> None:
    long = example_job("a" * 255, source="s" * 99).start_running().fail("because " * 40 + "\nmore")
    url = fill(tmp_path, [long])
    ran = subprocess.run(
        [sys.executable, "-m", "collection_jobs", "jobs", url],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "", "HOME": str(tmp_path)},
    )
    (line,) = ran.stdout.splitlines()
    assert all(part in line for part in ("a" * 255, "s" * 99, "because " * 39 + "because"))
    assert "\x1b" not in ran.stdout
    assert "…" not in ran.stdout


def test_a_terminal_without_unicode_gets_escapes_and_no_traceback(tmp_path: Path) -> None:
    url = fill(tmp_path, [example_job("jöb 界").start_running().with_failed_symbol("BTC", "é")])
    for command in (["list"], ["show", url, "jöb 界"], ["stats"], ["stats", url, "jöb 界"]):
        ran = subprocess.run(
            [sys.executable, "-m", "collection_jobs", "jobs", *command],
            capture_output=True,
            check=False,
            env={
                "PATH": "",
                "HOME": str(tmp_path),
                "PYTHONIOENCODING": "ascii",
                "COLUMNS": "80",
                "COLLECTION_JOBS_URL": url,
            },
        )
        assert ran.returncode == 0, ran.stderr
        ran.stdout.decode("ascii")


# One job, and sums


def test_a_job_is_shown_with_its_progress_its_times_and_every_outcome(url: str) -> None:
    shown = jobs("show", url, "failed").stdout
    assert re.search(r"failed +failed", shown)
    assert "1h candles from 2024-01-01 to 2025-01-01 UTC" in shown
    assert "0 of 2 symbols completed, 1 failed, 1 pending; 0 candles" in shown
    assert "50 %" in shown
    assert "2024-03-01 01:31:00 UTC  took 1h 30m" in shown
    assert "no luck" in shown
    assert re.search(r"ETH +failed +1 +timed out", shown)
    assert re.search(r"pending +BTC", shown)
    assert re.search(r"metadata +ticket: T-1 *\n", shown)
    assert re.search(r"BTC +1,000\n.*ETH +234\n?", jobs("show", url, "completed").stdout)


def test_no_line_of_a_value_can_be_taken_for_another_key(tmp_path: Path) -> None:
    url = fill(tmp_path, [example_job("a", metadata={"a": "1\nticket: T-9", "ticket": "T-1"})])
    shown = jobs("show", url, "a").stdout
    indent = re.search(r"^metadata +(?=a: 1)", shown, re.MULTILINE)
    assert indent is not None
    begin = "\n" + " " * len(indent.group())
    assert f"{begin}ticket: T-1" in shown
    assert f"{begin}ticket: T-9" not in shown
    assert "ticket: T-9" in shown


def test_much_metadata_is_shown_in_part_and_counted(tmp_path: Path) -> None:
    many = {f"{number:03}": f"value {number}" for number in range(52)} | {"000": "a\nb"}
    url = fill(tmp_path, [example_job("a", metadata=many), example_job("b")])
    lines = [line.strip() for line in jobs("show", url, "a").stdout.splitlines()]
    first = next(number for number, line in enumerate(lines) if line.startswith("metadata"))
    assert lines[first].endswith("000: a")
    assert lines[first + 1 : first + 3] == ["b", "001: value 1"]
    assert lines[first + 50 : first + 52] == ["049: value 49", "and 2 more"]
    assert "metadata" not in jobs("show", url, "b").stdout


@pytest.mark.parametrize("width", [60, 100, 200])
def test_a_job_fits_the_terminal(tmp_path: Path, width: int) -> None:
    symbols = tuple(f"SYMBOL{n}/USDT" for n in range(200))
    job = example_job("a" * 255, symbols=symbols, source="界" * 100).start_running()
    job = job.with_failed_symbol("SYMBOL0/USDT", "x" * 300).with_completed_symbol(
        symbols[1], 2**63 - 1
    )
    result = jobs("show", fill(tmp_path, [job]), job.id, width=width)
    assert max(map(cell_len, result.stdout.splitlines())) <= width
    assert "and 148 more" in result.stdout.replace("\n", " ")


def test_json_of_a_job_holds_every_field(url: str) -> None:
    shape = json.loads(jobs("show", url, "failed", "--json").stdout)
    job = stored(url, "failed")
    assert job is not None
    assert list(shape) == [*CollectionJob.__slots__, "version", "stats"]
    assert shape["metadata"] == {"ticket": "T-1"}
    assert shape["finished_at"] == "2024-03-01T01:31:00+00:00"
    assert shape["failed_symbols"] == {"ETH": "timed out"}
    assert shape["revision"] == job.revision
    assert shape["stats"] == {
        "total": 2,
        "completed": 0,
        "failed": 1,
        "pending": 1,
        "total_candles": 0,
        "progress": 0.5,
    }
    outcomes = {
        *("completed_symbols", "failed_symbols", "permanent_failures", "failure_counts"),
        *("cursors", "version"),
    }
    (listed,) = json.loads(jobs(url, "--json", "--status", "failed").stdout)["jobs"]
    assert listed == {key: value for key, value in shape.items() if key not in outcomes}


def test_stats_of_one_job_and_of_the_store(url: str) -> None:
    assert json.loads(jobs("stats", url, "running", "--json").stdout) == {
        "id": "running",
        "total": 2,
        "completed": 1,
        "failed": 0,
        "pending": 1,
        "total_candles": 744,
        "progress": 0.5,
    }
    sums = json.loads(jobs("stats", url, "--symbols", "--json").stdout)
    assert sums["jobs"] == 5
    assert sums["statuses"]["completed"] == {
        "jobs": 1,
        "symbols": 2,
        "completed_symbols": 2,
        "failed_symbols": 0,
        "pending_symbols": 0,
        "candles": 1234,
    }
    shown = jobs("stats", url, "--symbols").stdout
    assert re.search(r"completed +1 +2 +2 +0 +1,234", shown)
    assert re.search(r"all +5 +10 +3 +1 +1,978", shown)
    assert "744 candles" in jobs("stats", url, "running").stdout


# Changes


def test_a_failed_job_is_retried_with_its_outcomes(url: str) -> None:
    result = jobs("retry", url, "failed")
    assert (result.exit_code, result.stdout) == (0, "failed was failed and is pending\n")
    job = stored(url, "failed")
    assert job is not None
    assert job.status is JobStatus.PENDING
    assert dict(job.failed_symbols) == {"ETH": "timed out"}
    assert (job.started_at, job.error_message) == (None, None)


@pytest.mark.parametrize("name", ["pending", "running", "completed", "cancelled"])
def test_only_a_failed_job_is_retried(url: str, name: str) -> None:
    before = stored(url, name)
    result = jobs("retry", url, name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"collection-jobs jobs retry: job '{name}' is {name}, but only")
    assert stored(url, name) == before


async def test_a_retry_never_takes_a_job_from_the_worker_that_claimed_it_meanwhile() -> None:
    async with InMemoryCollectionJobRepository() as repository:
        await repository.save(example_job("a").start_running().fail("once"))
        stale = await repository.get_by_id("a")
        assert stale is not None
        assert await repository.update_status("a", JobStatus.PENDING)
        assert await repository.update_status("a", JobStatus.RUNNING)
        with pytest.raises(Exception, match="is running, but only a failed job"):
            await retried(repository, stale)
        claimed = await repository.get_by_id("a")
        assert claimed is not None
        assert claimed.status is JobStatus.RUNNING


@pytest.mark.parametrize("name", ["pending", "running"])
def test_a_job_is_cancelled_with_a_reason(url: str, name: str) -> None:
    result = jobs("cancel", url, name, "--reason", "not wanted", "--json")
    assert json.loads(result.stdout) == {"id": name, "former_status": name, "status": "cancelled"}
    job = stored(url, name)
    assert job is not None
    assert (job.status, job.error_message) == (JobStatus.CANCELLED, "not wanted")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("completed", "that is final"), ("cancelled", "that is final"), ("failed", "retry it first")],
)
def test_what_has_ended_is_not_cancelled(url: str, name: str, hint: str) -> None:
    result = jobs("cancel", url, name)
    assert result.exit_code == 1
    assert result.stderr.endswith(f"only a pending or running job can be cancelled; {hint}\n")


def test_a_job_is_deleted_after_asking(url: str) -> None:
    result = jobs("delete", url, "failed", answer="n\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Delete failed, which is failed, with the outcomes of 1 of 2 symbols?" in result.stderr
    assert "nothing was deleted" in result.stderr
    assert stored(url, "failed") is not None
    result = jobs("delete", url, "failed", answer="")
    assert result.exit_code == 1
    assert "use --yes to delete without asking" in result.stderr
    assert stored(url, "failed") is not None
    assert jobs("delete", url, "failed", answer="y\n").stdout == "failed is deleted\n"
    assert stored(url, "failed") is None
    result = jobs("delete", url, "running", "--yes", "--json")
    assert json.loads(result.stdout) == {"id": "running", "deleted": True}
    assert (
        "a worker is processing" in jobs("delete", fill_running(url), "again", answer="n\n").stderr
    )


def fill_running(url: str) -> str:
    return fill(Path(url.removeprefix("sqlite:///")).parent, [example_job("again").start_running()])


# Refusals


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["show", "{url}", "nope"], 1, "there is no job 'nope'; "),
        (["show", "{url}", "runing"], 1, "there is no job 'runing'; did you mean 'running'?"),
        (["show", "{url}", ""], 2, "job_id must have 1 to 255 characters, not 0: ''"),
        (["show", "{url}", "x" * 256], 2, "job_id must have 1 to 255 characters"),
        (["retry", "{url}", "nope"], 1, "there is no job 'nope'"),
        (["delete", "{url}", "nope", "--yes"], 1, "there is no job 'nope'"),
        (["watch", "{url}", "nope"], 1, "there is no job 'nope'"),
        (["stats", "{url}", "nope"], 1, "there is no job 'nope'"),
        ([], 2, "which store? Set COLLECTION_JOBS_URL, or name it: "),
        (["show", "a"], 2, "which store? Set COLLECTION_JOBS_URL, or name it: "),
        (["show", "{url}"], 2, "which job? collection-jobs jobs show sqlite:///jobs.db ID"),
        (["shwo", "{url}", "a"], 2, "did you mean show?"),
        (["list", "{url}", "a"], 2, "too many arguments: collection-jobs jobs list [URL]"),
        (
            ["show", "{url}", "a", "b"],
            2,
            "too many arguments: collection-jobs jobs show [URL] ID",
        ),
        (["{url}", "show", "a"], 2, "put the command first: collection-jobs jobs show URL ID"),
        (["{url}", "stats"], 2, "put the command first: collection-jobs jobs stats URL"),
        (["show", "a", "{url}"], 2, "put the URL first: collection-jobs jobs show [URL] ID"),
        (["retry", "a", "b", "{url}"], 2, "put the URL first: collection-jobs jobs retry [URL]"),
        (["README.md"], 2, "'README.md' is a file; its URL is sqlite:///README.md"),
        (["jobs.db"], 2, "'jobs.db' is neither a command (list, show, "),
        (["mongo://u:hidden@h/db"], 2, "no installed package opens the scheme 'mongo'"),
        (["sqlite://u:hidden@h/db"], 2, "a SQLite URL reads sqlite:///relative.db"),
        (["u:hidden@h/db"], 2, "no installed package opens the scheme 'u'"),
        (["//u:hidden@h/db"], 2, "the argument is neither a command"),
        (["sqlite:////{dir}/none/jobs.db"], 2, "there is no file "),
        (["sqlite:////{dir}"], 2, "is a folder, not a file"),
        (["sqlite:////{dir}/other.db"], 2, "is the SQLite database of another application"),
        (["sqlite:////{dir}/text.db"], 2, "is not a SQLite database"),
        (["sqlite:////{dir}/empty.db"], 2, "is an empty file"),
        (["{url}", "--since", "soon"], 2, "'soon' is not a time: give an age"),
        (["{url}", "--since", "999999999w"], 2, "is not a time"),
        (["{url}", "--status", "lost"], 2, "'lost' is not one of"),
        (["{url}", "--limit", "0"], 2, "0 is not in the range"),
    ],
)
def test_a_user_s_mistake_is_one_sentence(
    url: str, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    (tmp_path / "text.db").write_text("hello")
    (tmp_path / "empty.db").touch()
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE jobs (id)")
    there = sorted(path.name for path in tmp_path.iterdir())
    filled = [word.format(url=url, dir=str(tmp_path).lstrip("/")) for word in arguments]
    result = jobs(*filled)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr
    assert "hidden" not in result.output
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit)
    if "Usage:" not in result.stderr:
        assert result.stderr.startswith("collection-jobs jobs")
        assert result.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == there
    assert (tmp_path / "empty.db").stat().st_size == 0


def test_ids_that_look_like_urls_can_be_named(tmp_path: Path) -> None:
    url = fill(tmp_path, [example_job("memory:1"), example_job("binance:2024")])
    for job_id in ("memory:1", "binance:2024"):
        assert json.loads(jobs("show", job_id, "--json", url=url).stdout)["id"] == job_id
        assert json.loads(jobs("stats", url, job_id, "--json").stdout)["id"] == job_id
    assert json.loads(jobs("stats", "binance:2024", "--json", url=url).stdout)["total"] == 2


# What a store holds


def test_what_a_store_holds_is_shown_and_never_obeyed(tmp_path: Path) -> None:
    evil = {EVIL: f"a\n{EVIL}", "empty": ""}
    job = example_job(EVIL, source=EVIL, timeframe=EVIL, symbols=(EVIL, "B", "C"), metadata=evil)
    job = job.start_running().with_failed_symbol(EVIL, EVIL).with_failed_symbol("B", f"a\n{EVIL}")
    url = fill(tmp_path, [job.fail(f"{EVIL}\n{EVIL}")])
    for arguments in (["list", url], ["show", url, EVIL], ["stats", url, EVIL]):
        for width in (60, 200):
            shown = jobs(*arguments, width=width).stdout
            assert shown.replace("\n", "").isprintable()
            assert "x1b" in shown
    assert "[bold]x[/bold]" in jobs("show", url, EVIL, width=200).stdout
    asked = jobs("delete", url, EVIL, answer="n\n").stderr
    assert asked.replace("\n", "").isprintable()
    for arguments in (["show", url, EVIL + "?"], ["cancel", url, EVIL]):
        refused = jobs(*arguments).stderr
        assert refused.replace("\n", "").isprintable()
    assert json.loads(jobs("show", url, EVIL, "--json").stdout)["source"] == EVIL


openers: list[Callable[[str], Any]] = []


def open_pg(url: str) -> Any:
    """What the scheme of another package opens; its driver repeats the URL in its errors."""
    return openers[-1](url)


def opened_by(opener: Callable[[str], Any]) -> Callable[..., EntryPoints]:
    openers.append(opener)
    point = EntryPoint("pg", f"{__name__}:open_pg", "collection_jobs.repositories")

    def entry_points(**wanted: Any) -> EntryPoints:
        return EntryPoints([point]).select(**wanted)

    return entry_points


@pytest.mark.parametrize("where", ["opener", "opening", "call", "import"])
def test_no_password_is_shown_by_whatever_fails(
    monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    url = "pg://me:s3%20cret@host/db?sslpassword=hidden&mode=x"

    class Broken(InMemoryCollectionJobRepository):
        async def __aenter__(self) -> Any:
            if where == "opening":
                raise OSError(f"no route to {url}, password 's3 cret'")
            return self

        async def count(self, query: JobQuery) -> Any:
            raise RepositoryError(f"{url} hung up; was 's3 cret' or hidden right?")

    def open_it(url: str) -> Broken:
        if where == "opener":
            raise RuntimeError(f"what is {url}?")
        if where == "import":
            raise ModuleNotFoundError("No module named 'asyncpg'")
        return Broken()

    monkeypatch.setattr("importlib.metadata.entry_points", opened_by(open_it))
    result = jobs(url)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    for secret in ("s3", "cret", "hidden"):
        assert secret not in result.output
    assert "pg://me:***@host/db?sslpassword=***&mode=x" in result.stderr


def test_any_registered_scheme_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "importlib.metadata.entry_points", opened_by(lambda url: InMemoryCollectionJobRepository())
    )
    result = jobs("pg://me:secret@host/db")
    assert result.exit_code == 0
    assert "no jobs in pg://me:***@host/db" in result.stderr


def test_looking_changes_nothing_in_the_store(url: str, tmp_path: Path) -> None:
    async def everything() -> list[tuple[CollectionJob, int | None]]:
        async with open_repository(url) as repository:
            return [(job, job.revision) for job in await repository.list_recent()]

    before = asyncio.run(everything())
    for arguments in (["list"], ["show", "failed"], ["stats"], ["stats", "failed"]):
        assert jobs(*arguments, url=url).exit_code == 0
    assert asyncio.run(everything()) == before
    assert datetime.now(UTC) > NOW
