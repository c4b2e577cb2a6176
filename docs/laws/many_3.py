"""All jobs are checked first and then saved, in one transaction per job. A reader in between sees
one of them saved, and another as it was before.

Save all of them in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable

from typing_extensions import override

from collection_jobs import CollectionJob
from collection_jobs.job import check_jobs
from docs.laws.beyond import Beyond


class Breach(Beyond):
    @override
    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        checked = check_jobs(jobs)
        if any(job.revision is not None for job in checked):
            await super().save_many(checked)
        else:
            for job in checked:
                await self.save(job)


FIX = (Beyond.save_many,)
