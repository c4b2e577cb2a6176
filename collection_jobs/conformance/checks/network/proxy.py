"""A TCP proxy on a thread of its own, whose network can be made to fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from types import TracebackType
from typing import Literal, Self

__all__ = ["Direction", "Proxy"]

Direction = Literal["request", "answer"]

_CHUNK = 65_536
_CHANGE_TIMEOUT = 1.0
"""Seconds that a change may take on the loop of the proxy."""


class Proxy:
    """Forwards every connection that is made to it to one server.

    It runs on an event loop of its own, so that it goes on while an adapter blocks another one.
    """

    def __init__(self, host: str, port: int) -> None:
        """Prepare to forward to that host and port."""
        self.host: str = "127.0.0.1"
        self.port: int = 0
        self._server = host, port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="collection-jobs-proxy", daemon=True)
        self._started = threading.Event()
        self._flows: dict[Direction, asyncio.Event]
        self._flows = {"request": asyncio.Event(), "answer": asyncio.Event()}
        self._cuts: dict[int, Direction] = {}
        self._cuts_new: Direction | None = None
        self._delay = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: set[int] = set()
        self._numbers = count()

    def stall(self, *directions: Direction) -> None:
        """Forward nothing any more in these directions, and keep every connection open.

        New connections are accepted, too; they stall like the others.
        """

        def stall() -> None:
            for direction in directions:
                self._flows[direction].clear()

        self._do(stall)

    def cut(self, direction: Direction, *, new: bool = False) -> None:
        """Forward half of what comes next in that direction, then reset the connection.

        Args:
            direction: Which way.
            new: Whether connections that are made from now on are cut, too.
        """

        def cut() -> None:
            self._cuts = dict.fromkeys(self._open, direction)
            self._cuts_new = direction if new else None

        self._do(cut)

    def slow_down(self, seconds: float) -> None:
        """Forward everything so much later."""
        self._do(lambda: setattr(self, "_delay", seconds))

    def recover(self) -> None:
        """Forward again, first of all what was held back."""

        def recover() -> None:
            self._cuts, self._cuts_new, self._delay = {}, None, 0.0
            for flows in self._flows.values():
                flows.set()

        self._do(recover)

    def _do(self, change: Callable[[], None]) -> None:
        """Change something on the proxy's loop, and wait until it is so."""
        done = threading.Event()

        def on_the_loop() -> None:
            change()
            done.set()

        with suppress(RuntimeError):  # closed: who comes late from a call that blocked has no proxy
            self._loop.call_soon_threadsafe(on_the_loop)
            done.wait(_CHANGE_TIMEOUT)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            listening = self._loop.run_until_complete(self._listen())
            self._loop.run_forever()
            listening.close()
            self._loop.run_until_complete(self._end())
        finally:
            self._loop.close()

    async def _listen(self) -> asyncio.Server:
        for flows in self._flows.values():
            flows.set()
        listening = await asyncio.start_server(self._start, self.host, 0)
        self.port = int(listening.sockets[0].getsockname()[1])
        self._started.set()
        return listening

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: asyncio logs an error of its own where one that it made is cancelled.
        task = self._loop.create_task(self._accept(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(self._numbers)
        self._open.add(number)
        if self._cuts_new is not None:
            self._cuts[number] = self._cuts_new
        far: asyncio.StreamWriter | None = None
        try:
            await self._flows["request"].wait()
            far_reader, far = await asyncio.open_connection(*self._server)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(number, reader, far, "request"))
                pumps.create_task(self._pump(number, far_reader, writer, "answer"))
        except* (OSError, _Cut):
            pass  # whoever still waits sees that the connection is gone
        finally:
            self._open.discard(number)
            for one in filter(None, (writer, far)):
                one.transport.abort()

    async def _pump(
        self,
        number: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        direction: Direction,
    ) -> None:
        while data := await reader.read(_CHUNK):
            await self._flows[direction].wait()
            if self._delay:
                await asyncio.sleep(self._delay)
            if self._cuts.get(number) == direction:
                writer.write(data[: len(data) // 2])
                await writer.drain()
                raise _Cut
            writer.write(data)
            await writer.drain()
        await self._flows[direction].wait()
        with suppress(OSError):
            writer.write_eof()

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


class _Cut(Exception):  # noqa: N818 - it ends a connection, and is nobody's error
    """The connection is to be cut."""
