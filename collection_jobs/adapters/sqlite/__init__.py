"""SQLiteCollectionJobRepository: one file, many processes, and nothing but the standard library."""

from collection_jobs.adapters.sqlite.repository import SQLiteCollectionJobRepository

__all__ = ["SQLiteCollectionJobRepository"]
