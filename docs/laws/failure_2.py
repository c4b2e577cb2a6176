"""A permanent failure is not counted: nobody will try again, so what is there to count? An operator
sees a symbol that failed, and a count of 0.

Every failure that is recorded counts, whatever came of the symbol before and comes of it later.
"""

from __future__ import annotations

from dataclasses import replace

from typing_extensions import override

from collection_jobs import CollectionJob
from docs.laws.found import Found


class Breach(Found):
    @override
    def failed(self, job: CollectionJob, symbol: str, error: str, permanent: bool) -> CollectionJob:
        failed = job.with_failed_symbol(symbol, error, permanent=permanent)
        return replace(failed, failure_counts=job.failure_counts) if permanent else failed


FIX = (Found.failed,)
