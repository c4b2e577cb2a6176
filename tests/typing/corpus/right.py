"""Right adapters, plain and odd: every type checker must accept each of them."""

from __future__ import annotations

import abc
import datetime as dt
import functools
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from types import CoroutineType, TracebackType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Generic,
    Literal,
    Optional,
    ParamSpec,
    TypeAlias,
    TypeVar,
    final,
    overload,
)

from typing_extensions import Self, deprecated, override

from collection_jobs import (
    CollectionJob,
    CollectionJobRepository,
    ICollectionJobRepository,
    InMemoryCollectionJobRepository,
    JobStats,
    JobStatus,
    Lease,
)
from collection_jobs.query import JobQuery, JobSummary

if TYPE_CHECKING:
    from collection_jobs import CollectionJob as Job

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
JobT = TypeVar("JobT", bound=CollectionJob)
RowT = TypeVar("RowT")
Jobs: TypeAlias = list[CollectionJob]


class Plain:
    pass


class DefsOfCoroutines:
    def save(self, job: CollectionJob) -> Coroutine[Any, Any, None]:
        raise NotImplementedError

    def delete(self, job_id: str) -> CoroutineType[Any, Any, bool]:
        raise NotImplementedError


class WiderParameters:
    async def save(self, job: object) -> None:
        raise NotImplementedError

    async def get_by_id(self, job_id: str | int) -> CollectionJob | None:
        raise NotImplementedError

    async def list_by_status(
        self, status: str, limit: float | None = 100, offset: int = 0
    ) -> list[CollectionJob]:
        raise NotImplementedError

    async def list_recent(self, limit: int = 100, since: date | None = None) -> list[CollectionJob]:
        raise NotImplementedError

    async def add_failed_symbol(self, job_id: str, symbol: str, error: str | Exception) -> None:
        raise NotImplementedError


class NarrowerResults:
    async def get_by_id(self, job_id: str) -> CollectionJob:
        raise NotImplementedError

    async def delete(self, job_id: str) -> Literal[True]:
        raise NotImplementedError

    async def get_stats(self, job_id: str) -> JobStats:
        raise NotImplementedError


class _Series(Jobs):
    """A list of jobs that knows more."""


class ASubclassOfList:
    async def get_running_jobs(self) -> _Series:
        raise NotImplementedError


class MoreOptionalParameters:
    async def save(self, job: CollectionJob, *, durable: bool = True) -> None:
        raise NotImplementedError

    async def delete(self, job_id: str, missing_ok: bool = True) -> bool:
        raise NotImplementedError

    async def get_running_jobs(self, source: str | None = None) -> list[CollectionJob]:
        raise NotImplementedError


class MoreOfAnything:
    async def save(self, job: CollectionJob, *args: object, **kwargs: object) -> None:
        raise NotImplementedError


class SpelledOtherwise:
    async def get_by_id(self, job_id: "str") -> Optional[CollectionJob]:
        raise NotImplementedError

    async def get_running_jobs(self) -> Jobs:
        raise NotImplementedError

    async def list_recent(
        self, limit: int = 100, since: Optional[dt.datetime] = None
    ) -> "list[CollectionJob]":
        raise NotImplementedError


class TypesForCheckersOnly:
    async def save(self, job: Job) -> None:
        raise NotImplementedError

    async def get_running_jobs(self) -> list[Job]:
        raise NotImplementedError


class GenericMethod:
    async def save(self, job: JobT) -> None:
        raise NotImplementedError


class GenericClass(Generic[RowT]):
    def __init__(self, read: Callable[[RowT], CollectionJob]) -> None:
        self.read = read


class Overloaded:
    @overload
    async def delete(self, job_id: str) -> bool: ...
    @overload
    async def delete(self, job_id: list[str]) -> int: ...
    async def delete(self, job_id: str | list[str]) -> bool | int:
        raise NotImplementedError


def _logged(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    @functools.wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return await method(*args, **kwargs)

    return call


def _counted(method: Callable[P, T]) -> Callable[P, T]:
    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return method(*args, **kwargs)

    return call


def _marked(function: F) -> F:
    function.__dict__["marked"] = True
    return function


def _retried(times: int) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        return function

    return decorate


class Decorated:
    @_logged
    async def save(self, job: CollectionJob) -> None:
        raise NotImplementedError

    @_counted
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        raise NotImplementedError

    @_marked
    async def delete(self, job_id: str) -> bool:
        raise NotImplementedError

    @_retried(times=3)
    @_logged
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        raise NotImplementedError


class DecoratedDef:
    @_logged
    def get_stats(self, job_id: str) -> Coroutine[Any, Any, JobStats | None]:
        raise NotImplementedError


class Alias:
    async def put(self, job: CollectionJob) -> None:
        raise NotImplementedError

    save = put


class Marked:  # only inherited: it overrides
    @override
    async def save(self, job: CollectionJob) -> None:
        raise NotImplementedError


@final
class Final:
    __slots__ = ("path",)

    def __init__(self, path: str, *, timeout: float) -> None:
        self.path = path


@dataclass
class ADataclass:
    url: str
    jobs: dict[str, CollectionJob] = field(default_factory=dict[str, CollectionJob])
    kind: ClassVar[str] = "dataclass"


class OwnMetaclass(metaclass=abc.ABCMeta):
    pass


class OpenedByItself:
    def __init__(self, connection: object) -> None:
        self.connection = connection

    @classmethod
    async def open(cls, url: str) -> Self:
        return cls(url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class DelegatesTheRest:
    """``__getattr__`` beside all nine is for the driver's own methods."""

    def __init__(self, inner: CollectionJobRepository) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def delete(self, job_id: str) -> bool:
        return await self.inner.delete(job_id)


class _Reads:
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        raise NotImplementedError

    async def get_stats(self, job_id: str) -> JobStats | None:
        raise NotImplementedError


class _Writes:
    async def save(self, job: CollectionJob) -> None:
        raise NotImplementedError


class Mixed(_Reads, _Writes):  # without: get_by_id, get_stats, save
    pass


class DerivedFromAnAdapter(InMemoryCollectionJobRepository):  # only as written: has all nine
    pass


class OverridesAnAdapter(InMemoryCollectionJobRepository):  # only as written: has all nine
    @override
    async def save(self, job: CollectionJob) -> None:
        await super().save(job)


class Leases(InMemoryCollectionJobRepository):  # only as written: has all nine
    @override
    async def update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None = None,
        *,
        lease: Lease | None = None,
    ) -> bool:
        return await super().update_status(job_id, status, error_message, lease=lease)

    @override
    async def claim_next(
        self,
        worker: str,
        ttl: timedelta,
        *,
        source: str | None = None,
        most_running: int | None = None,
    ) -> Lease | None:
        return await super().claim_next(worker, ttl, source=source, most_running=most_running)


class DerivedFromTheProtocol(CollectionJobRepository):  # only structural: it has its base
    pass


class DerivedFromBoth(ICollectionJobRepository, Generic[RowT]):  # only structural: it has its base
    pass


class Registry:
    class Nested:
        pass


class OwnSelf:
    async def save(self: OwnSelf, job: CollectionJob) -> None:
        raise NotImplementedError

    async def get_running_jobs(self: object) -> list[CollectionJob]:
        raise NotImplementedError


class Conditional:
    if TYPE_CHECKING:

        async def delete(self, job_id: str) -> bool: ...

    else:

        async def delete(self, job_id: str) -> bool:
            raise NotImplementedError


class ByVersion:
    if sys.version_info < (3, 11):

        async def delete(self, id: str) -> str: ...

    else:

        async def delete(self, job_id: str) -> bool:
            raise NotImplementedError


class Deprecated:
    @deprecated("delete the job's source")
    async def delete(self, job_id: str) -> bool:
        raise NotImplementedError


class AnnotatedInFull:
    async def list_by_status(
        self,
        status: JobStatus,
        limit: Annotated[int, "at least 0"] = 100,
        offset: Annotated[int, "at least 0"] = 0,
    ) -> Annotated[list[CollectionJob], "oldest first"]:
        raise NotImplementedError


class KeepsMore:
    """Capabilities and helpers beside the nine."""

    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        raise NotImplementedError

    async def save_all(self, jobs: list[CollectionJob]) -> None:
        raise NotImplementedError

    def stats_of(self, jobs: Mapping[str, CollectionJob]) -> dict[str, JobStats]:
        return {job_id: JobStats.from_job(job) for job_id, job in jobs.items()}

    async def later(self, call: Callable[[], Awaitable[datetime]]) -> datetime:
        return await call()


class KeepsData:
    """Failures, cursors, finds and purges without leases: then none of them takes one."""

    async def add_failure(
        self, job_id: str, symbol: str, error: str, *, permanent: bool = False
    ) -> None:
        raise NotImplementedError

    async def set_cursor(self, job_id: str, symbol: str, until: datetime) -> None:
        raise NotImplementedError

    async def find(
        self, query: JobQuery, limit: int = 100, after: tuple[datetime, str] | None = None
    ) -> list[JobSummary]:
        raise NotImplementedError

    async def count(self, query: JobQuery) -> dict[JobStatus, int]:
        raise NotImplementedError

    async def delete_finished(
        self,
        before: datetime,
        *,
        statuses: Iterable[JobStatus] = (JobStatus.COMPLETED, JobStatus.CANCELLED),
        limit: int = 1_000,
    ) -> int:
        raise NotImplementedError
