"""Beyond: Table with the three optional Protocols beyond the nine methods."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from sqlite3 import Connection

from collection_jobs import (
    CollectionJob,
    JobNotFoundError,
    JobStatus,
    StaleJobError,
    UnknownSymbolError,
)
from collection_jobs.job import check_jobs
from collection_jobs.validation import (
    check_candles,
    check_key,
    check_limit,
    check_name,
    check_status,
)
from docs.laws.table import ALL, Table, to_column


class Beyond(Table):
    """RecordsCompletedSymbols, SavesMany and PagesByKey, on the same tables."""

    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        candles = check_candles(candles)

        def work(connection: Connection) -> None:
            job = self.stored(connection, job_id)
            if job is None:
                raise JobNotFoundError(job_id)
            if symbol not in job.symbols:
                raise UnknownSymbolError(job_id, symbol)
            self.write(connection, job.with_completed_symbol(symbol, candles))

        await self.transaction(work)

    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        checked = check_jobs(jobs)

        def work(connection: Connection) -> None:
            for job in checked:
                found = self.revision_of(connection, job.id)
                if job.revision is not None and job.revision != found:
                    raise StaleJobError(job.id, job.revision, found)
                self.write(connection, job)

        await self.transaction(work)

    async def list_after(
        self, status: JobStatus, after: tuple[datetime, str] | None = None, limit: int = 100
    ) -> list[CollectionJob]:
        check_status(status)
        limit = check_limit(limit)
        created_at, job_id = (None, "") if after is None else check_key("after", after)
        first = -ALL if created_at is None else to_column(created_at)
        return await self.select(
            "WHERE status = ? AND (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ?",
            *(status.value, first, job_id, min(limit, ALL)),
        )
