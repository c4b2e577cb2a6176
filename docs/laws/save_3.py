"""The revision is compared if there is a stored job. If there is none any more, the copy of a
deleted job is saved, and the job is back.

Absence is a state too: a copy that carries a revision needs a stored job with that revision.
"""

from __future__ import annotations

from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import CollectionJob, StaleJobError
from collection_jobs.job import check_job
from docs.laws.table import Table


class Breach(Table):
    @override
    async def save(self, job: CollectionJob) -> None:
        check_job(job)

        def work(connection: Connection) -> None:
            found = self.revision_of(connection, job.id)
            if job.revision and found and job.revision != found:
                raise StaleJobError(job.id, job.revision, found)
            self.write(connection, job)

        await self.transaction(work)


FIX = (Table.save,)
