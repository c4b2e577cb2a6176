"""Rows: what is piped, one line of fields a job, parted by tabs and never padded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from collection_jobs.cli.escape import escaped
from collection_jobs.query import JobSummary

__all__ = ["fields_row", "row"]


def row(job: JobSummary) -> str:
    """Return a summary as a row; the help of `jobs list` names the fields."""
    stats = job.stats
    return fields_row(
        (
            job.id,
            job.status.value,
            stats.completed,
            stats.failed,
            stats.total,
            stats.total_candles,
            job.created_at,
            job.started_at,
            job.finished_at,
            job.source,
            job.timeframe,
            job.start,
            job.end,
            job.worker,
            job.expires_at,
            job.error_message,
        )
    )


def fields_row(fields: Iterable[object]) -> str:
    """Return some fields as a row: one that is None is empty, and no text breaks the row."""
    return "\t".join(map(_field, fields))


def _field(value: object) -> str:
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, datetime) else escaped(str(value))
