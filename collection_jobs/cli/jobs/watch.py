"""Watching: what is read again and again is shown as it changes, until somebody ends it."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import click
from rich.console import Console, RenderableType
from rich.live import Live

from collection_jobs.cli.escape import escaped
from collection_jobs.cli.jobs.formatting import instant
from collection_jobs.cli.jobs.json_output import job_json
from collection_jobs.job import CollectionJob
from collection_jobs.stats import JobStats

__all__ = ["Look", "show_changes", "show_live"]

Look = Callable[[], Awaitable[Sequence[CollectionJob]]]
Ended = Callable[[Sequence[CollectionJob]], bool]


async def show_live(
    look: Look,
    ended: Ended,
    draw: Callable[[Sequence[CollectionJob], datetime], RenderableType],
    console: Console,
    interval: float,
) -> None:
    """Keep a picture on the terminal up to date; it stays there at the end."""
    _end_when_terminated()
    # Drawn only when it was read anew, in one write each time: nothing flickers.
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            jobs = await look()
            live.update(draw(jobs, datetime.now(UTC)), refresh=True)
            if ended(jobs):
                return
            await asyncio.sleep(interval)


async def show_changes(look: Look, ended: Ended, interval: float, *, as_json: bool) -> None:
    """Print a line for each job at first, and then for each that changed or is gone."""
    _end_when_terminated()
    seen: dict[str, CollectionJob] = {}
    while True:
        jobs = await look()
        now = datetime.now(UTC)
        for line in _changes(seen, jobs, now, as_json=as_json):
            click.echo(line)
        seen = {job.id: job for job in jobs}
        if ended(jobs):
            return
        await asyncio.sleep(interval)


def _changes(
    seen: dict[str, CollectionJob],
    jobs: Sequence[CollectionJob],
    now: datetime,
    *,
    as_json: bool,
) -> Iterator[str]:
    for job in reversed(jobs):  # they are the newest first, and lines run downwards
        if job != seen.get(job.id):
            if as_json:
                yield json.dumps({"at": now.isoformat(), "job": job_json(job)}, ensure_ascii=False)
            else:
                yield f"{instant(now, seconds=True)}  {_line(job)}"


def _line(job: CollectionJob) -> str:
    stats = JobStats.from_job(job)
    failed = f", {stats.failed:,} failed" if stats.failed else ""
    return (
        f"{escaped(job.id)}  {job.status.value}  {stats.completed:,}/{stats.total:,}{failed}"
        f"  {stats.total_candles:,} candles"
    )


def _end_when_terminated() -> None:
    """Let SIGTERM end the watching as Ctrl-C does: with the cursor shown again."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in a task
    with suppress(NotImplementedError):  # on Windows, loops take no signals
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
