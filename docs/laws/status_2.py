"""Read, then claim: in between, another worker has read the job as well. The second worker finds
the job RUNNING when it claims it, takes that for success, and returns True; the candles are
downloaded twice.

Read and claim in one transaction, or in one statement, `UPDATE ... WHERE id = ? AND status = ?`,
which reports how many rows it changed. Of two workers, one changes a row.
"""

from __future__ import annotations

from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import JobStatus
from collection_jobs.validation import check_optional_text, check_status
from docs.laws.table import Table


class Breach(Table):
    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        check_status(status)
        error_message = check_optional_text("error_message", error_message)
        seen = await self.get_by_id(job_id)
        if seen is None or not seen.status.can_become(status):
            return False

        def work(connection: Connection) -> bool:
            job = self.stored(connection, job_id)
            if job is None or not job.status.can_become(status):
                return job is not None and job.status is status  # nothing left to do
            self.write(connection, job.with_status(status, error_message=error_message))
            return True

        return await self.transaction(work)


FIX = (Table.update_status,)
