"""Clients: callers at work on one store at the same time, each call of theirs recorded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from collection_jobs.conformance.running.runner import ProgramRunner, Recorder, make
from collection_jobs.conformance.spec.calls import Call, Kept, Outcome, Program
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["Answering", "Client", "run_answered", "run_clients"]


@dataclass(frozen=True, slots=True)
class Client:
    """One caller.

    Attributes:
        name: How histories call it.
        steps: What it does, one after another.
        handle: Which of the open repositories it works on.
        held: What it holds when it starts.
    """

    name: str
    steps: Program
    handle: int = 0
    held: Mapping[str, Kept] = field(default_factory=dict[str, Kept])


Answering = Callable[[Client, Call], Awaitable[Outcome] | None]
"""What a client's call is answered by; None: the call is passed over."""


async def run_clients(
    clients: Sequence[Client],
    repositories: Sequence[CollectionJobRepository],
    recorder: Recorder,
    start_at: int | None = None,
) -> bool:
    """Let the clients begin at the same moment, and wait until all are done.

    Args:
        clients: The callers.
        repositories: The handles that they work on.
        recorder: Told of every call.
        start_at: The moment by ``time.monotonic_ns()``, for clients of several processes.

    Returns:
        Whether every call was answered; after one that was not, its client stops.
    """
    return await run_answered(
        clients,
        lambda client, call: make(call, repositories[client.handle]),
        recorder,
        start_at,
    )


async def run_answered(
    clients: Sequence[Client],
    answering: Answering,
    recorder: Recorder,
    start_at: int | None = None,
) -> bool:
    """Do the same, with calls that are answered by something else than open repositories."""
    start = asyncio.Event()

    async def run(client: Client) -> bool:
        runner = ProgramRunner(client.name, partial(answering, client), recorder, client.held)
        await start.wait()
        return await runner.run(client.steps)

    tasks = [asyncio.create_task(run(client)) for client in clients]
    await asyncio.sleep(0)  # each now waits for the start
    if start_at is not None:
        await asyncio.sleep(max(0, start_at - time.monotonic_ns() - 1_000_000) / 1e9)
        while time.monotonic_ns() < start_at:
            pass  # the last millisecond is too short to sleep through
    start.set()
    return all(await asyncio.gather(*tasks))
