"""The schema: its tables, its version, and how it is created, migrated, recognised and refused."""

from __future__ import annotations

import logging

import asyncpg

from collection_jobs.adapters.postgres.identifiers import in_schema, quoted
from collection_jobs.adapters.postgres.migrations import MIGRATIONS, POSTGRES_SCHEMA_VERSION
from collection_jobs.adapters.postgres.session import begin, milliseconds
from collection_jobs.adapters.postgres.settings import PostgresSettings
from collection_jobs.errors import RepositoryError

__all__ = ["drop_schema", "if_current", "prepare_schema"]

_LOG = logging.getLogger(__name__)
_TABLES = ("jobs", "outcomes", "revisions")
_VERSION = "collection_jobs_version"
# Whoever creates or migrates holds this lock of the database: some number that is ours.
_LOCK = int.from_bytes(b"CJob", "big")


def if_current(settings: PostgresSettings) -> str:
    """Return a query of one row if the schema has this release's version, and of none if not."""
    return f"SELECT FROM {_version_table(settings)} WHERE version = {POSTGRES_SCHEMA_VERSION}"


async def prepare_schema(
    connection: asyncpg.Connection[asyncpg.Record], settings: PostgresSettings
) -> None:
    """See that the schema is there, in this release's version; create or migrate it.

    Of several processes that do so at once, one works and the others wait and see.

    Raises:
        RepositoryError: The schema is of a newer version, or has another application's tables; or
            it has none and they are not to be created; or the database does not hold UTF-8.
            Nothing was changed.
        asyncpg.PostgresError: PostgreSQL failed.
    """
    encoding = getattr(connection.get_settings(), "server_encoding", "UTF8")
    if encoding != "UTF8":
        raise RepositoryError(f"the database must hold UTF8, not {encoding}: {settings.name}")
    found = await _version(connection, settings)
    if found == POSTGRES_SCHEMA_VERSION:
        return
    if not found and not settings.create:
        raise RepositoryError(f"there is no store of collection jobs: {settings.name}")
    # The caller closes the connection after an error, which rolls this back.
    await connection.execute(begin(settings))
    # Those who wait for the one that migrates wait as long as they may for a statement.
    await connection.execute("SET LOCAL lock_timeout = 0")
    await connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
    await connection.execute(f"SET LOCAL lock_timeout = {milliseconds(settings.lock_timeout)}")
    found = await _version(connection, settings)
    if not found:
        await _create(connection, settings)
    for step in MIGRATIONS[found:]:
        if step.check is not None:
            await step.check(connection, settings)
        await connection.execute(in_schema(step.script, settings.schema))
    await connection.execute(
        f"UPDATE {_version_table(settings)} SET version = {POSTGRES_SCHEMA_VERSION}"  # noqa: S608 - a quoted name
    )
    await connection.execute("COMMIT")
    if not found:
        _LOG.info("created the tables of %s", settings.name)
    elif found != POSTGRES_SCHEMA_VERSION:  # another process may have migrated them meanwhile
        known = POSTGRES_SCHEMA_VERSION
        _LOG.info("migrated %s from version %d of its tables to %d", settings.name, found, known)


async def drop_schema(connection: asyncpg.Connection[asyncpg.Record], schema: str) -> None:
    """Drop a schema and everything in it, if it is there."""
    await connection.execute(f"DROP SCHEMA IF EXISTS {quoted(schema)} CASCADE")


def _version_table(settings: PostgresSettings) -> str:
    return f"{quoted(settings.schema)}.{_VERSION}"


async def _version(
    connection: asyncpg.Connection[asyncpg.Record], settings: PostgresSettings
) -> int:
    """Return the version of the schema; 0: there is none of ours.

    Raises:
        RepositoryError: It is a newer one.
    """
    # Looked up first: a failing statement would end the transaction around it. And in the tables:
    # to_regclass may answer from what the session knew before it waited for another one.
    if not await connection.fetchval(
        "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = $2)",
        settings.schema,
        _VERSION,
    ):
        return 0
    version: object = await connection.fetchval(
        f"SELECT version FROM {_version_table(settings)}"  # noqa: S608 - a quoted name
    )
    if not isinstance(version, int) or version < 0:
        raise RepositoryError(
            f"the schema's table {_VERSION!r} must hold a version, not {version!r}: {settings.name}"
        )
    if version > POSTGRES_SCHEMA_VERSION:
        raise RepositoryError(
            f"the schema has the version {version}, and this release of collection_jobs knows"
            f" only {POSTGRES_SCHEMA_VERSION} and older ones: {settings.name}"
        )
    return version


async def _create(
    connection: asyncpg.Connection[asyncpg.Record], settings: PostgresSettings
) -> None:
    foreign: str | None = await connection.fetchval(
        "SELECT min(c.relname::text) FROM pg_class AS c JOIN pg_namespace AS n"
        " ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = ANY ($2::text[])",
        settings.schema,
        list(_TABLES),
    )
    if foreign is not None:
        raise RepositoryError(
            f"the schema has a table {foreign!r} of another application, choose another schema:"
            f" {settings.name}"
        )
    # Where the schema is there, the right to create one is not needed.
    if not await connection.fetchval(
        "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", settings.schema
    ):
        await connection.execute(f"CREATE SCHEMA {quoted(settings.schema)}")
    await connection.execute(
        f"CREATE TABLE {_version_table(settings)} (version integer NOT NULL);"  # noqa: S608 - a quoted name
        f"INSERT INTO {_version_table(settings)} VALUES (0)"
    )
