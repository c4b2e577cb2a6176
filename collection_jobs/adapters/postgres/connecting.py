"""Connecting: from the settings to a connection of asyncpg's, guarded and set up."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import random
import socket
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

import asyncpg

from collection_jobs.adapters.postgres.errors import (
    DRIVER_ERRORS,
    ConnectError,
    driver_message,
    is_loss,
    is_starting,
    no_answer,
)
from collection_jobs.adapters.postgres.hosts import Connection, Host, Hosts
from collection_jobs.adapters.postgres.schema import if_current
from collection_jobs.adapters.postgres.session import conditional, unconditional
from collection_jobs.adapters.postgres.settings import PostgresSettings
from collection_jobs.errors import RepositoryError

__all__ = ["connect", "connect_with_retries", "dropped_in_time", "is_ready", "set_up"]

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5
_LONGEST_IDLE = 32_767  # seconds, as Linux takes them
_PROBE = 1.0
"""Seconds in which a pooler that shares sessions serves a second client."""
_ROUND = 3.0
"""Seconds for one round of all hosts, where there are several: then they are asked again, for
another may have become the primary meanwhile."""


async def connect_with_retries(
    settings: PostgresSettings,
    hosts: Hosts,
    prepare: Callable[[Connection], Awaitable[None]],
    *,
    refused: bool,
) -> Connection:
    """Connect and prepare the connection; wait for a server that is coming up.

    The last attempt begins within ``connect_timeout``, and its preparation has ``command_timeout``.

    Args:
        settings: Where to connect to.
        hosts: The hosts of it.
        prepare: What is done on each connection before it counts.
        refused: Whether to wait for a server that refuses, or that hangs up, too.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + settings.connect_timeout
    pause = _FIRST_PAUSE
    while True:
        try:
            seconds = max(deadline - loop.time(), _FIRST_PAUSE)
            connection = await connect(settings, seconds, hosts)
            try:
                with dropped_in_time(connection, settings):
                    await prepare(connection)
            except BaseException:
                connection.terminate()
                raise
            return connection
        except DRIVER_ERRORS as error:
            silent = hosts.are_several and isinstance(error, TimeoutError)
            patient = is_loss(error) if refused else is_starting(error) or silent
            if not patient or loop.time() + pause > deadline:
                raise
            _LOG.info("connecting to %s again: %s", settings.name, driver_message(error))
        # Of random length, so that those who wait do not come back in step.
        await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - not for secrets
        pause = min(2 * pause, _LONGEST_PAUSE)


async def connect(
    settings: PostgresSettings, seconds: float, hosts: Hosts | None = None
) -> Connection:
    """Open a connection; a silent network ends it sooner or later."""
    hosts = Hosts(settings.dsn) if hosts is None else hosts
    try:
        if hosts.are_several:
            seconds = min(seconds, _ROUND)
            connection = await hosts.connect(lambda host: _connect(settings, seconds, host))
        else:
            connection = await _connect(settings, seconds)
    except TimeoutError as error:
        raise TimeoutError(f"no connection within {settings.connect_timeout:g} s") from error
    except DRIVER_ERRORS:
        raise
    except Exception as error:
        # A host that is no name (UnicodeError), a port that is no number, a user that is not known.
        raise ConnectError(str(error) or type(error).__name__) from error
    _guard(connection, settings.command_timeout)
    _opened.add(connection)
    return connection


async def _connect(
    settings: PostgresSettings, seconds: float, host: Host | None = None
) -> Connection:
    """Open a connection to one host, or as the URL says.

    asyncpg is to prepare nothing by itself: names of its choice would collide with those of other
    sessions behind a pooler.
    """
    connection: Connection = await asyncpg.connect(
        settings.dsn,
        host=None if host is None else host.name,
        port=None if host is None else host.port,
        timeout=seconds,
        statement_cache_size=0,
        server_settings={"application_name": settings.application_name},
    )
    return connection


def _guard(connection: Connection, seconds: float) -> None:
    """Let the kernel notice a network that is gone, also while nobody calls."""
    driver: Any = connection  # asyncpg shows its socket nowhere else
    sock: socket.socket | None = driver._transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle = min(math.ceil(seconds / 2), _LONGEST_IDLE)
    for name, value in (
        ("TCP_KEEPIDLE", idle),
        ("TCP_KEEPALIVE", idle),  # what macOS calls it
        ("TCP_KEEPINTVL", min(math.ceil(seconds / 6), _LONGEST_IDLE)),
        ("TCP_KEEPCNT", 3),
        # For what was sent and not acknowledged: half, so that a read can be made again in time.
        ("TCP_USER_TIMEOUT", max(1, round(seconds * 500))),
    ):
        option: int | None = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


@contextmanager
def dropped_in_time(connection: Connection, settings: PostgresSettings) -> Generator[None]:
    """Drop a connection whose server does not answer within ``command_timeout``.

    A time-out by cancellation would not do: asyncpg asks the server to cancel, and a transaction
    rolls back, over the same network.
    """
    fired: list[None] = []

    def drop() -> None:
        fired.append(None)
        connection.terminate()

    timer = asyncio.get_running_loop().call_later(settings.command_timeout, drop)
    try:
        yield
    except DRIVER_ERRORS as error:
        if fired:
            raise no_answer(settings, error) from error
        raise
    finally:
        timer.cancel()


async def is_ready(connection: Connection, settings: PostgresSettings) -> bool:
    """Set up a session, and say whether the schema has this release's version: in one round trip.

    False where anything is unusual; then nothing was changed.
    """
    query = if_current(settings)
    if settings.statement_cache:
        # Both are one query, so that the session is set where the schema is as it should be.
        query = f"{conditional(settings, connection.get_server_pid())} AND EXISTS ({query})"
    try:
        return await connection.execute(query) == "SELECT 1"
    except asyncpg.PostgresError as error:
        if is_loss(error):
            raise
        return False


async def set_up(connection: Connection, settings: PostgresSettings) -> None:
    """Set up a session, unless there is none to rely on.

    Raises:
        RepositoryError: A pooler shares sessions among transactions.
    """
    if not settings.statement_cache:
        return
    if await connection.execute(conditional(settings, connection.get_server_pid())) == "SELECT 1":
        return
    if await _is_shared(connection, settings):
        raise RepositoryError(
            "a pooler shares sessions among transactions, so statements cannot stay prepared: set"
            f" statement_cache=0, or let it pool sessions: {settings.name}"
        )
    await connection.execute(unconditional(settings))


async def _is_shared(connection: Connection, settings: PostgresSettings) -> bool:
    """Whether two clients of a pooler are served by one session of the server.

    One that pools sessions gives the second client another session, or lets it wait for one.
    """
    mine: int = await connection.fetchval("SELECT pg_backend_pid()")
    seconds = min(_PROBE, settings.command_timeout / 4)
    try:
        other = await connect(settings, seconds)
        timer = asyncio.get_running_loop().call_later(seconds, other.terminate)
        try:
            theirs: int = await other.fetchval("SELECT pg_backend_pid()")
        finally:
            timer.cancel()
            other.terminate()
    except DRIVER_ERRORS:
        return False
    return theirs == mine or await connection.fetchval("SELECT pg_backend_pid()") != mine


_opened: WeakSet[Connection] = WeakSet()


def _disown_all() -> None:
    """Make a forked child's copies harmless: collected, they would end the parent's sessions."""
    connections: list[Any] = list(_opened)
    for connection in connections:
        connection._aborted = True  # asyncpg has no other way to let go of one


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_disown_all)
