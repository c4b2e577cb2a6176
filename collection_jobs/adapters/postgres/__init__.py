"""PostgresCollectionJobRepository: one database, any number of machines, on asyncpg."""

from collection_jobs.adapters.postgres.repository import PostgresCollectionJobRepository

__all__ = ["PostgresCollectionJobRepository"]
