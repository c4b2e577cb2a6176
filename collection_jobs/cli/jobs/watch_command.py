"""The command `jobs watch`: jobs as they change, with rates, workers and failures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime

import click
from rich.console import Console, RenderableType

from collection_jobs.cli.jobs import render, watch
from collection_jobs.cli.jobs.failure_feed import FailureFeed
from collection_jobs.cli.jobs.formatting import console
from collection_jobs.cli.jobs.group import json_option, read_line, words_argument
from collection_jobs.cli.jobs.leases import with_leases
from collection_jobs.cli.jobs.matching import matching, refuse_conditions
from collection_jobs.cli.jobs.ordering import page_of_summaries
from collection_jobs.cli.jobs.rates import Rates
from collection_jobs.cli.jobs.store import existing, on_store
from collection_jobs.cli.jobs.watch_view import watch_view
from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.query import JobQuery, JobSummary
from collection_jobs.status import JobStatus

__all__ = ["watch_command"]


@click.command("watch")
@words_argument("maybe", JobStatus.RUNNING, JobStatus.PENDING)
@matching
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="The most jobs to show: those that run, then the newest.",
)
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
    words: Sequence[str], query: JobQuery, limit: int, interval: float, as_json: bool
) -> None:
    """Watch the jobs or, with ID, one job until it ends. Ctrl-C stops it.

    On a terminal the display is updated in place: candles a second and the time left, the jobs with
    their workers, and the last failures. Elsewhere, and with --json, there is one line for each job
    at first, and one more for each change.
    """
    read = read_line(words, "maybe")
    if read.job_id:
        refuse_conditions(read.job_id, query)
    screen = console()
    live = screen.is_terminal and not as_json
    if live:
        limit = min(limit, screen.height)

    async def work(repository: CollectionJobRepository) -> None:
        if read.job_id:
            watched: watch.Watched = _OneJob(repository, read.job_id)
        else:
            watched = _Jobs(repository, query, limit, with_failures=live)
        if live:
            await watch.show_live(watched, screen, interval)
        else:
            await watch.show_changes(watched, interval, as_json=as_json)

    with suppress(KeyboardInterrupt, asyncio.CancelledError):  # how a watcher leaves
        on_store(read.url, work)


class _Jobs:
    """The jobs that match: those that run, and the newest of the others."""

    def __init__(
        self,
        repository: CollectionJobRepository,
        query: JobQuery,
        limit: int,
        *,
        with_failures: bool,
    ) -> None:
        self._repository = repository
        self._query = query
        self._limit = limit
        self._rates = Rates()
        self._feed = FailureFeed() if with_failures else None

    async def look(self) -> Sequence[JobSummary]:
        jobs = {job.id: job async for job in self._shown()}
        chosen = list(jobs.values())[: self._limit]
        self._rates.look(chosen, time.monotonic())
        if self._feed is not None:
            await self._feed.look(self._repository, chosen, datetime.now(UTC))
        return chosen

    async def _shown(self) -> AsyncIterator[JobSummary]:
        asked = self._query.statuses
        if asked is None or JobStatus.RUNNING in asked:
            running = replace(self._query, statuses=(JobStatus.RUNNING,))
            async with aclosing(self._page(running)) as page:
                async for job in page:
                    yield job
        async with aclosing(self._page(self._query)) as page:
            async for job in page:
                yield job

    def _page(self, query: JobQuery) -> AsyncGenerator[JobSummary]:
        return page_of_summaries(self._repository, query, "newest", self._limit, 0)

    def ended(self) -> bool:
        return False

    def draw(self, jobs: Sequence[JobSummary], screen: Console, now: datetime) -> RenderableType:
        failures = [] if self._feed is None else self._feed.last
        return watch_view(jobs, self._rates, failures, screen, now)


class _OneJob:
    """One job, whole, until it ends."""

    def __init__(self, repository: CollectionJobRepository, job_id: str) -> None:
        self._repository = repository
        self._job_id = job_id
        self._rates = Rates()
        self._job: CollectionJob | None = None
        self._lease: Lease | None = None

    async def look(self) -> Sequence[JobSummary]:
        job = await existing(self._repository, self._job_id)
        (self._job,), leases = await with_leases(self._repository, [job])
        self._lease = leases.get(self._job_id)
        summary = JobSummary.from_job(self._job, self._lease)
        self._rates.look([summary], time.monotonic())
        return [summary]

    def ended(self) -> bool:
        return self._job is not None and self._job.finished_at is not None

    def draw(self, jobs: Sequence[JobSummary], screen: Console, now: datetime) -> RenderableType:
        assert self._job is not None  # noqa: S101 - it was looked at before it is drawn
        return render.job_view(self._job, screen, now, self._lease, self._rates.of(self._job_id))
