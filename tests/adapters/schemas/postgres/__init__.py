"""A schema of every version on PostgreSQL, as SQL: ``<version>.sql`` beside this file.

``python -m tests.adapters.schemas.postgres`` writes that of the current version, once. A dump of a
version that was released is never written again: it is what users have on their servers.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collection_jobs import CollectionJob, JobStatus
from collection_jobs.conformance.spec.calls import example_job

FOLDER = Path(__file__).parent
SCHEMA = "former"
"""The name of the schema in each dump; no value in one has it."""

JOBS: tuple[CollectionJob, ...] = (
    example_job(
        "new",
        source='kraken\'s \\ "\u00e9" \U0001f600',
        failure_counts={"BTC": 2},
        cursors={"BTC": datetime(2024, 1, 5, 0, 0, 0, 1, tzinfo=UTC)},
    ),
    example_job(
        "worked",
        symbols=("BTC", "ETH", "{a,b}"),
        status=JobStatus.FAILED,
        started_at=datetime(2024, 3, 1, 12, tzinfo=UTC),
        finished_at=datetime(2024, 3, 1, 13, 0, 0, 1, tzinfo=UTC),
        error_message="1 of 3 symbols failed",
        completed_symbols={"BTC": 2**63 - 1, "ETH": 0},
        failed_symbols={"{a,b}": 'boom\n"\\'},
        permanent_failures=frozenset({"{a,b}"}),
        failure_counts={"{a,b}": 2**63 - 1, "ETH": 1},
        metadata={"ticket": 'it\'s "1" \\ \U0001f600', "Ticket ": ""},
    ),
    example_job(
        "ends",
        symbols=("BTC",),
        start=datetime.min.replace(tzinfo=UTC),
        end=datetime.max.replace(tzinfo=UTC),
        completed_symbols={"BTC": 3},
    ),
)
"""What the schemas hold, as far as `held_by` says; and the memory of a deleted job."""
METADATA_SINCE, FAILURES_SINCE = 3, 5


def held_by(version: int) -> list[CollectionJob]:
    """Give the jobs as the schema of a version holds them."""
    jobs = list(JOBS)
    if version < METADATA_SINCE:
        jobs = [replace(job, metadata={}) for job in jobs]
    if version < FAILURES_SINCE:
        lacking: dict[str, Any] = {"permanent_failures": frozenset[str]()}
        lacking |= {"failure_counts": {}, "cursors": {}}
        jobs = [replace(job, **lacking) for job in jobs]
    return jobs


def dump(version: int) -> str:
    """Give the SQL that makes the schema that was kept of a version."""
    return (FOLDER / f"{version}.sql").read_text(encoding="utf-8")
