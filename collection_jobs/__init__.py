"""Typed repositories of collection jobs: the contract, adapters that keep it, a kit to prove it."""

from collection_jobs.adapters.memory import InMemoryCollectionJobRepository
from collection_jobs.errors import (
    CollectionJobError,
    ForbiddenTransitionError,
    JobNotFoundError,
    RepositoryClosedError,
    RepositoryError,
    StaleJobError,
    UnknownSymbolError,
)
from collection_jobs.job import CollectionJob
from collection_jobs.opening import open_repository
from collection_jobs.protocol import (
    CollectionJobRepository,
    PagesByKey,
    RecordsCompletedSymbols,
    SavesMany,
)
from collection_jobs.repository import ICollectionJobRepository
from collection_jobs.stats import JobStats
from collection_jobs.status import TRANSITIONS, JobStatus

__all__ = [
    "TRANSITIONS",
    "CollectionJob",
    "CollectionJobError",
    "CollectionJobRepository",
    "ForbiddenTransitionError",
    "ICollectionJobRepository",
    "InMemoryCollectionJobRepository",
    "JobNotFoundError",
    "JobStats",
    "JobStatus",
    "PagesByKey",
    "RecordsCompletedSymbols",
    "RepositoryClosedError",
    "RepositoryError",
    "SavesMany",
    "StaleJobError",
    "UnknownSymbolError",
    "open_repository",
]
