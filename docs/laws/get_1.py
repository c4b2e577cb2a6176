"""A look-up that is too lenient: if the id does not exist, one that differs only in case will do.
Some engines do this by default (MySQL's default collation, `LIKE` in SQLite), also with accents and
trailing blanks. One caller's id then finds another caller's job.

Compare ids exactly: as SQLite does by default, with the collation C in PostgreSQL, with
utf8mb4_0900_bin in MySQL.
"""

from __future__ import annotations

from typing_extensions import override

from collection_jobs import CollectionJob
from collection_jobs.validation import check_name
from docs.laws.table import Table


class Breach(Table):
    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        job_id = check_name("job_id", job_id)
        found = await self.select(
            "WHERE id = ? COLLATE NOCASE ORDER BY id = ? DESC", job_id, job_id
        )
        return found[0] if found else None


FIX = (
    Table.get_by_id,
    Table.stored,
)
