"""The JSON of the commands; docs/command-line.md describes it, and only additions may come."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from collection_jobs.cli.jobs.queries import StatusTotals
from collection_jobs.job import CollectionJob
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus

__all__ = ["job_json", "stats_json", "totals_json"]


def job_json(job: CollectionJob) -> dict[str, Any]:
    """Return a job: its fields in their order, and its stats."""
    return {
        "id": job.id,
        "source": job.source,
        "symbols": list(job.symbols),
        "timeframe": job.timeframe,
        "start": _instant(job.start),
        "end": _instant(job.end),
        "created_at": _instant(job.created_at),
        "status": job.status.value,
        "started_at": _instant(job.started_at),
        "finished_at": _instant(job.finished_at),
        "error_message": job.error_message,
        "completed_symbols": dict(job.completed_symbols),
        "failed_symbols": dict(job.failed_symbols),
        "revision": job.revision,
        "stats": stats_json(JobStats.from_job(job)),
    }


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


def _instant(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()
