"""`SELECT` the next job, then take it in another transaction. Workers that select at the same time
find the same job, and both take it; the candles are downloaded twice.

Select and take in one transaction, or in one statement. (On PostgreSQL that is `FOR UPDATE SKIP
LOCKED`, so that workers do not wait for each other.)
"""

from __future__ import annotations

from datetime import timedelta

from typing_extensions import override

from collection_jobs import Lease
from collection_jobs.lease import check_ttl
from collection_jobs.validation import check_name
from docs.laws.leased import Leased


class Breach(Leased):
    @override
    async def claim_next(
        self,
        worker: str,
        ttl: timedelta,
        *,
        source: str | None = None,
        most_running: int | None = None,
    ) -> Lease | None:
        if source is not None or most_running is not None:
            return await super().claim_next(worker, ttl, source=source, most_running=most_running)
        worker, ttl = check_name("worker", worker), check_ttl(ttl)
        job = await self.transaction(lambda connection: self.next_free(connection, source))
        if job is None:
            return None
        return await self.transaction(lambda connection: self.take(connection, job, worker, ttl))


FIX = (Leased.claim_next,)
