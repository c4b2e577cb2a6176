"""The command `jobs purge`: delete the finished jobs that nobody needs any more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

import click

from collection_jobs.capabilities import Purges
from collection_jobs.cli.failure import Refused
from collection_jobs.cli.jobs.arguments import since
from collection_jobs.cli.jobs.asking import ask, counted
from collection_jobs.cli.jobs.formatting import console, instant
from collection_jobs.cli.jobs.group import json_option, print_json, read_line, words_argument
from collection_jobs.cli.jobs.queries import count
from collection_jobs.cli.jobs.store import on_store
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.query import JobQuery
from collection_jobs.status import JobStatus

__all__ = ["purge_command"]

_FINAL = tuple(status for status in JobStatus if status.is_final)
_BATCH = 100
"""Jobs that are deleted at once: an embedded store keeps other writers waiting for so long."""


@click.command("purge")
@words_argument("none")
@click.option(
    "--older-than",
    "before",
    metavar="WHEN",
    callback=since,
    required=True,
    help="Jobs that finished longer ago, or before: 90d, 2026-01-31.",
)
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([status.value for status in _FINAL]),
    help="Only jobs with this status; may be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Count what would be deleted, and delete nothing.")
@click.option("--yes", is_flag=True, help="Do it without asking for confirmation.")
@json_option
def purge_command(
    words: Sequence[str],
    before: datetime,
    statuses: Sequence[str],
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Delete the completed and cancelled jobs that finished before a time, with their outcomes.

    Failed jobs stay, because they may be retried: `jobs delete --status failed` deletes them. The
    jobs are deleted in batches, so that others can work meanwhile.
    """
    url = read_line(words, "none").url
    chosen = tuple(map(JobStatus, dict.fromkeys(statuses))) or _FINAL
    query = JobQuery(statuses=chosen, finished_before=before)

    async def purge(repository: CollectionJobRepository) -> int:
        if not isinstance(repository, Purges):
            raise Refused(
                "this store does not purge: `jobs delete --status completed` deletes one by one"
            )
        counts = await count(repository, query)
        jobs = sum(counts.values())
        if dry_run:
            _tell_dry_run(counts, before, as_json=as_json)
            return jobs
        if jobs and not yes:
            ask(
                f"Delete {_described(counts)} that finished before {_at(before)}?",
                "delete",
                "deleted",
                jobs,
            )
        deleted = 0
        if jobs:
            async for number in _batches(repository, before, chosen):
                deleted += number
        if as_json:
            print_json({"deleted": deleted})
        else:
            console().print(f"{counted(deleted)} deleted")
        return deleted

    on_store(url, purge)


async def _batches(
    repository: Purges, before: datetime, statuses: Sequence[JobStatus]
) -> AsyncIterator[int]:
    while True:
        deleted = await repository.delete_finished(before, statuses=statuses, limit=_BATCH)
        yield deleted
        if deleted < _BATCH:
            return


def _tell_dry_run(counts: Mapping[JobStatus, int], before: datetime, *, as_json: bool) -> None:
    by_status = {status: number for status, number in counts.items() if number}
    if as_json:
        described = {status.value: number for status, number in by_status.items()}
        print_json({"would_delete": sum(by_status.values()), "statuses": described})
        return
    told = f"{_described(by_status)} finished before {_at(before)}; nothing was deleted"
    console().print(told, soft_wrap=True)


def _described(counts: Mapping[JobStatus, int]) -> str:
    by_status = {status: number for status, number in counts.items() if number}
    total = sum(by_status.values())
    if len(by_status) == 1:
        ((status, number),) = by_status.items()
        return counted(number, f"{status.value} ")
    parts = ", ".join(f"{number:,} {status.value}" for status, number in by_status.items())
    return f"{counted(total)} ({parts})" if parts else counted(total)


def _at(before: datetime) -> str:
    return f"{instant(before)} UTC"
