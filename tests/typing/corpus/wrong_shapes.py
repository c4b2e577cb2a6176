"""Adapters whose methods are no coroutine methods: absent, sync, generators, attributes."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cached_property
from typing import Any, Concatenate, ParamSpec, TypeVar

from collection_jobs import CollectionJob, JobStats, JobStatus

P = ParamSpec("P")
T = TypeVar("T")


class NoSave:  # without: save
    pass


class NoGetById:  # without: get_by_id
    pass


class NoDelete:  # without: delete
    pass


class NoListByStatus:  # without: list_by_status
    pass


class NoListRecent:  # without: list_recent
    pass


class NoGetRunningJobs:  # without: get_running_jobs
    pass


class NoUpdateStatus:  # without: update_status
    pass


class NoAddFailedSymbol:  # without: add_failed_symbol
    pass


class NoGetStats:  # without: get_stats
    pass


class Misspelled:  # without: list_by_status
    async def list_by_state(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]: ...


class PrivateMethod:  # without: get_running_jobs
    async def _get_running_jobs(self) -> list[CollectionJob]: ...


class AnswersEverything:  # without: delete
    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class SyncSave:
    def save(self, job: CollectionJob) -> None: ...  # wrong: save


class SyncGet:
    def get_by_id(self, job_id: str) -> CollectionJob | None: ...  # wrong: get_by_id


class SyncDelete:
    def delete(self, job_id: str) -> bool: ...  # wrong: delete


class SyncList:
    def get_running_jobs(self) -> list[CollectionJob]: ...  # wrong: get_running_jobs


class SyncUpdate:
    def update_status(  # wrong: update_status
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool: ...


class AsyncGenerator:
    async def list_by_status(  # wrong: list_by_status
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> AsyncIterator[CollectionJob]:
        for job in list[CollectionJob]():
            yield job


class AsyncGeneratorOfRunning:
    async def get_running_jobs(self) -> AsyncIterator[CollectionJob]:  # wrong: get_running_jobs
        for job in list[CollectionJob]():
            yield job


class AwaitedIterator:
    async def list_recent(  # wrong: list_recent
        self, limit: int = 100, since: datetime | None = None
    ) -> AsyncIterator[CollectionJob]: ...


class GivesAnAwaitable:
    """create_task() takes coroutines only."""

    def get_by_id(self, job_id: str) -> Awaitable[CollectionJob | None]: ...  # wrong: get_by_id


class GivesAFuture:
    def delete(self, job_id: str) -> asyncio.Future[bool]: ...  # wrong: delete


class GivesATask:
    def get_stats(self, job_id: str) -> asyncio.Task[JobStats | None]: ...  # wrong: get_stats


class AwaitedTwice:
    async def get_by_id(  # wrong: get_by_id
        self, job_id: str
    ) -> Coroutine[Any, Any, CollectionJob | None]: ...


class CoroutineOfTheWrongResult:
    def delete(self, job_id: str) -> Coroutine[Any, Any, int]: ...  # wrong: delete


class AContext:
    @asynccontextmanager
    async def get_by_id(self, job_id: str) -> AsyncIterator[CollectionJob]:  # wrong: get_by_id
        for job in list[CollectionJob]():
            yield job


class APropertyOfJobs:
    @property
    def get_running_jobs(self) -> list[CollectionJob]: ...  # wrong: get_running_jobs


class ACachedPropertyOfJobs:
    @cached_property
    def get_running_jobs(self) -> list[CollectionJob]: ...  # wrong: get_running_jobs


class AnAttribute:
    get_running_jobs: list[CollectionJob] = []  # wrong: get_running_jobs


class SetToNone:
    # For these two, what a base declares stays the type of the attribute.
    save = None  # wrong: save  # in its own file: pyright, basedpyright: see above


class NamesForgotten:
    """A Callable has no parameter names, so that ``save(job=...)`` is lost."""

    save: Callable[[CollectionJob], Coroutine[Any, Any, None]]  # wrong: save


class AClassInstead:
    class save:  # wrong: save
        def __init__(self, job: CollectionJob) -> None: ...


class ForgottenSelf:
    async def save(job: CollectionJob) -> None: ...  # wrong: save


class StaticWithSelf:
    @staticmethod
    async def save(self: object, job: CollectionJob) -> None: ...  # wrong: save


def _blocking(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return asyncio.run(method(*args, **kwargs))

    return call


def _with_session(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Any, object, P], Coroutine[Any, Any, T]]:
    async def call(self: Any, session: object, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await method(self, *args, **kwargs)

    return call


def _without_names(
    method: Callable[[Any, CollectionJob], Coroutine[Any, Any, None]],
) -> Callable[[Any, CollectionJob], Coroutine[Any, Any, None]]:
    return method


def _in_a_list(
    method: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, list[T]]]:
    async def call(*args: P.args, **kwargs: P.kwargs) -> list[T]:
        return [await method(*args, **kwargs)]

    return call


class DecoratedToBlock:
    @_blocking
    async def delete(self, job_id: str) -> bool: ...  # wrong: delete


class DecoratedWithAnExtraArgument:
    @_with_session
    async def save(self, job: CollectionJob) -> None: ...  # wrong: save


class DecoratedWithoutNames:
    @_without_names
    async def save(self, job: CollectionJob) -> None: ...  # wrong: save


class DecoratedToAnotherResult:
    @_in_a_list
    async def get_stats(self, job_id: str) -> JobStats | None: ...  # wrong: get_stats
