"""The in-memory repository as it is without leases and additions: what other mutants derive from.

Its methods take no lease, so that a mutant which replaces one of them has one bug, and not the lack
of a parameter as a second one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collection_jobs import InMemoryCollectionJobRepository
from collection_jobs.conformance.spec.capabilities import METHODS

__all__ = ["InMemory"]

_KEPT = ("RecordsCompletedSymbols", "SavesMany", "PagesByKey")
_HIDDEN = [name for name, owner in METHODS.items() if owner not in _KEPT]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from types import TracebackType
    from typing import ClassVar, Self

    from collection_jobs import CollectionJob, ICollectionJobRepository, JobStats, JobStatus
    from collection_jobs.adapters.job_index import JobIndex
    from collection_jobs.adapters.lease_table import LeaseTable
    from collection_jobs.adapters.sorted_keys import Key

    class InMemory(ICollectionJobRepository):
        """What a type checker sees: each method as adapters have it that know of no leases."""

        capabilities: ClassVar[frozenset[str]]
        _jobs: dict[str, CollectionJob]
        _index: JobIndex
        _leases: LeaseTable
        _revision: int
        _closed: bool

        def __init__(self, *, clock: Callable[[], datetime] = ...) -> None: ...
        async def __aenter__(self) -> Self: ...
        async def __aexit__(
            self,
            exc_type: type[BaseException] | None,
            exc: BaseException | None,
            traceback: TracebackType | None,
        ) -> None: ...
        async def close(self) -> None: ...
        async def save(self, job: CollectionJob) -> None: ...
        async def get_by_id(self, job_id: str) -> CollectionJob | None: ...
        async def delete(self, job_id: str) -> bool: ...
        async def list_by_status(
            self, status: JobStatus, limit: int = 100, offset: int = 0
        ) -> list[CollectionJob]: ...
        async def list_recent(
            self, limit: int = 100, since: datetime | None = None
        ) -> list[CollectionJob]: ...
        async def get_running_jobs(self) -> list[CollectionJob]: ...
        async def update_status(
            self, job_id: str, status: JobStatus, error_message: str | None = None
        ) -> bool: ...
        async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None: ...
        async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None: ...
        async def get_stats(self, job_id: str) -> JobStats | None: ...
        async def save_many(self, jobs: Iterable[CollectionJob]) -> None: ...
        async def list_after(
            self,
            status: JobStatus,
            after: tuple[datetime, str] | None = None,
            limit: int = 100,
        ) -> list[CollectionJob]: ...
        def _existing(self, job_id: str) -> CollectionJob: ...
        def _revision_of(self, job_id: str) -> int | None: ...
        def _check_open(self) -> None: ...
        def _put(self, job: CollectionJob) -> None: ...
        def _unindex(self, job: CollectionJob) -> None: ...
        def _read(self, keys: Iterable[Key], limit: int) -> list[CollectionJob]: ...

else:
    InMemory = type("InMemory", (InMemoryCollectionJobRepository,), dict.fromkeys(_HIDDEN))
