"""Clients: callers at work on one store at the same time, each call of theirs recorded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.spec.calls import Call, NoAnswer, Outcome, Program, make
from collection_jobs.job import CollectionJob
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["Answering", "Client", "Recorder", "Recording", "run_answered", "run_clients"]


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
    held: Mapping[str, CollectionJob] = field(default_factory=dict[str, CollectionJob])


Answering = Callable[[Client, Call], Awaitable[Outcome] | None]
"""What a client's call is answered by; None: the call is passed over."""


class Recorder(Protocol):
    """Is told of every call as it is made."""

    def begin(self, client: str, call: Call) -> int:
        """A call is about to be made; returns its number."""
        ...

    def end(self, number: int, outcome: Outcome) -> None:
        """The call of that number came back."""
        ...


class Recording:
    """Records calls by the clock that all processes of a machine share."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.events: list[Event] = []

    def begin(self, client: str, call: Call) -> int:
        """A call is about to be made: until `end` is told of it, it never came back."""
        self.events.append(Event(client, call, time.monotonic_ns()))
        return len(self.events) - 1

    def end(self, number: int, outcome: Outcome) -> None:
        """The call of that number came back."""
        begun = self.events[number]
        self.events[number] = Event(
            begun.client, begun.call, begun.began, time.monotonic_ns(), outcome
        )


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
    tasks = [asyncio.create_task(_run(client, answering, recorder, start)) for client in clients]
    await asyncio.sleep(0)  # each now waits for the start
    if start_at is not None:
        await asyncio.sleep(max(0, start_at - time.monotonic_ns() - 1_000_000) / 1e9)
        while time.monotonic_ns() < start_at:
            pass  # the last millisecond is too short to sleep through
    start.set()
    return all(await asyncio.gather(*tasks))


async def _run(
    client: Client,
    answering: Answering,
    recorder: Recorder,
    start: asyncio.Event,
) -> bool:
    held = dict(client.held)
    await start.wait()
    for step in client.steps:
        call = step.call(held)
        answer = None if call is None else answering(client, call)
        if call is None or answer is None:
            continue
        number = recorder.begin(client.name, call)
        outcome = await answer
        recorder.end(number, outcome)
        if isinstance(outcome.error, NoAnswer):
            return False
        if step.keep is not None and isinstance(outcome.value, CollectionJob):
            held[step.keep] = outcome.value
    return True
