"""The commands of `jobs` that change: retry, cancel, delete."""

from __future__ import annotations

from collections.abc import Sequence

import click

from collection_jobs.cli.escape import escaped
from collection_jobs.cli.failure import Refused
from collection_jobs.cli.jobs.formatting import console
from collection_jobs.cli.jobs.group import (
    json_option,
    on_job,
    print_json,
    read_line,
    words_argument,
)
from collection_jobs.cli.jobs.transitions import cancelled, retried
from collection_jobs.job import CollectionJob
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus

__all__ = ["cancel_command", "delete_command", "retry_command"]


def _tell_change(former: CollectionJob, changed: CollectionJob, as_json: bool) -> None:
    before, now = former.status.value, changed.status.value
    if as_json:
        print_json({"id": former.id, "former_status": before, "status": now})
    else:
        console().print(f"{escaped(former.id)} was {before} and is {now}")


@click.command("retry")
@words_argument("one", JobStatus.FAILED)
@json_option
def retry_command(words: Sequence[str], as_json: bool) -> None:
    """Make a failed job pending again; its outcomes stay."""
    _tell_change(*on_job(read_line(words, "one"), retried), as_json)


@click.command("cancel")
@words_argument("one", JobStatus.PENDING, JobStatus.RUNNING)
@click.option("--reason", metavar="TEXT", help="The error message to store with the job.")
@json_option
def cancel_command(words: Sequence[str], reason: str | None, as_json: bool) -> None:
    """Cancel a pending or running job permanently; its outcomes stay."""

    async def cancel(
        repository: CollectionJobRepository, job: CollectionJob
    ) -> tuple[CollectionJob, CollectionJob]:
        return await cancelled(repository, job, reason)

    _tell_change(*on_job(read_line(words, "one"), cancel), as_json)


@click.command("delete")
@words_argument("one", JobStatus.COMPLETED, JobStatus.CANCELLED, JobStatus.FAILED)
@click.option("--yes", is_flag=True, help="Delete without asking for confirmation.")
@json_option
def delete_command(words: Sequence[str], yes: bool, as_json: bool) -> None:
    """Delete a job and its outcomes, after asking for confirmation."""

    async def delete(repository: CollectionJobRepository, job: CollectionJob) -> bool:
        if not yes:
            _ask(job)
        return await repository.delete(job.id)

    read = read_line(words, "one")
    if not on_job(read, delete):
        raise Refused(f"job {read.job_id!r} was deleted in the meantime")
    if as_json:
        print_json({"id": read.job_id, "deleted": True})
    else:
        console().print(f"{escaped(read.job_id)} is deleted")


def _ask(job: CollectionJob) -> None:
    stats = JobStats.from_job(job)
    running = ", although a worker is processing it" if job.status is JobStatus.RUNNING else ""
    question = (
        f"Delete {escaped(job.id)}, which is {job.status.value}, with the outcomes of"
        f" {stats.completed + stats.failed:,} of {stats.total:,} symbols{running}?"
    )
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        click.echo(err=True)  # the question still stands on its line
        raise Refused("nothing was deleted: use --yes to delete without asking") from None
    if not agreed:
        raise Refused("nothing was deleted")
