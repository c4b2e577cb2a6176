"""A worker may fetch a range in pieces, so the candles of a symbol are added to those already
recorded. When the worker runs again after a failure, it counts the same candles twice, and nobody
can tell.

The number recorded last counts, so recording it may be repeated.
"""

from __future__ import annotations

from typing_extensions import override

from collection_jobs.validation import check_candles
from docs.laws.beyond import Beyond


class Breach(Beyond):
    @override
    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        candles = check_candles(candles)
        job = await self.get_by_id(job_id)
        before = 0 if job is None else job.completed_symbols.get(symbol, 0)
        await super().add_completed_symbol(job_id, symbol, before + candles)


FIX = (Beyond.add_completed_symbol,)
