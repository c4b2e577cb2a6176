"""What a shell may complete: the ids of the jobs that a command can be used on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence

import click
from click.shell_completion import CompletionItem

from collection_jobs.cli.escape import escaped
from collection_jobs.cli.failure import URL_VARIABLE
from collection_jobs.cli.jobs.ordering import ORDERS, page_of_summaries
from collection_jobs.opening import looks_like_url, open_repository
from collection_jobs.query import JobQuery, JobSummary
from collection_jobs.status import JobStatus

__all__ = ["complete_ids"]

_Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
_SECONDS = 2.0
"""How long a shell is kept waiting for a store."""
_MOST = 200


def complete_ids(*statuses: JobStatus) -> _Complete:
    """Completes ids of the newest jobs, of some statuses only if such are given."""

    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        words: Sequence[str] = ctx.params.get(param.name or "") or ()
        named = [word for word in _joined(words) if looks_like_url(word)]
        url = named[0] if named else os.environ.get(URL_VARIABLE, "")
        if not url:
            return []
        try:
            jobs = asyncio.run(_read(url, statuses))
        except Exception:  # noqa: BLE001 - a shell asks, and nobody could read an error here
            return []
        begun = [
            job
            for job in jobs
            if job.id.startswith(incomplete) and job.id.isprintable() and job.id not in words
        ]
        return [CompletionItem(job.id, help=_described(job)) for job in begun]

    return complete


async def _read(url: str, statuses: Sequence[JobStatus]) -> list[JobSummary]:
    query = JobQuery(statuses=statuses or None)
    async with asyncio.timeout(_SECONDS), open_repository(url, create=False) as repository:
        return [job async for job in page_of_summaries(repository, query, ORDERS[0], _MOST, 0)]


def _described(job: JobSummary) -> str:
    return escaped(f"{job.status.value}, {job.source} {job.timeframe}")


def _joined(words: Sequence[str]) -> list[str]:
    """Return the words as they were typed: bash hands a word with a colon over in three."""
    joined: list[str] = []
    glue = False
    for word in words:
        if joined and (glue or word == ":"):
            joined[-1] += word
        else:
            joined.append(word)
        glue = word == ":"
    return joined
