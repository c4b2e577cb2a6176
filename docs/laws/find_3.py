"""`SELECT status, count(*) ... GROUP BY status` has no row for a status that no job has, and
`counts[JobStatus.FAILED]` is a KeyError on the one day on which all is well.

Begin with 0 for every status.
"""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import override

from collection_jobs import JobStatus
from collection_jobs.query import JobQuery
from docs.laws.found import Found


class Breach(Found):
    @override
    async def count(self, query: JobQuery) -> Mapping[JobStatus, int]:
        counts = await super().count(query)
        return {status: number for status, number in counts.items() if number}


FIX = (Found.count,)
