"""PostgresCollectionJobRepository: one database, any number of machines, on asyncpg."""

import logging

from collection_jobs.adapters.postgres.repository import PostgresCollectionJobRepository

__all__ = ["PostgresCollectionJobRepository"]

# Whether and where to log is the application's decision: until it makes one, nothing is printed.
logging.getLogger("collection_jobs").addHandler(logging.NullHandler())
