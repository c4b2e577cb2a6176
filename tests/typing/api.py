"""The public API as an adapter's author annotates it; every type checker must agree."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, Protocol, assert_type

from collection_jobs import (
    TRANSITIONS,
    CollectionJob,
    CollectionJobError,
    CollectionJobRepository,
    ForbiddenTransitionError,
    ICollectionJobRepository,
    InMemoryCollectionJobRepository,
    JobNotFoundError,
    JobStats,
    JobStatus,
    RepositoryClosedError,
    RepositoryError,
    StaleJobError,
    UnknownSymbolError,
    open_repository,
)
from collection_jobs.validation import check_limit, check_name, check_optional_datetime

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_job() -> CollectionJob:
    return CollectionJob(
        id="one", source="binance", symbols=("BTC",), timeframe="1h", start=NOW, end=NOW
    )


def fields(job: CollectionJob) -> None:
    assert_type(job.id, str)
    assert_type(job.symbols, tuple[str, ...])
    assert_type(job.start, datetime)
    assert_type(job.status, JobStatus)
    assert_type(job.started_at, datetime | None)
    assert_type(job.error_message, str | None)
    assert_type(job.completed_symbols, Mapping[str, int])
    assert_type(job.failed_symbols, Mapping[str, str])
    assert_type(job.revision, int | None)


def changes(job: CollectionJob) -> None:
    assert_type(job.with_status(JobStatus.RUNNING, error_message=None, at=NOW), CollectionJob)
    assert_type(job.start_running().complete(at=NOW), CollectionJob)
    assert_type(job.fail("no such market"), CollectionJob)
    assert_type(job.cancel().give_back(), CollectionJob)
    assert_type(job.with_completed_symbol("BTC", 500), CollectionJob)
    assert_type(job.with_failed_symbol("BTC", "no such market"), CollectionJob)
    assert_type(job.with_revision(None), CollectionJob)


def lifecycle(status: JobStatus) -> None:
    assert_type(TRANSITIONS, Mapping[JobStatus, frozenset[JobStatus]])
    assert_type(status.can_become(JobStatus.FAILED), bool)
    assert_type(status.is_final, bool)
    assert_type(JobStatus("pending"), JobStatus)


def stats(job: CollectionJob) -> None:
    found = JobStats.from_job(job)
    assert_type(found, JobStats)
    assert_type(found.total + found.pending, int)
    assert_type(found.progress, float)


async def calls(repository: CollectionJobRepository) -> None:
    call: Coroutine[Any, Any, CollectionJob | None] = repository.get_by_id("one")
    assert_type(await call, CollectionJob | None)
    await repository.save(a_job())
    await repository.save(job=a_job())
    assert_type(await repository.get_by_id(job_id="one"), CollectionJob | None)
    assert_type(await repository.delete("one"), bool)
    assert_type(
        await repository.list_by_status(JobStatus.PENDING, limit=5, offset=5), list[CollectionJob]
    )
    assert_type(await repository.list_recent(5, since=NOW), list[CollectionJob])
    assert_type(await repository.get_running_jobs(), list[CollectionJob])
    assert_type(await repository.update_status("one", JobStatus.RUNNING), bool)
    await repository.add_failed_symbol("one", "BTC", error="no such market")
    assert_type(await repository.get_stats("one"), JobStats | None)


async def opening() -> None:
    manager = open_repository("memory:")
    assert_type(manager, AbstractAsyncContextManager[CollectionJobRepository])
    async with manager as repository:
        assert_type(repository, CollectionJobRepository)
    async with InMemoryCollectionJobRepository(clock=lambda: NOW) as memory:
        assert_type(memory, InMemoryCollectionJobRepository)
        await calls(memory)


def structural(nominal: ICollectionJobRepository) -> CollectionJobRepository:
    return nominal


def narrowed(repository: object) -> CollectionJobRepository | None:
    return repository if isinstance(repository, CollectionJobRepository) else None


def errors(error: Exception) -> None:
    if isinstance(error, StaleJobError):
        assert_type(error.job_id, str)
        assert_type(error.expected, int)
        assert_type(error.found, int | None)
    elif isinstance(error, JobNotFoundError):
        assert_type(error.job_id, str)
        lookup: LookupError = error
        raise lookup
    elif isinstance(error, UnknownSymbolError):
        assert_type((error.job_id, error.symbol), tuple[str, str])
        value: ValueError = error
        raise value
    elif isinstance(error, ForbiddenTransitionError):
        assert_type((error.current, error.wanted), tuple[str, str])


def one_root(closed: RepositoryClosedError) -> CollectionJobError:
    engine: RepositoryError = closed
    return engine


def checked(values: Mapping[str, Any]) -> None:
    assert_type(check_name("job_id", values["job_id"]), str)
    assert_type(check_limit(values["limit"]), int)
    assert_type(check_optional_datetime("since", values["since"]), datetime | None)


class Opens(Protocol):
    """What a factory of adapters looks like to those who take one."""

    def __call__(self) -> AbstractAsyncContextManager[CollectionJobRepository]: ...


FACTORY: Opens = InMemoryCollectionJobRepository
