"""Reads that follow each other, made at once: nothing changes meanwhile, and each has one answer.

Most calls on a large store are such reads. One after another they wait for an adapter's thread or
its server thousands of times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence

from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.running.clients import Client
from collection_jobs.conformance.running.runner import make
from collection_jobs.conformance.spec.calls import Call, Kept, Outcome, Step
from collection_jobs.conformance.spec.operations import OPERATIONS
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["MOST_READS", "answers_in_order", "in_parts", "in_runs", "made_at_once", "shared_out"]

MOST_READS = 16
"""How many calls are under way at a time at most."""
_WORTH_SENDING = 8
"""How many reads are at least made at once in another process: each part is sent on its own."""


def in_runs(steps: Iterable[Step], most: int) -> Iterator[list[Step]]:
    """Yield the steps in their order: one alone, or some reads that can be made at once.

    The first of the reads that follow a change or an opening is made alone: it shows what an
    adapter does only then, as when it fills a cache.

    Args:
        steps: The steps; no more of them are taken than are due next, and one.
        most: How many reads are yielded together at most.
    """
    run, is_first = list[Step](), True
    for step in steps:
        if not is_first and _is_read(step):
            run.append(step)
            if len(run) == most:
                yield run
                run = []
            continue
        if run:
            yield run
            run = []
        is_first = not _is_read(step)
        yield [step]
    if run:
        yield run


def in_parts(steps: Sequence[Step], most: int) -> Iterator[list[Step]]:
    """Yield the steps in their order: those made one after another, or many reads at once."""
    part = list[Step]()
    for run in in_runs(steps, len(steps) if most > 1 else 1):
        if len(run) < _WORTH_SENDING:
            part += run
            continue
        if part:
            yield part
        yield run
        part = []
    if part:
        yield part


def _is_read(step: Step) -> bool:
    """Whether a step reads one job, which it names, and keeps nothing."""
    operation = OPERATIONS.get(step.method)
    if operation is None or operation.effect != "reads" or step.keep is not None:
        return False
    return all(isinstance(argument, str) for argument in step.arguments)


async def made_at_once(
    calls: Sequence[Call], repository: CollectionJobRepository
) -> Sequence[Outcome]:
    """Make calls at once; return what came of each."""
    if len(calls) == 1:
        return (await make(calls[0], repository),)
    return await asyncio.gather(*(make(call, repository) for call in calls))


def shared_out(steps: Sequence[Step], held: Mapping[str, Kept]) -> tuple[Client, ...]:
    """Return the clients that make some steps in another process.

    Args:
        steps: Reads that can be made at once, or steps that are made one after another.
        held: What is held before.
    """
    at_once = len(steps) >= _WORTH_SENDING and all(map(_is_read, steps))
    number = min(MOST_READS, len(steps)) if at_once else 1
    return tuple(Client(f"kit {one}", tuple(steps[one::number]), 0, held) for one in range(number))


def answers_in_order(clients: Sequence[Client], events: Iterable[Event]) -> Iterator[Outcome]:
    """Yield what came of the steps that were shared out, in their order, until one is missing."""
    made: dict[str, list[Outcome]] = {client.name: [] for client in clients}
    for event in events:
        if event.outcome is not None:
            made[event.client].append(event.outcome)
    answers = [iter(made[client.name]) for client in clients]
    while True:
        for of_client in answers:
            answer = next(of_client, None)
            if answer is None:
                return
            yield answer
