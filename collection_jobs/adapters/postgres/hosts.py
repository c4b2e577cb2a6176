"""Hosts: of several servers that a URL names, the first one that will do, though others are silent.

asyncpg asks them one after another, and gives all of them one time-out. A host that takes
connections and does not answer, since its machine is paused or its network cut, uses it up. Here
the next one is asked as well after a moment, as RFC 8305 does it with the addresses of a name.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias
from urllib.parse import unquote
from weakref import WeakKeyDictionary

import asyncpg

from collection_jobs.adapters.postgres.errors import is_loss, is_starting
from collection_jobs.urls import option_pairs

__all__ = ["Connection", "Host", "Hosts"]

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
"""What asyncpg connects with."""

_HEAD_START = 0.3
"""Seconds after which the next host is asked, too."""
_LONG_HEAD_START = 1.5
"""The same before one that did not answer the last time."""
_PORT = 5432


class Host(NamedTuple):
    """One server that a URL names.

    Attributes:
        name: Its name or address.
        port: Its TCP port.
    """

    name: str
    port: int


class Hosts:
    """The servers that a URL names, in the order in which they are asked: at first the URL's."""

    def __init__(self, dsn: str) -> None:
        """Read a URL that has been checked."""
        self._order: list[Host] = _named(dsn)
        self._doubtful: Host | None = None
        self._of: WeakKeyDictionary[Connection, Host] = WeakKeyDictionary()

    @property
    def are_several(self) -> bool:
        """Whether there is a choice; if not, it is the driver that knows where to connect to."""
        return len(self._order) > 1

    def put_last(self, connection: Connection) -> None:
        """Ask the server of a connection last, and late: it did not answer.

        One that lost its standbys, and does not know that another was promoted, still says that it
        is the primary, and never answers a write.
        """
        host = self._of.get(connection)
        if host is not None and host in self._order:
            self._order.remove(host)
            self._order.append(host)
            self._doubtful = host

    async def connect(self, attempt: Callable[[Host], Awaitable[Connection]]) -> Connection:
        """Return the first connection that an attempt gives; what comes later is dropped.

        Raises:
            Exception: No attempt gave one: the error that says most.
        """
        waiting = deque(self._order)
        tasks: dict[asyncio.Task[Connection], Host] = {}
        errors: list[BaseException] = []
        is_time = True
        try:
            while waiting or tasks:
                if waiting and (is_time or not tasks or waiting[0] != self._doubtful):
                    host = waiting.popleft()
                    tasks[asyncio.ensure_future(attempt(host))] = host
                done, _ = await asyncio.wait(
                    tasks, timeout=self._head_start(waiting), return_when=asyncio.FIRST_COMPLETED
                )
                is_time = not done
                for task in [task for task in tasks if task in done]:
                    host = tasks.pop(task)
                    error = task.exception()
                    if error is None:
                        self._of[task.result()] = host
                        return task.result()
                    errors.append(error)
        finally:
            for task in tasks:
                task.cancel()
                task.add_done_callback(_drop)
            await asyncio.gather(*tasks, return_exceptions=True)
        raise max(errors, key=_says)

    def _head_start(self, waiting: deque[Host]) -> float | None:
        """Give the seconds after which the next host is asked; None: there is no other."""
        if not waiting:
            return None
        return _LONG_HEAD_START if waiting[0] == self._doubtful else _HEAD_START


def _named(dsn: str) -> list[Host]:
    """Give the hosts of a URL, none where it leaves it to the driver to choose."""
    place, _, query = dsn.partition("?")
    options = dict(option_pairs(query) or ())
    authority = place.partition("://")[2].partition("/")[0].rpartition("@")[2]
    texts = (unquote(authority) or options.get("host", "")).split(",")
    ports = [""] if authority else options.get("port", "").split(",")
    if len(texts) < 2 or options.get("target_session_attrs") == "prefer-standby":
        return []
    if len(ports) == 1:
        ports *= len(texts)
    if len(ports) != len(texts) or not all(port.isdigit() for port in ports if port):
        return []
    if any(text[:1] in ("", "/") for text in texts):  # a socket of this machine
        return []
    return [_host(text, port) for text, port in zip(texts, ports, strict=True)]


def _host(text: str, port: str) -> Host:
    name, colon, own = text.rpartition(":")
    if not colon or "]" in own:
        name, own = text, ""
    return Host(name.strip("[]"), int(own or port or _PORT))


def _drop(task: asyncio.Task[Connection]) -> None:
    """Close what came too late."""
    if not task.cancelled() and task.exception() is None:
        task.result().terminate()


def _says(error: BaseException) -> int:
    """Rank errors: a password that is wrong says more than a host that is away."""
    if is_starting(error):
        return 1
    return 0 if is_loss(error) else 2
