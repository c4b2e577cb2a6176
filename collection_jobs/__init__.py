"""Typed repositories of collection jobs: the contract, adapters, and a conformance kit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collection_jobs.errors import (
    CollectionJobError,
    ForbiddenTransitionError,
    JobNotFoundError,
    LeaseLostError,
    RepositoryClosedError,
    RepositoryError,
    StaleJobError,
    UnknownSymbolError,
)
from collection_jobs.job import CollectionJob
from collection_jobs.repository import ICollectionJobRepository
from collection_jobs.stats import JobStats
from collection_jobs.status import TRANSITIONS, JobStatus

if TYPE_CHECKING:
    from collection_jobs.adapters.memory import InMemoryCollectionJobRepository
    from collection_jobs.base import CheckedRepository
    from collection_jobs.base_capabilities import (
        CheckedAddsJobs,
        CheckedCompletedSymbols,
        CheckedFindsJobs,
        CheckedPagesByKey,
        CheckedPurges,
        CheckedRecordsCursors,
        CheckedRecordsFailures,
        CheckedSavesMany,
    )
    from collection_jobs.base_leases import (
        CheckedLeasesJobs,
        CheckedRecordsCursorsUnderLease,
        CheckedRecordsFailuresUnderLease,
    )
    from collection_jobs.capabilities import (
        AddsJobs,
        FindsJobs,
        PagesByKey,
        Purges,
        RecordsCompletedSymbols,
        RecordsCursors,
        RecordsFailures,
        SavesMany,
    )
    from collection_jobs.lease import Lease
    from collection_jobs.leasing import (
        LeasesJobs,
        RecordsCursorsUnderLease,
        RecordsFailuresUnderLease,
    )
    from collection_jobs.opening import open_repository
    from collection_jobs.protocol import CollectionJobRepository
    from collection_jobs.query import (
        JobQuery,
        JobSummary,
    )
else:
    # Loaded when they are asked for: with typing_extensions, they take half as long as the rest of
    # the package and the standard library's modules together, and a service may need neither.
    _HOMES = {
        "AddsJobs": "capabilities",
        "CheckedAddsJobs": "base_capabilities",
        "CheckedCompletedSymbols": "base_capabilities",
        "CheckedFindsJobs": "base_capabilities",
        "CheckedLeasesJobs": "base_leases",
        "CheckedPagesByKey": "base_capabilities",
        "CheckedPurges": "base_capabilities",
        "CheckedRecordsCursors": "base_capabilities",
        "CheckedRecordsCursorsUnderLease": "base_leases",
        "CheckedRecordsFailures": "base_capabilities",
        "CheckedRecordsFailuresUnderLease": "base_leases",
        "CheckedRepository": "base",
        "CheckedSavesMany": "base_capabilities",
        "CollectionJobRepository": "protocol",
        "FindsJobs": "capabilities",
        "InMemoryCollectionJobRepository": "adapters.memory",
        "JobQuery": "query",
        "JobSummary": "query",
        "Lease": "lease",
        "LeasesJobs": "leasing",
        "PagesByKey": "capabilities",
        "Purges": "capabilities",
        "RecordsCompletedSymbols": "capabilities",
        "RecordsCursors": "capabilities",
        "RecordsCursorsUnderLease": "leasing",
        "RecordsFailures": "capabilities",
        "RecordsFailuresUnderLease": "leasing",
        "SavesMany": "capabilities",
        "open_repository": "opening",
    }

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


__all__ = [
    "TRANSITIONS",
    "AddsJobs",
    "CheckedAddsJobs",
    "CheckedCompletedSymbols",
    "CheckedFindsJobs",
    "CheckedLeasesJobs",
    "CheckedPagesByKey",
    "CheckedPurges",
    "CheckedRecordsCursors",
    "CheckedRecordsCursorsUnderLease",
    "CheckedRecordsFailures",
    "CheckedRecordsFailuresUnderLease",
    "CheckedRepository",
    "CheckedSavesMany",
    "CollectionJob",
    "CollectionJobError",
    "CollectionJobRepository",
    "FindsJobs",
    "ForbiddenTransitionError",
    "ICollectionJobRepository",
    "InMemoryCollectionJobRepository",
    "JobNotFoundError",
    "JobQuery",
    "JobStats",
    "JobStatus",
    "JobSummary",
    "Lease",
    "LeaseLostError",
    "LeasesJobs",
    "PagesByKey",
    "Purges",
    "RecordsCompletedSymbols",
    "RecordsCursors",
    "RecordsCursorsUnderLease",
    "RecordsFailures",
    "RecordsFailuresUnderLease",
    "RepositoryClosedError",
    "RepositoryError",
    "SavesMany",
    "StaleJobError",
    "UnknownSymbolError",
    "open_repository",
]
