"""Running is told from the times: begun, and not finished. A job that ran once, failed and waits
to be retried is begun too, if a retry leaves the time; and one that was stored as RUNNING need
not have it.

The status says what runs.
"""

from __future__ import annotations

from typing_extensions import override

from collection_jobs import CollectionJob
from docs.laws.table import Table


class Breach(Table):
    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        return await self.select(
            "WHERE started_at IS NOT NULL AND finished_at IS NULL ORDER BY created_at, id"
        )


FIX = (Table.get_running_jobs,)
