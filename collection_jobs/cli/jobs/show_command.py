"""The command `jobs show`: one job, with every outcome."""

from __future__ import annotations

from collections.abc import Sequence

import click

from collection_jobs.cli.jobs import render
from collection_jobs.cli.jobs.formatting import console
from collection_jobs.cli.jobs.group import (
    json_option,
    on_job,
    print_json,
    read_line,
    words_argument,
)
from collection_jobs.cli.jobs.json_output import job_json
from collection_jobs.cli.jobs.leases import Leased, with_leases
from collection_jobs.job import CollectionJob
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["show_command"]


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
