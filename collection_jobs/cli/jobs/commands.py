"""The commands of `jobs`: each parses, asks the store, and shows or prints as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from io import TextIOWrapper
from typing import Any, TypeVar, cast

import click
from rich.console import RenderableType
from rich.text import Text
from typing_extensions import override

from collection_jobs.cli.failure import Refused
from collection_jobs.cli.harmless import harmless
from collection_jobs.cli.jobs import view, watch
from collection_jobs.cli.jobs.changes import cancelled, retried
from collection_jobs.cli.jobs.completion import complete_ids
from collection_jobs.cli.jobs.looks import console
from collection_jobs.cli.jobs.opened import existing, on_store
from collection_jobs.cli.jobs.reading import recent, totals
from collection_jobs.cli.jobs.shapes import job_json, stats_json, totals_json
from collection_jobs.cli.jobs.table import jobs_table
from collection_jobs.cli.jobs.times import since
from collection_jobs.cli.jobs.urls import masked
from collection_jobs.cli.jobs.words import Words, read_words
from collection_jobs.job import CollectionJob
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus

__all__ = ["jobs_group"]

_T = TypeVar("_T")
_F = TypeVar("_F", bound=Callable[..., Any])
_USUAL_LIMIT = 50


class _Jobs(click.Group):
    """A group whose commands need not be named to list: `jobs URL` is `jobs list URL`."""

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = args[0] if args else None
        asked_for_help = first in ctx.help_option_names
        # A shell that asks what may stand here is told the commands.
        if (
            first not in self.commands
            and not asked_for_help
            and not (ctx.resilient_parsing and first is None)
        ):
            args = ["list", *args]
        return super().parse_args(ctx, args)

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order in which they are written


@click.group("jobs", cls=_Jobs, options_metavar="", subcommand_metavar="[COMMAND] [URL] [ID] ...")
def jobs_group() -> None:
    """Look at the jobs of a store, and change what a person may change.

    URL names the store, as in sqlite:///jobs.db; any scheme that an installed package opens will
    do. Without it, the environment variable COLLECTION_JOBS_URL does. Without a COMMAND, the jobs
    are listed. A store that is not there is never made.

    Exits with 0 (done), 1 (the store says no: no such job, or a change that its status forbids) or
    2 (not done: a wrong command line, no store, a failing engine).
    """
    out = cast("object", sys.stdout)
    if isinstance(out, TextIOWrapper):
        # A store may hold characters that this terminal's encoding lacks.
        out.reconfigure(errors="backslashreplace")


def _words(job: str, *statuses: JobStatus) -> Callable[[_F], _F]:
    """The argument ``[URL] [ID]``; ``statuses`` are those of the ids that a shell completes."""
    metavar = {"none": "[URL]", "one": "[URL] ID", "maybe": "[URL] [ID]"}[job]
    complete = None if job == "none" else complete_ids(*statuses)
    return click.argument("words", nargs=-1, metavar=metavar, shell_complete=complete)


def _filters(function: _F) -> _F:
    for option in (
        click.option(
            "--limit",
            type=click.IntRange(min=1),
            default=_USUAL_LIMIT,
            show_default=True,
            help="The most jobs to show.",
        ),
        click.option(
            "--since",
            metavar="WHEN",
            callback=since,
            help="Only jobs created since then: 90m, 3d, 2026-01-31T09:30.",
        ),
        click.option(
            "--status",
            "statuses",
            multiple=True,
            type=click.Choice([status.value for status in JobStatus]),
            help="Only jobs with this status; may be repeated.",
        ),
    ):
        function = option(function)
    return function


_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def _read(words: Sequence[str], job: str) -> Words:
    command = click.get_current_context().info_name or ""
    return read_words(words, command, job, tuple(jobs_group.commands))


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _on_job(
    words: Words, work: Callable[[CollectionJobRepository, CollectionJob], Awaitable[_T]]
) -> _T:
    """Do one command's work on the job that the words name."""

    async def found(repository: CollectionJobRepository) -> _T:
        return await work(repository, await existing(repository, words.job_id))

    return on_store(words.url, found)


@jobs_group.command("list")
@_words("none")
@_filters
@_json
def list_command(
    words: Sequence[str],
    statuses: Sequence[str],
    since: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List jobs, the newest first."""
    url = _read(words, "none").url

    async def read(repository: CollectionJobRepository) -> list[CollectionJob]:
        chosen = tuple(map(JobStatus, statuses))
        return await recent(repository, limit + 1, statuses=chosen, since=since)

    found = on_store(url, read)
    jobs, more = found[:limit], len(found) > limit
    if as_json:
        _print_json({"jobs": [job_json(job) for job in jobs], "more": more})
        return
    if jobs:
        screen = console()
        screen.print(jobs_table(jobs, screen))
    else:
        kind = " like these" if statuses or since else ""
        console(stderr=True).print(f"no jobs{kind} in {harmless(masked(url))}")
    if more:
        text = f"The newest {limit:,}; there are more: --limit shows them."
        console(stderr=True).print(Text(text, "dim"))


@jobs_group.command("show")
@_words("one")
@_json
def show_command(words: Sequence[str], as_json: bool) -> None:
    """Show one job: progress, times, and each symbol."""

    async def read(_: CollectionJobRepository, job: CollectionJob) -> CollectionJob:
        return job

    job = _on_job(_read(words, "one"), read)
    if as_json:
        _print_json(job_json(job))
    else:
        screen = console()
        screen.print(view.job_view(job, screen))


@jobs_group.command("stats")
@_words("maybe")
@_json
def stats_command(words: Sequence[str], as_json: bool) -> None:
    """Sum up one job, or without ID all the jobs of the store."""
    read = _read(words, "maybe")
    screen = console()
    if not read.job_id:
        sums = on_store(read.url, totals)
        if as_json:
            _print_json(totals_json(sums))
        else:
            screen.print(view.totals_view(sums))
        return

    async def of_job(repository: CollectionJobRepository, job: CollectionJob) -> JobStats:
        return await repository.get_stats(job.id) or JobStats.from_job(job)

    stats = _on_job(read, of_job)
    if as_json:
        _print_json({"id": read.job_id, **stats_json(stats)})
    else:
        screen.print(view.stats_view(read.job_id, stats, screen))


@jobs_group.command("watch")
@_words("maybe", JobStatus.RUNNING, JobStatus.PENDING)
@_filters
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1, max=86_400),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait before looking again.",
)
@_json
def watch_command(
    words: Sequence[str],
    statuses: Sequence[str],
    since: datetime | None,
    limit: int,
    interval: float,
    as_json: bool,
) -> None:
    """Watch the jobs, or with ID one job until it ends. Ctrl-C leaves.

    On a terminal the picture is kept up to date. Elsewhere, and with --json, there is a line for
    each job at first, and one more for each change.
    """
    read = _read(words, "maybe")
    screen = console()
    live = screen.is_terminal and not as_json
    chosen = tuple(map(JobStatus, statuses))
    if live:
        limit = min(limit, max(screen.height - 4, 1))

    def draw(jobs: Sequence[CollectionJob], now: datetime) -> RenderableType:
        if read.job_id:
            return view.job_view(jobs[0], screen, now)
        return jobs_table(jobs, screen, now) if jobs else Text("no jobs yet", "dim")

    def ended(jobs: Sequence[CollectionJob]) -> bool:
        return bool(read.job_id) and jobs[0].finished_at is not None

    async def work(repository: CollectionJobRepository) -> None:
        async def look() -> Sequence[CollectionJob]:
            if read.job_id:
                return [await existing(repository, read.job_id)]
            return await recent(repository, limit, statuses=chosen, since=since)

        if live:
            await watch.show_live(look, ended, draw, screen, interval)
        else:
            await watch.show_changes(look, ended, interval, as_json=as_json)

    with suppress(KeyboardInterrupt, asyncio.CancelledError):  # how a watcher leaves
        on_store(read.url, work)


def _tell_change(former: CollectionJob, changed: CollectionJob, as_json: bool) -> None:
    before, now = former.status.value, changed.status.value
    if as_json:
        _print_json({"id": former.id, "former_status": before, "status": now})
    else:
        console().print(f"{harmless(former.id)} was {before} and is {now}")


@jobs_group.command("retry")
@_words("one", JobStatus.FAILED)
@_json
def retry_command(words: Sequence[str], as_json: bool) -> None:
    """Make a failed job pending again; its outcomes stay."""
    _tell_change(*_on_job(_read(words, "one"), retried), as_json)


@jobs_group.command("cancel")
@_words("one", JobStatus.PENDING, JobStatus.RUNNING)
@click.option("--reason", metavar="TEXT", help="What the job is to remember as its error.")
@_json
def cancel_command(words: Sequence[str], reason: str | None, as_json: bool) -> None:
    """Give up a pending or running job for good; its outcomes stay."""

    async def cancel(
        repository: CollectionJobRepository, job: CollectionJob
    ) -> tuple[CollectionJob, CollectionJob]:
        return await cancelled(repository, job, reason)

    _tell_change(*_on_job(_read(words, "one"), cancel), as_json)


@jobs_group.command("delete")
@_words("one", JobStatus.COMPLETED, JobStatus.CANCELLED, JobStatus.FAILED)
@click.option("--yes", is_flag=True, help="Do not ask.")
@_json
def delete_command(words: Sequence[str], yes: bool, as_json: bool) -> None:
    """Remove a job and its outcomes, after asking."""

    async def delete(repository: CollectionJobRepository, job: CollectionJob) -> bool:
        if not yes:
            _ask(job)
        return await repository.delete(job.id)

    read = _read(words, "one")
    if not _on_job(read, delete):
        raise Refused(f"job {read.job_id!r} was deleted meanwhile")
    if as_json:
        _print_json({"id": read.job_id, "deleted": True})
    else:
        console().print(f"{harmless(read.job_id)} is deleted")


def _ask(job: CollectionJob) -> None:
    stats = JobStats.from_job(job)
    running = ", though a worker is at it" if job.status is JobStatus.RUNNING else ""
    question = (
        f"Delete {harmless(job.id)}, which is {job.status.value}, with the outcomes of"
        f" {stats.completed + stats.failed:,} of {stats.total:,} symbols{running}?"
    )
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        click.echo(err=True)  # the question still stands on its line
        raise Refused("nobody answered, and nothing was deleted: --yes does not ask") from None
    if not agreed:
        raise Refused("nothing was deleted")
