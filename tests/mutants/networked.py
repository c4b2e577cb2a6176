"""Repositories of a server over TCP, by a protocol of one line each way, and what goes wrong."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, ClassVar, Self, TypeVar

from typing_extensions import override

from collection_jobs import RepositoryClosedError, RepositoryError
from collection_jobs.conformance.spec.capabilities import METHODS as BEYOND
from docs.laws.served import Served, asks, decoded, encoded

TIME_OUT = 0.4
WAITS: dict[type[Remote], str] = {}
"""Each repository that does not keep TIME-1, and what the finding says of it."""
RIGHT: list[type[Remote]] = []

S = TypeVar("S", bound="type[Remote]")


def waits(told: str) -> Callable[[S], S]:
    """Enter a repository that does not keep TIME-1."""

    def enter(store: S) -> S:
        WAITS[store] = told
        return store

    return enter


def is_right(store: S) -> S:
    """Enter one that does."""
    RIGHT.append(store)
    return store


class Asking(Served):
    """All the methods, those beyond the nine too."""


for _method in BEYOND:
    setattr(Asking, _method, asks(_method))


@is_right
class Remote(Asking):
    """Has a time-out for each call, queueing included, and says what may have happened."""

    time_out: ClassVar[float] = TIME_OUT

    def failed(self, method: str, error: BaseException | None) -> Any:
        """What a call ends with that was not answered."""
        raise RepositoryError(f"{method} may have happened: no answer from the server") from error

    @override
    async def ask(self, method: str, *arguments: object) -> Any:
        try:
            return await super().ask(method, *arguments)
        except RepositoryClosedError:
            raise
        except RepositoryError as error:
            return self.failed(method, error.__cause__)


@is_right
class RepeatsReads(Remote):
    """Asks once more for what changes nothing, within the same time-out."""

    @override
    async def exchange(self, method: str, arguments: tuple[object, ...]) -> Any:
        try:
            return await super().exchange(method, arguments)
        except (OSError, EOFError):
            if not method.startswith(("get", "list")):
                raise
            return await super().exchange(method, arguments)


@waits("had not ended after 2.4 s")
class HasNoTimeOut(Remote):
    """Waits as long as it takes."""

    time_out = 86_400.0


@waits("")
class KeepsItsConnection(Remote):
    """Gives up waiting, and reads the late answer as that to the next call."""

    @override
    def drop(self) -> None:
        if not self.is_open:
            super().drop()


@waits("returned None")
class AnswersNone(Remote):
    """Takes no answer for None."""

    @override
    def failed(self, method: str, error: BaseException | None) -> Any:
        return None


@waits("raised TimeoutError")
class LetsTheTimeOutThrough(Remote):
    """Raises what asyncio raises."""

    @override
    def failed(self, method: str, error: BaseException | None) -> Any:
        assert error is not None
        raise error


@waits("had not ended after 2.4 s")
class ShieldsItsCalls(Remote):
    """Keeps to its time-out, and waits for ever to clean up after a call that was cancelled."""

    @override
    async def ask(self, method: str, *arguments: object) -> Any:
        try:
            return await super().ask(method, *arguments)
        except asyncio.CancelledError:
            await self.exchange("hello", ())
            raise


@waits("opening the store had not ended")
class OpensForEver(Remote):
    """Has a time-out for calls, and none for the opening."""

    @override
    async def __aenter__(self) -> Self:
        self.is_open = True
        await self.exchange("hello", ())
        return self


@waits("closing the store had not ended")
class ClosesForEver(Remote):
    """Says goodbye, and waits for the server to say so, too."""

    @override
    async def __aexit__(self, *exc_info: object) -> None:
        if self.is_open:
            await self.exchange("hello", ())
        await super().__aexit__(*exc_info)


@waits("had not ended after 2.4 s")
class CountsFromItsTurn(Remote):
    """Begins to count when it is a call's turn, behind all the others."""

    @override
    async def ask(self, method: str, *arguments: object) -> Any:
        async with self.lock:
            self.lock, kept = asyncio.Lock(), self.lock
            try:
                return await super().ask(method, *arguments)
            finally:
                self.lock = kept


@waits("delete('delete') returned False")
class RepeatsEverything(Remote):
    """Asks once more when the connection was lost, also for what has happened already."""

    @override
    async def exchange(self, method: str, arguments: tuple[object, ...]) -> Any:
        try:
            return await super().exchange(method, arguments)
        except (OSError, EOFError):
            return await super().exchange(method, arguments)


@waits("a new handle: RepositoryError: the server is down")
class NeverConnectsAgain(Remote):
    """Works with the connection that it was opened with, and remembers that the server failed."""

    servers_down: ClassVar[set[str]] = set()

    @override
    async def ask(self, method: str, *arguments: object) -> Any:
        if self.store in self.servers_down:
            raise RepositoryError("the server is down")
        return await super().ask(method, *arguments)

    @override
    def failed(self, method: str, error: BaseException | None) -> Any:
        self.servers_down.add(self.store)
        return super().failed(method, error)


@waits("blocks the event loop")
class BlocksTheLoop(Remote):
    """Asks by a blocking socket, which has no time-out."""

    sock: socket.socket | None = None

    @override
    async def exchange(self, method: str, arguments: tuple[object, ...]) -> Any:
        if self.sock is None:
            self.sock = socket.create_connection((self.host, self.port))
        self.sock.sendall(encoded((self.store, method, arguments)))
        answer = b""
        while not answer.endswith(b"\n"):
            more = self.sock.recv(65_536)
            if not more:
                raise ConnectionResetError("the server hung up")
            answer += more
        return decoded(answer)

    @override
    def drop(self) -> None:
        if self.sock is not None:
            self.sock.close()
        self.sock = None

    def __del__(self) -> None:
        self.drop()  # the kit leaves behind what blocks
