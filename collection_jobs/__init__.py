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
    from collection_jobs.base import (
        CheckedAddsJobs,
        CheckedCompletedSymbols,
        CheckedLeasesJobs,
        CheckedPagesByKey,
        CheckedRepository,
        CheckedSavesMany,
    )
    from collection_jobs.lease import Lease
    from collection_jobs.opening import open_repository
    from collection_jobs.protocol import (
        AddsJobs,
        CollectionJobRepository,
        LeasesJobs,
        PagesByKey,
        RecordsCompletedSymbols,
        SavesMany,
    )
else:
    # Loaded when they are asked for: with typing_extensions, they take half as long as the rest of
    # the package and the standard library's modules together, and a service may need neither.
    _HOMES = {
        "AddsJobs": "protocol",
        "CheckedAddsJobs": "base",
        "CheckedCompletedSymbols": "base",
        "CheckedLeasesJobs": "base",
        "CheckedPagesByKey": "base",
        "CheckedRepository": "base",
        "CheckedSavesMany": "base",
        "CollectionJobRepository": "protocol",
        "InMemoryCollectionJobRepository": "adapters.memory",
        "Lease": "lease",
        "LeasesJobs": "protocol",
        "PagesByKey": "protocol",
        "RecordsCompletedSymbols": "protocol",
        "SavesMany": "protocol",
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
    "CheckedLeasesJobs",
    "CheckedPagesByKey",
    "CheckedRepository",
    "CheckedSavesMany",
    "CollectionJob",
    "CollectionJobError",
    "CollectionJobRepository",
    "ForbiddenTransitionError",
    "ICollectionJobRepository",
    "InMemoryCollectionJobRepository",
    "JobNotFoundError",
    "JobStats",
    "JobStatus",
    "Lease",
    "LeaseLostError",
    "LeasesJobs",
    "PagesByKey",
    "RecordsCompletedSymbols",
    "RepositoryClosedError",
    "RepositoryError",
    "SavesMany",
    "StaleJobError",
    "UnknownSymbolError",
    "open_repository",
]
