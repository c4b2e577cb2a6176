"""In SQL, an UPDATE of a row that does not exist is not an error. The worker whose job was deleted
continues to report, and every report is dropped silently.

Check whether a row was changed.
"""

from __future__ import annotations

from contextlib import suppress

from typing_extensions import override

from collection_jobs import JobNotFoundError
from collection_jobs.validation import check_text
from docs.laws.table import Table


class Breach(Table):
    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        error = check_text("error", error)
        with suppress(JobNotFoundError):
            await super().add_failed_symbol(job_id, symbol, error)


FIX = (Table.add_failed_symbol,)
