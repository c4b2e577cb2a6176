"""Handles: repositories that a worker opens and closes while its clients work on others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from collection_jobs.conformance.running.clients import Client
from collection_jobs.conformance.running.messages import Use
from collection_jobs.conformance.running.open_store import open_with_timeout
from collection_jobs.conformance.running.runner import make, observe
from collection_jobs.conformance.spec.calls import Call, Outcome
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["ClientHandles"]

_Opening = AbstractAsyncContextManager[CollectionJobRepository]


class _Handle:
    """One repository, entered and left by one task: it may hold a task group open in between."""

    def __init__(self, opening: _Opening) -> None:
        self._leave = asyncio.Event()
        self._entered: asyncio.Future[CollectionJobRepository]
        self._entered = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._hold(opening))

    async def _hold(self, opening: _Opening) -> None:
        try:
            async with opening as repository:
                self._entered.set_result(repository)
                await self._leave.wait()
        except Exception as error:
            if self._entered.done():
                raise
            self._entered.set_exception(error)

    async def enter(self) -> CollectionJobRepository:
        """Wait until it is open."""
        return await self._entered

    async def leave(self) -> None:
        """Close it."""
        self._leave.set()
        await self._task


class ClientHandles:
    """The handles of one process, by number."""

    def __init__(self, factory: Callable[[Path], _Opening]) -> None:
        """Start with none open.

        Args:
            factory: The store in a directory, not open yet.
        """
        self._factory = factory
        self._opened: dict[int, tuple[_Handle, CollectionJobRepository]] = {}

    def answer(self, order: Use, client: Client, call: Call) -> Awaitable[Outcome] | None:
        """Open or close a client's handle, or make a call on it; None where none is open."""
        if call.method == "open":
            place = order.places[int(call.arguments[0])]
            return observe(self._open(client.handle, place, order.timeout))
        if client.handle not in self._opened:
            return None
        if call.method == "close":
            return observe(self._close(client.handle))
        return make(call, self._opened[client.handle][1])

    async def _open(self, number: int, place: Path, seconds: float) -> None:
        if number in self._opened:
            return
        handle = _Handle(open_with_timeout(self._factory(place), seconds))
        self._opened[number] = handle, await handle.enter()

    async def _close(self, number: int) -> None:
        handle, _ = self._opened.pop(number)
        await handle.leave()
