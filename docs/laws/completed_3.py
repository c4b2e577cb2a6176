"""A job is deleted while a worker processes it. The statement that records the outcome creates the
job again or, as here, drops the report silently, and the worker continues for hours.

Check that the job exists.
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
