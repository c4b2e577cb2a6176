"""A caller that polls with the newest `created_at` it has seen does not want a job twice, and `>`
ensures that. But nobody ever sees the second job of that microsecond.

`since` is inclusive: a caller can drop what it knows, but cannot guess what it was not shown.
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
            "WHERE created_at > ? ORDER BY created_at DESC, id DESC LIMIT ?", first, min(limit, ALL)
        )


FIX = (Table.list_recent,)
