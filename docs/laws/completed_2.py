"""The counterpart of FAILED-2: the outcomes are read, changed, and written as a whole, and when two
workers finish at the same time, only one outcome is kept.

Read and write in one transaction.
"""

from __future__ import annotations

from dataclasses import replace
from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import JobNotFoundError
from collection_jobs.validation import check_candles, check_name
from docs.laws.beyond import Beyond


class Breach(Beyond):
    @override
    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        symbol = check_name("symbol", symbol)
        candles = check_candles(candles)
        read = await self.get_by_id(job_id)
        if read is None:
            raise JobNotFoundError(job_id)
        completed = read.with_completed_symbol(symbol, candles).completed_symbols

        def work(connection: Connection) -> None:
            job = self.stored(connection, job_id)
            if job is None:
                raise JobNotFoundError(job_id)
            job = job.with_completed_symbol(symbol, candles)
            failed = {s: why for s, why in job.failed_symbols.items() if s not in completed}
            self.write(connection, replace(job, completed_symbols=completed, failed_symbols=failed))

        await self.transaction(work)


FIX = (Beyond.add_completed_symbol,)
