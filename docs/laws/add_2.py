"""Look whether the job is there, then insert it, in a transaction each. Of two planners that look
at the same time, both find nothing, and both say that they created the job.

Look and insert in one transaction, or in one statement.
"""

from __future__ import annotations

from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import CollectionJob
from collection_jobs.job import check_job
from docs.laws.leased import Leased


class Breach(Leased):
    @override
    async def add(self, job: CollectionJob) -> bool:
        check_job(job)
        if await self.get_by_id(job.id) is not None:
            return False

        def work(connection: Connection) -> bool:
            if self.stored(connection, job.id) is None:
                self.write(connection, job)
            return True

        return await self.transaction(work)


FIX = (Leased.add, Leased.insert)
