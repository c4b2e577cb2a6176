"""Strategies of valid jobs, for tests of the package itself."""

from __future__ import annotations

from collection_jobs.conformance.checks.sequential.strategies import fields
from collection_jobs.conformance.spec.calls import example_job

jobs = fields().map(lambda chosen: example_job(**chosen))
"""Jobs in which any field may be out of the ordinary."""
