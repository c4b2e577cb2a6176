"""Newest first, with a second column for ties. But DESC applies to only one column, so among jobs
of the same instant the smallest id comes first, and the listing is not the other one reversed.

Each column of ORDER BY has a direction of its own.
"""

from __future__ import annotations

from datetime import datetime

from typing_extensions import override

from collection_jobs import CollectionJob
from collection_jobs.validation import check_datetime, check_limit
from docs.laws.table import ALL, Table, to_column


class Breach(Table):
    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        limit = check_limit(limit)
        first = -ALL if since is None else to_column(check_datetime("since", since))
        return await self.select(
            "WHERE created_at >= ? ORDER BY created_at DESC, id LIMIT ?", first, min(limit, ALL)
        )


FIX = (Table.list_recent,)
