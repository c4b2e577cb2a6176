"""Queries: the methods of `FindsJobs` and `Purges`."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime

from collection_jobs.adapters.sqlite import finding, writes
from collection_jobs.adapters.sqlite.conditions import BEFORE_ALL
from collection_jobs.adapters.sqlite.opened import SHORT, OpenedFile
from collection_jobs.adapters.sqlite.rows import MAX_INTEGER
from collection_jobs.documents import to_micros
from collection_jobs.query import JobQuery, JobSummary, check_final_statuses, check_query
from collection_jobs.status import JobStatus
from collection_jobs.validation import check_datetime, check_key, check_limit

__all__ = ["Queries", "key_of"]

# Seconds between two batches of deletions, in which another process gets the lock: it looks for it
# every 0.5 to 2 ms, see schema.retry_while_locked, and nothing tells when it waits.
_PAUSE = 0.003


def key_of(after: tuple[datetime, str] | None) -> tuple[int, str]:
    """Return the key after which to list, as it is stored; None is before all."""
    if after is None:
        return BEFORE_ALL
    created_at, job_id = check_key("after", after)
    return to_micros(created_at), job_id


class Queries(OpenedFile):
    """Finds, counts and purges jobs by several conditions."""

    async def find(
        self, query: JobQuery, limit: int = 100, after: tuple[datetime, str] | None = None
    ) -> list[JobSummary]:
        """List summaries of the jobs that meet every condition of a query, oldest first.

        They are read without the outcomes. A page costs the same however many jobs are stored, and
        however many match, where the query has one of the conditions ``statuses``, ``source``,
        ``symbol`` and ``with_failures``, or ``statuses`` and ``source``, or none. With several
        conditions it costs a few times what the best of them alone would: the jobs that meet that
        one are looked at in order until enough of them meet the others, or, for
        ``finished_before`` and ``metadata``, all of them where that is less.

        Args:
            query: The conditions.
            limit: The maximum number of summaries to return; 0 returns an empty list.
            after: The ``(created_at, id)`` of the last job of the previous page, which may have
                been deleted since; None starts with the oldest.

        Returns:
            The summaries by ``created_at``, then by ``id`` in code-point order.

        Raises:
            RepositoryError: SQLite failed.
        """
        query = check_query(query)
        limit = min(check_limit(limit), MAX_INTEGER)
        search = finding.JobSearch(query, limit, key_of(after))
        engine = self._opened()
        if not limit:
            return []
        if limit > SHORT:
            return await engine.read_long(finding.find_all, search)
        return await engine.read_jobs(finding.find_few, search, finding.find_all)

    async def count(self, query: JobQuery) -> Mapping[JobStatus, int]:
        """Count the jobs that meet every condition of a query, by their status.

        The cost grows with the jobs that meet the condition of the query that the fewest meet.

        Args:
            query: The conditions.

        Returns:
            For every status how many such jobs have it; 0 where there are none.

        Raises:
            RepositoryError: SQLite failed.
        """
        return await self._opened().read(finding.count_jobs, check_query(query))

    async def delete_finished(
        self,
        before: datetime,
        *,
        statuses: Collection[JobStatus] = (JobStatus.COMPLETED, JobStatus.CANCELLED),
        limit: int = 1000,
    ) -> int:
        """Delete jobs that ended before an instant, those first that ended first, with outcomes.

        A cancelled call deleted all of its jobs or none. May be repeated.

        All other writes wait meanwhile: where workers use the store, delete 100 jobs at once, so
        that hardly a call of theirs takes 50 ms (``python -m benchmarks.purge``). A call that
        deletes as many as it may waits for 3 ms more, in which other processes can write.

        Args:
            before: Delete jobs whose ``finished_at`` is before this instant; aware.
            statuses: Delete jobs of these statuses, which must be final: COMPLETED and CANCELLED.
            limit: The maximum number of jobs to delete; 0 deletes none.

        Returns:
            How many jobs this call deleted.

        Raises:
            RepositoryError: SQLite failed; nothing changed.
        """
        before = check_datetime("before", before)
        final = sorted(check_final_statuses(statuses))
        limit = min(check_limit(limit), MAX_INTEGER)
        engine = self._opened()
        if not final or not limit:
            return 0
        deleted = await engine.write(writes.delete_finished, to_micros(before), final, limit)
        if deleted == limit:  # who deletes all calls again at once
            await asyncio.sleep(_PAUSE)
        return deleted
