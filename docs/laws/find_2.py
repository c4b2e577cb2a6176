"""The stats of a summary count the rows that have failures, and a symbol that completed after a
failure still has one: it is counted twice.

Count what `get_stats` counts, in the statement that reads the job.
"""

from __future__ import annotations

from dataclasses import replace

from typing_extensions import override

from collection_jobs import CollectionJob
from collection_jobs.query import JobSummary
from docs.laws.found import Found


class Breach(Found):
    @override
    def summary(self, job: CollectionJob) -> JobSummary:
        shown = super().summary(job)
        failed = {*job.failed_symbols, *job.failure_counts}
        return replace(shown, stats=replace(shown.stats, failed=len(failed)))


FIX = (Found.summary,)
