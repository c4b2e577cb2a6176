"""Migrations: what makes each version of the schema of the one before, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from collection_jobs.errors import RepositoryError

__all__ = ["STEPS", "migrate"]

STEPS: dict[int, Iterable[str]] = {}
"""The statements that make version n + 1 of version n, by n.

A release keeps the steps from every former version. The steps and a new file come to the same
schema, which a test compares on a dump of each version (``tests/adapters/schemas``). A process of
an older release may have the file open meanwhile: after a step its statements either work as they
did or fail as a whole.

There is one version so far. ``python -m benchmarks.schema`` measures what other indexes would be
worth, in the process's own work per statement with 50,000 jobs, as ratios to version 1: a partial
index for each status .96 to 1.03, for the live ones alone 1.06 for a new job, .86 for a completion
and for a deletion, but then listing those that are done scans the table (SCALE-1); statistics .99
to 1.03. None is worth a version. That an upsert leaves indexed columns out of its SET is a matter
of the statements, which do so already.
"""


def _version(connection: sqlite3.Connection) -> int:
    """The version of the schema that a file of ours has."""
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    return int(version)


def _refusal(path: str, version: int, known: int) -> RepositoryError:
    """The refusal of a file whose schema this release does not know."""
    advice = "; a newer release wrote it: update collection_jobs" if version > known else ""
    return RepositoryError(
        f"{path!r} has the schema version {version}, and this release of collection_jobs "
        f"knows only {_versions(known)}{advice}"
    )


def _versions(known: int) -> str:
    return "1" if known == 1 else f"1 to {known}"


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
        RepositoryError: The file has a version that this release does not know.
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
        for version in range(_check(connection, path, known), known):
            for statement in STEPS[version]:
                connection.execute(statement)
        if connection.execute("PRAGMA foreign_key_check").fetchall():
            raise RepositoryError(f"{path!r} has outcomes of jobs that are not there")
        connection.execute(f"PRAGMA user_version = {known}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute("PRAGMA foreign_keys = ON")


def _check(connection: sqlite3.Connection, path: str, known: int) -> int:
    """The version that the file has, unless it is one that this release does not know."""
    version = _version(connection)
    if not 1 <= version <= known:
        raise _refusal(path, version, known)
    return version
