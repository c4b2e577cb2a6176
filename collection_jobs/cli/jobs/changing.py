"""One change of many jobs: found, counted, asked about, and made side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import click

from collection_jobs.cli.escape import escaped
from collection_jobs.cli.failure import Failure, Refused
from collection_jobs.cli.jobs.arguments import Words
from collection_jobs.cli.jobs.asking import ask, counted
from collection_jobs.cli.jobs.formatting import console
from collection_jobs.cli.jobs.group import print_json
from collection_jobs.cli.jobs.selection import Chosen, Selection, select
from collection_jobs.cli.jobs.store import existing, on_store
from collection_jobs.errors import CollectionJobError
from collection_jobs.job import CollectionJob
from collection_jobs.opening import without_secrets
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.query import JobSummary
from collection_jobs.status import JobStatus
from collection_jobs.urls import shown_url

__all__ = ["Action", "ChangeReport", "change_jobs"]

_AT_ONCE = 50
"""How many jobs are changed side by side, which an engine may do in one transaction."""


class ChangeReport(NamedTuple):
    """What a change is told as.

    Attributes:
        text: On a terminal.
        shape: As JSON.
    """

    text: str
    shape: dict[str, Any]


Choose = Callable[[CollectionJobRepository, Selection], Awaitable[Chosen]]


@dataclass(frozen=True, slots=True)
class Action:
    """What a command does with each job.

    Attributes:
        verb: What it does, as in "retry".
        done: The same, done, as in "retried".
        statuses: The statuses that a job can have for it.
        change: Changes one job. It raises Refused where that is not permitted, or not any more.
        refusal: Returns why a job with another status cannot be changed; None permits all.
        question: Returns what to ask, also where jobs are named; None asks in its own words, about
            selected ones alone.
        choose: Finds the jobs that options select; None goes by statuses and source alone.
    """

    verb: str
    done: str
    statuses: tuple[JobStatus, ...]
    change: Callable[[CollectionJobRepository, CollectionJob], Awaitable[ChangeReport]]
    refusal: Callable[[CollectionJob], Refused] | None = None
    question: Callable[[Chosen, Selection], str] | None = None
    choose: Choose | None = None

    def usual_question(self, chosen: Chosen, selection: Selection) -> str:
        """Return what to ask about selected jobs."""
        return f"{self.verb.capitalize()} {chosen.described(selection.source)}?"


def change_jobs(
    words: Words, selection: Selection, action: Action, *, yes: bool, as_json: bool
) -> None:
    """Do something with the jobs that are named, or with those that are selected.

    Of the named ones, none is changed if one of them cannot be. One that changed since it was read
    is left as it is: then the command fails if it was named, while it is not selected any more.

    Raises:
        Failure: Nothing could be done, or the engine failed on the way.
        Refused: A named job cannot be changed, or nobody agreed.
    """

    async def work(repository: CollectionJobRepository) -> None:
        if selection.is_given:
            chosen = await _selected(repository, selection, action)
        else:
            chosen = await _named(repository, words.ids, action)
        asked = selection.is_given or action.question is not None
        if asked and chosen.ids and not yes:
            question = (action.question or action.usual_question)(chosen, selection)
            ask(question, action.verb, action.done, len(chosen.ids))
        changes = _Changes(words, action, len(chosen.ids), as_json)
        await changes.make(repository, chosen.ids)
        changes.tell(selected=selection.is_given)

    on_store(words.url, work)


async def _named(repository: CollectionJobRepository, ids: Sequence[str], action: Action) -> Chosen:
    chosen = Chosen()
    for job_id in ids:
        job = await existing(repository, job_id)
        if action.refusal is not None and job.status not in action.statuses:
            raise action.refusal(job)
        chosen.add(JobSummary.from_job(job))
    return chosen


async def _selected(
    repository: CollectionJobRepository, selection: Selection, action: Action
) -> Chosen:
    if action.choose is not None:
        return await action.choose(repository, selection)
    chosen = Chosen()
    async for job in select(repository, selection, action.statuses):
        chosen.add(job)
    return chosen


class _Changes:
    """The changes of one command, and what is told of them."""

    def __init__(self, words: Words, action: Action, jobs: int, as_json: bool) -> None:
        self._words = words
        self._action = action
        self._jobs = jobs
        self._as_json = as_json
        self._made: list[ChangeReport] = []
        self._refused: dict[str, Refused] = {}

    async def make(self, repository: CollectionJobRepository, ids: Sequence[str]) -> None:
        """Change the jobs, and tell each change when it was made.

        Raises:
            Failure: The engine failed; it says how many were changed before.
        """
        for first in range(0, len(ids), _AT_ONCE):
            part = ids[first : first + _AT_ONCE]
            answers = await asyncio.gather(
                *(self._change(repository, job_id) for job_id in part), return_exceptions=True
            )
            failure: BaseException | None = None
            for job_id, answer in zip(part, answers, strict=True):
                if isinstance(answer, Refused):
                    self._refused[job_id] = answer
                elif isinstance(answer, BaseException):
                    failure = failure or answer
                else:
                    self._add(answer)
            if failure is not None:
                raise self._failed(failure)

    async def _change(self, repository: CollectionJobRepository, job_id: str) -> ChangeReport:
        job = await repository.get_by_id(job_id)
        if job is None:
            raise Refused(f"job {job_id!r} was deleted in the meantime")
        return await self._action.change(repository, job)

    def _add(self, told: ChangeReport) -> None:
        self._made.append(told)
        if not self._as_json:
            console().print(told.text, soft_wrap=True)

    def _failed(self, failure: BaseException) -> BaseException:
        if self._jobs == 1 or not isinstance(failure, CollectionJobError):
            return failure
        url = self._words.url
        return Failure(
            f"{shown_url(url)} failed: {without_secrets(str(failure), url)}; of"
            f" {counted(self._jobs)}, {len(self._made):,} had been {self._action.done}"
        )

    def tell(self, *, selected: bool) -> None:
        """Tell what is left to tell.

        Raises:
            Refused: Named jobs could not be changed.
        """
        single = self._jobs == 1 and not selected
        if self._as_json and not (single and self._refused):
            unchanged = [
                {"id": job_id, "reason": why.format_message()}
                for job_id, why in self._refused.items()
            ]
            shapes = [told.shape for told in self._made]
            print_json(shapes[0] if single else {"jobs": shapes, "unchanged": unchanged})
        if selected and not self._jobs:
            where = escaped(shown_url(self._words.url))
            click.echo(f"no such jobs in {where}: nothing to {self._action.verb}", err=True)
        reasons = [why.format_message() for why in self._refused.values()]
        if reasons and not selected:
            more = f"; {len(reasons) - 1:,} more could not be, either" if len(reasons) > 1 else ""
            raise Refused(f"{reasons[0]}{more}")
        if reasons:
            many = f"{counted(len(reasons))} were left as they are; the first:"
            click.echo(
                f"{many if len(reasons) > 1 else '1 job was left as it is:'} {reasons[0]}", err=True
            )
