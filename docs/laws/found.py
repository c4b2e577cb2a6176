"""Found: Table with failures as data, cursors, finding, counting and purging."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from sqlite3 import Connection

from collection_jobs import CollectionJob, JobNotFoundError, JobStatus, UnknownSymbolError
from collection_jobs.query import JobQuery, JobSummary, check_final_statuses, check_query
from collection_jobs.validation import (
    check_bool,
    check_datetime,
    check_key,
    check_limit,
    check_name,
    check_text,
)
from docs.laws.beyond import Beyond
from docs.laws.table import ALL, to_column

FINAL = (JobStatus.COMPLETED, JobStatus.CANCELLED)


class Found(Beyond):
    """RecordsFailures, RecordsCursors, FindsJobs and Purges, on the same tables."""

    async def add_failure(
        self, job_id: str, symbol: str, error: str, *, permanent: bool = False
    ) -> None:
        job_id, symbol = check_name("job_id", job_id), check_name("symbol", symbol)
        error, permanent = check_text("error", error), check_bool("permanent", permanent)

        def work(connection: Connection) -> None:
            job = self.with_symbol(connection, job_id, symbol)
            self.write(connection, self.failed(job, symbol, error, permanent))

        await self.transaction(work)

    def failed(self, job: CollectionJob, symbol: str, error: str, permanent: bool) -> CollectionJob:
        return job.with_failed_symbol(symbol, error, permanent=permanent)

    async def set_cursor(self, job_id: str, symbol: str, until: datetime) -> None:
        job_id, symbol = check_name("job_id", job_id), check_name("symbol", symbol)
        until = check_datetime("until", until)

        def work(connection: Connection) -> None:
            job = self.with_symbol(connection, job_id, symbol)
            moved = self.moved(job, symbol, until)
            if moved is not job:
                self.write(connection, moved)

        await self.transaction(work)

    def moved(self, job: CollectionJob, symbol: str, until: datetime) -> CollectionJob:
        return job.with_cursor(symbol, until)

    def with_symbol(self, connection: Connection, job_id: str, symbol: str) -> CollectionJob:
        """Read a job, which must collect a symbol."""
        job = self.stored(connection, job_id)
        if job is None:
            raise JobNotFoundError(job_id)
        if symbol not in job.symbols:
            raise UnknownSymbolError(job_id, symbol)
        return job

    async def find(
        self, query: JobQuery, limit: int = 100, after: tuple[datetime, str] | None = None
    ) -> list[JobSummary]:
        check_query(query)
        limit = check_limit(limit)
        created_at, job_id = (None, "") if after is None else check_key("after", after)
        first = -ALL if created_at is None else to_column(created_at)
        jobs = await self.select(
            "WHERE (created_at, id) > (?, ?) ORDER BY created_at, id", first, job_id
        )
        return [self.summary(job) for job in jobs if self.matches(query, job)][:limit]

    def matches(self, query: JobQuery, job: CollectionJob) -> bool:
        return query.matches(job)

    def summary(self, job: CollectionJob) -> JobSummary:
        return JobSummary.from_job(job)

    async def count(self, query: JobQuery) -> Mapping[JobStatus, int]:
        counts = dict.fromkeys(JobStatus, 0)
        for summary in await self.find(query, ALL):
            counts[summary.status] += 1
        return counts

    async def delete_finished(
        self, before: datetime, *, statuses: Collection[JobStatus] = FINAL, limit: int = 1000
    ) -> int:
        before = check_datetime("before", before)
        final = [status.value for status in check_final_statuses(statuses)]
        limit = check_limit(limit)

        def work(connection: Connection) -> int:
            ids = self.ended(connection, before, final)[:limit]
            connection.executemany("DELETE FROM outcomes WHERE job_id = ?", ids)
            connection.executemany("DELETE FROM jobs WHERE id = ?", ids)
            return len(ids)

        return await self.transaction(work)

    def ended(self, connection: Connection, before: datetime, final: list[str]) -> list[tuple[str]]:
        """Return the ids of the jobs of some statuses that ended before an instant."""
        rows = connection.execute(
            f"SELECT id FROM jobs WHERE status IN ({', '.join('?' * len(final))})"  # noqa: S608 - marks
            " AND finished_at < ? ORDER BY finished_at, id",
            (*final, to_column(before)),
        )
        return rows.fetchall()
