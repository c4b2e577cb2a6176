"""`cursor = max(cursor, ?)` looks safe: no slow worker moves a cursor back. But nobody else can
either, and an operator who finds that the last day was collected wrongly has no way to have it
collected again.

The cursor is what was set last. Slow workers are kept away by their leases.
"""

from __future__ import annotations

from datetime import datetime

from typing_extensions import override

from collection_jobs import CollectionJob
from docs.laws.found import Found


class Breach(Found):
    @override
    def moved(self, job: CollectionJob, symbol: str, until: datetime) -> CollectionJob:
        if job.start <= until:
            until = max(until, job.cursors.get(symbol, until))
        return job.with_cursor(symbol, until)


FIX = (Found.moved,)
