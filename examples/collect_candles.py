r"""Collect candles with several worker processes, as a service that processes jobs would.

    python examples/collect_candles.py plan sqlite:///jobs.db sample --start 2012-01-01 \
        --end 2013-01-01 --symbol GOOG
    python examples/collect_candles.py run sqlite:///jobs.db candles --workers 3
    python examples/collect_candles.py retry sqlite:///jobs.db

Kill any process in the middle and run it again: nothing is lost, and nothing is collected twice.

* A worker *claims* a job for some time, and renews this *lease* while it works. When it dies, its
  lease expires, and another worker claims the job.
* Each symbol is *recorded* as soon as its candles are on the disk, and under the lease. A worker
  that was only slow, and has lost its job meanwhile, is refused.
* Workers may run on any number of machines that share a store such as PostgreSQL, each with a
  folder of its own, or all with one. `--per-source` limits how many of them work on one source.
* A symbol of many candles is written in pieces, and its *cursor* is set behind each: whoever goes
  on with it begins there.
* A job that has ended three workers is FAILED. So is one with a failed symbol; a retry collects
  only what is still missing, and does not ask again for what the source does not know.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from candle_sources import SourceError, duration, open_source
from candle_worker import Limits, Store, Worker
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from collection_jobs import (
    CollectionJob,
    CollectionJobError,
    CollectionJobRepository,
    JobStatus,
    open_repository,
)

# Planning


async def plan(url: str, jobs: list[CollectionJob]) -> int:
    """Add the jobs that are not there yet; a plan made twice, or by two at once, resets none."""
    async with open_store(url) as repository:
        return sum(await repository.add_many(jobs))


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


async def work(url: str, out: Path, limits: Limits) -> None:
    """Be a worker; told to end (SIGTERM), give the job back first."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with open_store(url) as repository:
        await Worker(repository, out, limits).work()


@asynccontextmanager
async def open_store(url: str) -> AsyncGenerator[Store]:
    """Open a store, if jobs can be added to it and claimed from it."""
    async with open_repository(url) as repository:
        if not isinstance(repository, Store):
            raise click.ClickException(f"it has no leases, or no cursors: {repository!r}")
        yield repository


# Looking after the workers


class Crew:
    """Starts the workers, shows what they tell, and puts another in the place of one that died."""

    def __init__(self, command: Sequence[str], symbols: int, console: Console) -> None:
        """Prepare to collect so many symbols with workers that a command starts."""
        self._command = command
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
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(workers):
                        group.create_task(self._keep_one_working())
            except* click.ClickException as failed:  # its traceback stands above, from the worker
                raise failed.exceptions[0] from None
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


async def run(url: str, out: Path, workers: int, limits: Limits) -> bool:
    """Collect everything that is pending or was left; whether none of it failed.

    It ends when no job is left that a worker may finish, here or on another machine.
    """
    console = Console(soft_wrap=True)
    async with open_store(url) as repository:
        running = await repository.get_running_jobs()
        todo = [*running, *await every(repository, JobStatus.PENDING)]
    missing = sum(len(job.symbols_left) for job in todo)
    sources = tuple(dict.fromkeys(job.source for job in todo))
    command = work_command_line(url, out, replace(limits, sources=sources))
    await Crew(command, missing, console).run(workers)
    async with open_store(url) as repository:
        ended = [job for one in todo if (job := await repository.get_by_id(one.id)) is not None]
    completed = [job for job in ended if job.status is JobStatus.COMPLETED]
    candles = sum(sum(job.completed_symbols.values()) for job in completed)
    console.print(f"{len(completed)} jobs completed, with {candles} candles")
    others = sum(job.status in (JobStatus.PENDING, JobStatus.RUNNING) for job in ended)
    if others:
        console.print(f"running without a lease, or planned meanwhile: {others}")
    failed = [job for job in ended if job.status in (JobStatus.FAILED, JobStatus.CANCELLED)]
    for job in failed:
        console.print(f"{job.id}: {job.status.value}: {job.error_message}", markup=False)
    return not failed


def work_command_line(url: str, out: Path, limits: Limits) -> list[str]:
    """Return the command that is one of the workers."""
    command = [sys.executable, __file__, "work", url, str(out)]
    command += [f"--pace={limits.pace}", f"--ttl={limits.ttl.total_seconds()}"]
    if limits.per_source is not None:
        command += [f"--per-source={limits.per_source}"]
        command += [f"--source={source}" for source in limits.sources]
    return command


async def every(repository: CollectionJobRepository, status: JobStatus) -> list[CollectionJob]:
    """All jobs with a status, page by page."""
    jobs: list[CollectionJob] = []
    while page := await repository.list_by_status(status, limit=500, offset=len(jobs)):
        jobs += page
    return jobs


async def retry(url: str) -> int:
    """Let every failed job be tried again of which a symbol is left; how many there are."""
    async with open_store(url) as repository:
        failed = [job for job in await every(repository, JobStatus.FAILED) if job.symbols_left]
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


def working(command: Callable[..., None]) -> Callable[..., None]:
    """Add what a worker is told."""
    for add in reversed(
        (
            click.argument("url"),
            click.argument("out", type=click.Path(file_okay=False, path_type=Path)),
            click.option("--pace", default=0.0, help="Seconds between two requests of a worker."),
            click.option("--ttl", default=30.0, show_default=True, help="Seconds of a lease."),
            click.option(
                "--per-source", type=click.IntRange(min=1), help="Jobs of one source at once."
            ),
        )
    ):
        command = add(command)
    return command


@main.command("run")
@working
@click.option("--workers", type=click.IntRange(min=1), default=3, show_default=True)
def run_command(
    url: str, out: Path, pace: float, ttl: float, per_source: int | None, workers: int
) -> None:
    """Collect what is pending into a folder, with several worker processes."""
    limits = Limits(timedelta(seconds=ttl), pace, per_source, ())
    with _one_line():
        nothing_failed = asyncio.run(run(url, out, workers, limits))
    sys.exit(0 if nothing_failed else 1)


@main.command("work", hidden=True)
@working
@click.option("--source", "sources", multiple=True)
def work_command(
    url: str,
    out: Path,
    pace: float,
    ttl: float,
    per_source: int | None,
    sources: tuple[str, ...],
) -> None:
    """Be one of the workers."""
    limits = Limits(timedelta(seconds=ttl), pace, per_source, sources)
    with _one_line(), suppress(asyncio.CancelledError):
        asyncio.run(work(url, out, limits))


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
