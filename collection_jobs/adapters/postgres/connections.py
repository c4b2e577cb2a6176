"""Connections: those that one open repository holds, opened as they are needed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeAlias

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from collection_jobs.adapters.postgres.failures import DRIVER_ERRORS, is_loss, is_starting
from collection_jobs.adapters.postgres.schema import prepare_schema
from collection_jobs.adapters.postgres.settings import Settings
from collection_jobs.adapters.postgres.statements import SESSION

__all__ = ["Connections", "Held", "Rows", "connect"]

Rows: TypeAlias = list[Any]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5


class Held:
    """One connection, and the statements that it has prepared.

    Attributes:
        sent: Whether the last statement may have reached the server.
    """

    __slots__ = ("_connection", "_prepared", "sent")

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        """Take over a connection."""
        self._connection = connection
        self._prepared: dict[str, PreparedStatement[asyncpg.Record]] = {}
        self.sent: bool = False

    @property
    def is_lost(self) -> bool:
        """Whether it is known to be closed."""
        return self._connection.is_closed()

    async def fetch(self, statement: str, *args: object) -> Rows:
        """Run a statement, which is a transaction of its own unless one was begun."""
        self.sent = False
        prepared = self._prepared.get(statement)
        if prepared is None:
            # It has a name as long as asyncpg's own cache is on; without one it would be parsed and
            # planned anew each time.
            prepared = await self._connection.prepare(statement)
            self._prepared[statement] = prepared
        self.sent = True
        return await prepared.fetch(*args)

    async def command(self, text: str) -> None:
        """Run a command without arguments or rows."""
        self.sent = True
        await self._connection.execute(text)

    async def roll_back(self) -> None:
        """End a transaction that was begun: whatever was sent of it has surely not happened."""
        try:
            await self._connection.execute("ROLLBACK")
        except DRIVER_ERRORS:
            self.terminate()
        self.sent = False

    async def settle(self) -> None:
        """Wait until the connection is at rest again after a cancelled call.

        The cancellation was sent to the server on a connection of its own, and might meet the next
        statement instead: so that is one which does nothing.
        """
        with suppress(asyncpg.QueryCanceledError):
            await self._connection.execute("SELECT 1")

    async def close(self) -> None:
        """Say goodbye to the server, or just hang up."""
        try:
            await self._connection.close(timeout=5)
        except DRIVER_ERRORS:
            self._connection.terminate()

    def terminate(self) -> None:
        """Hang up."""
        self._connection.terminate()


class Connections:
    """Some connections to one database, most recently used first; a stack, not a queue.

    They are held: neither given back nor reset between calls, so their prepared statements stay.
    """

    def __init__(
        self,
        settings: Settings,
        freed: Callable[[], None],
        none_left: Callable[[Exception], None],
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            settings: Where to connect to, and how many times at most.
            freed: Called when a connection has become free outside of a call.
            none_left: Called with the driver's error when all are lost and no other is to be had.
        """
        self._settings = settings
        self._freed = freed
        self._none_left = none_left
        self._idle: list[Held] = []
        self._count = 0  # those that are taken, and one that is being opened, included
        self._growing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def open(self) -> None:
        """Open the first connection, and see to the schema.

        Raises:
            RepositoryError: The schema is none of ours, or of a newer release.
            DRIVER_ERRORS: PostgreSQL or the network failed.
        """
        connection = await self._connect_patiently(refused=False)
        try:
            await prepare_schema(connection, self._settings)
        except BaseException:
            connection.terminate()
            raise
        self._count += 1
        self._idle.append(Held(connection))

    def take(self) -> Held | None:
        """An idle connection, if there is one."""
        while self._idle:
            held = self._idle.pop()
            if not held.is_lost:
                return held
            self._count -= 1
        return None

    def put(self, held: Held) -> None:
        """Put back a connection that was taken and is at rest, or lost."""
        if held.is_lost:
            self._count -= 1
        elif self._closed:
            held.terminate()
            self._count -= 1
        else:
            self._idle.append(held)

    def put_settled(self, held: Held) -> None:
        """Put a connection back when what was cancelled on it has come to rest."""
        self._start(self._settle(held))

    async def _settle(self, held: Held) -> None:
        try:
            await held.settle()
        except BaseException as error:
            held.terminate()
            if not isinstance(error, DRIVER_ERRORS):
                raise
        finally:
            self.put(held)
            self._freed()

    def grow(self) -> None:
        """Begin to open another connection, unless there are as many as may be."""
        if not self._growing and self._count < self._settings.connections and not self._closed:
            self._growing = True
            self._count += 1
            self._start(self._grow())

    async def _grow(self) -> None:
        try:
            held = Held(await self._connect_patiently(refused=True))
        except BaseException as error:
            self._growing = False
            self._count -= 1
            if not isinstance(error, DRIVER_ERRORS):
                raise
            if not self._count:
                self._none_left(error)
        else:
            self._growing = False
            self.put(held)
            self._freed()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Close all connections; none is taken any more, unless it comes to rest."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._closed = True
        await asyncio.gather(*(held.close() for held in self._idle))
        self._idle.clear()

    def terminate(self) -> None:
        """Hang up on all connections."""
        self._closed = True
        while self._idle:
            self._idle.pop().terminate()

    async def _connect_patiently(self, *, refused: bool) -> asyncpg.Connection[asyncpg.Record]:
        """Connect; wait for a server that is coming up, or also for one that refuses to speak."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.connect_timeout
        pause = _FIRST_PAUSE
        while True:
            try:
                return await connect(self._settings)
            except DRIVER_ERRORS as error:
                patient = is_loss(error) if refused else is_starting(error)
                if not patient or loop.time() + pause > deadline:
                    raise
            # Of random length, so that those who wait do not come back in step.
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - not for secrets
            pause = min(2 * pause, _LONGEST_PAUSE)


async def connect(settings: Settings) -> asyncpg.Connection[asyncpg.Record]:
    """Open a connection, and set what every session of ours has set."""
    connection = await asyncpg.connect(settings.dsn, timeout=settings.connect_timeout)
    try:
        milliseconds = max(1, round(settings.lock_timeout * 1000))
        await connection.execute(f"{SESSION}; SET lock_timeout = {milliseconds}")
    except BaseException:
        connection.terminate()
        raise
    return connection
