"""Leased: Beyond with the two Protocols for work on many machines, AddsJobs and LeasesJobs.

A row of `leases` keeps how many leases a job had, and the one that is current, if any. The token of
a lease is the revision that the claim gave the job, which no other change of the store has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from sqlite3 import Connection
from typing import Any, Self, TypeVar

from typing_extensions import override

from collection_jobs import (
    CollectionJob,
    JobNotFoundError,
    JobStatus,
    Lease,
    LeaseLostError,
    UnknownSymbolError,
)
from collection_jobs.job import check_job, check_jobs
from collection_jobs.lease import check_lease, check_ttl
from collection_jobs.validation import (
    check_candles,
    check_name,
    check_optional_text,
    check_positive,
    check_status,
    check_text,
)
from docs.laws.beyond import Beyond
from docs.laws.table import from_column, to_column

T = TypeVar("T")

LEASES = """
CREATE TABLE IF NOT EXISTS leases (
    job_id TEXT PRIMARY KEY, worker TEXT, token INTEGER, expires_at INTEGER, attempt INTEGER);
CREATE INDEX IF NOT EXISTS leases_by_expiry ON leases (expires_at) WHERE worker IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_by_source ON jobs (source, status, created_at, id);
"""
HELD = "SELECT job_id FROM leases WHERE worker IS NOT NULL AND expires_at"


class Leased(Beyond):
    """Claims, and changes that only the holder of a lease can make."""

    @override
    async def __aenter__(self) -> Self:
        await super().__aenter__()
        await self.transaction(prepare)
        return self

    # AddsJobs

    async def add(self, job: CollectionJob) -> bool:
        check_job(job)
        return await self.transaction(lambda connection: self.insert(connection, job))

    async def add_many(self, jobs: Iterable[CollectionJob]) -> list[bool]:
        checked = check_jobs(jobs)
        return await self.transaction(
            lambda connection: [self.insert(connection, job) for job in checked]
        )

    def insert(self, connection: Connection, job: CollectionJob) -> bool:
        if self.revision_of(connection, job.id) is not None:
            return False
        self.write(connection, job)
        return True

    # LeasesJobs

    async def claim_next(
        self,
        worker: str,
        ttl: timedelta,
        *,
        source: str | None = None,
        most_running: int | None = None,
    ) -> Lease | None:
        worker = check_name("worker", worker)
        ttl = check_ttl(ttl)
        source = None if source is None else check_name("source", source)
        most = None if most_running is None else check_positive("most_running", most_running)

        def work(connection: Connection) -> Lease | None:
            if most is not None and self.running(connection, source) >= most:
                return None
            job = self.next_free(connection, source)
            return None if job is None else self.take(connection, job, worker, ttl)

        return await self.transaction(work)

    async def claim(self, job_id: str, worker: str, ttl: timedelta) -> Lease | None:
        job_id = check_name("job_id", job_id)
        worker = check_name("worker", worker)
        ttl = check_ttl(ttl)

        def work(connection: Connection) -> Lease | None:
            job = self.stored(connection, job_id)
            if job is None or not self.is_free(connection, job):
                return None
            return self.take(connection, job, worker, ttl)

        return await self.transaction(work)

    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        check_lease(lease)
        ttl = check_ttl(ttl)

        def work(connection: Connection) -> Lease:
            self.fence(connection, lease)
            self.extend(connection, lease, ttl)
            return self.current(connection, lease.job.id)

        return await self.transaction(work)

    async def get_lease(self, job_id: str) -> Lease | None:
        job_id = check_name("job_id", job_id)

        def work(connection: Connection) -> Lease | None:
            held = self.row_of(connection, job_id)
            return None if held is None else self.current(connection, job_id)

        return await self.transaction(work)

    @override
    async def update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None = None,
        *,
        lease: Lease | None = None,
    ) -> bool:
        job_id = check_name("job_id", job_id)
        check_status(status)
        error_message = check_optional_text("error_message", error_message)

        def work(connection: Connection) -> bool:
            job = self.stored(connection, job_id)
            if job is None or not job.status.can_become(status):
                return False
            self.write(connection, job.with_status(status, error_message=error_message))
            if status is JobStatus.PENDING:  # the attempts are counted anew
                connection.execute("DELETE FROM leases WHERE job_id = ?", (job_id,))
            return True

        return await self.under(lease, job_id, work)

    @override
    async def add_failed_symbol(
        self, job_id: str, symbol: str, error: str, *, lease: Lease | None = None
    ) -> None:
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        error = check_text("error", error)

        def work(connection: Connection) -> None:
            job = self.job_with(connection, job_id, symbol)
            self.write(connection, job.with_failed_symbol(symbol, error))

        await self.under(lease, job_id, work)

    @override
    async def add_completed_symbol(
        self, job_id: str, symbol: str, candles: int, *, lease: Lease | None = None
    ) -> None:
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        candles = check_candles(candles)

        def work(connection: Connection) -> None:
            job = self.job_with(connection, job_id, symbol)
            self.write(connection, job.with_completed_symbol(symbol, candles))

        await self.under(lease, job_id, work)

    @override
    async def delete(self, job_id: str) -> bool:
        job_id = check_name("job_id", job_id)

        def work(connection: Connection) -> bool:
            connection.execute("DELETE FROM outcomes WHERE job_id = ?", (job_id,))
            connection.execute("DELETE FROM leases WHERE job_id = ?", (job_id,))
            return connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,)).rowcount == 1

        return await self.transaction(work)

    # Rows, within a transaction

    async def under(self, lease: Lease | None, job_id: str, work: Callable[[Connection], T]) -> T:
        """Do some work if a lease is current, in one transaction with looking."""
        if lease is not None:
            check_lease(lease, job_id)

        def fenced(connection: Connection) -> T:
            if lease is not None:
                self.fence(connection, lease)
            return work(connection)

        return await self.transaction(fenced)

    def fence(self, connection: Connection, lease: Lease) -> None:
        row = self.row_of(connection, lease.job.id)
        if row is None or row[1] != lease.token:
            raise LeaseLostError(lease.job.id, lease.worker)

    def job_with(self, connection: Connection, job_id: str, symbol: str) -> CollectionJob:
        job = self.stored(connection, job_id)
        if job is None:
            raise JobNotFoundError(job_id)
        if symbol not in job.symbols:
            raise UnknownSymbolError(job_id, symbol)
        return job

    def running(self, connection: Connection, source: str | None) -> int:
        """Count the jobs that run under leases that have not expired."""
        query = f"SELECT count(*) FROM jobs WHERE id IN ({HELD} > ?) AND (? IS NULL OR source = ?)"  # noqa: S608 - constant text
        ((count,),) = connection.execute(query, (now(), source, source)).fetchall()
        return int(count)

    def next_free(self, connection: Connection, source: str | None) -> CollectionJob | None:
        """Find the oldest job that may be claimed."""
        of_source = "" if source is None else "source = ? AND "
        values = () if source is None else (source,)
        first = "ORDER BY created_at, id LIMIT 1"
        free = [
            *self.listed(connection, f"WHERE {of_source}status = 'pending' {first}", *values),
            *self.listed(
                connection, f"WHERE {of_source}id IN ({HELD} <= ?) {first}", *values, now()
            ),
        ]
        return min(free, key=lambda job: (job.created_at, job.id), default=None)

    def is_free(self, connection: Connection, job: CollectionJob) -> bool:
        row = self.row_of(connection, job.id)
        return job.status is JobStatus.PENDING or (row is not None and row[2] <= now())

    def take(
        self, connection: Connection, job: CollectionJob, worker: str, ttl: timedelta
    ) -> Lease:
        """Make a job RUNNING, and give a lease of it."""
        former = job.give_back() if job.status is JobStatus.RUNNING else job
        self.write(connection, former.with_status(JobStatus.RUNNING))
        connection.execute(
            "INSERT INTO leases VALUES (?, ?, ?, ?, 1) ON CONFLICT (job_id) DO UPDATE SET"
            " worker = excluded.worker, token = excluded.token,"
            " expires_at = excluded.expires_at, attempt = attempt + 1",
            (job.id, worker, self.token(connection, job), self.expiry(ttl)),
        )
        return self.current(connection, job.id)

    def token(self, connection: Connection, job: CollectionJob) -> int | None:
        return self.revision_of(connection, job.id)

    def expiry(self, ttl: timedelta) -> int | None:
        return to_column(datetime.now(UTC) + ttl)

    def extend(self, connection: Connection, lease: Lease, ttl: timedelta) -> None:
        """Move the expiry of a lease."""
        connection.execute(
            "UPDATE leases SET expires_at = ? WHERE job_id = ?", (self.expiry(ttl), lease.job.id)
        )

    def row_of(self, connection: Connection, job_id: str) -> tuple[Any, ...] | None:
        return next(iter(self.rows_of(connection, job_id)), None)

    def rows_of(self, connection: Connection, job_id: str) -> list[tuple[Any, ...]]:
        """Read the row of a job's current lease, if there is one."""
        query = (
            "SELECT worker, token, expires_at, attempt FROM leases"
            " WHERE job_id = ? AND worker IS NOT NULL"
        )
        return connection.execute(query, (job_id,)).fetchall()

    def current(self, connection: Connection, job_id: str) -> Lease:
        (job,) = self.listed(connection, "WHERE id = ?", job_id)
        ((worker, token, expires_at, attempt),) = self.rows_of(connection, job_id)
        return Lease(
            job=job,
            worker=worker,
            token=token,
            expires_at=from_column(expires_at),
            attempt=attempt,
        )

    @override
    def write(self, connection: Connection, job: CollectionJob) -> None:
        super().write(connection, job)
        if job.status is not JobStatus.RUNNING:
            self.end(connection, job)

    def end(self, connection: Connection, job: CollectionJob) -> None:
        """End the lease of a job that is not RUNNING any more, and keep its attempts."""
        connection.execute(
            "UPDATE leases SET worker = NULL, token = NULL, expires_at = NULL WHERE job_id = ?",
            (job.id,),
        )


def prepare(connection: Connection) -> None:
    for statement in LEASES.split(";"):
        connection.execute(statement)


def now() -> int | None:
    return to_column(datetime.now(UTC))
