"""The example collects real candles: nothing is lost and nothing collected twice, whoever dies."""

from __future__ import annotations

import asyncio
import csv
import fcntl
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from candle_sources import open_source
from collect_candles import every

from collection_jobs import CollectionJob, JobStatus, open_repository
from tests.adapters.postgres_server import a_database, a_schema

SCRIPT = Path(__file__).parent.parent.parent / "examples" / "collect_candles.py"
START, END = datetime(2017, 5, 1, tzinfo=UTC), datetime(2017, 8, 1, tzinfo=UTC)
PLAN = ("--start", f"{START:%Y-%m-%d}", "--end", f"{END:%Y-%m-%d}", "--days", "3")
LINE = re.compile(r"(\d+): (\w+) (.*?)(?:, \d+ candles)?$")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/jobs.db"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "candles"


def collect(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def plan(url: str, source: str = "sample", *, symbol: str = "EURUSD") -> None:
    planned = collect("plan", url, source, "--timeframe", "1h", "--symbol", symbol, *PLAN)
    assert planned.returncode == 0, planned.stderr


class Crew:
    """A run that goes on while the test looks at what it says."""

    def __init__(self, url: str, out: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, SCRIPT, "run", url, out, "--workers=3", "--pace=0.1"],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []

    def __iter__(self) -> Iterator[re.Match[str]]:
        """What the workers say, as they say it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if said := LINE.match(line.strip()):
                yield said

    def until(self, number: int, what: str = "collected") -> set[int]:
        """Wait until the workers have said that so often; return who they are."""
        workers: set[int] = set()
        for said in self:
            workers.add(int(said[1]))
            number -= said[2] == what
            if number == 0:
                return workers
        raise AssertionError("".join(self.lines))

    def end(self) -> int:
        with self.process:
            for _ in self:
                pass
        return self.process.returncode

    def collected(self) -> Counter[str]:
        said = filter(None, (LINE.match(line.strip()) for line in self.lines))
        return Counter(one[3] for one in said if one[2] == "collected")


def jobs(url: str, status: JobStatus) -> list[CollectionJob]:
    async def read() -> list[CollectionJob]:
        async with open_repository(url) as repository:
            return await every(repository, status)

    return asyncio.run(read())


def assert_all_is_there_once(url: str, out: Path) -> None:
    """Every candle of the source is in one file, and every job knows how many it has."""
    due = list(open_source("sample").candles("EURUSD", "1h", START, END))
    files = sorted(out.glob("sample/1h/EURUSD/*.csv"))
    rows = [csv.DictReader(path.read_text().splitlines()) for path in files]
    found = [row["time"] for file in rows for row in file]
    assert found == [one.at.isoformat() for one in due]
    completed = jobs(url, JobStatus.COMPLETED)
    assert len(completed) == len(files) == 31
    assert sum(sum(job.completed_symbols.values()) for job in completed) == len(due)


def test_a_worker_killed_in_the_middle_loses_nothing_and_repeats_nothing(
    url: str, out: Path
) -> None:
    plan(url)
    crew = Crew(url, out)
    os.kill(crew.until(6).pop(), signal.SIGKILL)
    assert crew.end() == 0
    assert "a worker died of SIGKILL; another takes its place\n" in crew.lines
    assert set(crew.collected().values()) == {1}
    assert_all_is_there_once(url, out)


def test_on_postgresql_nothing_but_the_url_is_another(out: Path) -> None:
    with a_database() as database, a_schema(database) as schema:
        url = database.in_schema(schema)
        plan(url)
        crew = Crew(url, out)
        os.kill(crew.until(6).pop(), signal.SIGKILL)
        assert crew.end() == 0
        assert set(crew.collected().values()) == {1}
        assert_all_is_there_once(url, out)


def test_after_all_were_killed_another_run_goes_on(url: str, out: Path) -> None:
    plan(url)
    crew = Crew(url, out)
    workers = crew.until(8)
    crew.process.kill()
    for worker in workers:
        with suppress(ProcessLookupError):  # it may have ended, since nobody listened
            os.kill(worker, signal.SIGKILL)
    crew.end()
    there = {path: path.stat().st_mtime_ns for path in out.glob("sample/1h/EURUSD/*.csv")}
    again = Crew(url, out)
    assert again.end() == 0
    assert {path: path.stat().st_mtime_ns for path in there} == there
    assert set((crew.collected() + again.collected()).values()) == {1}
    assert_all_is_there_once(url, out)


def test_who_is_asked_to_end_gives_the_jobs_back(url: str, out: Path) -> None:
    plan(url)
    crew = Crew(url, out)
    crew.until(4)
    crew.process.send_signal(signal.SIGINT)
    crew.end()
    assert jobs(url, JobStatus.RUNNING) == []
    assert Crew(url, out).end() == 0
    assert_all_is_there_once(url, out)


def test_two_crews_share_the_work(url: str, out: Path) -> None:
    plan(url)
    crews = [Crew(url, out), Crew(url, out)]
    assert [crew.end() for crew in crews] == [0, 0]
    assert set((crews[0].collected() + crews[1].collected()).values()) == {1}
    assert all(crew.collected() for crew in crews)
    assert_all_is_there_once(url, out)


def test_a_job_in_the_hands_of_another_crew_has_not_failed(url: str, out: Path) -> None:
    plan(url)

    async def claim() -> str:
        async with open_repository(url) as repository:
            first, *_ = await repository.list_by_status(JobStatus.PENDING)
            assert await repository.update_status(first.id, JobStatus.RUNNING)
            return first.id

    lease = out / ".leases" / quote(asyncio.run(claim()), safe="")
    lease.parent.mkdir(parents=True)
    with lease.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        ran = collect("run", url, out)
    assert ran.returncode == 0, ran.stdout
    assert "in the hands of other crews: 1" in ran.stdout
    assert [len(jobs(url, status)) for status in (JobStatus.RUNNING, JobStatus.PENDING)] == [1, 0]
    assert collect("run", url, out).returncode == 0
    assert_all_is_there_once(url, out)


def test_what_failed_is_tried_again_and_the_rest_is_not(
    url: str, out: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    good = "time,open,high,low,close,volume\n2017-05-01,1,1,1,1,1\n2017-05-02,1,1,1,1,1\n"
    (source / "GOOD.csv").write_text(good)
    (source / "TORN.csv").write_text(good.replace("-02", "-0"))
    days = ("--start", "2017-05-01", "--end", "2017-05-03")
    assert (
        collect("plan", url, str(source), *days).stdout
        == "1 of 1 jobs are new, of 2 symbols each\n"
    )
    assert (
        collect("plan", url, str(source), *days).stdout
        == "0 of 1 jobs are new, of 2 symbols each\n"
    )

    failed = collect("run", url, out)
    assert failed.returncode == 1
    assert "failed: 1 of 2 symbols failed" in failed.stdout
    (job,) = jobs(url, JobStatus.FAILED)
    assert job.completed_symbols == {"GOOD": 2}
    assert job.failed_symbols["TORN"].startswith("cannot read TORN.csv: ")

    (source / "TORN.csv").write_text(good)
    assert collect("retry", url).stdout == "1 jobs will be tried again\n"
    again = collect("run", url, out)
    assert again.returncode == 0
    assert "GOOD" not in again.stdout
    (job,) = jobs(url, JobStatus.COMPLETED)
    assert job.completed_symbols == {"GOOD": 2, "TORN": 2}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("plan", "sqlite:///x.db", "nowhere", *PLAN), "no source 'nowhere'"),
        (("plan", "sqlite:///x.db", "sample", "--timeframe=1y", *PLAN), "the timeframe '1y'"),
        (("run", "oracle://x", "out"), "no installed package opens the scheme 'oracle'"),
    ],
)
def test_what_a_user_can_mend_is_one_line(arguments: tuple[str, ...], message: str) -> None:
    refused = collect(*arguments)
    assert refused.returncode == 1
    assert message in refused.stderr
    assert refused.stderr.startswith("Error: ")
    assert refused.stderr.count("\n") == 1
