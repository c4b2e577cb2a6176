"""The example collects real candles: nothing is lost and nothing collected twice, whoever dies."""

from __future__ import annotations

import asyncio
import csv
import os
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from candle_files import pieces_left, take_over, write_candles, write_piece
from candle_sources import Candle, open_source
from collect_candles import every, open_store

from collection_jobs import CollectionJob, JobStatus, Lease, open_repository
from tests.adapters.postgres_server import Database, a_database, a_schema

SCRIPT = Path(__file__).parent.parent.parent / "examples" / "collect_candles.py"
START, END = datetime(2017, 5, 1, tzinfo=UTC), datetime(2017, 8, 1, tzinfo=UTC)
PLAN = ("--start", f"{START:%Y-%m-%d}", "--end", f"{END:%Y-%m-%d}")
JOBS, FEW = 31, 12
DAYS = {JOBS: "3", FEW: "8"}
"""How many days of the range make one job, for so many jobs."""
TTL = 2.0
"""Seconds of a lease: the shorter, the sooner a dead worker's job is claimed by another."""
LINE = re.compile(r"(\d+): (given back|given up|\w+) (.*?)(?:, \d+ candles)?$")


@pytest.fixture(scope="module")
def database() -> Generator[Database]:
    with a_database() as found:
        yield found


@pytest.fixture
def url(database: Database) -> Generator[str]:
    with a_schema(database) as schema:
        yield database.in_schema(schema)


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


def plan(url: str, number: int = JOBS) -> None:
    chosen = ("--timeframe", "1h", "--symbol", "EURUSD", "--days", DAYS[number])
    planned = collect("plan", url, "sample", *chosen, *PLAN)
    assert planned.returncode == 0, planned.stderr


class Crew:
    """A run that goes on while the test looks at what it says."""

    def __init__(self, url: str, out: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, SCRIPT, "run", url, out, "--pace=0.1", f"--ttl={TTL}", *options],
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

    def hear(self, what: str) -> tuple[int, str]:
        """Wait until a worker says that; return who, and of what."""
        for said in self:
            if said[2] == what:
                return int(said[1]), said[3]
        raise AssertionError("".join(self.lines))

    def until(self, number: int, what: str = "collected") -> set[int]:
        """Wait until the workers have said that so often; return who they are."""
        return {self.hear(what)[0] for _ in range(number)}

    def end(self) -> int:
        with self.process:
            for _ in self:
                pass
        return self.process.returncode

    def told(self, what: str) -> Counter[str]:
        said = filter(None, (LINE.match(line.strip()) for line in self.lines))
        return Counter(one[3] for one in said if one[2] == what)


def jobs(url: str, status: JobStatus) -> list[CollectionJob]:
    async def read() -> list[CollectionJob]:
        async with open_repository(url) as repository:
            return await every(repository, status)

    return asyncio.run(read())


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # it may have ended
        os.kill(pid, signal.SIGKILL)


def counted(*folders: Path) -> dict[str, Path]:
    """The files that count, of all folders: of several of a job, that of the greatest token."""
    found: dict[str, tuple[int, Path]] = {}
    for folder in folders:
        for path in folder.glob("sample/1h/EURUSD/*.csv"):
            start, token, _ = path.name.split(".")
            found[start] = max(found.get(start, (0, path)), (int(token), path))
    return {start: path for start, (_, path) in sorted(found.items())}


def assert_all_is_there_once(url: str, *folders: Path, number: int = JOBS) -> None:
    """Every candle of the source is in one file, and every job knows how many it has."""
    due = list(open_source("sample").candles("EURUSD", "1h", START, END))
    files = list(counted(*folders).values())
    rows = [csv.DictReader(path.read_text().splitlines()) for path in files]
    found = [row["time"] for file in rows for row in file]
    assert found == [one.at.isoformat() for one in due]
    completed = jobs(url, JobStatus.COMPLETED)
    assert len(completed) == len(files) == number
    assert sum(sum(job.completed_symbols.values()) for job in completed) == len(due)


def test_a_worker_killed_in_the_middle_loses_nothing_and_repeats_nothing(
    url: str, out: Path
) -> None:
    plan(url)
    crew = Crew(url, out)
    os.kill(crew.until(6).pop(), signal.SIGKILL)
    assert crew.end() == 0
    assert "a worker died of SIGKILL; another takes its place\n" in crew.lines
    assert set(crew.told("collected").values()) == {1}
    assert_all_is_there_once(url, out)


def test_on_sqlite_nothing_but_the_url_is_another(out: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    plan(url)
    crew = Crew(url, out)
    os.kill(crew.until(6).pop(), signal.SIGKILL)
    assert crew.end() == 0
    assert set(crew.told("collected").values()) == {1}
    assert_all_is_there_once(url, out)


def kill_at_random(crews: list[Crew], kills: int, seed: int) -> int:
    """Kill workers of crews as they go, whatever they are doing; return how many."""
    dice = random.Random(seed)  # noqa: S311 - it keeps no secret
    done = 0
    workers: list[set[int]] = [set() for _ in crews]
    heard = [iter(crew) for crew in crews]
    while done < kills:
        place = dice.randrange(len(crews))
        said = next(heard[place], None)
        if said is None:
            break
        workers[place].add(int(said[1]))
        if said[2] in ("claimed", "collected") and dice.random() < 0.3:
            victim = dice.choice(sorted(workers[place]))
            workers[place].discard(victim)
            kill(victim)
            done += 1
    return done


@pytest.mark.parametrize("kills", [6, pytest.param(200, marks=pytest.mark.release)])
def test_two_machines_lose_nothing_and_collect_nothing_twice_whoever_is_killed(
    url: str, tmp_path: Path, kills: int
) -> None:
    plan(url)
    folders = [tmp_path / "one", tmp_path / "other"]
    collected: Counter[str] = Counter()
    done = rounds = 0
    while rounds == 0 or done < kills or len(jobs(url, JobStatus.COMPLETED)) < JOBS:
        crews = [Crew(url, folder, "--workers=2") for folder in folders]
        done += kill_at_random(crews, kills - done, seed=rounds)
        rounds += 1
        for crew in crews:
            assert crew.end() in (0, 1)  # 1: a job had three of its workers killed
            collected += crew.told("collected")
        for job in jobs(url, JobStatus.FAILED):
            assert job.error_message == "given up: it has ended 3 workers"
        if done < kills and not jobs(url, JobStatus.FAILED):
            forget_all(url, folders)  # all was collected: once more
            collected.clear()
        collect("retry", url)
    # Only a worker that was killed between its file and its record leaves one that another, which
    # does not see its folder, has to collect again.
    assert sum(collected.values()) - JOBS <= done
    assert_all_is_there_once(url, *folders)


def forget_all(url: str, folders: list[Path]) -> None:
    async def delete() -> None:
        async with open_repository(url) as repository:
            for job in await repository.list_recent(1_000):
                await repository.delete(job.id)

    asyncio.run(delete())
    for folder in folders:
        for path in folder.glob("sample/1h/EURUSD/*"):
            path.unlink()
    plan(url)


def test_a_worker_that_is_stopped_past_its_lease_and_wakes_up_changes_nothing(
    url: str, tmp_path: Path
) -> None:
    plan(url)
    slow = Crew(url, tmp_path / "slow", "--workers=1")
    worker, job_id = slow.hear("claimed")
    os.kill(worker, signal.SIGSTOP)
    others = Crew(url, tmp_path / "others", "--workers=2")
    assert others.end() == 0
    assert_all_is_there_once(url, tmp_path / "others", tmp_path / "slow")
    if job_id not in others.told("claimed"):
        pytest.fail(f"it had finished {job_id} before it was stopped: {slow.lines}")
    before = jobs(url, JobStatus.COMPLETED)
    revisions = [job.revision for job in before]
    there = counted(tmp_path / "others", tmp_path / "slow")
    files = set(tmp_path.rglob("*.csv"))
    os.kill(worker, signal.SIGCONT)
    assert slow.end() == 0
    assert slow.told("lost") == {job_id: 1}
    after = jobs(url, JobStatus.COMPLETED)
    assert after == before
    assert [job.revision for job in after] == revisions
    assert counted(tmp_path / "others", tmp_path / "slow") == there
    assert set(tmp_path.rglob("*.csv")) <= files


def test_a_job_that_takes_longer_than_its_lease_stays_with_its_worker(
    url: str, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in "ABCD":
        (source / f"{name}.csv").write_text("time,o,h,l,c,v\n2017-05-01,1,1,1,1,1\n")
    collect("plan", url, str(source), "--start", "2017-05-01", "--end", "2017-05-02")
    pace = f"--pace={TTL / 2}"
    crews = [Crew(url, tmp_path / f"{n}", "--workers=1", pace) for n in range(2)]
    assert [crew.end() for crew in crews] == [0, 0]
    told = crews[0].told("claimed") + crews[1].told("claimed")
    assert list(told.values()) == [1]
    (job,) = jobs(url, JobStatus.COMPLETED)
    assert job.completed_symbols == dict.fromkeys("ABCD", 1)


def test_a_job_that_ends_its_workers_is_given_up_after_the_third(url: str, out: Path) -> None:
    plan(url, FEW)
    poisoned = "sample 1h 2017-05-09"
    crew = Crew(url, out)
    for said in crew:
        if said[2] == "claimed" and said[3] == poisoned and crew.told("claimed")[poisoned] <= 3:
            kill(int(said[1]))
    assert crew.end() == 1
    assert crew.told("claimed")[poisoned] == 4
    (job,) = jobs(url, JobStatus.FAILED)
    assert (job.id, job.error_message) == (poisoned, "given up: it has ended 3 workers")
    assert collect("retry", url).stdout == "1 jobs will be tried again\n"
    assert Crew(url, out).end() == 0
    assert_all_is_there_once(url, out, number=FEW)


def test_all_workers_together_keep_to_the_limit_of_a_source(url: str, tmp_path: Path) -> None:
    plan(url, FEW)
    crews = [Crew(url, tmp_path / f"{n}", "--workers=3", "--per-source=2") for n in range(2)]

    async def watch() -> list[int]:
        """How many jobs run at once, as long as the crews work."""
        seen: list[int] = []
        async with open_store(url) as repository:
            while any(crew.process.poll() is None for crew in crews):
                seen.append(len(await repository.get_running_jobs()))
        return seen

    assert max(asyncio.run(watch())) == 2
    assert [crew.end() for crew in crews] == [0, 0]
    assert_all_is_there_once(url, *(tmp_path / f"{n}" for n in range(2)), number=FEW)


def test_a_plan_that_is_made_again_meanwhile_resets_nothing(url: str, out: Path) -> None:
    plan(url, FEW)
    crew = Crew(url, out)
    for _ in range(2):
        crew.until(3)
        plan(url, FEW)
    assert crew.end() == 0
    assert set(crew.told("claimed").values()) == set(crew.told("collected").values()) == {1}
    assert_all_is_there_once(url, out, number=FEW)


def test_after_all_were_killed_another_run_goes_on(url: str, out: Path) -> None:
    plan(url, FEW)
    crew = Crew(url, out)
    workers = crew.until(8)
    crew.process.kill()
    for worker in workers:
        kill(worker)
    crew.end()
    there = {path.name.partition(".")[0] for path in out.glob("sample/1h/EURUSD/*.csv")}
    assert len(there) >= 8
    again = Crew(url, out)
    assert again.end() == 0
    assert set((crew.told("collected") + again.told("collected")).values()) == {1}
    assert_all_is_there_once(url, out, number=FEW)


def test_who_is_asked_to_end_gives_the_jobs_back(url: str, out: Path) -> None:
    plan(url, FEW)
    crew = Crew(url, out)
    crew.until(4)
    crew.process.send_signal(signal.SIGINT)
    crew.end()
    assert jobs(url, JobStatus.RUNNING) == []
    assert Crew(url, out).end() == 0
    assert_all_is_there_once(url, out, number=FEW)


def test_a_run_waits_for_the_jobs_of_others_and_not_for_those_without_a_lease(
    url: str, out: Path
) -> None:
    plan(url, FEW)

    async def claim() -> tuple[Lease | None, str]:
        async with open_store(url) as repository:
            lease = await repository.claim_next("another machine", timedelta(seconds=TTL))
            second, *_ = await repository.list_by_status(JobStatus.PENDING)
            assert await repository.update_status(second.id, JobStatus.RUNNING)
            return lease, second.id

    lease, by_hand = asyncio.run(claim())
    assert lease is not None
    ran = collect("run", url, out, f"--ttl={TTL}")
    assert ran.returncode == 0, ran.stdout
    assert f"claimed {lease.job.id}" in ran.stdout
    assert "running without a lease, or planned meanwhile: 1\n" in ran.stdout
    assert [job.id for job in jobs(url, JobStatus.RUNNING)] == [by_hand]
    assert len(jobs(url, JobStatus.COMPLETED)) == FEW - 1


def test_a_file_that_a_former_worker_left_is_taken_over(out: Path) -> None:
    out.mkdir()
    mine = out / "20170501T000000.12.csv"
    assert take_over(mine) is None
    (out / "20170501T000000.7.csv").write_text("time\n1\n2\n")
    (out / "20170501T000000.10.csv").write_text("time\n1\n2\n3\n")
    (out / "20170504T000000.11.csv").write_text("time\n")
    assert take_over(mine) == 3
    assert {path.name for path in out.iterdir()} == {mine.name, "20170504T000000.11.csv"}


def test_pieces_are_taken_over_as_far_as_they_join(out: Path) -> None:
    def candles(*hours: int) -> list[Candle]:
        return [Candle(START + timedelta(hours=hour), 1, 2, 3, 4, 5) for hour in hours]

    def hour(number: int) -> datetime:
        return START + timedelta(hours=number)

    mine = out / "20170501T000000.12.csv"
    assert pieces_left(mine, START) == []
    for token, first, last in ((7, 0, 3), (9, 0, 2), (9, 2, 4), (7, 5, 6)):
        former = out / f"20170501T000000.{token}.csv"
        write_piece(former, hour(first), hour(last), candles(*range(first, last)))
    pieces = pieces_left(mine, START)
    assert [piece.until for piece in pieces] == [hour(2), hour(4)]
    assert write_candles(mine, pieces, candles(4, 5)) == 6
    times = [row["time"] for row in csv.DictReader(mine.read_text().splitlines())]
    assert times == [one.at.isoformat() for one in candles(*range(6))]
    assert len(list(out.glob("*.piece"))) == 2  # of a former worker, which nobody needs
    pieces[0].path.unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        write_candles(mine, pieces, [])


EXCHANGE = r"""
import os, time
from datetime import datetime, timezone
class BaseError(Exception): ...
class BadSymbol(BaseError): ...
exchanges = ["near"]
class near:
    def load_markets(self):
        return {"A": None, "GONE": None}
    def fetch_ohlcv(self, symbol, timeframe, since):
        with open(os.environ["REQUESTS"], "a") as log:
            log.write(f"{os.getpid()} {symbol} {since}\n")
        if symbol == "GONE":
            raise BadSymbol("near does not have market symbol GONE")
        return [[since + 60_000 * n, 1, 2, 3, 4, 5] for n in range(1_000)]
"""
"""A stand-in for ccxt, which writes down each request."""


@pytest.fixture
def requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the requests that the stand-in was asked."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "ccxt.py").write_text(EXCHANGE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    monkeypatch.setenv("REQUESTS", str(tmp_path / "requests"))
    return tmp_path / "requests"


def test_a_worker_killed_inside_a_symbol_goes_on_from_the_cursor(
    url: str, out: Path, requests: Path
) -> None:
    days = ("--start", "2024-01-01", "--end", "2024-03-10", "--days", "69")  # 99,360 minutes
    chosen = ("--timeframe", "1m", "--symbol", "A")
    assert collect("plan", url, "ccxt:near", *chosen, *days).returncode == 0
    crew = Crew(url, out, "--workers=1")
    worker = [crew.hear("reached")[0] for _ in range(4)][-1]
    kill(worker)
    assert crew.end() == 0
    (resumed,) = crew.told("resumed")
    asked = [line.split() for line in requests.read_text().splitlines()]
    begun = [
        datetime.fromtimestamp(int(since) / 1000, UTC)
        for pid, _, since in asked
        if int(pid) != worker
    ]
    assert resumed.endswith(f", at {begun[0]:%Y-%m-%d %H:%M}")
    assert begun[0] >= datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=40_000)
    again = Counter(since for _, _, since in asked)
    assert len(again) == 100
    assert sum(again.values()) - len(again) <= 10  # the requests of one piece
    (job,) = jobs(url, JobStatus.COMPLETED)
    assert (job.completed_symbols, job.cursors) == ({"A": 99_360}, {})
    (path,) = out.rglob("*.csv")
    times = [row["time"] for row in csv.DictReader(path.read_text().splitlines())]
    first = datetime(2024, 1, 1, tzinfo=UTC)
    assert times == [(first + timedelta(minutes=n)).isoformat() for n in range(99_360)]
    assert list(out.rglob("*.piece")) == []


def test_what_the_source_does_not_know_is_asked_for_once(
    url: str, out: Path, requests: Path
) -> None:
    days = ("--start", "2024-01-01", "--end", "2024-01-02")
    assert collect("plan", url, "ccxt:near", "--timeframe", "1m", *days).returncode == 0
    for _ in range(2):
        ran = collect("run", url, out)
        assert ran.returncode == 1 or not ran.stdout.count("claimed")
        retried = collect("retry", url)
        assert retried.stdout == "0 jobs will be tried again\n"
    (job,) = jobs(url, JobStatus.FAILED)
    assert job.error_message == "1 of 2 symbols failed"
    assert job.permanent_failures == {"GONE"}
    assert job.failure_counts == {"GONE": 1}
    assert sum("GONE" in line for line in requests.read_text().splitlines()) == 1


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
        (("plan", "memory:", "nowhere", *PLAN), "no source 'nowhere'"),
        (("plan", "memory:", "sample", "--timeframe=1y", *PLAN), "the timeframe '1y'"),
        (("run", "oracle://x", "out"), "no installed package opens the scheme 'oracle'"),
    ],
)
def test_what_a_user_can_mend_is_one_line(arguments: tuple[str, ...], message: str) -> None:
    refused = collect(*arguments)
    assert refused.returncode == 1
    assert message in refused.stderr
    assert refused.stderr.startswith("Error: ")
    assert refused.stderr.count("\n") == 1
