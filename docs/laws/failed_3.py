"""An UPDATE of a row that is not there is no error in SQL. The worker that lost its job goes on
to report, and all of it is dropped without a word.

Look whether there was something to change.
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
