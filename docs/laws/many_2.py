"""Each job is saved separately, and the stale one in the middle is reported: the jobs before it are
saved, those after it are not, and the caller does not know which.

Save all of them in one transaction, which the error rolls back.
"""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import CollectionJob, StaleJobError
from collection_jobs.job import check_jobs
from docs.laws.beyond import Beyond


class Breach(Beyond):
    @override
    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        def work(connection: Connection) -> StaleJobError | None:
            for job in checked:
                found = self.revision_of(connection, job.id)
                if job.revision is not None and job.revision != found:
                    return StaleJobError(job.id, job.revision, found)
                self.write(connection, job)
            return None

        checked = check_jobs(jobs)
        stale = await self.transaction(work)  # which commits what was saved before
        if stale is not None:
            raise stale


FIX = (Beyond.save_many,)
