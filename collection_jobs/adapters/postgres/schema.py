"""The schema: its tables, its version, and how it is created, migrated, recognised and refused."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from collection_jobs.adapters.postgres.settings import Settings
from collection_jobs.adapters.postgres.statements import quoted
from collection_jobs.errors import RepositoryError
from collection_jobs.status import JobStatus
from collection_jobs.validation import MAX_NAME_LENGTH

__all__ = ["MIGRATIONS", "SCHEMA_VERSION", "drop_schema", "prepare_schema"]

_TABLES = ("jobs", "outcomes", "revisions")
_VERSION = "collection_jobs_version"
# Whoever creates or migrates holds this lock of the database: some number that is ours.
_LOCK = int.from_bytes(b"CJob", "big")

_STATUSES = ", ".join(f"'{status.value}'" for status in JobStatus)

# What an entity's value may be is said by domains: they are checked when a value is given, and not
# at every update of its row. The symbols stand in the job's row: see statements. Text compares by
# its bytes of UTF-8, whose order is that of the code points.
#
# asyncpg writes the first and the last microsecond of these years as -infinity and infinity.
#
# One job is one row of `jobs`, and one of `outcomes` for each outcome. `key` is what outcomes refer
# to: it is short, and goes into its index at the end. Candles have no upper bound.
_VERSION_1 = f"""
    CREATE DOMAIN {{schema}}.exact_text AS text COLLATE "C" CONSTRAINT is_a_name
        CHECK (char_length(VALUE) BETWEEN 1 AND {MAX_NAME_LENGTH});
    CREATE DOMAIN {{schema}}.exact_texts AS text[] CONSTRAINT are_names CHECK (
        cardinality(VALUE) > 0 AND array_ndims(VALUE) = 1
        AND array_position(VALUE, NULL) IS NULL AND '' <> ALL (VALUE));
    CREATE DOMAIN {{schema}}.instant AS timestamptz CONSTRAINT is_within_the_years_1_to_9999 CHECK (
        VALUE >= '0001-01-01 00:00:00+00' AND VALUE < '10000-01-01 00:00:00+00'
        OR VALUE IN ('-infinity', 'infinity'));
    CREATE DOMAIN {{schema}}.candles AS numeric CONSTRAINT are_counted CHECK (
        VALUE >= 0 AND VALUE <> 'NaN' AND VALUE = trunc(VALUE));

    CREATE SEQUENCE {{schema}}.revisions;

    CREATE TABLE {{schema}}.jobs (
        key bigint PRIMARY KEY,
        id {{schema}}.exact_text NOT NULL UNIQUE,
        source {{schema}}.exact_text NOT NULL,
        symbols {{schema}}.exact_texts NOT NULL,
        timeframe {{schema}}.exact_text NOT NULL,
        range_start {{schema}}.instant NOT NULL,
        range_end {{schema}}.instant NOT NULL,
        created_at {{schema}}.instant NOT NULL,
        status text NOT NULL CONSTRAINT status_is_known CHECK (status IN ({_STATUSES})),
        started_at {{schema}}.instant,
        finished_at {{schema}}.instant,
        error_message text,
        generation bigint NOT NULL,
        revision bigint NOT NULL CONSTRAINT revision_is_positive CHECK (revision > 0),
        CONSTRAINT range_is_not_empty CHECK (range_start < range_end)
    ) WITH (fillfactor = 85); -- room for a row's next version beside it, without new index entries
    CREATE INDEX jobs_by_age ON {{schema}}.jobs (created_at, id);
    CREATE INDEX jobs_by_status ON {{schema}}.jobs (status, created_at, id);

    CREATE TABLE {{schema}}.outcomes (
        job bigint NOT NULL REFERENCES {{schema}}.jobs (key) ON DELETE CASCADE,
        generation bigint NOT NULL,
        symbol {{schema}}.exact_text NOT NULL,
        candles {{schema}}.candles,
        error text,
        PRIMARY KEY (job, generation, symbol),
        CONSTRAINT outcome_is_one CHECK ((candles IS NULL) <> (error IS NULL))
    );
    CREATE FUNCTION {{schema}}.remove_void_outcomes() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            DELETE FROM {{schema}}.outcomes WHERE job = new.key AND generation <> new.generation;
            RETURN NULL;
        END $$;
    CREATE TRIGGER void_outcomes AFTER UPDATE OF generation ON {{schema}}.jobs FOR EACH ROW
        WHEN (old.generation <> new.generation)
        EXECUTE FUNCTION {{schema}}.remove_void_outcomes();
"""  # noqa: S608 - constant text

MIGRATIONS: Sequence[str] = (_VERSION_1,)
"""The script at n makes a schema of version n + 1 from one of version n; 0 is an empty schema."""

SCHEMA_VERSION = len(MIGRATIONS)


async def prepare_schema(
    connection: asyncpg.Connection[asyncpg.Record], settings: Settings
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
    if found == SCHEMA_VERSION:
        return
    if not found and not settings.create:
        raise RepositoryError(f"there is no store of collection jobs: {settings.name}")
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        found = await _version(connection, settings)
        if not found:
            await _create(connection, settings)
        for script in MIGRATIONS[found:]:
            await connection.execute(script.format(schema=quoted(settings.schema)))
        await connection.execute(
            f"UPDATE {_version_table(settings)} SET version = $1",  # noqa: S608 - a quoted name
            SCHEMA_VERSION,
        )


async def drop_schema(connection: asyncpg.Connection[asyncpg.Record], schema: str) -> None:
    """Drop a schema and everything in it, if it is there."""
    await connection.execute(f"DROP SCHEMA IF EXISTS {quoted(schema)} CASCADE")


def _version_table(settings: Settings) -> str:
    return f"{quoted(settings.schema)}.{_VERSION}"


async def _version(connection: asyncpg.Connection[asyncpg.Record], settings: Settings) -> int:
    """The version of the schema; 0: there is none of ours.

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
    version: int = await connection.fetchval(
        f"SELECT version FROM {_version_table(settings)}"  # noqa: S608 - a quoted name
    )
    if version > SCHEMA_VERSION:
        raise RepositoryError(
            f"the schema has the version {version}, and this release of collection_jobs knows"
            f" only {SCHEMA_VERSION} and older ones: {settings.name}"
        )
    return version


async def _create(connection: asyncpg.Connection[asyncpg.Record], settings: Settings) -> None:
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
