"""Watching: what is read again and again is shown as it changes, until somebody ends it."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import click
from rich.console import Console, RenderableType
from rich.live import Live
from typing_extensions import Protocol

from collection_jobs.cli.escape import escaped
from collection_jobs.cli.jobs.formatting import instant
from collection_jobs.cli.jobs.json_output import summary_json
from collection_jobs.query import JobSummary

__all__ = ["Watched", "show_changes", "show_live"]


class Watched(Protocol):
    """What is watched."""

    async def look(self) -> Sequence[JobSummary]:
        """Read it, as it is now."""
        ...

    def ended(self) -> bool:
        """Return whether there is nothing more to see."""
        ...

    def draw(self, jobs: Sequence[JobSummary], screen: Console, now: datetime) -> RenderableType:
        """Draw what the last look showed."""
        ...


async def show_live(watched: Watched, console: Console, interval: float) -> None:
    """Keep a picture on the terminal up to date; it stays there at the end."""
    _end_when_terminated()
    # Drawn only when it was read anew, in one write each time: nothing flickers.
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            jobs = await watched.look()
            live.update(watched.draw(jobs, console, datetime.now(UTC)), refresh=True)
            if watched.ended():
                return
            await asyncio.sleep(interval)


async def show_changes(watched: Watched, interval: float, *, as_json: bool) -> None:
    """Print a line for each job at first, and then for each that changed or is new."""
    _end_when_terminated()
    seen: dict[str, JobSummary] = {}
    while True:
        jobs = await watched.look()
        now = datetime.now(UTC)
        for line in _changes(seen, jobs, now, as_json=as_json):
            click.echo(line)
        seen = {job.id: job for job in jobs}
        if watched.ended():
            return
        await asyncio.sleep(interval)


def _changes(
    seen: dict[str, JobSummary],
    jobs: Sequence[JobSummary],
    now: datetime,
    *,
    as_json: bool,
) -> Iterator[str]:
    for job in reversed(jobs):  # they are the newest first, and lines run downwards
        former = seen.get(job.id)
        # A renewal of a lease is no change of the job, but another worker is.
        if former is not None and (former.revision, former.worker) == (job.revision, job.worker):
            continue
        if as_json:
            yield json.dumps({"at": now.isoformat(), "job": summary_json(job)}, ensure_ascii=False)
        else:
            yield f"{instant(now, seconds=True)}  {_line(job)}"


def _line(job: JobSummary) -> str:
    stats = job.stats
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
