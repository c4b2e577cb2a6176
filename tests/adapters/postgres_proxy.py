"""A network that misbehaves: a TCP proxy before a PostgreSQL server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

__all__ = ["BOTH", "TO_CLIENT", "TO_SERVER", "Proxy", "a_proxy"]

TO_SERVER, TO_CLIENT = "to the server", "to the client"
BOTH = (TO_SERVER, TO_CLIENT)
_CHUNK = 65_536


class Link:
    """One connection that goes through.

    Attributes:
        flights: How often the client has spoken after the server had.
    """

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client, self.server = client, server
        self.flights = 0
        self.last = TO_CLIENT

    def cut(self) -> None:
        """Reset it on both sides."""
        for writer in (self.client, self.server):
            writer.transport.abort()


class Proxy:
    """The proxy.

    Attributes:
        port: Where it listens.
        delay: Seconds by which each chunk is late.
        links: All connections that were made.
        filter: What becomes of each chunk; it may stall, or raise an OSError to reset the link.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._passing = {direction: asyncio.Event() for direction in BOTH}
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.delay = 0.0
        self.links: list[Link] = []
        self.filter: Callable[[Link, str, bytes], bytes] = lambda link, direction, chunk: chunk
        self.go_on()

    def stall(self, *directions: str) -> None:
        """Forward nothing any more; take what is sent, and new connections, all the same."""
        for direction in directions:
            self._passing[direction].clear()

    def go_on(self) -> None:
        """Forward again, what was held back first."""
        for passing in self._passing.values():
            passing.set()

    def cut(self) -> None:
        """Reset all connections."""
        for link in self.links:
            link.cut()

    async def listen(self) -> None:
        """Take connections, at the former port."""
        self._listener = await asyncio.start_server(self._start, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Take no connections, and reset all."""
        assert self._listener is not None
        self._listener.close()
        self.cut()

    async def stop(self) -> None:
        self.refuse()
        self.go_on()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: asyncio logs an error of its own where one that it made is cancelled.
        self._tasks.add(asyncio.get_running_loop().create_task(self._link(reader, writer)))

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            their_reader, their_writer = await asyncio.open_connection(*self._target)
        except BaseException:
            writer.transport.abort()
            raise
        link = Link(writer, their_writer)
        self.links.append(link)
        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(
                self._pump(link, TO_SERVER, reader, their_writer),
                self._pump(link, TO_CLIENT, their_reader, writer),
            )
        link.cut()

    async def _pump(
        self,
        link: Link,
        direction: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        while chunk := await reader.read(_CHUNK):
            link.flights += direction == TO_SERVER and link.last == TO_CLIENT
            link.last = direction
            chunk = self.filter(link, direction, chunk)
            if self.delay:
                await asyncio.sleep(self.delay)
            await self._passing[direction].wait()
            writer.write(chunk)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def a_proxy(url: str) -> AsyncGenerator[tuple[Proxy, str]]:
    """A proxy before the server of a URL with a host and a port, and the URL through it."""
    head, _, place = url.partition("@")
    address, slash, database = place.partition("/")
    host, _, port = address.partition(":")
    proxy = Proxy(host, int(port))
    await proxy.listen()
    try:
        yield proxy, f"{head}@127.0.0.1:{proxy.port}{slash}{database}"
    finally:
        await proxy.stop()
