"""The optional Protocols for a CheckedRepository: public methods that check, and hooks.

As in `collection_jobs.base`: each class here has the methods of one Protocol, which call a hook
with normalized arguments while the repository is open.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from collection_jobs.base import MOST_JOBS
from collection_jobs.job import CollectionJob, check_job, check_jobs
from collection_jobs.openable import Openable
from collection_jobs.query import JobQuery, JobSummary, check_final_statuses, check_query
from collection_jobs.status import JobStatus
from collection_jobs.validation import (
    check_bool,
    check_candles,
    check_datetime,
    check_key,
    check_limit,
    check_name,
    check_status,
    check_text,
)

__all__ = [
    "CheckedAddsJobs",
    "CheckedCompletedSymbols",
    "CheckedFindsJobs",
    "CheckedPagesByKey",
    "CheckedPurges",
    "CheckedRecordsCursors",
    "CheckedRecordsFailures",
    "CheckedSavesMany",
]


class CheckedCompletedSymbols(Openable, ABC):
    """Gives a `CheckedRepository` the method of `RecordsCompletedSymbols`, with one hook."""

    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        """Record that one symbol was collected, see `RecordsCompletedSymbols`."""
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        candles = check_candles(candles)
        with self._call():
            await self._add_completed_symbol(job_id, symbol, candles)

    @abstractmethod
    async def _add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        """Record a completion in place of the symbol's earlier outcome, as ``_add_failed_symbol``.

        Raises:
            JobNotFoundError: There is no such job.
            UnknownSymbolError: The job does not collect this symbol.
        """


class CheckedSavesMany(Openable, ABC):
    """Gives a `CheckedRepository` the method of `SavesMany`, with one hook."""

    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        """Save all of the jobs or none, see `SavesMany`."""
        checked = check_jobs(jobs)
        with self._call():
            if checked:
                await self._save_many(checked)

    @abstractmethod
    async def _save_many(self, jobs: list[CollectionJob]) -> None:
        """Save each of the jobs in order, as ``_save`` does, at one instant; or none.

        Args:
            jobs: At least one; an id may occur more than once.

        Raises:
            StaleJobError: A job carries a revision that is not the stored one when it is saved.
        """


class CheckedPagesByKey(Openable, ABC):
    """Gives a `CheckedRepository` the method of `PagesByKey`, with one hook."""

    async def list_after(
        self, status: JobStatus, after: tuple[datetime, str] | None = None, limit: int = 100
    ) -> list[CollectionJob]:
        """List the jobs with one status after a key, see `PagesByKey`."""
        status = check_status(status)
        after = None if after is None else check_key("after", after)
        limit = min(check_limit(limit), MOST_JOBS)
        with self._call():
            return await self._list_after(status, after, limit) if limit else []

    @abstractmethod
    async def _list_after(
        self, status: JobStatus, after: tuple[datetime, str] | None, limit: int
    ) -> list[CollectionJob]:
        """List the jobs with one status after a key, in the order of ``_list_by_status``.

        Args:
            status: The status.
            after: The ``created_at``, in UTC, and the ``id`` after which to start, which need not
                be those of a stored job; None starts with the oldest.
            limit: The maximum number of jobs to return: 1 to ``MOST_JOBS``, which means all.
        """


class CheckedAddsJobs(Openable, ABC):
    """Gives a `CheckedRepository` the methods of `AddsJobs`, with one hook."""

    async def add(self, job: CollectionJob) -> bool:
        """Create a job, unless there is one of its id, see `AddsJobs`."""
        job = check_job(job)
        with self._call():
            return await self._add(job)

    async def add_many(self, jobs: Iterable[CollectionJob]) -> list[bool]:
        """Add each of the jobs, all at one instant, see `AddsJobs`."""
        checked = check_jobs(jobs)
        with self._call():
            return await self._add_many(checked) if checked else []

    async def _add(self, job: CollectionJob) -> bool:
        """Create a job, unless there is one of its id; the default uses ``_add_many``."""
        (added,) = await self._add_many([job])
        return added

    @abstractmethod
    async def _add_many(self, jobs: list[CollectionJob]) -> list[bool]:
        """Create each of the jobs whose id is unknown, in order, at one instant.

        The jobs' revisions have no meaning here. Return for each whether it was created.

        Args:
            jobs: At least one; an id may occur more than once, and its first job is created.
        """


class CheckedRecordsFailures(Openable, ABC):
    """Gives a `CheckedRepository` the method of `RecordsFailures`, with one hook."""

    async def add_failure(
        self, job_id: str, symbol: str, error: str, *, permanent: bool = False
    ) -> None:
        """Record a failure, and whether a retry can mend it, see `RecordsFailures`."""
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        error = check_text("error", error)
        permanent = check_bool("permanent", permanent)
        with self._call():
            await self._add_failure(job_id, symbol, error, permanent)

    @abstractmethod
    async def _add_failure(self, job_id: str, symbol: str, error: str, permanent: bool) -> None:
        """Record a failure as ``_add_failed_symbol`` does, and whether it is permanent.

        `CollectionJob.with_failed_symbol` defines what else it changes.

        Raises:
            JobNotFoundError: There is no such job.
            UnknownSymbolError: The job does not collect this symbol.
        """


class CheckedRecordsCursors(Openable, ABC):
    """Gives a `CheckedRepository` the method of `RecordsCursors`, with one hook."""

    async def set_cursor(self, job_id: str, symbol: str, until: datetime) -> None:
        """Record up to where a symbol was collected, see `RecordsCursors`."""
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        until = check_datetime("until", until)
        with self._call():
            await self._set_cursor(job_id, symbol, until)

    @abstractmethod
    async def _set_cursor(self, job_id: str, symbol: str, until: datetime) -> None:
        """Set the cursor of a symbol, unless the symbol has completed.

        `CollectionJob.with_cursor` defines the change, and checks ``until`` against the job.

        Raises:
            JobNotFoundError: There is no such job.
            UnknownSymbolError: The job does not collect this symbol.
            ValueError: ``until`` lies outside the range of the stored job.
        """


class CheckedFindsJobs(Openable, ABC):
    """Gives a `CheckedRepository` the methods of `FindsJobs`, with one hook."""

    async def find(
        self, query: JobQuery, limit: int = 100, after: tuple[datetime, str] | None = None
    ) -> list[JobSummary]:
        """List summaries of the jobs that match, oldest first, see `FindsJobs`."""
        query = check_query(query)
        limit = min(check_limit(limit), MOST_JOBS)
        after = None if after is None else check_key("after", after)
        with self._call():
            return await self._find(query, limit, after) if limit else []

    async def count(self, query: JobQuery) -> Mapping[JobStatus, int]:
        """Count the jobs that match, by their status, see `FindsJobs`."""
        query = check_query(query)
        with self._call():
            return await self._count(query)

    @abstractmethod
    async def _find(
        self, query: JobQuery, limit: int, after: tuple[datetime, str] | None
    ) -> list[JobSummary]:
        """List summaries of the jobs that match, in the order of ``_list_by_status``.

        `JobQuery.matches` defines what matches, and `JobSummary.from_job` what is shown.

        Args:
            query: The conditions.
            limit: The maximum number of summaries to return: 1 to ``MOST_JOBS``, which means all.
            after: The ``created_at``, in UTC, and the ``id`` after which to start; None starts with
                the oldest.
        """

    async def _count(self, query: JobQuery) -> Mapping[JobStatus, int]:
        """Count the jobs that match, for every status; the default uses ``_find``."""
        counts = dict.fromkeys(JobStatus, 0)
        for summary in await self._find(query, MOST_JOBS, None):
            counts[summary.status] += 1
        return counts


class CheckedPurges(Openable, ABC):
    """Gives a `CheckedRepository` the method of `Purges`, with one hook."""

    async def delete_finished(
        self,
        before: datetime,
        *,
        statuses: Collection[JobStatus] = (JobStatus.COMPLETED, JobStatus.CANCELLED),
        limit: int = 1000,
    ) -> int:
        """Delete jobs that ended before an instant, see `Purges`."""
        before = check_datetime("before", before)
        final = check_final_statuses(statuses)
        limit = min(check_limit(limit), MOST_JOBS)
        with self._call():
            return await self._delete_finished(before, final, limit) if limit and final else 0

    @abstractmethod
    async def _delete_finished(
        self, before: datetime, statuses: frozenset[JobStatus], limit: int
    ) -> int:
        """Delete the jobs that ended before an instant, as ``_delete`` does; return how many.

        Args:
            before: Delete jobs whose ``finished_at`` is before this instant, in UTC.
            statuses: Delete jobs of these statuses: COMPLETED, CANCELLED, or both.
            limit: The maximum number of jobs to delete, those first that ended first: 1 to
                ``MOST_JOBS``, which means all.
        """
