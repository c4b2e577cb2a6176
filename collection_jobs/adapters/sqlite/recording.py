"""SymbolRecords: the methods of `RecordsFailuresUnderLease` and `RecordsCursorsUnderLease`."""

from __future__ import annotations

from datetime import datetime

from collection_jobs.adapters.sqlite import writes
from collection_jobs.adapters.sqlite.opened import OpenedFile
from collection_jobs.documents import from_micros, to_micros
from collection_jobs.lease import Lease, check_lease
from collection_jobs.validation import check_bool, check_datetime, check_name, check_text

__all__ = ["SymbolRecords"]


class SymbolRecords(OpenedFile):
    """Records failures, and up to where symbols were collected."""

    async def add_failure(
        self,
        job_id: str,
        symbol: str,
        error: str,
        *,
        permanent: bool = False,
        lease: Lease | None = None,
    ) -> None:
        """Record that one symbol of a job failed, and whether a retry can mend it.

        As add_failed_symbol, which records a failure that is not permanent. A cancelled call
        recorded the failure or nothing; repeating one counts again.

        Args:
            job_id: The job's id, compared exactly.
            symbol: One of the job's symbols.
            error: Why it failed: any text.
            permanent: Whether no retry can mend it.
            lease: The caller's lease of this job; None records it whoever holds the job.

        Raises:
            LeaseLostError: The lease is not current; nothing changed.
            JobNotFoundError: There is no such job, and no lease was given; nothing changed.
            UnknownSymbolError: The job does not collect this symbol; nothing changed.
            RepositoryError: SQLite failed.
        """
        job_id = check_name("job_id", job_id)
        await self._write(
            writes.add_failure,
            job_id,
            check_name("symbol", symbol),
            check_text("error", error),
            check_bool("permanent", permanent),
            None if lease is None else check_lease(lease, job_id),
        )

    async def set_cursor(
        self, job_id: str, symbol: str, until: datetime, *, lease: Lease | None = None
    ) -> None:
        """Record up to where one symbol of a job was collected; of a completed one nothing changes.

        A cancelled call set the cursor or nothing. May be repeated.

        Args:
            job_id: The job's id, compared exactly.
            symbol: One of the job's symbols.
            until: The first instant that is still to be collected, from the job's ``start`` to its
                ``end``; aware.
            lease: The caller's lease of this job; None records it whoever holds the job.

        Raises:
            LeaseLostError: The lease is not current; nothing changed.
            JobNotFoundError: There is no such job, and no lease was given; nothing changed.
            UnknownSymbolError: The job does not collect this symbol; nothing changed.
            ValueError: ``until`` lies outside the range of the stored job; nothing changed.
            RepositoryError: SQLite failed.
        """
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        until = check_datetime("until", until)
        outside = await self._write(
            writes.set_cursor,
            job_id,
            symbol,
            to_micros(until),
            None if lease is None else check_lease(lease, job_id),
        )
        if outside is not None:
            start, end = (from_micros(instant).isoformat() for instant in outside)
            raise ValueError(f"until must lie within {start} to {end}: {until.isoformat()}")
