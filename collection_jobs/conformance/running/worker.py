"""The program of a worker process: open a store of the target, and work on it as told."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress
from multiprocessing.connection import Connection

from typing_extensions import override

from collection_jobs.conformance.history.history import Recording
from collection_jobs.conformance.running.clients import run_answered, run_clients
from collection_jobs.conformance.running.crash_points import CrashPoints
from collection_jobs.conformance.running.deadline import deadline, oldest_call, with_deadline
from collection_jobs.conformance.running.fork_server import COUNTING, FORK_SERVER, tend
from collection_jobs.conformance.running.handles import ClientHandles
from collection_jobs.conformance.running.messages import (
    CallBegan,
    CallEnded,
    Close,
    Do,
    Done,
    Failed,
    Leave,
    Open,
    Told,
    Use,
    Work,
    portable,
    portable_events,
)
from collection_jobs.conformance.running.open_store import open_with_timeout
from collection_jobs.conformance.running.places import (
    frame_of_thread,
    innermost_outside_library,
    line_of,
)
from collection_jobs.conformance.running.runner import hidden_cause
from collection_jobs.conformance.running.system import pipe_of
from collection_jobs.conformance.running.targets import Target, find_target
from collection_jobs.conformance.running.watchdog import WatchedCall
from collection_jobs.conformance.spec.calls import Call, NoAnswer, Outcome
from collection_jobs.errors import CollectionJobError
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["run_worker"]

_POLL = 0.2
_GRACE = 2.0
"""Seconds that the event loop has for ending a call itself when its deadline has passed."""


class _Teller:
    """Tells the kit of every call at once."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._calls = 0

    def begin(self, client: str, call: Call) -> int:
        self._calls += 1
        self._pipe.send(CallBegan(self._calls, client, call))
        return self._calls

    def end(self, number: int, outcome: Outcome) -> None:
        self._pipe.send(CallEnded(number, portable(outcome)))


class _EventTeller(Recording):
    """Tells the kit of every call at once, with when it began and ended."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__()
        self._pipe = pipe

    @override
    def begin(self, client: str, call: Call) -> int:
        number = super().begin(client, call)
        self._pipe.send(Told(number, self.events[number]))
        return number

    @override
    def end(self, number: int, outcome: Outcome) -> None:
        super().end(number, portable(outcome))
        self._pipe.send(Told(number, self.events[number]))


class _Worker:
    def __init__(self, target: Target, pipe: Connection, sites: CrashPoints | None) -> None:
        self._target = target
        self._pipe = pipe
        self._sites = sites
        self._opened = AsyncExitStack()
        self._repositories: list[CollectionJobRepository] = []
        self._handles = ClientHandles(target.factory)

    async def serve(self) -> None:
        orders: asyncio.Queue[object] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        # The loop must not stop for the pipe: an adapter may have tasks of its own on it.
        threading.Thread(target=_listen, args=(self._pipe, loop, orders), daemon=True).start()
        self._pipe.send(Done())
        while not isinstance(order := await orders.get(), Leave):
            answer: Done | Failed
            try:
                answer = await self._follow(order)
            except Exception as error:  # noqa: BLE001 - whatever it is, the kit has to judge it
                ours = isinstance(error, CollectionJobError | NoAnswer)
                answer = Failed(f"{type(error).__name__}: {error}", ours, hidden_cause(error))
            self._pipe.send(answer)
        self._pipe.send(Done())

    async def _follow(self, order: object) -> Done:
        match order:
            case Open():
                return await self._counted(self._open(order), order.die_at)
            case Work():
                return await self._work(order)
            case Use():
                await self._use(order)
                return Done()
            case Close():
                return await self._counted(self._close(), order.die_at)
            case Do():
                order.work()
                return Done()
            case _:
                raise TypeError(f"no such order: {order!r}")

    async def _counted(self, work: Awaitable[None], die_at: tuple[str, int] | None) -> Done:
        """Do some work, and count the sites that it passes, or die at one."""
        if self._sites is None:
            await work
            return Done()
        self._sites.start(die_at)
        await work
        return Done((), self._sites.stop())

    async def _open(self, order: Open) -> None:
        await self._close()
        for _ in range(order.handles):
            opening = open_with_timeout(self._target.factory(order.directory), order.timeout)
            self._repositories.append(await self._opened.enter_async_context(opening))

    async def _close(self) -> None:
        self._repositories = []
        await self._opened.aclose()

    async def _use(self, order: Use) -> None:
        await run_answered(
            order.clients,
            lambda client, call: self._handles.answer(order, client, call),
            _EventTeller(self._pipe),
            order.start_at,
        )

    async def _work(self, order: Work) -> Done:
        if self._sites is not None:
            self._sites.start(order.die_at)
        recorder = _Teller(self._pipe) if order.told else Recording()
        await run_clients(order.clients, self._repositories, recorder, order.start_at)
        sites = {} if self._sites is None else self._sites.stop()
        if not isinstance(recorder, Recording):
            return Done((), sites)
        return Done(portable_events(recorder.events), sites)


def _listen(
    pipe: Connection, loop: asyncio.AbstractEventLoop, orders: asyncio.Queue[object]
) -> None:
    try:
        while True:
            loop.call_soon_threadsafe(orders.put_nowait, pipe.recv())
    except (EOFError, OSError):
        os._exit(0)  # the kit is gone, and whatever the adapter still waits for does not matter


def _watch(pipe: Connection, thread: int) -> None:
    """Tell of a call that passes the deadline and blocks the event loop; then end the process."""
    watched_call = WatchedCall(_POLL, _GRACE)
    while True:
        time.sleep(_POLL)
        oldest = oldest_call(thread)
        if oldest is None or not watched_call.is_overdue(oldest):
            continue
        frame = innermost_outside_library(frame_of_thread(thread))
        text = f"{oldest.call} did not return within {deadline():g} s; it stood at {line_of(frame)}"
        with suppress(OSError):
            pipe.send(Failed(text, ours=False))
        os._exit(1)


def run_worker() -> None:
    """Serve the kit, as the second argument says, at the pipe whose descriptor is the first."""
    handle, mode = sys.argv[1:]
    pipe = pipe_of(int(handle))
    spec, seconds = pipe.recv()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks decides when this process ends
    with with_deadline(seconds):
        _serve(pipe, mode, find_target(spec))


def _serve(pipe: Connection, mode: str, target: Target) -> None:
    def work(pipe: Connection, counting: bool) -> None:
        watching = pipe, threading.get_ident()
        threading.Thread(target=_watch, args=watching, daemon=True).start()
        sites = CrashPoints(target.module) if counting else None
        if sites is not None:
            sites.install()
        asyncio.run(_Worker(target, pipe, sites).serve())

    if mode == FORK_SERVER:
        tend(pipe, work)
    else:
        work(pipe, mode == COUNTING)


if __name__ == "__main__":
    run_worker()
