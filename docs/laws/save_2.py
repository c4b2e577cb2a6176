"""INSERT OR IGNORE never fails, but never replaces either: the second save of an id is dropped
silently.

An upsert, or a DELETE and an INSERT in one transaction, replaces the job and its outcomes as a
whole.
"""

from __future__ import annotations

from typing_extensions import override

from collection_jobs import CollectionJob
from collection_jobs.job import check_job
from docs.laws.table import Table


class Breach(Table):
    @override
    async def save(self, job: CollectionJob) -> None:
        if check_job(job).revision is None and await self.get_by_id(job.id):
            return  # as INSERT OR IGNORE does
        await super().save(job)


FIX = (Table.write, Table.write_outcomes)
