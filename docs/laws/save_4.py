"""The failure is stored in a table of its own, and the job's row, with its revision, does not
change. So a copy that was read before the failure is not stale, and saving it erases the failure.

Every change of a job or of its outcomes raises the revision of the job.
"""

from __future__ import annotations

from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import JobNotFoundError, UnknownSymbolError
from collection_jobs.validation import check_name, check_text
from docs.laws.table import Table


class Breach(Table):
    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        job_id = check_name("job_id", job_id)
        symbol = check_name("symbol", symbol)
        error = check_text("error", error)

        def work(connection: Connection) -> None:
            job = self.stored(connection, job_id)
            if job is None:
                raise JobNotFoundError(job_id)
            if symbol not in job.symbols:
                raise UnknownSymbolError(job_id, symbol)
            self.write_outcomes(connection, job.with_failed_symbol(symbol, error))

        await self.transaction(work)


FIX = (Table.add_failed_symbol,)
