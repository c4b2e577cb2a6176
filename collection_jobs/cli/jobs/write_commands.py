"""The commands of `jobs` that change: retry, cancel, release, delete."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import click

from collection_jobs.cli.escape import escaped
from collection_jobs.cli.failure import URL_VARIABLE, Failure, Refused
from collection_jobs.cli.jobs.arguments import Words
from collection_jobs.cli.jobs.changing import Action, ChangeReport, change_jobs
from collection_jobs.cli.jobs.group import json_option, read_line, words_argument
from collection_jobs.cli.jobs.selection import Chosen, Selection, select, selecting
from collection_jobs.cli.jobs.transitions import (
    StatusChange,
    cancelled,
    has_expired,
    not_cancelled,
    not_released,
    not_retried,
    released,
    released_if_expired,
    retried,
)
from collection_jobs.job import CollectionJob
from collection_jobs.leasing import LeasesJobs
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.status import JobStatus
from collection_jobs.urls import scheme_of_url

__all__ = ["cancel_command", "delete_command", "release_command", "retry_command"]

_Transition = Callable[[CollectionJobRepository, CollectionJob], Awaitable[StatusChange]]


def _told(
    transition: _Transition,
) -> Callable[[CollectionJobRepository, CollectionJob], Awaitable[ChangeReport]]:
    """Make a change of status, and tell it."""

    async def change(repository: CollectionJobRepository, job: CollectionJob) -> ChangeReport:
        former, changed, worker = await transition(repository, job)
        before, now = former.status.value, changed.status.value
        by = "" if worker is None else f" by {escaped(worker)}"
        shape = {"id": former.id, "former_status": before, "status": now}
        if worker is not None:
            shape["worker"] = worker
        return ChangeReport(f"{escaped(former.id)} was {before}{by} and is {now}", shape)

    return change


def _words(words: Sequence[str], selection: Selection) -> Words:
    """Read the line; where jobs are selected by options, it names the store at most."""
    if not selection.is_given:
        return read_line(words, "many")
    usual = os.environ.get(URL_VARIABLE)
    named_too = bool(words and usual) and scheme_of_url(words[0]) is None
    if len(words) > 1 or named_too:
        raise Failure("name the jobs, or select them by options, but not both")
    return read_line(words, "none")


@click.command("retry")
@words_argument("many", JobStatus.FAILED)
@selecting(JobStatus.FAILED)
@click.option(
    "--permanent",
    is_flag=True,
    help="Try permanent failures again, too; they are no longer marked as permanent.",
)
@json_option
def retry_command(
    words: Sequence[str],
    statuses: Sequence[str],
    source: str | None,
    every: bool,
    yes: bool,
    permanent: bool,
    as_json: bool,
) -> None:
    """Make failed jobs pending again; their outcomes stay.

    A job in which every failure is permanent is left out.
    """
    selection = Selection.of(statuses, source, every)
    retry = _told(partial(retried, permanent=permanent))
    action = Action("retry", "retried", (JobStatus.FAILED,), retry, not_retried)
    change_jobs(_words(words, selection), selection, action, yes=yes, as_json=as_json)


@click.command("cancel")
@words_argument("many", JobStatus.PENDING, JobStatus.RUNNING)
@selecting(JobStatus.PENDING, JobStatus.RUNNING)
@click.option("--reason", metavar="TEXT", help="The error message to store with the jobs.")
@json_option
def cancel_command(
    words: Sequence[str],
    statuses: Sequence[str],
    source: str | None,
    every: bool,
    yes: bool,
    reason: str | None,
    as_json: bool,
) -> None:
    """Cancel pending or running jobs permanently; their outcomes stay."""

    async def cancel(repository: CollectionJobRepository, job: CollectionJob) -> StatusChange:
        return await cancelled(repository, job, reason)

    selection = Selection.of(statuses, source, every)
    live = (JobStatus.PENDING, JobStatus.RUNNING)
    action = Action("cancel", "cancelled", live, _told(cancel), not_cancelled)
    change_jobs(_words(words, selection), selection, action, yes=yes, as_json=as_json)


@click.command("release")
@words_argument("many", JobStatus.RUNNING)
@selecting(JobStatus.RUNNING)
@click.option("--expired", is_flag=True, help="All running jobs whose leases have expired.")
@json_option
def release_command(
    words: Sequence[str],
    statuses: Sequence[str],
    source: str | None,
    every: bool,
    expired: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Make running jobs pending again, and end their leases; their outcomes stay.

    A worker that still works on such a job is refused at its next change if it works under a lease.
    """
    selection = Selection.of(statuses, source, every, expired=expired)
    transition = _told(released_if_expired if expired else released)

    async def release(repository: CollectionJobRepository, job: CollectionJob) -> ChangeReport:
        told = await transition(repository, job)
        if not isinstance(repository, LeasesJobs):
            warn_once()
        return told

    warned = False

    def warn_once() -> None:
        nonlocal warned
        if not warned:
            warned = True
            click.echo(_NO_LEASES, err=True)

    action = Action(
        "release",
        "released",
        (JobStatus.RUNNING,),
        release,
        not_released,
        choose=_expired if expired else None,
    )
    change_jobs(_words(words, selection), selection, action, yes=yes, as_json=as_json)


_NO_LEASES = (
    "this store does not lease jobs: it is not known who worked on them, and a worker that still"
    " does is not stopped"
)


async def _expired(repository: CollectionJobRepository, selection: Selection) -> Chosen:
    """Find the jobs whose leases have expired, by the clock of this machine."""
    if not isinstance(repository, LeasesJobs):
        raise Refused(
            "this store does not lease jobs, so no lease of it can have expired: name the jobs, or"
            " use --all"
        )
    chosen = Chosen()
    async for job in select(repository, selection, (JobStatus.RUNNING,)):
        if has_expired(job.expires_at):
            chosen.add(job)
    return chosen


@click.command("delete")
@words_argument("many", JobStatus.COMPLETED, JobStatus.CANCELLED, JobStatus.FAILED)
@selecting(*JobStatus)
@json_option
def delete_command(
    words: Sequence[str],
    statuses: Sequence[str],
    source: str | None,
    every: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Delete jobs and their outcomes, after asking for confirmation."""
    selection = Selection.of(statuses, source, every)
    action = Action("delete", "deleted", tuple(JobStatus), _delete, question=_question)
    change_jobs(_words(words, selection), selection, action, yes=yes, as_json=as_json)


async def _delete(repository: CollectionJobRepository, job: CollectionJob) -> ChangeReport:
    if not await repository.delete(job.id):
        raise Refused(f"job {job.id!r} was deleted in the meantime")
    return ChangeReport(f"{escaped(job.id)} is deleted", {"id": job.id, "deleted": True})


def _question(chosen: Chosen, selection: Selection) -> str:
    symbols = [sums.symbols for sums in chosen.totals.values()]
    outcomes = (
        f"with the outcomes of {sum(one.completed + one.failed for one in symbols):,} of"
        f" {sum(one.total for one in symbols):,} symbols"
    )
    running = JobStatus.RUNNING in chosen.totals
    if len(chosen.ids) == 1 and not selection.is_given:
        warning = ", although a worker is processing it" if running else ""
        ((job_id,), (status,)) = chosen.ids, chosen.totals
        return f"Delete {escaped(job_id)}, which is {status.value}, {outcomes}{warning}?"
    warning = ", although workers are processing those that run" if running else ""
    return f"Delete {chosen.described(selection.source)}, {outcomes}{warning}?"
