"""Topologies: where the clients of a round run, be it one handle, several, or several processes."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from pathlib import Path
from typing import Protocol

from collection_jobs.conformance.history.history import Event, Recording
from collection_jobs.conformance.running.clients import Client, run_clients
from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.messages import Open, Work
from collection_jobs.conformance.running.open_store import OpenStore, Pulse, open_with_timeout
from collection_jobs.conformance.running.processes import ForkServer, Worker
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["Opening", "Topology", "in_one_process", "in_processes", "several"]

Opening = Callable[[Path], AbstractAsyncContextManager[CollectionJobRepository]]

_HEAD_START = 3_000_000
"""Nanoseconds between the order to begin and the beginning: all workers have it by then."""


class Topology(Protocol):
    """One store, open in one or several places."""

    @property
    def name(self) -> str:
        """As the end of the sentence "the clients ran ..."."""
        ...

    @property
    def handles(self) -> int:
        """How many times the store is open."""
        ...

    def run(self, clients: Sequence[Client]) -> list[Event]:
        """Let clients work at once, each on its handle; the calls that they made."""
        ...


class _OneProcess:
    def __init__(self, store: OpenStore[Sequence[CollectionJobRepository]], handles: int) -> None:
        self._store = store
        self.handles = handles
        self.name = "on one handle" if handles == 1 else f"on {handles} handles of one process"

    def run(self, clients: Sequence[Client]) -> list[Event]:
        recording = Recording()
        self._store.run(run_clients(clients, self._store.repository, recording))
        return recording.events


class _Processes:
    def __init__(self, team: Sequence[Worker]) -> None:
        self._team = team
        self.handles = len(team)
        self.name = f"in {len(team)} processes"

    def run(self, clients: Sequence[Client]) -> list[Event]:
        start_at = time.monotonic_ns() + _HEAD_START
        asked: list[Worker] = []
        for number, worker in enumerate(self._team):
            mine = [client for client in clients if client.handle == number]
            if mine:
                worker.order(
                    Work(tuple(_on_handle_0(mine)), start_at if len(clients) > 1 else None)
                )
                asked.append(worker)
        events = [event for worker in asked for event in worker.answer().events]
        return sorted(events, key=lambda event: event.began)


def _on_handle_0(clients: Iterable[Client]) -> Iterable[Client]:
    return (Client(client.name, client.steps, 0, client.held) for client in clients)


@asynccontextmanager
async def several(
    opening: Opening, directory: Path, handles: int
) -> AsyncGenerator[Sequence[CollectionJobRepository]]:
    """Open the store in a directory so many times on one event loop."""
    async with AsyncExitStack() as opened:
        yield [
            await opened.enter_async_context(open_with_timeout(opening(directory)))
            for _ in range(handles)
        ]


@contextmanager
def in_one_process(
    opening: Opening, directory: Path, handles: int, pulse: Pulse | None = None
) -> Generator[Topology]:
    """Open the store in a directory one or several times in this process."""
    store = OpenStore(several(opening, directory, handles), pulse=pulse)
    try:
        yield _OneProcess(store, handles)
    finally:
        # One that hangs is known by now, and closing one that does not is another check's business.
        with suppress(Exception):
            store.close()


@contextmanager
def in_processes(
    fork_server: ForkServer, directory: Path, processes: int, timeout: float | None = None
) -> Generator[Topology]:
    """Open the store in a directory in several worker processes.

    Raises:
        WorkerFailed: One of them cannot open it.
        WorkerDied: One of them ended.
    """
    with fork_server.workers(processes) as team:
        for worker in team:
            worker.ask(Open(directory, 1, deadline() if timeout is None else timeout))
        yield _Processes(team)
