"""A deletion leaves the outcomes for a nightly clean-up. Nobody sees them until the id is used
again: the new job starts with the failures of the old one.

Delete both in one transaction, or use a foreign key with ON DELETE CASCADE.
"""

from __future__ import annotations

from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import CollectionJob
from collection_jobs.validation import check_name
from docs.laws.table import Table


class Breach(Table):
    @override
    async def delete(self, job_id: str) -> bool:
        job_id = check_name("job_id", job_id)
        query = "DELETE FROM jobs WHERE id = ?"
        return await self.transaction(
            lambda connection: connection.execute(query, (job_id,)).rowcount == 1
        )

    @override
    def write(self, connection: Connection, job: CollectionJob) -> None:
        new = self.stored(connection, job.id) is None
        left = self.outcomes_of(connection, job.id) if new else []
        super().write(connection, job)
        mine = {symbol for symbol, *_ in self.outcomes_of(connection, job.id)}
        rows = [(job.id, *outcome) for outcome in left if outcome[0] in set(job.symbols) - mine]
        connection.executemany("INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


FIX = (Table.delete,)
