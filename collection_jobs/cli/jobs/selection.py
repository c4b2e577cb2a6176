"""Which jobs a changing command is for: those that are named, or those that options select."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click

from collection_jobs.cli.escape import escaped
from collection_jobs.cli.failure import Failure
from collection_jobs.cli.jobs.asking import counted
from collection_jobs.cli.jobs.queries import oldest_first
from collection_jobs.cli.jobs.totals import NO_JOBS, Sums
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.query import JobQuery, JobSummary
from collection_jobs.status import JobStatus

__all__ = ["Chosen", "Selection", "select", "selecting"]

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Selection:
    """What the options say.

    Attributes:
        statuses: Only jobs with these; none are all that the command is for.
        source: Only jobs of this source.
        every: Whether all were asked for.
        expired: Whether only jobs whose leases have expired were.
    """

    statuses: tuple[JobStatus, ...] = ()
    source: str | None = None
    every: bool = False
    expired: bool = False

    @classmethod
    def of(
        cls, statuses: Sequence[str], source: str | None, every: bool, *, expired: bool = False
    ) -> Selection:
        """Read the options.

        Raises:
            Failure: They contradict each other.
        """
        if every and (statuses or source is not None or expired):
            given = "--status" if statuses else "--source" if source is not None else "--expired"
            raise Failure(f"--all leaves none out: give either --all or {given}")
        return cls(tuple(map(JobStatus, dict.fromkeys(statuses))), source, every, expired)

    @property
    def is_given(self) -> bool:
        """Return whether any option selects jobs."""
        return self.every or self.expired or bool(self.statuses) or self.source is not None


@dataclass(slots=True)
class Chosen:
    """The jobs that a command is for.

    Attributes:
        ids: Their ids, the oldest first, or as they were named.
        totals: Their numbers, by status.
    """

    ids: list[str] = field(default_factory=list[str])
    totals: dict[JobStatus, Sums] = field(default_factory=dict[JobStatus, Sums])

    def add(self, job: JobSummary) -> None:
        """Add a job."""
        self.ids.append(job.id)
        self.totals[job.status] = self.totals.get(job.status, NO_JOBS).plus(job.stats)

    def described(self, source: str | None = None) -> str:
        """Return how many jobs of which statuses they are, for a question or an answer."""
        counts = {one: self.totals[one].jobs for one in JobStatus if one in self.totals}
        of_source = "" if source is None else f" of {escaped(source)}"
        if len(counts) == 1:
            ((status, count),) = counts.items()
            return f"{counted(count, f'{status.value} ')}{of_source}"
        parts = ", ".join(f"{count:,} {status.value}" for status, count in counts.items())
        return f"{counted(len(self.ids))}{of_source} ({parts})"


async def select(
    repository: CollectionJobRepository, selection: Selection, statuses: Sequence[JobStatus]
) -> AsyncIterator[JobSummary]:
    """Yield the jobs that the options select, of the statuses that the command is for."""
    try:
        query = JobQuery(
            statuses=[one for one in statuses if one in (selection.statuses or statuses)],
            source=selection.source,
        )
    except ValueError as error:  # a source that no job can have
        raise Failure(str(error)) from error
    async for job in oldest_first(repository, query):
        yield job


def selecting(*statuses: JobStatus) -> Callable[[_F], _F]:
    """Add the options that select jobs with one of some statuses, and --yes."""

    def add(function: _F) -> _F:
        for option in (
            click.option("--yes", is_flag=True, help="Do it without asking for confirmation."),
            click.option("--all", "every", is_flag=True, help=f"All {_named(statuses)} jobs."),
            click.option("--source", metavar="SOURCE", help="All such jobs of this source."),
            click.option(
                "--status",
                "statuses",
                multiple=True,
                type=click.Choice([status.value for status in statuses]),
                help="All jobs with this status; may be repeated.",
            ),
        ):
            function = option(function)
        return function

    return add


def _named(statuses: Sequence[JobStatus]) -> str:
    return "" if len(statuses) == len(JobStatus) else " and ".join(one.value for one in statuses)
