"""Faults that no type checker can see; ``check`` looks at the class at run time for them."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast, no_type_check

from collection_jobs import CollectionJob, ICollectionJobRepository, JobStats, JobStatus

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class OtherLimit:
    async def list_recent(  # caught: list_recent
        self, limit: int = 50, since: datetime | None = None
    ) -> list[CollectionJob]: ...


class OtherLimitByStatus:
    async def list_by_status(  # caught: list_by_status
        self, status: JobStatus, limit: int = 1000, offset: int = 0
    ) -> list[CollectionJob]: ...


class OtherOffset:
    async def list_by_status(  # caught: list_by_status
        self, status: JobStatus, limit: int = 100, offset: int = 1
    ) -> list[CollectionJob]: ...


class OtherSince:
    async def list_recent(  # caught: list_recent
        self, limit: int = 100, since: datetime | None = datetime(2000, 1, 1, tzinfo=UTC)
    ) -> list[CollectionJob]: ...


class OtherErrorMessage:
    async def update_status(  # caught: update_status
        self, job_id: str, status: JobStatus, error_message: str | None = ""
    ) -> bool: ...


class LimitIsNone:
    async def list_recent(  # caught: list_recent
        self, limit: int | None = None, since: datetime | None = None
    ) -> list[CollectionJob]: ...


class Unannotated:
    async def save(self, job): ...  # caught: save


class UnannotatedResult:
    async def get_by_id(self, job_id: str): ...  # caught: get_by_id


class AnyParameter:
    async def save(self, job: Any) -> None: ...  # caught: save


class AnyResult:
    async def get_stats(self, job_id: str) -> Any: ...  # caught: get_stats


class ListOfAny:
    async def get_running_jobs(self) -> list[Any]: ...  # caught: get_running_jobs


class BareList:
    async def get_running_jobs(self) -> list: ...  # caught: get_running_jobs


class ArgsAndKwargs:
    async def save(self, *args, **kwargs): ...  # caught: save


class ArgsAndKwargsOfAny:
    async def delete(self, *args: Any, **kwargs: Any) -> bool: ...  # caught: delete


class StarInFront:
    async def list_recent(  # caught: list_recent  # seen by: pyright, basedpyright
        self, *args: Any, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]: ...


if TYPE_CHECKING:
    from collection_jobs import CollectionJob as Job
else:
    Job = dict


class OtherTypeAtRunTime:
    async def save(self, job: Job) -> None: ...  # caught: save


class OtherResultAtRunTime:
    async def get_running_jobs(self) -> list[CollectionJob]: ...

    if not TYPE_CHECKING:

        async def get_running_jobs(  # caught: get_running_jobs
            self,
        ) -> tuple[CollectionJob, ...]: ...


class UncheckedSync:
    def save(self, job: CollectionJob) -> Any: ...  # caught: save


def _lossy(method: F) -> F:
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await method(*args, **kwargs)

    return cast("F", call)


def _blocking(method: F) -> F:
    def call(self: Any, job_id: str) -> Any:
        return asyncio.run(method(self, job_id))

    return cast("F", call)


def _reordered(method: F) -> F:
    async def call(self: Any, symbol: str, job_id: str, error: str) -> Any:
        return await method(self, job_id, symbol, error)

    return cast("F", call)


def _blocking_behind_wraps(method: F) -> F:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        return asyncio.run(method(*args, **kwargs))

    return cast("F", call)


def _streamed(method: F) -> F:
    async def call(self: Any) -> AsyncIterator[CollectionJob]:
        for job in await method(self):
            yield job

    return cast("F", call)


class LossyDecorator:
    @_lossy
    async def save(self, job: CollectionJob) -> None: ...  # caught: save


class BlockingDecorator:
    @_blocking
    async def delete(self, job_id: str) -> bool: ...  # caught: delete


class ReorderingDecorator:
    @_reordered
    async def add_failed_symbol(  # caught: add_failed_symbol
        self, job_id: str, symbol: str, error: str
    ) -> None: ...


class StreamingDecorator:
    @_streamed
    async def get_running_jobs(self) -> list[CollectionJob]: ...  # caught: get_running_jobs


class BlockingBehindWraps:
    @_blocking_behind_wraps
    async def delete(self, job_id: str) -> bool: ...  # unseen: delete: wraps() gives its looks


class Cached:
    @functools.cache
    def get_by_id(  # caught: get_by_id  # seen by: pyrefly
        self, job_id: str
    ) -> Coroutine[Any, Any, CollectionJob | None]: ...


class NotChecked:
    @no_type_check
    async def save(  # caught: save  # seen by: pyright, basedpyright, ty
        self, job: int
    ) -> str: ...


class OnlyForCheckers:  # caught: delete
    if TYPE_CHECKING:

        async def delete(self, job_id: str) -> bool: ...


class _Answers(type):
    def __getattr__(cls, name: str) -> Any:
        raise AttributeError(name)


# Its base would bring another metaclass.
# fmt: off
class ByMetaclass(metaclass=_Answers):  # without: delete  # only structural: see above  # seen by: pyright, basedpyright, ty, pyrefly, zuban
# fmt: on
    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def _all_logged(cls: type[T]) -> type[T]:
    async def call(*args: Any, **kwargs: Any) -> Any: ...  # caught: ClassDecorated.delete

    setattr(cls, "delete", call)
    return cls


@_all_logged
class ClassDecorated:
    async def delete(self, job_id: str) -> bool: ...


class OtherwiseAtRunTime:
    if TYPE_CHECKING:

        async def delete(self, job_id: str) -> bool: ...

    else:

        async def delete(self, id): ...  # caught: delete


class PatchedLater:
    async def delete(self, job_id: str) -> bool: ...


async def _delete(self: PatchedLater, id: str) -> bool: ...  # caught: PatchedLater.delete


setattr(PatchedLater, "delete", _delete)


class RemovedLater:
    async def delete(self, job_id: str) -> bool: ...  # caught: delete


delattr(RemovedLater, "delete")


class _Deleting:
    async def __call__(self, job_id: str) -> bool: ...


class OnInstancesOnly:
    delete: _Deleting  # caught: delete  # seen by: pyrefly, ty (inherited)

    def __init__(self) -> None:
        self.delete = _Deleting()


class BehindAProperty:
    @property
    def delete(  # caught: delete  # seen by: pyright, basedpyright, pyrefly, zuban
        self,
    ) -> _Deleting: ...


class OnTheClass:
    """Every repository is the same one."""

    @classmethod
    async def delete(cls, job_id: str) -> bool: ...  # caught: delete


class OnNothing:
    @staticmethod
    async def delete(job_id: str) -> bool: ...  # caught: delete


_Base: Any = ICollectionJobRepository


class StillAbstract(_Base):  # without: delete  # only structural: it has its base
    pass


class CastInside:
    async def get_running_jobs(self) -> list[CollectionJob]:  # unseen: get_running_jobs: its body
        return cast("Any", ())


class WrongOrderInside:
    async def list_recent(  # unseen: list_recent: its body
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        return sorted(list[CollectionJob](), key=lambda job: job.created_at)


class BlocksInside:
    async def save(self, job: CollectionJob) -> None:  # unseen: save: its body
        import time

        time.sleep(1)


class IgnoresTheOffset:
    async def list_by_status(  # unseen: list_by_status: its body
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        return []


class RaisesForUnknownIds:
    async def get_by_id(self, job_id: str) -> CollectionJob | None:  # unseen: get_by_id: its body
        raise KeyError(job_id)


class StatsOfNothing:
    async def get_stats(self, job_id: str) -> JobStats | None:  # unseen: get_stats: its body
        return JobStats(0, 0, 0, 0)
