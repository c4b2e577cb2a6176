"""The statement ran, so the job is gone; but did it exist? Two callers delete one job, both are
told that they did, and both tell their users, or release the same quota.

The engine knows how many rows a statement removed.
"""

from __future__ import annotations

from sqlite3 import Connection

from typing_extensions import override

from collection_jobs.validation import check_name
from docs.laws.table import Table


class Breach(Table):
    @override
    async def delete(self, job_id: str) -> bool:
        job_id = check_name("job_id", job_id)

        def work(connection: Connection) -> bool:
            connection.execute("DELETE FROM outcomes WHERE job_id = ?", (job_id,))
            connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
            return True

        return await self.transaction(work)


FIX = (Table.delete,)
