"""The group `jobs`: its command line, and what its commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from io import TextIOWrapper
from typing import Any, TypeVar, cast

import click
from typing_extensions import override

from collection_jobs.cli.jobs.arguments import Words, read_words
from collection_jobs.cli.jobs.completion import complete_ids
from collection_jobs.cli.jobs.store import existing, on_store
from collection_jobs.job import CollectionJob
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.status import JobStatus

__all__ = [
    "jobs_group",
    "json_option",
    "on_job",
    "print_json",
    "read_line",
    "words_argument",
]

_T = TypeVar("_T")
_F = TypeVar("_F", bound=Callable[..., Any])


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
    """List and inspect the jobs of a store; retry, cancel, release, delete or purge them.

    URL names the store, as in sqlite:///jobs.db; it may have any scheme that an installed package
    opens. It defaults to the environment variable COLLECTION_JOBS_URL. Without a COMMAND, the jobs
    are listed. A store that does not exist is never created.

    Exits with 0 (done), 1 (refused: no such job, or a change that its status forbids) or 2 (not
    done: a wrong command line, no such store, a failing engine).
    """
    out = cast("object", sys.stdout)
    if isinstance(out, TextIOWrapper):
        # A store may hold characters that this terminal's encoding lacks.
        out.reconfigure(errors="backslashreplace")


def words_argument(job: str, *statuses: JobStatus) -> Callable[[_F], _F]:
    """Add the argument ``[URL] [ID]...``; a shell completes ids of jobs in these ``statuses``."""
    metavar = _METAVARS[job]
    complete = None if job == "none" else complete_ids(*statuses)
    return click.argument("words", nargs=-1, metavar=metavar, shell_complete=complete)


_METAVARS = {"none": "[URL]", "one": "[URL] ID", "maybe": "[URL] [ID]", "many": "[URL] [ID]..."}


def json_option(function: _F) -> _F:
    """Add the option to print JSON."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(
        function
    )


def read_line(words: Sequence[str], job: str) -> Words:
    """Return the store and the jobs that the words of the running command name."""
    command = click.get_current_context().info_name or ""
    return read_words(words, command, job, tuple(jobs_group.commands))


def print_json(value: object) -> None:
    """Print a value for scripts."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def on_job(
    words: Words, work: Callable[[CollectionJobRepository, CollectionJob], Awaitable[_T]]
) -> _T:
    """Do one command's work on the job that the words name."""

    async def found(repository: CollectionJobRepository) -> _T:
        return await work(repository, await existing(repository, words.job_id))

    return on_store(words.url, found)
