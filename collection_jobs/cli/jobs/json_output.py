"""The JSON of the commands; docs/command-line.md describes it, and only additions may come."""

from __future__ import annotations

from typing import Any

from collection_jobs.cli.jobs.leases import lease_json
from collection_jobs.documents import to_document
from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease
from collection_jobs.query import JobSummary
from collection_jobs.stats import JobStats

__all__ = ["job_json", "stats_json", "summary_json"]


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


def summary_json(summary: JobSummary) -> dict[str, Any]:
    """Describe a job without its outcomes: its fields, its stats, and its lease."""
    described: dict[str, Any] = {
        "id": summary.id,
        "source": summary.source,
        "symbols": list(summary.symbols),
        "timeframe": summary.timeframe,
        "start": summary.start.isoformat(),
        "end": summary.end.isoformat(),
        "created_at": summary.created_at.isoformat(),
        "status": summary.status.value,
        "started_at": None if summary.started_at is None else summary.started_at.isoformat(),
        "finished_at": None if summary.finished_at is None else summary.finished_at.isoformat(),
        "error_message": summary.error_message,
        "metadata": dict(summary.metadata),
        "revision": summary.revision,
        "stats": stats_json(summary.stats),
    }
    if summary.worker is not None and summary.expires_at is not None:
        described["lease"] = {
            "worker": summary.worker,
            "expires_at": summary.expires_at.isoformat(),
        }
    return described
