"""Scratch stores: schemas for the conformance kit, in the database of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from collection_jobs.adapters.postgres.connecting import connect, dropped_in_time
from collection_jobs.adapters.postgres.errors import DRIVER_ERRORS, postgres_error
from collection_jobs.adapters.postgres.schema import drop_schema
from collection_jobs.adapters.postgres.settings import PostgresSettings

__all__ = ["discard", "postgres_scratch_url"]


def postgres_scratch_url(url: str, directory: Path) -> str:
    """Return the URL of a schema that belongs to a directory, in the same database."""
    return PostgresSettings.from_url(url).with_schema(_schema(directory))


async def discard(url: str, directories: Sequence[Path]) -> None:
    """Drop the schemas of these directories.

    Raises:
        RepositoryError: PostgreSQL cannot be reached, or refuses.
    """
    settings = PostgresSettings.from_url(url)
    try:
        connection = await connect(settings, settings.connect_timeout)
        try:
            # One by one: a transaction may not hold the locks of any number of tables.
            for directory in directories:
                with dropped_in_time(connection, settings):
                    await drop_schema(connection, _schema(directory))
        finally:
            connection.terminate()
    except DRIVER_ERRORS as error:
        raise postgres_error(error, settings) from error


def _schema(directory: Path) -> str:
    return f"collection_jobs_scratch_{sha256(str(directory).encode()).hexdigest()[:24]}"
