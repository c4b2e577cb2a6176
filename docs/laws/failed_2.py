"""One JSON column holds the failures of a job: read it, add one, write it back. Two workers that do
so at the same time write two lists, each with one of the two failures, and the second list replaces
the first.

Read and write in one transaction that excludes others (BEGIN IMMEDIATE, SELECT ... FOR UPDATE); or
store each outcome in a row of its own, so that there is nothing to read.
"""

from __future__ import annotations

from dataclasses import replace
from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import JobNotFoundError, UnknownSymbolError
from collection_jobs.validation import check_name, check_text
from docs.laws.table import Table


class Breach(Table):
    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        symbol = check_name("symbol", symbol)
        error = check_text("error", error)
        read = await self.get_by_id(job_id)
        if read is None:
            raise JobNotFoundError(job_id)
        if symbol not in read.symbols:
            raise UnknownSymbolError(job_id, symbol)
        recorded = read.with_failed_symbol(symbol, error)

        def work(connection: Connection) -> None:
            job = self.stored(connection, job_id)
            if job is None:
                raise JobNotFoundError(job_id)
            names = ("failed_symbols", "permanent_failures", "failure_counts")
            failed = {name: getattr(recorded, name) for name in names}
            completed = dict(job.completed_symbols)
            completed.pop(symbol, None)
            self.write(connection, replace(job, completed_symbols=completed, **failed))

        await self.transaction(work)


FIX = (Table.add_failed_symbol,)
