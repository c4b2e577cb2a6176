"""Migrations: what makes each version of the schema of the one before, in one transaction.

A new file gets what the same steps make of an empty one. Their texts are literal, so that no later
change of the code alters what an old release has written: a changed schema is a further step, and
``python -m tests.adapters.schemas`` keeps a dump of its version for the tests.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache

from collection_jobs.adapters.sqlite.files import APPLICATION_ID
from collection_jobs.errors import RepositoryError

__all__ = ["OBSTACLES", "STEPS", "Obstacle", "create", "migrate", "take_steps"]

# One job is one small row of `jobs`, which its changes of status rewrite, and one row of `symbols`
# for each symbol, which recording an outcome rewrites: both cost the same whatever the job's size.
# Instants are microseconds since 1970 in UTC. Text compares as bytes of UTF-8, whose order is
# that of the code points. length() stops at a NUL, so a text without one must be asked for.
#
# A change makes a revision greater by one, and a new job begins above every revision that a deleted
# job ever had: so no revision comes back for an id, and only deletions write to `store`.
_LOG = logging.getLogger(__name__)

_VERSION_1 = (
    """
    CREATE TABLE jobs (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL CONSTRAINT id_is_a_name CHECK (length(id) BETWEEN 1 AND 255 AND instr(id, char(0)) = 0) UNIQUE,
        source TEXT NOT NULL CONSTRAINT source_is_a_name CHECK (length(source) BETWEEN 1 AND 255 AND instr(source, char(0)) = 0),
        timeframe TEXT NOT NULL CONSTRAINT timeframe_is_a_name CHECK (length(timeframe) BETWEEN 1 AND 255 AND instr(timeframe, char(0)) = 0),
        range_start INTEGER NOT NULL CONSTRAINT range_start_is_within_the_years_1_to_9999 CHECK (range_start BETWEEN -62135596800000000 AND 253402300799999999),
        range_end INTEGER NOT NULL CONSTRAINT range_end_is_within_the_years_1_to_9999 CHECK (range_end BETWEEN -62135596800000000 AND 253402300799999999),
        created_at INTEGER NOT NULL CONSTRAINT created_at_is_within_the_years_1_to_9999 CHECK (created_at BETWEEN -62135596800000000 AND 253402300799999999),
        status TEXT NOT NULL CONSTRAINT status_is_known CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
        started_at INTEGER  CONSTRAINT started_at_is_within_the_years_1_to_9999 CHECK (started_at BETWEEN -62135596800000000 AND 253402300799999999),
        finished_at INTEGER  CONSTRAINT finished_at_is_within_the_years_1_to_9999 CHECK (finished_at BETWEEN -62135596800000000 AND 253402300799999999),
        error_message TEXT CONSTRAINT error_message_has_no_nul CHECK
            (instr(error_message, char(0)) = 0),
        revision INTEGER NOT NULL CONSTRAINT revision_is_positive CHECK (revision > 0),
        CONSTRAINT range_is_not_empty CHECK (range_start < range_end)
    ) STRICT
    """,  # noqa: E501 - as the first release wrote it
    "CREATE INDEX jobs_by_age ON jobs (created_at, id)",
    "CREATE INDEX jobs_by_status ON jobs (status, created_at, id)",
    """
    CREATE TABLE symbols (
        job INTEGER NOT NULL REFERENCES jobs (key) ON DELETE CASCADE,
        symbol TEXT NOT NULL CONSTRAINT symbol_is_a_name CHECK (length(symbol) BETWEEN 1 AND 255 AND instr(symbol, char(0)) = 0),
        position INTEGER NOT NULL CONSTRAINT position_is_counted_from_0 CHECK (position >= 0),
        candles ANY CONSTRAINT candles_are_counted CHECK (
            CASE typeof(candles)
            WHEN 'null' THEN 1
            WHEN 'integer' THEN candles >= 0
            WHEN 'text' THEN candles GLOB '0x[1-9a-f]*' AND length(candles) >= 18
                AND substr(candles, 3) NOT GLOB '*[^0-9a-f]*'
            ELSE 0 END
        ),
        error TEXT CONSTRAINT error_has_no_nul CHECK (instr(error, char(0)) = 0),
        PRIMARY KEY (job, symbol),
        CONSTRAINT outcome_is_one CHECK (candles IS NULL OR error IS NULL)
    ) STRICT, WITHOUT ROWID
    """,  # noqa: E501 - as the first release wrote it
    "CREATE TABLE store (last_deleted_revision INTEGER NOT NULL) STRICT",
    "INSERT INTO store VALUES (0)",
    """
    CREATE TRIGGER remember_deleted_revision AFTER DELETE ON jobs BEGIN
        UPDATE store SET last_deleted_revision = max(last_deleted_revision, old.revision);
    END
    """,
    "PRAGMA application_id = 1128951650",
)

# Candles are below 2**63, and no hexadecimal text holds more.
_VERSION_2 = (
    "ALTER TABLE symbols RENAME TO symbols_of_version_1",
    """
    CREATE TABLE symbols (
        job INTEGER NOT NULL REFERENCES jobs (key) ON DELETE CASCADE,
        symbol TEXT NOT NULL CONSTRAINT symbol_is_a_name
            CHECK (length(symbol) BETWEEN 1 AND 255 AND instr(symbol, char(0)) = 0),
        position INTEGER NOT NULL CONSTRAINT position_is_counted_from_0 CHECK (position >= 0),
        candles INTEGER CONSTRAINT candles_are_counted CHECK (candles >= 0),
        error TEXT CONSTRAINT error_has_no_nul CHECK (instr(error, char(0)) = 0),
        PRIMARY KEY (job, symbol),
        CONSTRAINT outcome_is_one CHECK (candles IS NULL OR error IS NULL)
    ) STRICT, WITHOUT ROWID
    """,
    "INSERT INTO symbols SELECT * FROM symbols_of_version_1",
    "DROP TABLE symbols_of_version_1",
)

# Metadata has a table of its own: in the job's row it would be written anew with every outcome that
# is recorded.
_VERSION_3 = (
    """
    CREATE TABLE metadata (
        job INTEGER NOT NULL REFERENCES jobs (key) ON DELETE CASCADE,
        name TEXT NOT NULL CONSTRAINT name_is_a_name
            CHECK (length(name) BETWEEN 1 AND 255 AND instr(name, char(0)) = 0),
        value TEXT NOT NULL CONSTRAINT value_has_no_nul CHECK (instr(value, char(0)) = 0),
        PRIMARY KEY (job, name)
    ) STRICT, WITHOUT ROWID
    """,
)

# A lease has a row while it is current. Triggers end it where the job leaves RUNNING, whoever makes
# it, so the statements for jobs without leases are as before. What a claim asks for is in indexes:
# a lease whose time has come is marked once, and so enters those of the expired ones, which hold
# the keys of its job.
# `leased` counts those that are not marked, by source; the empty one stands for all.
_VERSION_4 = (
    """
    ALTER TABLE jobs ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0
        CONSTRAINT attempts_are_counted CHECK (attempts >= 0)
    """,
    """
    CREATE INDEX jobs_pending_by_source ON jobs (source, created_at, id) WHERE status = 'pending'
    """,
    """
    CREATE TABLE leases (
        job INTEGER PRIMARY KEY REFERENCES jobs (key) ON DELETE CASCADE,
        worker TEXT NOT NULL CONSTRAINT worker_is_a_name
            CHECK (length(worker) BETWEEN 1 AND 255 AND instr(worker, char(0)) = 0),
        token INTEGER NOT NULL CONSTRAINT token_is_positive CHECK (token > 0),
        expires_at INTEGER NOT NULL CONSTRAINT expires_at_is_within_the_years_1_to_9999
            CHECK (expires_at BETWEEN -62135596800000000 AND 253402300799999999),
        has_expired INTEGER NOT NULL DEFAULT 0 CONSTRAINT has_expired_is_0_or_1
            CHECK (has_expired IN (0, 1)),
        source TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        id TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX leases_by_expiry ON leases (expires_at) WHERE has_expired = 0",
    "CREATE INDEX expired_leases ON leases (created_at, id) WHERE has_expired = 1",
    """
    CREATE INDEX expired_leases_by_source ON leases (source, created_at, id) WHERE has_expired = 1
    """,
    """
    CREATE TABLE leased (
        source TEXT NOT NULL PRIMARY KEY,
        jobs INTEGER NOT NULL CONSTRAINT jobs_are_counted CHECK (jobs >= 0)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TRIGGER end_lease AFTER UPDATE OF status ON jobs
    WHEN old.attempts > 0 AND old.status = 'running' AND new.status <> 'running' BEGIN
        DELETE FROM leases WHERE job = old.key;
    END
    """,
    """
    CREATE TRIGGER move_lease AFTER UPDATE OF source, created_at ON jobs
    WHEN old.source <> new.source OR old.created_at <> new.created_at BEGIN
        UPDATE leases SET source = new.source, created_at = new.created_at WHERE job = new.key;
    END
    """,
    """
    CREATE TRIGGER count_lease AFTER INSERT ON leases WHEN new.has_expired = 0 BEGIN
        INSERT INTO leased VALUES ('', 1), (new.source, 1)
        ON CONFLICT (source) DO UPDATE SET jobs = jobs + 1;
    END
    """,
    """
    CREATE TRIGGER count_ended_lease AFTER DELETE ON leases WHEN old.has_expired = 0 BEGIN
        UPDATE leased SET jobs = jobs - 1 WHERE source IN ('', old.source);
        DELETE FROM leased WHERE source = old.source AND jobs = 0;
    END
    """,
    """
    CREATE TRIGGER count_expired_lease AFTER UPDATE OF has_expired ON leases
    WHEN old.has_expired < new.has_expired BEGIN
        UPDATE leased SET jobs = jobs - 1 WHERE source IN ('', old.source);
        DELETE FROM leased WHERE source = old.source AND jobs = 0;
    END
    """,
    """
    CREATE TRIGGER count_renewed_lease AFTER UPDATE OF has_expired ON leases
    WHEN old.has_expired > new.has_expired BEGIN
        INSERT INTO leased VALUES ('', 1), (new.source, 1)
        ON CONFLICT (source) DO UPDATE SET jobs = jobs + 1;
    END
    """,
    """
    CREATE TRIGGER count_moved_lease AFTER UPDATE OF source ON leases
    WHEN old.has_expired = 0 AND old.source <> new.source BEGIN
        UPDATE leased SET jobs = jobs - 1 WHERE source = old.source;
        DELETE FROM leased WHERE source = old.source AND jobs = 0;
        INSERT INTO leased VALUES (new.source, 1)
        ON CONFLICT (source) DO UPDATE SET jobs = jobs + 1;
    END
    """,
)

# What is known of a symbol stands with it. The error comes last, for what stands behind a long text
# is read with the text. Each symbol has the time of its job, so that the index of the symbols has
# the order of the listings; among jobs of one instant their ids decide, which are not in it: with
# them, a job of 1,000 symbols would cost a quarter more, and the file be half as large again.
# The outcomes of a job are counted in its row. A save knows their number; of a single outcome, a
# trigger does it, whoever records that, and makes the revision greater, too: one statement less
# than an outcome took before. No trigger counts rows that come or go: for each outcome of a job
# that is saved or deleted, it would take as long as all else that is done for it. Candles are
# summed in halves of 32 bits, since their sum may exceed 64. `has_failures` changes with the first
# failure and the last only, and so does the index on it. `has_details` says whether a symbol may
# have more than an outcome, so that the others, most of them, are read as quickly as before.
_VERSION_5 = (
    "ALTER TABLE symbols RENAME TO symbols_of_version_4",
    """
    CREATE TABLE symbols (
        job INTEGER NOT NULL REFERENCES jobs (key) ON DELETE CASCADE,
        symbol TEXT NOT NULL CONSTRAINT symbol_is_a_name
            CHECK (length(symbol) BETWEEN 1 AND 255 AND instr(symbol, char(0)) = 0),
        position INTEGER NOT NULL CONSTRAINT position_is_counted_from_0 CHECK (position >= 0),
        created_at INTEGER NOT NULL,
        candles INTEGER CONSTRAINT candles_are_counted CHECK (candles >= 0),
        failures INTEGER CONSTRAINT failures_are_counted_from_1 CHECK (failures >= 1),
        is_permanent INTEGER NOT NULL DEFAULT 0 CONSTRAINT is_permanent_is_0_or_1
            CHECK (is_permanent IN (0, 1)),
        cursor INTEGER CONSTRAINT cursor_is_within_the_years_1_to_9999
            CHECK (cursor BETWEEN -62135596800000000 AND 253402300799999999),
        error TEXT CONSTRAINT error_has_no_nul CHECK (instr(error, char(0)) = 0),
        PRIMARY KEY (job, symbol),
        CONSTRAINT outcome_is_one CHECK (candles IS NULL OR error IS NULL),
        CONSTRAINT permanent_is_a_failure CHECK (is_permanent = 0 OR error IS NOT NULL),
        CONSTRAINT cursor_is_of_the_incomplete CHECK (cursor IS NULL OR candles IS NULL)
    ) STRICT, WITHOUT ROWID
    """,
    """
    INSERT INTO symbols (job, symbol, position, created_at, candles, error)
    SELECT job, symbol, position, ifnull(jobs.created_at, 0), candles, error
    FROM symbols_of_version_4 LEFT JOIN jobs ON jobs.key = job ORDER BY job, symbol
    """,
    "DROP TABLE symbols_of_version_4",
    "CREATE INDEX symbols_by_name ON symbols (symbol, created_at)",
    """
    ALTER TABLE jobs ADD COLUMN total INTEGER NOT NULL DEFAULT 0
        CONSTRAINT total_is_counted CHECK (total >= 0)
    """,
    """
    ALTER TABLE jobs ADD COLUMN completed INTEGER NOT NULL DEFAULT 0
        CONSTRAINT completed_are_counted CHECK (completed >= 0)
    """,
    """
    ALTER TABLE jobs ADD COLUMN failed INTEGER NOT NULL DEFAULT 0
        CONSTRAINT failed_are_counted CHECK (failed >= 0)
    """,
    """
    ALTER TABLE jobs ADD COLUMN candles_high INTEGER NOT NULL DEFAULT 0
        CONSTRAINT candles_high_are_counted CHECK (candles_high >= 0)
    """,
    """
    ALTER TABLE jobs ADD COLUMN candles_low INTEGER NOT NULL DEFAULT 0
        CONSTRAINT candles_low_are_counted CHECK (candles_low >= 0)
    """,
    """
    ALTER TABLE jobs ADD COLUMN has_failures INTEGER NOT NULL DEFAULT 0
        CONSTRAINT has_failures_is_0_or_1 CHECK (has_failures IN (0, 1))
    """,
    """
    ALTER TABLE jobs ADD COLUMN has_details INTEGER NOT NULL DEFAULT 0
        CONSTRAINT has_details_is_0_or_1 CHECK (has_details IN (0, 1))
    """,
    """
    UPDATE jobs SET (total, completed, failed, candles_high, candles_low, has_failures) = (
        SELECT count(*), count(candles), count(error), ifnull(sum(candles >> 32), 0),
            ifnull(sum(candles & 0xffffffff), 0), count(error) > 0
        FROM symbols WHERE job = jobs.key)
    """,
    "DROP INDEX jobs_pending_by_source",
    "CREATE INDEX jobs_by_source ON jobs (source, status, created_at, id)",
    "CREATE INDEX jobs_by_failures ON jobs (has_failures, created_at, id)",
    """
    CREATE INDEX jobs_by_end ON jobs (status, finished_at, id) WHERE finished_at IS NOT NULL
    """,
    "CREATE INDEX metadata_by_value ON metadata (name, substr(value, 1, 50))",
    """
    CREATE TRIGGER count_outcome AFTER UPDATE OF candles, error ON symbols BEGIN
        UPDATE jobs SET revision = revision + 1,
            has_details = has_details OR new.is_permanent OR new.failures IS NOT NULL,
            completed = completed + (new.candles IS NOT NULL) - (old.candles IS NOT NULL),
            failed = failed + (new.error IS NOT NULL) - (old.error IS NOT NULL),
            candles_high = candles_high
                + ifnull(new.candles >> 32, 0) - ifnull(old.candles >> 32, 0),
            candles_low = candles_low
                + ifnull(new.candles & 0xffffffff, 0) - ifnull(old.candles & 0xffffffff, 0)
        WHERE key = new.job;
    END
    """,
    """
    CREATE TRIGGER note_cursor AFTER UPDATE OF cursor ON symbols WHEN new.cursor IS NOT NULL BEGIN
        UPDATE jobs SET revision = revision + 1, has_details = 1 WHERE key = new.job;
    END
    """,
    """
    CREATE TRIGGER note_failures AFTER UPDATE OF failed ON jobs
    WHEN (new.failed > 0) <> new.has_failures BEGIN
        UPDATE jobs SET has_failures = new.failed > 0 WHERE key = new.key;
    END
    """,
    """
    CREATE TRIGGER move_symbols AFTER UPDATE OF created_at ON jobs
    WHEN old.created_at <> new.created_at BEGIN
        UPDATE symbols SET created_at = new.created_at WHERE job = new.key;
    END
    """,
)

STEPS: dict[int, Sequence[str]] = {
    0: _VERSION_1,
    1: _VERSION_2,
    2: _VERSION_3,
    3: _VERSION_4,
    4: _VERSION_5,
}
"""The statements that make version n + 1 of version n, by n; 0 is an empty file.

A release keeps the steps from every former version. A process of an older release may have the file
open meanwhile: after a step its statements either work as they did or fail as a whole. They do not
know of what came later: a job that a release before version 3 replaces keeps its former metadata,
and one that a release before version 4 gives back keeps its count of attempts (its lease ends).
With one before version 5, an outcome is counted in its job, but not as a failure of its symbol; a
completion of a symbol that is permanently failed or has a cursor is refused, as is a new symbol;
and the number of a job's outcomes stays where symbols that have some are dropped from it. So close
the processes of older releases before a newer one opens the file.

``python -m benchmarks.schema`` measures what other indexes would be worth, in the process's own
work per statement with 50,000 jobs, as ratios to this schema: a partial index for each status .96
to 1.03, for the live ones alone 1.06 for a new job, .86 for a completion and for a deletion, but
then listing those that are done scans the table (SCALE-1); statistics .99 to 1.03. None is worth a
version. That an upsert leaves indexed columns out of its SET is a matter of the statements, which
do so already.

What the indexes of version 5 cost, in the process's own work (``python -m benchmarks.regression``
on the version before, and ``python -m benchmarks.symbol_index``): a new job of five symbols takes
1.6 times as long, a deletion 1.6, a claim 1.1, a completion of a job 1.4, an outcome 1.1 to 1.2 (of
which .05 is for the counts, and the rest for the index of those with failures, where it is the
first or the last one). The index of the symbols is most of it: a save of a job of 1,000 new symbols
takes some 20 ms instead of 1, and 10 where 16 are saved together, since it changes a page for each
symbol. Without the times in it, it would take .9 of that, but then a page of a common symbol reads
all of its jobs; with the ids in it 1.2, and twice the file, to spare a search among jobs of the
very same microsecond. As a table of its own it takes 1.2 to 1.5, and has to be cleared by triggers.
"""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What a step cannot take along.

    Attributes:
        query: Selects the ids of the jobs that are in its way.
        sentence: What these jobs have, and what to do.
    """

    query: str
    sentence: str


OBSTACLES: dict[int, Obstacle] = {
    1: Obstacle(
        "SELECT DISTINCT id FROM jobs JOIN symbols ON job = key"
        " WHERE typeof(candles) = 'text' ORDER BY id",
        "candles of 2**63 or more, which this release cannot store: with the release that wrote"
        " the file, record these symbols again or delete the jobs",
    ),
}
"""What is looked for before a step from version n, by n."""

_SHOWN = 10


def create(connection: sqlite3.Connection, known: int) -> None:
    """Give an empty file the tables of a version, within a transaction."""
    for statement in _made_by(tuple(STEPS[former] for former in range(known))):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {known}")


@cache
def _made_by(steps: tuple[Sequence[str], ...]) -> tuple[str, ...]:
    """Return statements that make of an empty file what these steps do.

    Without what a step makes and a later one drops, and with no change of a table, which makes
    SQLite read the whole schema again: a quarter of the time, for all but the first new file.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for step in steps:
            for statement in step:
                connection.execute(statement)
        _begin, *statements, _commit = connection.iterdump()
    return tuple(statements)


def migrate(connection: sqlite3.Connection, path: str, known: int) -> None:
    """Bring a file of ours to the version that this release knows.

    Of several processes that open an old file at once, one takes the steps and the others wait
    and see: the version is read again within the transaction. A process that dies on the way
    leaves the file as it was.

    Args:
        connection: Outside any transaction.
        path: The file, for messages.
        known: The version.

    Raises:
        RepositoryError: The file has a version that this release does not know, or jobs that it
            cannot hold, which are named; nothing changed.
        sqlite3.Error: SQLite failed, be it because another has the lock; nothing changed.
    """
    if _version(connection) == known:
        return
    _check(connection, path, known)
    # A step that rebuilds a table drops it first, and must not take the rows that refer to it
    # along. Only outside a transaction can this be switched.
    connection.execute("PRAGMA foreign_keys = OFF")
    try:
        connection.execute("BEGIN IMMEDIATE")
        former = _check(connection, path, known)
        take_steps(connection, path, former, known)
        if connection.execute("PRAGMA foreign_key_check").fetchall():
            raise RepositoryError(f"{path!r} has outcomes of jobs that do not exist")
        connection.execute("COMMIT")
        if former != known:  # another process may have taken the steps meanwhile
            _LOG.info("migrated %r from version %d of its tables to %d", path, former, known)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute("PRAGMA foreign_keys = ON")


def take_steps(connection: sqlite3.Connection, path: str, version: int, known: int) -> None:
    """Take the steps from one version to another, within a transaction.

    Raises:
        RepositoryError: There are jobs that a step cannot take along.
    """
    for former in range(version, known):
        obstacle = OBSTACLES.get(former)
        if obstacle is not None:
            _check_clear(connection, path, obstacle)
        for statement in STEPS[former]:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {known}")


def _check_clear(connection: sqlite3.Connection, path: str, obstacle: Obstacle) -> None:
    ids = [job_id for (job_id,) in connection.execute(obstacle.query).fetchall()]
    if ids:
        named = ", ".join(map(repr, ids[:_SHOWN]))
        more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
        raise RepositoryError(
            f"{path!r} was left unchanged, because the jobs {named}{more} have {obstacle.sentence}"
        )


def _check(connection: sqlite3.Connection, path: str, known: int) -> int:
    """Return the version that the file has, unless it is one that this release does not know."""
    version = _version(connection)
    if not 1 <= version <= known:
        raise _refusal(path, version, known)
    return version


def _version(connection: sqlite3.Connection) -> int:
    """Return the version of the schema that a file of ours has."""
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    return int(version)


def _refusal(path: str, version: int, known: int) -> RepositoryError:
    """Return the refusal of a file whose schema this release does not know."""
    advice = "; a newer release wrote it: update collection_jobs" if version > known else ""
    return RepositoryError(
        f"{path!r} has the schema version {version}, and this release of collection_jobs "
        f"knows only {'1' if known == 1 else f'1 to {known}'}{advice}"
    )
