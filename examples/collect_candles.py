r"""Collect candles with several worker processes, as a service that processes jobs would.

    python examples/collect_candles.py plan sqlite:///jobs.db sample --start 2012-01-01 \
        --end 2013-01-01 --symbol GOOG
    python examples/collect_candles.py run sqlite:///jobs.db candles --workers 3
    python examples/collect_candles.py retry sqlite:///jobs.db

Kill any process in the middle and run it again: nothing is lost, and nothing is collected twice.

* A worker *claims* a job with `update_status(id, RUNNING)`: of all workers that try, one gets True.
* Each symbol is *recorded* as soon as its candles are on the disk. A rename makes the file appear
  as a whole, so if a worker dies between the two, the next one only has to count the candles.
* A job of a worker that died is *given back*. Its lease tells whether a worker died: a lock on a
  file, which the system releases when a process ends, however it ends. (Leases work on one
  machine with POSIX; for workers on several, use a lock that they share, such as the database's.)
* A job with a failed symbol is FAILED. A retry collects only what is still missing.
"""

from __future__ import annotations

import asyncio
import csv
import fcntl
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import click
from candle_sources import Candle, CandleSource, SourceError, duration, open_source
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from collection_jobs import (
    CollectionJob,
    CollectionJobError,
    CollectionJobRepository,
    JobStatus,
    RecordsCompletedSymbols,
    SavesMany,
    StaleJobError,
    open_repository,
)

PAGE = 20
"""How many pending jobs a worker looks at at once."""


# Planning


async def plan(url: str, jobs: list[CollectionJob]) -> int:
    """Save the jobs that are not there yet; a plan made twice changes nothing."""
    async with open_repository(url) as repository:
        new = [job for job in jobs if await repository.get_by_id(job.id) is None]
        if isinstance(repository, SavesMany):
            await repository.save_many(new)
        else:
            for job in new:
                await repository.save(job)
    return len(new)


def jobs_of(
    source: str,
    symbols: tuple[str, ...],
    timeframe: str,
    start: datetime,
    end: datetime,
    days: int,
) -> list[CollectionJob]:
    """One job for each stretch of so many days."""
    jobs: list[CollectionJob] = []
    while start < end:
        until = min(start + timedelta(days=days), end)
        name = f"{source} {timeframe} {start:%Y-%m-%d}"
        jobs.append(
            CollectionJob(
                id=name,
                source=source,
                symbols=symbols,
                timeframe=timeframe,
                start=start,
                end=until,
            )
        )
        start = until
    return jobs


# Working


class Leases:
    """Who works on which job, as locks on files: a dead process holds none."""

    def __init__(self, directory: Path) -> None:
        """Make the directory."""
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def of(self, job_id: str) -> Generator[bool]:
        """Hold a job's lease if nobody does; whether it is held."""
        with (self._directory / quote(job_id, safe="")).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True


class Worker:
    """Works on one job after another, until none is pending."""

    def __init__(self, repository: CollectionJobRepository, out: Path, pace: float) -> None:
        """Work for a repository, into a directory, with so many seconds between two requests."""
        self._repository = repository
        self._out = out
        self._pace = pace
        self._leases = Leases(out / ".leases")
        self._sources: dict[str, CandleSource] = {}

    async def work(self) -> None:
        """Give back what the dead have left, then claim and collect until nothing is left."""
        for job in await self._repository.get_running_jobs():
            with self._leases.of(job.id) as mine:
                if mine:
                    await self._give_back(job.id)
        while pending := await self._repository.list_by_status(JobStatus.PENDING, limit=PAGE):
            for job in pending:
                with self._leases.of(job.id) as mine:
                    if mine:
                        await self._collect_or_give_back(job.id)

    async def _give_back(self, job_id: str) -> None:
        # Looked at again now that the lease is held: it may have ended since it was listed.
        job = await self._repository.get_by_id(job_id)
        if job is not None and job.status is JobStatus.RUNNING:
            await self._repository.update_status(job_id, JobStatus.PENDING)
            tell("given back", job_id)

    async def _collect_or_give_back(self, job_id: str) -> None:
        try:
            if await self._repository.update_status(job_id, JobStatus.RUNNING):
                await self._collect(job_id)
        except asyncio.CancelledError:
            # A claim that was cancelled may have happened all the same.
            await self._give_back(job_id)
            raise

    async def _collect(self, job_id: str) -> None:
        """Collect every symbol that the job does not have yet, and finish it."""
        job = await self._repository.get_by_id(job_id)
        left = (
            () if job is None else [one for one in job.symbols if one not in job.completed_symbols]
        )
        for symbol in left:
            job = await self._repository.get_by_id(job_id)
            if job is None or job.status is not JobStatus.RUNNING:
                tell("left", job_id)  # it was cancelled or deleted in the meantime
                return
            await self._collect_symbol(job, symbol)
        await self._finish(job_id)

    async def _collect_symbol(self, job: CollectionJob, symbol: str) -> None:
        path = self._path(job, symbol)
        try:
            if path.exists():
                number = sum(1 for _ in path.open()) - 1
                tell("found", f"{job.id}: {symbol}, {number} candles")
            else:
                number = await asyncio.to_thread(self._download, job, symbol, path)
                tell("collected", f"{job.id}: {symbol}, {number} candles")
                await asyncio.sleep(self._pace)
        except SourceError as error:
            await self._repository.add_failed_symbol(job.id, symbol, str(error))
            tell("failed", f"{job.id}: {symbol}: {error}")
        else:
            await record_completed(self._repository, job.id, symbol, number)
            tell("recorded", f"{job.id}: {symbol}")

    def _path(self, job: CollectionJob, symbol: str) -> Path:
        folders = [quote(name, safe="") for name in (job.source, job.timeframe, symbol)]
        return self._out.joinpath(*folders, f"{job.start:%Y%m%dT%H%M%S}.csv")

    def _download(self, job: CollectionJob, symbol: str, path: Path) -> int:
        if job.source not in self._sources:
            self._sources[job.source] = open_source(job.source)
        source = self._sources[job.source]
        candles = list(source.candles(symbol, job.timeframe, job.start, job.end))
        write_candles(path, candles)
        return len(candles)

    async def _finish(self, job_id: str) -> None:
        stats = await self._repository.get_stats(job_id)
        if stats is not None and stats.failed:
            what = f"{stats.failed} of {stats.total} symbols failed"
            await self._repository.update_status(job_id, JobStatus.FAILED, what)
        else:
            await self._repository.update_status(job_id, JobStatus.COMPLETED)


def write_candles(path: Path, candles: list[Candle]) -> None:
    """Write a file that is there whole or not at all, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # One name: the lease says that nobody else writes it, and what a dead worker left is replaced.
    part = path.with_suffix(".part")
    with part.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["time", "open", "high", "low", "close", "volume"])
        for one in candles:
            rows.writerow([one.at.isoformat(), one.open, one.high, one.low, one.close, one.volume])
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


async def record_completed(
    repository: CollectionJobRepository, job_id: str, symbol: str, candles: int
) -> None:
    """Record a completed symbol, with the engine's own method where it has one."""
    if isinstance(repository, RecordsCompletedSymbols):
        await repository.add_completed_symbol(job_id, symbol, candles)
        return
    while (job := await repository.get_by_id(job_id)) is not None:
        with suppress(StaleJobError):  # somebody changed the job: retry on the current copy
            await repository.save(job.with_completed_symbol(symbol, candles))
            return


def tell(what: str, of: str) -> None:
    """Tell the one who started this worker, in a line."""
    click.echo(f"{what}\t{of}")


async def work(url: str, out: Path, pace: float) -> None:
    """Be a worker; told to end (SIGTERM), give the job back first."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with open_repository(url) as repository:
        await Worker(repository, out, pace).work()


# Looking after the workers


class Crew:
    """Starts the workers, shows what they tell, and puts another in the place of one that died."""

    def __init__(self, url: str, out: Path, pace: float, symbols: int, console: Console) -> None:
        """Prepare to collect so many symbols; nobody works yet."""
        self._command = (sys.executable, __file__, "work", url, str(out), f"--pace={pace}")
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("symbols"),
            TimeElapsedColumn(),
            console=console,
        )
        self._collecting = self._bar.add_task("collecting", total=symbols)

    async def run(self, workers: int) -> None:
        """Let so many work until nothing is left to do."""
        with self._bar:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._keep_one_working())
            # Also what was recorded by a worker that died before it could tell.
            self._bar.update(self._collecting, completed=self._bar.tasks[0].total)

    async def _keep_one_working(self) -> None:
        while (code := await self._let_one_work()) < 0:
            name = signal.Signals(-code).name
            self._console.print(f"a worker died of {name}; another takes its place")
        if code:
            raise click.ClickException(f"a worker ended with exit code {code}")

    async def _let_one_work(self) -> int:
        """Start a worker, show what it tells, and return its exit code."""
        worker = await asyncio.create_subprocess_exec(
            *self._command,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for this process, which tells the workers to end
        )
        try:
            while worker.stdout is not None and (line := await worker.stdout.readline()):
                self._show(worker.pid, line.decode().rstrip("\n"))
            return await worker.wait()
        finally:
            if worker.returncode is None:
                worker.terminate()
                await worker.wait()

    def _show(self, worker: int, line: str) -> None:
        what, _, of = line.partition("\t")
        if what in ("recorded", "failed"):
            self._bar.advance(self._collecting)
        if what != "recorded":
            self._console.print(f"{worker}: {what} {of}", markup=False, highlight=False)


async def run(url: str, out: Path, workers: int, pace: float) -> bool:
    """Collect everything that is pending or was left; whether none of it failed.

    What another crew on the same store still works on has not failed.
    """
    console = Console(soft_wrap=True)
    async with open_repository(url) as repository:
        running = await repository.get_running_jobs()
        todo = [*running, *await every(repository, JobStatus.PENDING)]
    missing = sum(len(job.symbols) - len(job.completed_symbols) for job in todo)
    await Crew(url, out, pace, missing, console).run(workers)
    async with open_repository(url) as repository:
        ended = [job for one in todo if (job := await repository.get_by_id(one.id)) is not None]
    completed = [job for job in ended if job.status is JobStatus.COMPLETED]
    candles = sum(sum(job.completed_symbols.values()) for job in completed)
    console.print(f"{len(completed)} jobs completed, with {candles} candles")
    others = sum(job.status in (JobStatus.PENDING, JobStatus.RUNNING) for job in ended)
    if others:
        console.print(f"in the hands of other crews: {others}")
    failed = [job for job in ended if job.status in (JobStatus.FAILED, JobStatus.CANCELLED)]
    for job in failed:
        console.print(f"{job.id}: {job.status.value}: {job.error_message}", markup=False)
    return not failed


async def every(repository: CollectionJobRepository, status: JobStatus) -> list[CollectionJob]:
    """All jobs with a status, page by page."""
    jobs: list[CollectionJob] = []
    while page := await repository.list_by_status(status, limit=500, offset=len(jobs)):
        jobs += page
    return jobs


async def retry(url: str) -> int:
    """Let every failed job be tried again; how many there are."""
    async with open_repository(url) as repository:
        failed = await every(repository, JobStatus.FAILED)
        changed = [await repository.update_status(one.id, JobStatus.PENDING) for one in failed]
    return sum(changed)


# The command line

DAY = click.DateTime(["%Y-%m-%d"])


@click.group(help=(__doc__ or "").partition("\n")[0])
def main() -> None:
    """Gather the commands."""


@main.command("plan")
@click.argument("url")
@click.argument("source")
@click.option("--timeframe", default="1d", show_default=True)
@click.option("--symbol", "symbols", multiple=True, help="May be repeated; without it, all.")
@click.option("--start", type=DAY, required=True)
@click.option("--end", type=DAY, required=True, help="The day after the last.")
@click.option("--days", default=30, show_default=True, help="How many days make one job.")
def plan_command(
    url: str,
    source: str,
    timeframe: str,
    symbols: tuple[str, ...],
    start: datetime,
    end: datetime,
    days: int,
) -> None:
    """Make the jobs that collect a range from a SOURCE: a folder of CSVs, sample, ccxt:EXCHANGE."""
    with _one_line():
        duration(timeframe)
        chosen = symbols or open_source(source).symbols()
        first, last = start.replace(tzinfo=UTC), end.replace(tzinfo=UTC)
        jobs = jobs_of(source, chosen, timeframe, first, last, days)
        new = asyncio.run(plan(url, jobs))
    click.echo(f"{new} of {len(jobs)} jobs are new, of {len(chosen)} symbols each")


@main.command("run")
@click.argument("url")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--workers", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--pace", type=float, default=0.0, help="Seconds between two requests of a worker.")
def run_command(url: str, out: Path, workers: int, pace: float) -> None:
    """Collect what is pending into a folder, with several worker processes."""
    with _one_line():
        nothing_failed = asyncio.run(run(url, out, workers, pace))
    sys.exit(0 if nothing_failed else 1)


@main.command("work", hidden=True)
@click.argument("url")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--pace", type=float, default=0.0)
def work_command(url: str, out: Path, pace: float) -> None:
    """Be one of the workers."""
    with _one_line(), suppress(asyncio.CancelledError):
        asyncio.run(work(url, out, pace))


@main.command("retry")
@click.argument("url")
def retry_command(url: str) -> None:
    """Let every failed job be tried again, by the next run."""
    with _one_line():
        click.echo(f"{asyncio.run(retry(url))} jobs will be tried again")


@contextmanager
def _one_line() -> Generator[None]:
    """Say in one line what went wrong, where the user can mend it."""
    try:
        yield
    except (CollectionJobError, SourceError, ValueError) as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
