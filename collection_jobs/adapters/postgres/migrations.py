"""Migrations: how each version of the schema is made from the one before it.

The texts are literal: a change of the entity or of a constant must not change what a former release
has written. A dump of each former version is a test.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import asyncpg

from collection_jobs.adapters.postgres.data_migration import VERSION_5
from collection_jobs.adapters.postgres.identifiers import in_schema
from collection_jobs.adapters.postgres.lease_migration import VERSION_4
from collection_jobs.adapters.postgres.settings import PostgresSettings
from collection_jobs.errors import RepositoryError
from collection_jobs.validation import shown

__all__ = ["MIGRATIONS", "POSTGRES_SCHEMA_VERSION", "Migration"]

_Check = Callable[["asyncpg.Connection[asyncpg.Record]", PostgresSettings], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Migration:
    """One step.

    Attributes:
        script: What makes the version; see ``in_schema`` for its placeholders.
        check: What refuses a store that the script cannot carry over, before anything is changed.
    """

    script: str
    check: _Check | None = None


# What an entity's value may be is said by domains: they are checked when a value is given, and not
# at every update of its row. The symbols stand in the job's row: see statements. Text compares by
# its bytes of UTF-8, whose order is that of the code points.
#
# asyncpg writes the first and the last microsecond of these years as -infinity and infinity.
#
# One job is one row of `jobs`, and one of `outcomes` for each outcome. `key` is what outcomes refer
# to: it is short, and goes into its index at the end.
_VERSION_1 = """
    CREATE DOMAIN {schema}.exact_text AS text COLLATE "C" CONSTRAINT is_a_name
        CHECK (char_length(VALUE) BETWEEN 1 AND 255);
    CREATE DOMAIN {schema}.exact_texts AS text[] CONSTRAINT are_names CHECK (
        cardinality(VALUE) > 0 AND array_ndims(VALUE) = 1
        AND array_position(VALUE, NULL) IS NULL AND '' <> ALL (VALUE));
    CREATE DOMAIN {schema}.instant AS timestamptz CONSTRAINT is_within_the_years_1_to_9999 CHECK (
        VALUE >= '0001-01-01 00:00:00+00' AND VALUE < '10000-01-01 00:00:00+00'
        OR VALUE IN ('-infinity', 'infinity'));
    CREATE DOMAIN {schema}.candles AS numeric CONSTRAINT are_counted CHECK (
        VALUE >= 0 AND VALUE <> 'NaN' AND VALUE = trunc(VALUE));

    CREATE SEQUENCE {schema}.revisions;

    CREATE TABLE {schema}.jobs (
        key bigint PRIMARY KEY,
        id {schema}.exact_text NOT NULL UNIQUE,
        source {schema}.exact_text NOT NULL,
        symbols {schema}.exact_texts NOT NULL,
        timeframe {schema}.exact_text NOT NULL,
        range_start {schema}.instant NOT NULL,
        range_end {schema}.instant NOT NULL,
        created_at {schema}.instant NOT NULL,
        status text NOT NULL CONSTRAINT status_is_known CHECK (
            status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
        started_at {schema}.instant,
        finished_at {schema}.instant,
        error_message text,
        generation bigint NOT NULL,
        revision bigint NOT NULL CONSTRAINT revision_is_positive CHECK (revision > 0),
        CONSTRAINT range_is_not_empty CHECK (range_start < range_end)
    ) WITH (fillfactor = 85); -- room for a row's next version beside it, without new index entries
    CREATE INDEX jobs_by_age ON {schema}.jobs (created_at, id);
    CREATE INDEX jobs_by_status ON {schema}.jobs (status, created_at, id);

    CREATE TABLE {schema}.outcomes (
        job bigint NOT NULL REFERENCES {schema}.jobs (key) ON DELETE CASCADE,
        generation bigint NOT NULL,
        symbol {schema}.exact_text NOT NULL,
        candles {schema}.candles,
        error text,
        PRIMARY KEY (job, generation, symbol),
        CONSTRAINT outcome_is_one CHECK ((candles IS NULL) <> (error IS NULL))
    );
    CREATE FUNCTION {schema}.remove_void_outcomes() RETURNS trigger LANGUAGE plpgsql AS {body}
        BEGIN
            DELETE FROM {schema}.outcomes WHERE job = new.key AND generation <> new.generation;
            RETURN NULL;
        END {body};
    CREATE TRIGGER void_outcomes AFTER UPDATE OF generation ON {schema}.jobs FOR EACH ROW
        WHEN (old.generation <> new.generation)
        EXECUTE FUNCTION {schema}.remove_void_outcomes();
"""

# Candles were a numeric of any length; now they are less than 2**63.
_VERSION_2 = """
    CREATE DOMAIN {schema}.candle_count AS bigint CONSTRAINT is_counted CHECK (VALUE >= 0);
    ALTER TABLE {schema}.outcomes ALTER COLUMN candles TYPE {schema}.candle_count
        USING candles::bigint;
    DROP DOMAIN {schema}.candles;
"""

# Metadata. The table is not written anew, for the default is constant. It is no domain, since a
# column of one would be; and has no CHECK, since that would be asked at every update of a row, and
# would read the whole value. The programs that write here give an object of texts.
_VERSION_3 = """
    ALTER TABLE {schema}.jobs ADD COLUMN metadata jsonb NOT NULL DEFAULT '{}';
"""

_LARGE_CANDLES = """
    SELECT DISTINCT j.id FROM {schema}.outcomes AS o JOIN {schema}.jobs AS j ON j.key = o.job
    WHERE o.candles > 9223372036854775807 ORDER BY j.id"""
_NAMED = 10


async def _check_candles(
    connection: asyncpg.Connection[asyncpg.Record], settings: PostgresSettings
) -> None:
    # Nobody may add one after this look.
    lock = "LOCK TABLE {schema}.jobs, {schema}.outcomes IN ACCESS EXCLUSIVE MODE"
    await connection.execute(in_schema(lock, settings.schema))
    rows = await connection.fetch(in_schema(_LARGE_CANDLES, settings.schema))
    if not rows:
        return
    named = ", ".join(shown(row[0]) for row in rows[:_NAMED])
    more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    raise RepositoryError(
        "the schema cannot be migrated, because a symbol of these jobs has 2**63 candles or"
        " more, the"
        f" most is 2**63 - 1: {named}{more}; record fewer or delete the jobs with the release that"
        f" wrote them, nothing was changed: {settings.name}"
    )


MIGRATIONS: Sequence[Migration] = (
    Migration(_VERSION_1),
    Migration(_VERSION_2, _check_candles),
    Migration(_VERSION_3),
    Migration(VERSION_4),
    Migration(VERSION_5),
)
"""The step at n makes a schema of version n + 1 from one of version n; 0 is an empty schema."""

POSTGRES_SCHEMA_VERSION = len(MIGRATIONS)
