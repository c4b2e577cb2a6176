"""Any status may follow any other, so a completed job is cancelled, or a worker that did not notice
the cancellation completes a cancelled job.

Ask the lifecycle, within the transaction that makes the change.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import JobStatus
from collection_jobs.validation import check_name, check_optional_text, check_status
from docs.laws.table import Table


class Breach(Table):
    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        job_id = check_name("job_id", job_id)
        check_status(status)
        error_message = check_optional_text("error_message", error_message)

        def work(connection: Connection) -> bool:
            job = self.stored(connection, job_id)
            if job is None:
                return False
            now = datetime.now(UTC)
            ended = status not in (JobStatus.PENDING, JobStatus.RUNNING)
            changed = replace(
                job,
                status=status,
                started_at={JobStatus.RUNNING: now, JobStatus.PENDING: None}.get(
                    status, job.started_at
                ),
                finished_at=now if ended else None,
                error_message=error_message,
            )
            self.write(connection, changed)
            return True

        return await self.transaction(work)


FIX = (Table.update_status,)
