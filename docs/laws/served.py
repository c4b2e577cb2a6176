"""Served: an adapter of a server over TCP, and the server, which keeps jobs in memory.

The protocol uses one line in each direction: a request and its result. The adapter satisfies every
law that applies.
"""

from __future__ import annotations

import asyncio
import pickle
import threading
from base64 import b64decode, b64encode
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from collection_jobs import InMemoryCollectionJobRepository, RepositoryClosedError, RepositoryError
from collection_jobs.conformance.running.targets import Proxied
from collection_jobs.conformance.spec.capabilities import NINE
from collection_jobs.job import check_job

LONGEST = 2**24
"""Bytes of a line."""


class Server:
    """Serves in-memory repositories, by name, on a thread of its own."""

    def __init__(self) -> None:
        self.port = 0
        self._stores = defaultdict[str, Any](InMemoryCollectionJobRepository)
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        listening = self._loop.run_until_complete(self._listen())
        self._loop.run_forever()
        listening.close()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        listening = await asyncio.start_server(self._start, "127.0.0.1", 0, limit=LONGEST)
        self.port = int(listening.sockets[0].getsockname()[1])
        self._started.set()
        return listening

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.append(self._loop.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (line := await reader.readline()).endswith(b"\n"):
                writer.write(encoded(await self._answer(*decoded(line))))
                await writer.drain()
        except OSError:
            pass  # the caller is gone
        finally:
            writer.close()

    async def _answer(self, store: str, method: str, arguments: tuple[Any, ...]) -> object:
        if method == "hello":
            return True, None
        given, named = list(arguments), dict[str, Any]()
        if given and type(given[-1]) is dict:  # what is given by name comes last
            named = given.pop()
        try:
            return True, await getattr(self._stores[store], method)(*given, **named)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller raises it
            return False, error


def encoded(value: object) -> bytes:
    return b64encode(pickle.dumps(value)) + b"\n"


def decoded(line: bytes) -> Any:
    return pickle.loads(b64decode(line))  # noqa: S301 - from our own server


@cache
def server() -> Server:
    """The server of the page of laws."""
    return Server()


class Asking:
    """The nine methods, each of which asks the server."""

    capabilities: ClassVar[frozenset[str]] = frozenset()

    async def ask(self, method: str, *arguments: object) -> Any:
        raise NotImplementedError


def asks(method: str) -> Any:
    """The method of that name."""

    async def call(self: Asking, *arguments: Any, **named: object) -> Any:
        if method == "save":
            check_job(arguments[0])  # here, for what is sent is the fields of a job
        return await self.ask(method, *arguments, *((named,) if named else ()))

    call.__name__ = method
    return call


for _method in NINE:
    setattr(Asking, _method, asks(_method))


class Served(Asking):
    """One connection, which is opened again after it failed."""

    time_out: ClassVar[float] = 0.5

    def __init__(self, directory: Path, host: str = "127.0.0.1", port: int | None = None) -> None:
        self.store, self.host = str(directory), host
        self.port = server().port if port is None else port
        self.lock = asyncio.Lock()
        self.is_open = False
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @classmethod
    def proxied(cls) -> Proxied:
        """Tell the kit how to put a proxy in front of the server."""
        opener = cast("Any", cls)  # no type checker sees its methods, which are made
        return Proxied(("127.0.0.1", server().port), opener, cls.time_out)

    async def __aenter__(self) -> Self:
        self.is_open = True
        await self.ask("hello")
        return self

    async def __aexit__(self, *error: object) -> None:
        self.is_open = False
        self.drop()

    def drop(self) -> None:
        """Let go of a connection of which nobody knows what comes next."""
        streams, self.streams = self.streams, None
        if streams is not None:
            streams[1].transport.abort()

    async def ask(self, method: str, *arguments: object) -> Any:
        if not self.is_open:
            raise RepositoryClosedError("the repository is not open")
        try:
            async with asyncio.timeout(self.time_out), self.lock:
                good, value = await self.exchange(method, arguments)
        except (OSError, TimeoutError, EOFError) as error:
            raise RepositoryError(
                f"no answer from the server: {method} may have happened"
            ) from error
        if not good:
            raise value
        return value

    async def exchange(self, method: str, arguments: tuple[object, ...]) -> Any:
        """Send a request and wait for its answer."""
        try:
            if self.streams is None:
                self.streams = await asyncio.open_connection(self.host, self.port, limit=LONGEST)
            reader, writer = self.streams
            writer.write(encoded((self.store, method, arguments)))
            await writer.drain()
            return decoded(await reader.readuntil(b"\n"))
        except BaseException:
            self.drop()
            raise
