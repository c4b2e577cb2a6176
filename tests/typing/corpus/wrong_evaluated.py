"""Wrong adapters in a module whose annotations are evaluated: objects at run time, not text."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any, Concatenate, List, Optional, ParamSpec, TypeVar

from collection_jobs import CollectionJob, JobStats, JobStatus

P = ParamSpec("P")
T = TypeVar("T")


class RenamedJob:
    async def save(self, item: CollectionJob) -> None: ...  # wrong: save


class SaveGivesTrue:
    async def save(self, job: CollectionJob) -> bool: ...  # wrong: save


class DeleteGivesNothing:
    async def delete(self, job_id: str) -> None: ...  # wrong: delete


class OptionalList:
    async def get_running_jobs(  # wrong: get_running_jobs
        self,
    ) -> Optional[List[CollectionJob]]: ...


class SinceAsText:
    async def list_recent(  # wrong: list_recent
        self, limit: int = 100, since: Optional[str] = None
    ) -> List[CollectionJob]: ...


class Streams:
    async def list_by_status(  # wrong: list_by_status
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> AsyncIterator[CollectionJob]:
        for job in list[CollectionJob]():
            yield job


class GivesAnAwaitable:
    def get_stats(self, job_id: str) -> Awaitable[Optional[JobStats]]: ...  # wrong: get_stats


class GivesAFuture:
    def get_by_id(  # wrong: get_by_id
        self, job_id: str
    ) -> "asyncio.Future[CollectionJob | None]": ...


class PlainDef:
    def update_status(  # wrong: update_status
        self, job_id: str, status: JobStatus, error_message: Optional[str] = None
    ) -> bool: ...


def _transaction(
    method: Callable[Concatenate[Any, object, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, Optional[T]]]:
    async def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> Optional[T]:
        return await method(self, object(), *args, **kwargs)

    return call


class DecoratedToAnotherResult:
    @_transaction
    async def delete(self, session: object, job_id: str) -> bool: ...  # wrong: delete
