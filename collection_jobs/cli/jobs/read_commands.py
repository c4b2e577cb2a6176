"""The commands of `jobs` that only read: list, show, stats, watch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

import click
from rich.console import RenderableType
from rich.text import Text

from collection_jobs.cli.escape import escaped
from collection_jobs.cli.jobs import render, watch
from collection_jobs.cli.jobs.formatting import console
from collection_jobs.cli.jobs.group import (
    filters,
    json_option,
    on_job,
    print_json,
    read_line,
    words_argument,
)
from collection_jobs.cli.jobs.json_output import job_json, stats_json, totals_json
from collection_jobs.cli.jobs.leases import Leased, with_leases
from collection_jobs.cli.jobs.queries import recent, totals
from collection_jobs.cli.jobs.store import existing, on_store
from collection_jobs.cli.jobs.table import jobs_table
from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus
from collection_jobs.urls import shown_url

__all__ = ["list_command", "show_command", "stats_command", "watch_command"]


@click.command("list")
@words_argument("none")
@filters
@json_option
def list_command(
    words: Sequence[str],
    statuses: Sequence[str],
    since: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List jobs, newest first."""
    url = read_line(words, "none").url

    async def read(repository: CollectionJobRepository) -> tuple[Leased, bool]:
        chosen = tuple(map(JobStatus, statuses))
        found = await recent(repository, limit + 1, statuses=chosen, since=since)
        return await with_leases(repository, found[:limit]), len(found) > limit

    (jobs, leases), more = on_store(url, read)
    if as_json:
        print_json({"jobs": [job_json(job, leases.get(job.id)) for job in jobs], "more": more})
        return
    if jobs:
        screen = console()
        screen.print(jobs_table(jobs, screen, leases=leases))
    else:
        kind = " like these" if statuses or since else ""
        console(stderr=True).print(f"no jobs{kind} in {escaped(shown_url(url))}")
    if more:
        text = f"The newest {limit:,}; there are more: --limit shows them."
        console(stderr=True).print(Text(text, "dim"))


@click.command("show")
@words_argument("one")
@json_option
def show_command(words: Sequence[str], as_json: bool) -> None:
    """Show one job: progress, times, its worker, and each symbol."""

    async def read(repository: CollectionJobRepository, job: CollectionJob) -> Leased:
        return await with_leases(repository, [job])

    (job,), leases = on_job(read_line(words, "one"), read)
    lease = leases.get(job.id)
    if as_json:
        print_json(job_json(job, lease))
    else:
        screen = console()
        screen.print(render.job_view(job, screen, lease=lease))


@click.command("stats")
@words_argument("maybe")
@json_option
def stats_command(words: Sequence[str], as_json: bool) -> None:
    """Sum up one job or, without ID, all jobs of the store."""
    read = read_line(words, "maybe")
    screen = console()
    if not read.job_id:
        sums = on_store(read.url, totals)
        if as_json:
            print_json(totals_json(sums))
        else:
            screen.print(render.totals_view(sums))
        return

    async def of_job(repository: CollectionJobRepository, job: CollectionJob) -> JobStats:
        return await repository.get_stats(job.id) or JobStats.from_job(job)

    stats = on_job(read, of_job)
    if as_json:
        print_json({"id": read.job_id, **stats_json(stats)})
    else:
        screen.print(render.stats_view(read.job_id, stats, screen))


@click.command("watch")
@words_argument("maybe", JobStatus.RUNNING, JobStatus.PENDING)
@filters
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1, max=86_400),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait before looking again.",
)
@json_option
def watch_command(
    words: Sequence[str],
    statuses: Sequence[str],
    since: datetime | None,
    limit: int,
    interval: float,
    as_json: bool,
) -> None:
    """Watch the jobs or, with ID, one job until it ends. Ctrl-C stops it.

    On a terminal the display is updated in place. Elsewhere, and with --json, there is one line for
    each job at first, and one more for each change.
    """
    read = read_line(words, "maybe")
    screen = console()
    live = screen.is_terminal and not as_json
    chosen = tuple(map(JobStatus, statuses))
    if live:
        limit = min(limit, max(screen.height - 4, 1))

    leases: dict[str, Lease] = {}  # as of the last look

    def draw(jobs: Sequence[CollectionJob], now: datetime) -> RenderableType:
        if read.job_id:
            return render.job_view(jobs[0], screen, now, leases.get(read.job_id))
        return jobs_table(jobs, screen, now, leases) if jobs else Text("no jobs yet", "dim")

    def ended(jobs: Sequence[CollectionJob]) -> bool:
        return bool(read.job_id) and jobs[0].finished_at is not None

    async def work(repository: CollectionJobRepository) -> None:
        async def look() -> Sequence[CollectionJob]:
            nonlocal leases
            jobs = (
                [await existing(repository, read.job_id)]
                if read.job_id
                else await recent(repository, limit, statuses=chosen, since=since)
            )
            if live:  # a line is for a change of the job, and a renewal is none
                jobs, leases = await with_leases(repository, jobs)
            return jobs

        if live:
            await watch.show_live(look, ended, draw, screen, interval)
        else:
            await watch.show_changes(look, ended, interval, as_json=as_json)

    with suppress(KeyboardInterrupt, asyncio.CancelledError):  # how a watcher leaves
        on_store(read.url, work)
