"""Right adapters in a module whose annotations are evaluated: objects at run time, not text."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, List, Optional, ParamSpec, Protocol, TypeVar, Union

from collection_jobs import CollectionJob, JobStats, JobStatus

P = ParamSpec("P")
T = TypeVar("T")


class Plain:
    async def save(self, job: CollectionJob) -> None:
        raise NotImplementedError

    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        raise NotImplementedError

    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        raise NotImplementedError


class OldSpelling:
    async def get_by_id(self, job_id: str) -> Optional[CollectionJob]:
        raise NotImplementedError

    async def get_running_jobs(self) -> List[CollectionJob]:
        raise NotImplementedError

    async def get_stats(self, job_id: Union[str, int]) -> "Union[JobStats, None]":
        raise NotImplementedError


class DefsOfCoroutines:
    def save(self, job: CollectionJob) -> Coroutine[Any, Any, None]:
        raise NotImplementedError

    def get_stats(self, job_id: str) -> "Coroutine[Any, Any, JobStats | None]":
        raise NotImplementedError


class _HasAnId(Protocol):
    @property
    def id(self) -> str: ...


class TakesAProtocol:
    async def save(self, job: _HasAnId) -> None:
        raise NotImplementedError


def _in_a_thread(method: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    @functools.wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(method, *args, **kwargs)

    return call


class BlockingInAThread:
    @_in_a_thread
    def save(self, job: CollectionJob) -> None:
        raise NotImplementedError

    @_in_a_thread
    def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        raise NotImplementedError
