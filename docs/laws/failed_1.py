"""Recording a failure twice must have no further effect, so an existing error is left alone. For a
symbol that timed out on Monday and was delisted on Tuesday, the job shows Monday's error for ever.

The last outcome counts: replace it, whether it is an error or a number of candles.
"""

from __future__ import annotations

from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import JobNotFoundError
from collection_jobs.validation import check_name, check_text
from docs.laws.table import Table


class Breach(Table):
    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        job_id = check_name("job_id", job_id)
        error = check_text("error", error)

        def work(connection: Connection) -> None:
            job = self.stored(connection, job_id)
            if job is None:
                raise JobNotFoundError(job_id)
            kept = job.failed_symbols.get(symbol, error)
            self.write(connection, job.with_failed_symbol(symbol, kept))

        await self.transaction(work)


FIX = (Table.add_failed_symbol,)
