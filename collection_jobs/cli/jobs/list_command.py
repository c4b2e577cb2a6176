"""The command `jobs list`: summaries of the jobs that match, as a table, as rows, or as JSON."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence

import click
from rich.text import Text

from collection_jobs.cli.escape import escaped
from collection_jobs.cli.jobs.formatting import console, has_width
from collection_jobs.cli.jobs.group import json_option, read_line, words_argument
from collection_jobs.cli.jobs.json_output import summary_json
from collection_jobs.cli.jobs.matching import matching
from collection_jobs.cli.jobs.ordering import ORDERS, page_of_summaries
from collection_jobs.cli.jobs.queries import count
from collection_jobs.cli.jobs.rows import row
from collection_jobs.cli.jobs.store import on_store
from collection_jobs.cli.jobs.table import jobs_table
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.query import JobQuery, JobSummary
from collection_jobs.urls import shown_url

__all__ = ["list_command"]


@click.command("list")
@words_argument("none")
@matching
@click.option(
    "--sort",
    "order",
    type=click.Choice(ORDERS),
    default=ORDERS[0],
    show_default=True,
    help="The order: by the time of creation, or the last finished, the most failed symbols or"
    " candles first.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="The most jobs to show.",
)
@click.option(
    "--page",
    type=click.IntRange(min=1),
    default=1,
    help="Which page of so many jobs to show; the first is 1.",
)
@json_option
def list_command(
    words: Sequence[str], query: JobQuery, order: str, limit: int, page: int, as_json: bool
) -> None:
    """List jobs, newest first.

    On a terminal, as a table. Elsewhere one tab-separated row a job: its id, status, symbols
    completed, failed and in all, candles, times (created, started, finished), source, timeframe,
    range (start, end), worker, end of the lease, and error.
    """
    url = read_line(words, "none").url
    skipped = limit * (page - 1)

    async def show(repository: CollectionJobRepository) -> tuple[int, int]:
        total = sum((await count(repository, query)).values())
        found = page_of_summaries(repository, query, order, limit, skipped)
        if as_json:
            return await _print_json(found, total, skipped), total
        screen = console()
        if has_width(screen):
            summaries = [one async for one in found]
            if summaries:
                screen.print(jobs_table(summaries, screen))
            return len(summaries), total
        number = 0
        async for one in found:
            click.echo(row(one))
            number += 1
        return number, total

    shown, total = on_store(url, show)
    if as_json:
        return
    if not shown:
        where = escaped(shown_url(url))
        kind = " like these" if query != JobQuery() else ""
        beyond = f" on page {page:,}, of {total:,} jobs" if total else ""
        console(stderr=True).print(f"no jobs{kind} in {where}{beyond}", soft_wrap=True)
    elif skipped + shown < total or skipped:
        more = f"; --page {page + 1} shows the next" if skipped + shown < total else ""
        text = f"{skipped + 1:,} to {skipped + shown:,} of {total:,} jobs{more}"
        console(stderr=True).print(Text(text, "dim"))


async def _print_json(found: AsyncIterator[JobSummary], total: int, skipped: int) -> int:
    """Print one object, its jobs as they are read."""
    number = 0
    click.echo('{\n  "jobs": [', nl=False)
    async for one in found:
        click.echo(",\n    " if number else "\n    ", nl=False)
        click.echo(json.dumps(summary_json(one), ensure_ascii=False), nl=False)
        number += 1
    more = json.dumps(skipped + number < total)
    click.echo(f'{chr(10) + "  " if number else ""}],\n  "total": {total},\n  "more": {more}\n}}')
    return number
