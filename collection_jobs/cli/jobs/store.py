"""A store opened for one command: what goes wrong becomes one line, and nothing is created."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from collection_jobs.cli.failure import Failure, Refused
from collection_jobs.errors import CollectionJobError
from collection_jobs.job import CollectionJob
from collection_jobs.opening import open_repository, without_secrets
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.urls import shown_url

__all__ = ["existing", "on_store", "opened"]

_T = TypeVar("_T")


def on_store(url: str, work: Callable[[CollectionJobRepository], Awaitable[_T]]) -> _T:
    """Open the store that a URL names, do one command's work on it, and close it.

    Raises:
        Failure: It cannot be opened, or its engine failed.
    """

    async def run() -> _T:
        async with opened(url) as repository:
            return await work(repository)

    return asyncio.run(run())


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[CollectionJobRepository]:
    """Open the store; a missing one is not made."""
    async with AsyncExitStack() as stack:
        try:
            opening = open_repository(url, create=False)
            repository = await stack.enter_async_context(opening)
        except Exception as error:  # whatever an engine raises, it is why the store cannot be read
            raise Failure(_why_not(url, error)) from error
        try:
            yield repository
        except CollectionJobError as error:
            raise Failure(f"{shown_url(url)} failed: {without_secrets(str(error), url)}") from error


def _why_not(url: str, error: Exception) -> str:
    said = without_secrets(str(error), url)
    if isinstance(error, ImportError):
        return (
            f"the package that opens {shown_url(url)} cannot be imported ({said}): install what is"
            " missing"
        )
    if isinstance(error, ValueError):  # of open_repository: the URL itself is wrong
        return f"{said}; correct the URL, or install the package that opens it"
    if not isinstance(error, CollectionJobError):
        said = f"{type(error).__name__}: {said}"
    cause = error.__cause__
    if isinstance(cause, PermissionError):
        return f"{said}; change that, or run this as a user who may"
    if isinstance(cause, ConnectionError):
        return f"{said}; does the server run, and is {shown_url(url)} the right URL?"
    # A socket that is missing has no name here: nobody would have created that.
    absent = isinstance(cause, FileNotFoundError) and cause.filename is not None
    return f"{said}; {_meant(url)}{' Nothing was created.' if absent else ''}"


def _meant(url: str) -> str:
    """Ask whether it is the right URL, or say what it should be where that is plain."""
    relative = re.fullmatch(r"(?i:sqlite):///([^/?]+(?:/[^?]*)?)(\?.*)?", url)
    if relative is not None and Path("/", unquote(relative[1])).is_file():
        absolute = f"sqlite:////{relative[1]}{relative[2] or ''}"
        return f"an absolute path has a fourth slash: {shown_url(absolute)}."
    return f"is {shown_url(url)} the right URL?"


async def existing(repository: CollectionJobRepository, job_id: str) -> CollectionJob:
    """Return the job with this id.

    Raises:
        Failure: There is none; it says what ids come near.
    """
    try:
        job = await repository.get_by_id(job_id)
    except ValueError as error:  # an id that no job can have
        raise Failure(str(error)) from error
    if job is not None:
        return job
    recent = [other.id for other in await repository.list_recent(_NEAR)]
    near = get_close_matches(job_id, recent, n=1)
    hint = (
        f"did you mean {near[0]!r}?"
        if near
        else "`collection-jobs jobs list` shows the ones that exist"
    )
    raise Refused(f"there is no job {job_id!r}; {hint}")


_NEAR = 500
"""Among how many of the newest jobs an id that comes near is looked for."""
