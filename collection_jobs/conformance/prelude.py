"""The names that a finding's history uses, to import all at once.

Inside ``async with your_factory(an_empty_directory) as repository:`` its lines run as they are.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from collection_jobs.conformance.spec.calls import example_job, example_lease, spoil
from collection_jobs.query import JobQuery
from collection_jobs.status import JobStatus

__all__ = [
    "UTC",
    "JobQuery",
    "JobStatus",
    "ZoneInfo",
    "asyncio",
    "datetime",
    "example_job",
    "example_lease",
    "replace",
    "spoil",
    "timedelta",
    "timezone",
]
