"""The JSON of the commands; docs/command-line.md describes it, and only additions may come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collection_jobs.cli.jobs.leases import lease_json
from collection_jobs.cli.jobs.queries import StatusTotals
from collection_jobs.documents import to_document
from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus

__all__ = ["job_json", "stats_json", "totals_json"]


def job_json(job: CollectionJob, lease: Lease | None = None) -> dict[str, Any]:
    """Describe a job: its fields in their order, the version of that, its stats, and its lease."""
    described = {**to_document(job), "stats": stats_json(JobStats.from_job(job))}
    return described if lease is None else {**described, "lease": lease_json(lease)}


def stats_json(stats: JobStats) -> dict[str, Any]:
    """Return the stats of a job."""
    return {
        "total": stats.total,
        "completed": stats.completed,
        "failed": stats.failed,
        "pending": stats.pending,
        "total_candles": stats.total_candles,
        "progress": stats.progress,
    }


def totals_json(totals: Mapping[JobStatus, StatusTotals]) -> dict[str, Any]:
    """Return the sums for every status."""
    return {
        "jobs": sum(one.jobs for one in totals.values()),
        "statuses": {
            status.value: {
                "jobs": one.jobs,
                "symbols": one.symbols.total,
                "completed_symbols": one.symbols.completed,
                "failed_symbols": one.symbols.failed,
                "pending_symbols": one.symbols.pending,
                "candles": one.symbols.total_candles,
            }
            for status, one in totals.items()
        },
    }
