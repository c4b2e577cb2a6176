"""A job that was deleted while a worker was at it is made anew by the statement that records the
outcome, or, as here, the report vanishes without a word: the worker goes on for hours.

Look whether there is such a job.
"""

from __future__ import annotations

from contextlib import suppress

from typing_extensions import override

from collection_jobs import JobNotFoundError
from docs.laws.beyond import Beyond


class Breach(Beyond):
    @override
    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        with suppress(JobNotFoundError):
            await super().add_completed_symbol(job_id, symbol, candles)


FIX = (Beyond.add_completed_symbol,)
