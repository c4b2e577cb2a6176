"""Two handles of one process by turns: each sees at once what the other has done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from collection_jobs.conformance.history.checker import check_among
from collection_jobs.conformance.history.history import Event, is_hung
from collection_jobs.conformance.running.clients import Client
from collection_jobs.conformance.running.topologies import Topology
from collection_jobs.conformance.spec.calls import Step, example_job
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.operations import operations
from collection_jobs.errors import RepositoryError

__all__ = ["TURNS", "alternate"]

_LAW = "ATOMIC-1"
TURNS = 12
"""How often a handle changes what the other has just read, each time within a tick of a clock."""
_JOBS = ("first", "second")
_ERRORS = ("banned", "reset!")
"""Texts of one length: what is written has the size of what it replaces."""
_LONGEST = 10
_TICK = 10_000_000
"""Nanoseconds. Many systems give a file the time of their clock's last tick, some a time of their
own to each change: the times of the files are set back to the tick, so that all are alike."""


def alternate(
    topology: Topology, capabilities: frozenset[str], directory: Path
) -> tuple[int, Finding | None]:
    """Let one handle read, another change what was read, and the first one read again.

    The reads are short, one job of several: a cursor that stays open holds a snapshot, or a lock.
    Nothing waits in between, so that a file's time and size are often those of the state before.

    Args:
        topology: The store, open twice.
        capabilities: What the adapter can do.
        directory: The store's.

    Returns:
        How many calls were made, and what is wrong.
    """
    events: list[Event] = []
    for handle, step in _program(capabilities):
        made = topology.run([Client(f"handle {handle + 1}", (step,), handle)])
        events += made
        _to_the_tick(directory)
        if any(map(_failed, made)):
            text = f"two handles of one process worked by turns, and {made[0]}"
            return len(events), Finding(_LAW, text, _history(events))
    found = check_among(set(_JOBS), events)
    if not found:
        return len(events), None
    text = f"two handles of one process worked by turns, and {found[0].message}"
    ends = [at for at, event in enumerate(events, 1) if str(event) in found[0].message]
    return len(events), Finding(_LAW, text, _history(events[: ends[0] if ends else None]))


def _program(capabilities: frozenset[str]) -> Iterator[tuple[int, Step]]:
    listings = [one for one in operations(capabilities) if one.listing and one.takes("limit")]
    for job_id in _JOBS:
        yield 0, Step("save", (example_job(job_id),))
    for turn in range(TURNS):
        reader, writer = (0, 1) if turn % 4 < 2 else (1, 0)
        listing = listings[turn % len(listings)]
        yield reader, listing.step(limit=1)
        for error in _ERRORS:
            yield reader, Step("get_by_id", (_JOBS[0],))
            yield writer, Step("add_failed_symbol", (_JOBS[0], "BTC", error))
        yield reader, Step("get_by_id", (_JOBS[0],))
        yield reader, listing.step(limit=2)


def _to_the_tick(directory: Path) -> None:
    for path in directory.rglob("*"):
        with suppress(OSError):  # it may be gone by now
            found = path.stat()
            os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns // _TICK * _TICK))


def _failed(event: Event) -> bool:
    error = None if event.outcome is None else event.outcome.error
    return is_hung(event) or isinstance(error, RepositoryError)


def _history(events: list[Event]) -> tuple[str, ...]:
    lines = [
        f"await {str(event.call).replace('repository', event.client.replace('handle ', 'h'), 1)}"
        f"  # {event.outcome}"
        for event in events[-_LONGEST:]
    ]
    return ("# h1 and h2 are two handles on one store:", *lines)
