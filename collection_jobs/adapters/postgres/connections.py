"""Connections: those that one open repository holds, opened as they are needed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from collection_jobs.adapters.postgres.connecting import connect_with_retries, is_ready, set_up
from collection_jobs.adapters.postgres.errors import DRIVER_ERRORS, driver_message
from collection_jobs.adapters.postgres.hosts import Connection, Hosts
from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.adapters.postgres.schema import prepare_schema
from collection_jobs.adapters.postgres.settings import PostgresSettings
from collection_jobs.errors import RepositoryError

__all__ = ["Connections"]

_LOG = logging.getLogger(__name__)


class Connections:
    """Some connections to one database, most recently used first; a stack, not a queue.

    They are held: neither given back nor reset between calls, so their prepared statements stay.
    """

    def __init__(
        self,
        settings: PostgresSettings,
        freed: Callable[[], None],
        none_left: Callable[[Exception], None],
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            settings: Where to connect to, and how many times at most.
            freed: Called when a connection has become free outside of a call.
            none_left: Called with the error when all are lost and reconnecting failed.
        """
        self._settings = settings
        self._hosts = Hosts(settings.dsn)
        self._freed = freed
        self._none_left = none_left
        self._idle: list[PooledConnection] = []
        self._count = 0  # those that are taken, and one that is being opened, included
        self._growth: asyncio.Task[None] | None = None
        self._settling: set[asyncio.Task[None]] = set()
        self._closed = False
        self._has_lost = False  # since the last one was opened
        self._epoch = 0  # how often a server did not answer

    async def open(self) -> None:
        """Open the first connection, and see to the schema.

        Raises:
            RepositoryError: The schema is none of ours, or of a newer release.
            DRIVER_ERRORS: PostgreSQL or the network failed.
        """
        connection = await connect_with_retries(
            self._settings, self._hosts, self._open_first, refused=False
        )
        self._count += 1
        self._idle.append(PooledConnection(connection, self._settings, self._epoch))

    async def _open_first(self, connection: Connection) -> None:
        if not await is_ready(connection, self._settings):
            await set_up(connection, self._settings)
            await prepare_schema(connection, self._settings)

    async def _open_more(self, connection: Connection) -> None:
        await set_up(connection, self._settings)

    def take(self) -> PooledConnection | None:
        """Take an idle connection, if there is one."""
        while self._idle:
            pooled = self._idle.pop()
            if not pooled.is_lost:
                return pooled
            self._lose()
            _LOG.info("a connection to %s was lost while it was idle", self._settings.name)
        return None

    def put(self, pooled: PooledConnection) -> None:
        """Put back a connection that was taken and is at rest, or lost."""
        if pooled.epoch != self._epoch:
            pooled.terminate()
        if pooled.is_lost:
            self._lose()
        elif self._closed:
            pooled.terminate()
            self._count -= 1
        else:
            self._idle.append(pooled)

    def _lose(self) -> None:
        self._count -= 1
        self._has_lost = True

    def distrust(self, pooled: PooledConnection) -> None:
        """Drop all connections but those to come, for this one's server did not answer.

        They would be tried one after another, and each call would wait in vain for all its time.
        Those under way are dropped when they come to rest. Other hosts are asked first.
        """
        if pooled.epoch != self._epoch:
            return  # it is known of those opened before, and those opened since are elsewhere
        self._epoch += 1
        self._hosts.put_last(pooled.connection)
        for other in self._idle:
            other.terminate()

    def forget_statements(self) -> None:
        """Let the idle connections prepare their statements anew."""
        for pooled in self._idle:
            pooled.forget_statements()

    def put_settled(self, pooled: PooledConnection) -> None:
        """Put a connection back when what was cancelled on it has come to rest."""
        task = _started(self._settle(pooled))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _settle(self, pooled: PooledConnection) -> None:
        try:
            await pooled.settle()
        except BaseException as error:
            pooled.terminate()
            if not isinstance(error, DRIVER_ERRORS):
                raise
        finally:
            self.put(pooled)
            self._freed()

    def grow(self) -> None:
        """Begin to open another connection, unless there are as many as may be."""
        if self._growth is None and self._count < self._settings.connections and not self._closed:
            self._count += 1
            self._growth = _started(self._grow())

    async def _grow(self) -> None:
        epoch = self._epoch
        try:
            connection = await connect_with_retries(
                self._settings, self._hosts, self._open_more, refused=True
            )
        except BaseException as error:
            self._growth = None
            self._count -= 1
            if not isinstance(error, (*DRIVER_ERRORS, RepositoryError)):
                raise
            _LOG.warning("no connection to %s: %s", self._settings.name, driver_message(error))
            if not self._count:
                self._none_left(error)
        else:
            self._growth = None
            if self._has_lost:
                self._has_lost = False
                _LOG.info("connected to %s again", self._settings.name)
            self.put(PooledConnection(connection, self._settings, epoch))
            self._freed()

    async def close(self) -> None:
        """Close all connections; none is taken any more, unless it comes to rest."""
        self._stop_growing()
        while self._growth is not None and not self._growth.done():
            await asyncio.wait([self._growth])
        while self._settling:
            await asyncio.wait(self._settling)
        self._closed = True
        await asyncio.gather(*(pooled.close() for pooled in self._idle))
        self._idle.clear()

    def terminate(self) -> None:
        """Drop all connections."""
        self._closed = True
        self._stop_growing()
        for task in self._settling:
            task.cancel()
        while self._idle:
            self._idle.pop().terminate()

    def _stop_growing(self) -> None:
        if self._growth is not None:
            self._growth.cancel()


def _started(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(work)
