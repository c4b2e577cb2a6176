"""SQLiteCollectionJobRepository: one file, many processes, and nothing but the standard library."""

import logging

from collection_jobs.adapters.sqlite.repository import SQLiteCollectionJobRepository

__all__ = ["SQLiteCollectionJobRepository"]

# Whether and where to log is the application's decision: until it makes one, nothing is printed.
logging.getLogger("collection_jobs").addHandler(logging.NullHandler())
