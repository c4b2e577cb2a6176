"""PooledConnection: one connection of an open repository, and the statements it has prepared."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import cache
from hashlib import sha256
from typing import Any, TypeAlias

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from collection_jobs.adapters.postgres.connecting import Connection
from collection_jobs.adapters.postgres.errors import DRIVER_ERRORS
from collection_jobs.adapters.postgres.session import begin, milliseconds
from collection_jobs.adapters.postgres.settings import PostgresSettings

__all__ = ["PooledConnection", "Rows", "statement_name"]

Rows: TypeAlias = list[Any]

_LONGEST_GOODBYE = 5.0
"""Seconds that closing, or a cancelled statement's end, is waited for at most."""


class PooledConnection:
    """One connection.

    Attributes:
        sent: Whether what was sent last may have taken effect at the server.
        deadline: When it is dropped if the server has not answered, by the event loop's clock.
        is_late: Whether it was dropped for that.
        lock_limit: Milliseconds that the next statement waits for another transaction's lock.
        was_cancelled: Whether the server was asked to cancel a statement; the request may come late
            and meet the next one.
    """

    __slots__ = (
        *("_connection", "_forgotten", "_in_transaction", "_prepared", "_settings", "deadline"),
        *("is_late", "lock_limit", "sent", "was_cancelled", "__weakref__"),
    )

    def __init__(self, connection: Connection, settings: PostgresSettings) -> None:
        """Take over a connection that is set up."""
        self._connection = connection
        self._settings = settings
        self._prepared: dict[str, PreparedStatement[asyncpg.Record]] = {}
        self._forgotten = 0
        self._in_transaction = False
        self.sent: bool = False
        self.deadline: float = 0.0
        self.is_late: bool = False
        self.lock_limit: str = str(milliseconds(settings.lock_timeout))
        self.was_cancelled: bool = False

    @property
    def is_lost(self) -> bool:
        """Whether it is known to be closed."""
        return self._connection.is_closed()

    async def fetch(self, statement: str, *args: object) -> Rows:
        """Run a statement, which is a transaction of its own unless one was begun."""
        self.sent = False
        if not self._settings.statement_cache:
            return await self._fetch_unprepared(statement, args)
        prepared = self._prepared.get(statement)
        if prepared is None:
            prepared = await self._prepare(statement)
        self.sent = True
        return await prepared.fetch(*args)

    async def _prepare(self, statement: str) -> PreparedStatement[asyncpg.Record]:
        name = statement_name(statement, self._forgotten)
        prepared = await self._connection.prepare(statement, name=name)
        if len(self._prepared) >= self._settings.statement_cache:
            del self._prepared[next(iter(self._prepared))]
        self._prepared[statement] = prepared
        return prepared

    async def _fetch_unprepared(self, statement: str, args: tuple[object, ...]) -> Rows:
        """Run a statement in a transaction that sets what a session cannot keep."""
        if self._in_transaction:
            return await self._connection.fetch(statement, *args)
        await self.begin()
        try:
            rows = await self._connection.fetch(statement, *args)
        except BaseException as error:
            if not isinstance(error, asyncio.CancelledError):
                await self.roll_back()
            raise
        await self.commit()
        return rows

    def forget_statements(self) -> None:
        """Prepare all statements anew: what they name was dropped, made again or altered."""
        self._prepared.clear()
        self._forgotten += 1

    async def run(self, statement: str, *args: object) -> Rows:
        """Run a statement within a transaction that was begun, without preparing it."""
        return await self._connection.fetch(statement, *args)

    async def begin(self, mode: str = "READ COMMITTED") -> None:
        """Begin a transaction; until it is committed nothing has happened."""
        self.sent = False
        self._in_transaction = True
        await self._connection.execute(begin(self._settings, mode))

    async def commit(self) -> None:
        """Commit the transaction."""
        self.sent = True
        await self._connection.execute("COMMIT")
        self._in_transaction = False

    async def roll_back(self) -> None:
        """End a transaction that was begun: whatever was sent of it has surely not happened."""
        try:
            await self._connection.execute("ROLLBACK")
        except DRIVER_ERRORS:
            self.terminate()
        self._in_transaction = False
        self.sent = False

    async def settle(self) -> None:
        """Wait until the connection is at rest again after a cancelled call.

        asyncpg asks the server to cancel on a connection of its own, and answers nothing on this
        one before both are at rest: until then no other call must wait for it.
        """
        self.was_cancelled = True
        async with asyncio.timeout(min(_LONGEST_GOODBYE, self._settings.command_timeout)):
            # The cancellation may meet this command, too.
            with suppress(asyncpg.QueryCanceledError, asyncpg.InFailedSQLTransactionError):
                await self._connection.execute("SELECT 1")
            if self._connection.is_in_transaction():
                await self._connection.execute("ROLLBACK")
        self._in_transaction = False

    async def close(self) -> None:
        """Close it gracefully, or drop it."""
        try:
            await self._connection.close(
                timeout=min(_LONGEST_GOODBYE, self._settings.command_timeout)
            )
        except DRIVER_ERRORS:
            self._connection.terminate()

    def terminate(self) -> None:
        """Drop it."""
        self._connection.terminate()

    def drop_late(self) -> None:
        """Drop it, for the server has not answered in time."""
        self.is_late = True
        self._connection.terminate()


def statement_name(statement: str, number: int) -> str:
    """Name a statement by its text: where sessions are mixed up, none runs in place of another."""
    return f"collection_jobs_{_digest(statement)}_{number}"


@cache
def _digest(statement: str) -> str:
    return sha256(statement.encode()).hexdigest()[:32]
