"""The options that say which jobs a reading command is about, as one query."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from collection_jobs.cli.failure import Failure
from collection_jobs.cli.jobs.arguments import since
from collection_jobs.query import JobQuery
from collection_jobs.status import JobStatus

__all__ = ["matching", "refuse_conditions"]

_OPTIONS = (
    click.option(
        "--status",
        "statuses",
        multiple=True,
        type=click.Choice([status.value for status in JobStatus]),
        help="Only jobs with this status; may be repeated.",
    ),
    click.option("--source", metavar="SOURCE", help="Only jobs of this source."),
    click.option("--symbol", metavar="SYMBOL", help="Only jobs that collect this symbol."),
    click.option(
        "--since",
        "created_from",
        metavar="WHEN",
        callback=since,
        help="Only jobs created since then: 90m, 3d, 2026-01-31T09:30.",
    ),
    click.option(
        "--until",
        "created_before",
        metavar="WHEN",
        callback=since,
        help="Only jobs created before then.",
    ),
    click.option(
        "--with-failures/--without-failures",
        "with_failures",
        default=None,
        help="Only jobs of which a symbol failed, or none did.",
    ),
)


def refuse_conditions(job_id: str, query: JobQuery, *others: bool) -> None:
    """Refuse options that select jobs where one job is named: they would mean nothing.

    Raises:
        Failure: There is such an option.
    """
    if query != JobQuery() or any(others):
        raise Failure(f"name the job {job_id!r}, or select jobs by options, but not both")


def matching(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command is given them as one ``query``."""

    @wraps(function)
    def command(*args: Any, statuses: tuple[str, ...], **kwargs: Any) -> Any:
        conditions = {name: kwargs.pop(name) for name in _CONDITIONS}
        chosen = tuple(map(JobStatus, statuses)) or None
        try:
            query = JobQuery(statuses=chosen, **conditions)
        except ValueError as error:  # a name that no job can have
            raise Failure(str(error)) from error
        return function(*args, query=query, **kwargs)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_CONDITIONS = ("source", "symbol", "created_from", "created_before", "with_failures")
