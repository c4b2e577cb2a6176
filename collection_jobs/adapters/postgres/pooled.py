"""PooledConnection: one connection of an open repository, and the statements it has prepared."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import cache, partial
from hashlib import sha256
from typing import Any, TypeAlias

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from collection_jobs.adapters.postgres.errors import DRIVER_ERRORS, NotReplicatedError
from collection_jobs.adapters.postgres.hosts import Connection
from collection_jobs.adapters.postgres.session import begin, milliseconds
from collection_jobs.adapters.postgres.settings import PostgresSettings

__all__ = ["PooledConnection", "Rows", "statement_name"]

Rows: TypeAlias = list[Any]

_LONGEST_GOODBYE = 5.0
"""Seconds that closing, or a cancelled statement's end, is waited for at most."""


class PooledConnection:
    """One connection.

    Attributes:
        connection: What it is made of.
        epoch: How often a server had not answered when it was opened.
        sent: Whether what was sent last may have taken effect at the server.
        deadline: When it is dropped if the server has not answered, by the event loop's clock.
        is_late: Whether it was dropped for that.
        lock_limit: Milliseconds that the next statement waits for another transaction's lock.
        was_cancelled: Whether the server was asked to cancel a statement; the request may come late
            and meet the next one.
    """

    __slots__ = (
        *("_forgotten", "_in_transaction", "_prepared", "_settings", "_unreplicated"),
        *("connection", "deadline", "epoch", "is_late", "lock_limit", "sent", "was_cancelled"),
        "__weakref__",
    )

    def __init__(self, connection: Connection, settings: PostgresSettings, epoch: int = 0) -> None:
        """Take over a connection that is set up."""
        self.connection: Connection = connection
        self.epoch: int = epoch
        self._settings = settings
        self._prepared: dict[str, PreparedStatement[asyncpg.Record]] = {}
        self._forgotten = 0
        self._in_transaction = False
        self._unreplicated: list[str] = []
        # Not a method of this one, which would keep it: the server's warnings.
        connection.add_log_listener(partial(_note_unreplicated, self._unreplicated))
        self.sent: bool = False
        self.deadline: float = 0.0
        self.is_late: bool = False
        self.lock_limit: str = str(milliseconds(settings.lock_timeout))
        self.was_cancelled: bool = False

    @property
    def is_lost(self) -> bool:
        """Whether it is known to be closed."""
        return self.connection.is_closed()

    async def fetch(self, statement: str, *args: object) -> Rows:
        """Run a statement, which is a transaction of its own unless one was begun."""
        self.sent = False
        if not self._settings.statement_cache:
            return await self._fetch_unprepared(statement, args)
        prepared = self._prepared.get(statement)
        if prepared is None:
            prepared = await self._prepare(statement)
        self.sent = True
        rows = await prepared.fetch(*args)
        if self._unreplicated:
            self._doubt()
        return rows

    def _doubt(self) -> None:
        """Refuse to acknowledge a commit that the server has not seen arrive at a standby."""
        self.terminate()
        raise NotReplicatedError(self._unreplicated[0])

    async def _prepare(self, statement: str) -> PreparedStatement[asyncpg.Record]:
        name = statement_name(statement, self._forgotten)
        with self._closing_noticed():
            prepared = await self.connection.prepare(statement, name=name)
        if len(self._prepared) >= self._settings.statement_cache:
            del self._prepared[next(iter(self._prepared))]
        self._prepared[statement] = prepared
        return prepared

    async def _fetch_unprepared(self, statement: str, args: tuple[object, ...]) -> Rows:
        """Run a statement in a transaction that sets what a session cannot keep."""
        if self._in_transaction:
            return await self.run(statement, *args)
        await self.begin()
        try:
            rows = await self.run(statement, *args)
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
        with self._closing_noticed():
            return await self.connection.fetch(statement, *args)

    @contextmanager
    def _closing_noticed(self) -> Generator[None]:
        """Raise what asyncpg means where the connection is closed between two of its steps.

        It then has an answer already, and stumbles over what it has let go of.
        """
        try:
            yield
        except AttributeError as error:
            if not self.is_lost:
                raise
            raise asyncpg.InterfaceError("the connection was closed") from error

    async def begin(self, mode: str = "READ COMMITTED") -> None:
        """Begin a transaction; until it is committed nothing has happened."""
        self.sent = False
        self._in_transaction = True
        await self.connection.execute(begin(self._settings, mode))

    async def commit(self) -> None:
        """Commit the transaction."""
        self.sent = True
        await self.connection.execute("COMMIT")
        self._in_transaction = False
        if self._unreplicated:
            self._doubt()

    async def roll_back(self) -> None:
        """End a transaction that was begun: whatever was sent of it has surely not happened."""
        try:
            await self.connection.execute("ROLLBACK")
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
                await self.connection.execute("SELECT 1")
            if self.connection.is_in_transaction():
                await self.connection.execute("ROLLBACK")
        self._in_transaction = False

    async def close(self) -> None:
        """Close it gracefully, or drop it."""
        try:
            await self.connection.close(
                timeout=min(_LONGEST_GOODBYE, self._settings.command_timeout)
            )
        except DRIVER_ERRORS:
            self.connection.terminate()

    def terminate(self) -> None:
        """Drop it."""
        self.connection.terminate()

    def drop_late(self) -> None:
        """Drop it, for the server has not answered in time."""
        self.is_late = True
        self.connection.terminate()


def _note_unreplicated(notes: list[str], _: object, message: asyncpg.PostgresLogMessage) -> None:
    """Note the warning of a commit whose wait for a standby was cut short: it is acknowledged."""
    # By the server's function: the text is translated.
    if getattr(message, "server_source_function", None) == "SyncRepWaitForLSN":
        notes.append(str(message))


def statement_name(statement: str, number: int) -> str:
    """Name a statement by its text: where sessions are mixed up, none runs in place of another."""
    return f"collection_jobs_{_digest(statement)}_{number}"


@cache
def _digest(statement: str) -> str:
    return sha256(statement.encode()).hexdigest()[:32]
