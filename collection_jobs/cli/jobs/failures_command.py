"""The command `jobs failures`: what failed most, by error and by symbol."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from collection_jobs.cli.escape import escaped
from collection_jobs.cli.jobs.failure_groups import FailureGroups
from collection_jobs.cli.jobs.formatting import console, has_width
from collection_jobs.cli.jobs.group import json_option, print_json, read_line, words_argument
from collection_jobs.cli.jobs.matching import matching
from collection_jobs.cli.jobs.queries import oldest_first
from collection_jobs.cli.jobs.rows import fields_row
from collection_jobs.cli.jobs.store import on_store
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.query import JobQuery
from collection_jobs.urls import shown_url

__all__ = ["failures_command"]

_AT_ONCE = 8
"""Jobs that are read side by side; each may hold many long errors."""


@click.command("failures")
@words_argument("none")
@matching
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="The most errors, and symbols, to show of each kind.",
)
@json_option
def failures_command(words: Sequence[str], query: JobQuery, limit: int, as_json: bool) -> None:
    """Group the failed symbols by error and by symbol, most frequent first.

    Errors that differ in nothing but numbers are one, with # in their place; of a traceback, the
    last line counts. Permanent failures, which no retry can mend, stand apart. Elsewhere than on a
    terminal, there is one tab-separated row for each group: error or symbol, retryable or
    permanent, failures, jobs, symbols or the symbol, error.
    """
    url = read_line(words, "none").url
    asked = replace(query, with_failures=True)

    async def read(repository: CollectionJobRepository) -> FailureGroups:
        groups, ids = FailureGroups(), list[str]()
        async for summary in oldest_first(repository, asked):
            ids.append(summary.id)
            if len(ids) == _AT_ONCE:
                await _add(repository, groups, ids, query.symbol)
        await _add(repository, groups, ids, query.symbol)
        return groups

    groups = on_store(url, read)
    screen = console()
    if as_json:
        print_json(groups.to_json())
    elif not groups.failures:
        console(stderr=True).print(f"no failures in {escaped(shown_url(url))}", soft_wrap=True)
    elif has_width(screen):
        screen.print(_view(groups, screen, limit))
    else:
        for fields in groups.rows():
            click.echo(fields_row(fields))


async def _add(
    repository: CollectionJobRepository, groups: FailureGroups, ids: list[str], symbol: str | None
) -> None:
    jobs = await asyncio.gather(*map(repository.get_by_id, ids))
    ids.clear()
    for job in jobs:
        if job is not None:
            groups.add(job, symbol)


def _view(groups: FailureGroups, screen: Console, limit: int) -> RenderableType:
    failures = f"{groups.failures:,} failed symbol{'' if groups.failures == 1 else 's'}"
    jobs = f"{groups.jobs:,} job{'' if groups.jobs == 1 else 's'}"
    parts: list[RenderableType] = [Text(f"{failures} in {jobs}", "bold")]
    for is_permanent, title in ((False, "a retry may mend"), (True, "permanent")):
        if groups.errors(permanent=is_permanent):
            parts += [Text(), Text(title, "bold red" if is_permanent else "bold yellow"), Text()]
            parts.append(_errors(groups, screen, limit, permanent=is_permanent))
            parts += [Text(), _symbols(groups, screen, limit, permanent=is_permanent)]
    return Group(*parts)


def _table(*titles: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _errors(groups: FailureGroups, screen: Console, limit: int, *, permanent: bool) -> Table:
    found = groups.errors(permanent=permanent)
    table = _table("failures", "jobs", "symbols")
    table.add_column("error", overflow="ellipsis", no_wrap=True)
    for group in found[:limit]:
        numbers = (group.failures, len(group.jobs), len(group.symbols))
        table.add_row(*(f"{number:,}" for number in numbers), escaped(group.line) or "(no text)")
    if len(found) > limit:
        rest = sum(group.failures for group in found[limit:])
        table.add_row(f"{rest:,}", "", "", Text(f"{len(found) - limit:,} other errors", "dim"))
    return table


def _symbols(groups: FailureGroups, screen: Console, limit: int, *, permanent: bool) -> Table:
    found = groups.symbols(permanent=permanent)
    table = _table("failures", "jobs")
    table.add_column("symbol", overflow="ellipsis", no_wrap=True, max_width=screen.width // 3)
    table.add_column("last error", overflow="ellipsis", no_wrap=True)
    for one in found[:limit]:
        numbers = (f"{one.failures:,}", f"{len(one.jobs):,}")
        table.add_row(*numbers, escaped(one.symbol), escaped(one.line))
    if len(found) > limit:
        rest = sum(one.failures for one in found[limit:])
        table.add_row(f"{rest:,}", "", Text(f"{len(found) - limit:,} other symbols", "dim"), "")
    return table
