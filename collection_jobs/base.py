"""CheckedRepository: the short way to an adapter, whose author writes only the engine's part.

The public methods are here. Each one normalizes its arguments, checks that the repository is open
and that the caller may use it, and calls a protected coroutine, a *hook*, which the adapter
implements. `collection_jobs.openable` handles opening, closing, and the driver's errors.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime

from typing_extensions import override

from collection_jobs.job import CollectionJob, check_job
from collection_jobs.openable import Openable
from collection_jobs.repository import ICollectionJobRepository
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus
from collection_jobs.validation import (
    check_limit,
    check_name,
    check_offset,
    check_optional_datetime,
    check_optional_text,
    check_status,
    check_text,
)

__all__ = ["FORMER_STATUSES", "MOST_JOBS", "CheckedRepository"]

MOST_JOBS = 2**53 - 1
"""The greatest limit and offset that a hook is given, which every engine's numbers hold exactly."""

FORMER_STATUSES: Mapping[JobStatus, frozenset[JobStatus]] = {
    status: frozenset(former for former in JobStatus if former.can_become(status))
    for status in JobStatus
}
"""For each status, those from which the lifecycle permits the change."""


class CheckedRepository(Openable, ICollectionJobRepository):
    """The contract's nine methods, implemented with seven hooks.

    An adapter implements ``_save``, ``_get``, ``_delete``, ``_list_by_status``, ``_list_recent``,
    ``_update_status`` and ``_add_failed_symbol``, and ``_open`` and ``_close`` if there is
    something to open. A hook is called only

    * with normalized arguments (INPUT-1): plain values, datetimes in UTC, text within the bounds;
    * while the repository is open, from the process, thread and event loop that opened it.

    If a hook raises one of ``driver_errors``, the caller gets a ``RepositoryError`` (ERROR-1).

    The hooks have to satisfy all other laws. Cancelling a call cancels its hook, which must then
    take effect wholly or not at all; `collection_jobs.openable.run_to_end` helps if the engine does
    not guarantee that.

    To offer what an engine can do beyond the nine, also derive from classes of
    `collection_jobs.base_capabilities` and `collection_jobs.base_leases`. An adapter may just as
    well derive from `ICollectionJobRepository`, or from nothing: the checks take about
    a microsecond of each call, which is little compared with a disk or a network, and much compared
    with a dict. The adapters of this package derive from the ABC, for speed.
    """

    @override
    async def save(self, job: CollectionJob) -> None:
        job = check_job(job)
        with self._call():
            await self._save(job)

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        job_id = check_name("job_id", job_id)
        with self._call():
            return await self._get(job_id)

    @override
    async def delete(self, job_id: str) -> bool:
        job_id = check_name("job_id", job_id)
        with self._call():
            return await self._delete(job_id)

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        status = check_status(status)
        limit = min(check_limit(limit), MOST_JOBS)
        offset = min(check_offset(offset), MOST_JOBS)
        with self._call():
            return await self._list_by_status(status, limit, offset) if limit else []

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        limit = min(check_limit(limit), MOST_JOBS)
        since = check_optional_datetime("since", since)
        with self._call():
            return await self._list_recent(limit, since) if limit else []

    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        with self._call():
            return await self._get_running_jobs()

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        job_id = check_name("job_id", job_id)
        status = check_status(status)
        error_message = check_optional_text("error_message", error_message)
        with self._call():
            return await self._update_status(job_id, status, error_message, FORMER_STATUSES[status])

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        error = check_text("error", error)
        with self._call():
            await self._add_failed_symbol(job_id, symbol, error)

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        job_id = check_name("job_id", job_id)
        with self._call():
            return await self._get_stats(job_id)

    @abstractmethod
    async def _save(self, job: CollectionJob) -> None:
        """Store a job whole, under a revision that its id never had: create it, or replace it.

        Raises:
            StaleJobError: ``job.revision`` is not None, and is not that of the stored job.
        """

    @abstractmethod
    async def _get(self, job_id: str) -> CollectionJob | None:
        """Read one job as last written, with its revision; None for an unknown id."""

    @abstractmethod
    async def _delete(self, job_id: str) -> bool:
        """Remove one job and its outcomes; return whether this call did.

        The store must never use the revisions of the job again.
        """

    @abstractmethod
    async def _list_by_status(
        self, status: JobStatus, limit: int, offset: int
    ) -> list[CollectionJob]:
        """List the jobs with one status by ``created_at``, then by ``id`` in code-point order.

        Args:
            status: The status.
            limit: The maximum number of jobs to return: 1 to ``MOST_JOBS``, which means all.
            offset: How many jobs to skip first: 0 to ``MOST_JOBS``.
        """

    @abstractmethod
    async def _list_recent(self, limit: int, since: datetime | None) -> list[CollectionJob]:
        """List the jobs by ``created_at`` descending, then by ``id`` descending.

        Args:
            limit: The maximum number of jobs to return: 1 to ``MOST_JOBS``, which means all.
            since: Omit jobs created before this instant, in UTC; None omits nothing.
        """

    async def _get_running_jobs(self) -> list[CollectionJob]:
        """List all RUNNING jobs; the default uses ``_list_by_status``."""
        return await self._list_by_status(JobStatus.RUNNING, MOST_JOBS, 0)

    @abstractmethod
    async def _update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None,
        former: frozenset[JobStatus],
    ) -> bool:
        """Change the status if it is one of ``former``; return whether this call did.

        The check and the change are one step of the engine: ``UPDATE ... WHERE status IN
        (former)``. `CollectionJob.with_status` defines what else the change sets and clears.

        Args:
            job_id: The job's id.
            status: The new status.
            error_message: The job's new error message, or None for none.
            former: The statuses from which the lifecycle permits the change; never empty.
        """

    @abstractmethod
    async def _add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        """Record a failure in place of the symbol's earlier outcome; lose no concurrent call.

        Raises:
            JobNotFoundError: There is no such job.
            UnknownSymbolError: The job does not collect this symbol.
        """

    async def _get_stats(self, job_id: str) -> JobStats | None:
        """Aggregate the outcomes of one job; the default uses ``_get``."""
        job = await self._get(job_id)
        return None if job is None else JobStats.from_job(job)
