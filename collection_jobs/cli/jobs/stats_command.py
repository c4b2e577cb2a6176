"""The command `jobs stats`: one job in numbers, or how many jobs of which source and status."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.console import RenderableType

from collection_jobs.cli.jobs import render, totals, totals_view
from collection_jobs.cli.jobs.formatting import console, has_width
from collection_jobs.cli.jobs.group import (
    json_option,
    on_job,
    print_json,
    read_line,
    words_argument,
)
from collection_jobs.cli.jobs.json_output import stats_json
from collection_jobs.cli.jobs.matching import matching, refuse_conditions
from collection_jobs.cli.jobs.rows import fields_row
from collection_jobs.cli.jobs.store import on_store
from collection_jobs.job import CollectionJob
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.query import JobQuery
from collection_jobs.stats import JobStats

__all__ = ["stats_command"]


@click.command("stats")
@words_argument("maybe")
@matching
@click.option(
    "--symbols",
    "with_symbols",
    is_flag=True,
    help="Sum up symbols and candles, too, which takes a look at every job.",
)
@json_option
def stats_command(words: Sequence[str], query: JobQuery, with_symbols: bool, as_json: bool) -> None:
    """Sum up one job or, without ID, count the jobs of each source and status.

    The counting does not read the jobs. Elsewhere than on a terminal, there is one tab-separated
    row for each source and status: source, status, jobs, and with --symbols the symbols in all,
    completed and failed, and the candles.
    """
    read = read_line(words, "maybe")
    if read.job_id:
        refuse_conditions(read.job_id, query, with_symbols)
        _show_one(read.url, read.job_id, words, as_json=as_json)
        return

    async def count(repository: CollectionJobRepository) -> totals.Totals:
        if with_symbols:
            return await totals.sums_by_source(repository, query)
        return await totals.counts_by_source(repository, query)

    found = on_store(read.url, count)
    screen = console()
    if as_json:
        print_json(totals_view.as_json(found, with_symbols=with_symbols))
    elif has_width(screen):
        screen.print(totals_view.table(found, screen, with_symbols=with_symbols))
    else:
        for fields in totals_view.rows_of_fields(found, with_symbols=with_symbols):
            click.echo(fields_row(fields))


def _show_one(url: str, job_id: str, words: Sequence[str], *, as_json: bool) -> None:
    async def of_job(repository: CollectionJobRepository, job: CollectionJob) -> JobStats:
        return await repository.get_stats(job.id) or JobStats.from_job(job)

    stats = on_job(read_line(words, "maybe"), of_job)
    if as_json:
        print_json({"id": job_id, **stats_json(stats)})
        return
    screen = console()
    shown: RenderableType = render.stats_view(job_id, stats, screen)
    screen.print(shown)
