"""The mark is kept in a column of its own, which `add_failure` only ever sets. A symbol that the
exchange delisted and listed again is given up for good, because of a failure of last year.

A failure that is not permanent takes the mark back, as a completion does: the last outcome counts.
"""

from __future__ import annotations

from typing_extensions import override

from collection_jobs import CollectionJob
from docs.laws.found import Found


class Breach(Found):
    @override
    def failed(self, job: CollectionJob, symbol: str, error: str, permanent: bool) -> CollectionJob:
        permanent = permanent or symbol in job.permanent_failures
        return job.with_failed_symbol(symbol, error, permanent=permanent)


FIX = (Found.failed,)
