"""Many callers: more of them on one handle than a usual pool has connections, or threads."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import floor

from collection_jobs.conformance.history.checker import check_among
from collection_jobs.conformance.history.history import Event, is_hung
from collection_jobs.conformance.running.clients import Client
from collection_jobs.conformance.running.configuration import Examination, Plan
from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.open_store import Pulse
from collection_jobs.conformance.running.topologies import Topology, in_one_process
from collection_jobs.conformance.running.watchdog import Blocked, watched
from collection_jobs.conformance.spec.answers import DELETION
from collection_jobs.conformance.spec.calls import Step, example_job
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.operations import Operation, operations
from collection_jobs.errors import RepositoryError

__all__ = ["examine_many_callers"]

_LAW = "ATOMIC-1"
_SIZES, _LARGE = (10, 20, 50, 100), (50,)
"""Callers at once. Usual pools have 5, 10, 15 or 32 places."""
_FEW = 3
_SHOWN = 3
_SPEED = 5
"""Calls from which it is told how long one takes."""


def examine_many_callers(plan: Plan) -> Examination:
    """Let every method be called by many callers at once on one handle.

    Each call must be answered, and all answers must have an order. An adapter may refuse some with
    a RepositoryError where its pool is exhausted, as long as it serves the calls after that.
    """
    callers, pulse = _ManyCallers(plan.capabilities), Pulse()

    def run() -> Finding | None:
        with in_one_process(plan.opening, plan.new_directory(), 1, pulse) as topology:
            return callers.call(topology, _SIZES if plan.profile.on_disk else _LARGE)

    try:
        found = watched(run, lambda: pulse.beats)
    except Blocked as blocked:
        found = Finding(_LAW, f"among many callers, {blocked}", (f"# {blocked}",))
    return Examination([] if found is None else [found], str(callers))


@dataclass(slots=True)
class _ManyCallers:
    """What was tried on one handle.

    Attributes:
        calls: How many calls were made.
        refused: How many of them ended with a RepositoryError, as where a pool is exhausted.
        sizes: How many callers there were, each time.
        slow: Why there were no more; None: there were as many as planned.
    """

    capabilities: frozenset[str]
    calls: int = 0
    refused: int = 0
    sizes: list[int] = field(default_factory=list[int])
    slow: str | None = None

    def __str__(self) -> str:
        """Say what was covered."""
        sizes = ", ".join(map(str, self.sizes)) or "no"
        told = f"every method called by {sizes} callers at once on one handle, {self.calls} calls"
        if self.refused:
            told += f" ({self.refused} of them refused with a RepositoryError)"
        return told if self.slow is None else f"{told}; {self.slow}"

    def call(self, topology: Topology, sizes: Sequence[int]) -> Finding | None:
        """Let ever more callers call, until one is not served."""
        at_most = self._at_most(topology)
        for size in sizes:
            if size > at_most:
                self.slow = f"no {size} callers, for one call of so many took too long"
                return None
            self.sizes.append(size)
            found = self._all_at_once(topology, size)
            if found is not None:
                return found
        return None

    def _at_most(self, topology: Topology) -> int:
        """How many callers can be answered in good time where each waits for the one before."""
        job = example_job("speed")
        began = time.monotonic()
        steps = (Step("save", (job,)), Step("get_by_id", (job.id,))) * _SPEED
        topology.run([Client("speed", (*steps, Step("delete", (job.id,))))])
        each = (time.monotonic() - began) / (2 * _SPEED + 1)
        return floor(deadline() / 3 / max(each, 1e-9))

    def _all_at_once(self, topology: Topology, size: int) -> Finding | None:
        ids = [f"caller {number} of {size}" for number in range(size)]
        events: list[Event] = []
        for about, clients in self._programs(ids, size):
            made = topology.run(clients)
            events += made
            self.calls += len(made)
            hung = [event for event in made if is_hung(event)]
            if hung:
                return _no_answer(about, size, hung)
        after = topology.run([Client("afterwards", _afterwards(self.capabilities, size))])
        raised = [event for event in after if event.outcome and event.outcome.error is not None]
        if raised:
            return _finding(f"after {size} callers at once, {raised[0]}", raised[:1], size)
        refused = [event for event in events if _is_refused(event)]
        self.refused += len(refused)
        told = [_unknown(event) if event in refused else event for event in events]
        found = check_among({*ids, "all"}, told)
        if not found:
            return None
        text = f"with {size} callers at once on one handle, {found[0].message}"
        return Finding(found[0].law, text, found[0].history)

    def _programs(self, ids: Sequence[str], size: int) -> Iterator[tuple[str, list[Client]]]:
        """Yield for each method a client for each caller, on a job of its own; then on one job."""
        every = operations(self.capabilities)
        last = [one for one in every if _deletes(one)]
        yield "save", [Client(id_, (Step("save", (example_job(id_),)),)) for id_ in ids]
        for one in (*(one for one in every if one not in last), *last):
            clients = [Client(id_, (one.step(id_, limit=_FEW),)) for id_ in ids]
            yield one.name, clients
        for one in every:
            if one.laws.one_winner is not None:
                yield "save", [Client("before", (Step("save", (example_job("all"),)),))]
                yield one.name, [Client(id_, (one.step("all"),)) for id_ in ids]
        reads = [Client(id_, (Step("get_by_id", ("all",)),)) for id_ in ids[:_FEW]]
        yield "get_by_id", [*reads, Client("end", (Step("delete", ("all",)),))]


def _deletes(operation: Operation) -> bool:
    return DELETION in set(operation.gives(operation.call()))


def _afterwards(capabilities: frozenset[str], size: int) -> tuple[Step, ...]:
    id_ = f"after {size}"
    job = example_job(id_)
    every = [one for one in operations(capabilities) if not one.needs_lease]
    every.sort(key=_deletes)
    return (Step("save", (job,)), *(one.step(id_, limit=_FEW) for one in every))


def _is_refused(event: Event) -> bool:
    return event.outcome is not None and isinstance(event.outcome.error, RepositoryError)


def _unknown(event: Event) -> Event:
    return Event(event.client, event.call, event.began)


def _no_answer(about: str, size: int, hung: Sequence[Event]) -> Finding:
    text = (
        f"with {size} callers of {about} at once on one handle, {len(hung)} calls gave no answer"
        f" within {deadline():g} s"
    )
    return _finding(text, hung, size)


def _finding(message: str, events: Sequence[Event], size: int) -> Finding:
    lines = [f"asyncio.create_task({event.call})" for event in events[:_SHOWN]]
    if len(events) > _SHOWN:
        lines.append(f"# and {len(events) - _SHOWN} more like these")
    return Finding(_LAW, message, (f"# {size} callers on one handle:", *lines))
