"""Messages between the kit and its worker processes: what is asked, and what is answered."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.running.clients import Client
from collection_jobs.conformance.spec.calls import Call, Outcome, error_text
from collection_jobs.errors import CollectionJobError, RepositoryError
from collection_jobs.validation import shown

__all__ = [
    "CallBegan",
    "CallEnded",
    "Close",
    "Do",
    "Done",
    "Failed",
    "ForeignError",
    "Leave",
    "Open",
    "Told",
    "Use",
    "Work",
    "portable",
    "portable_events",
]


@dataclass(frozen=True, slots=True)
class Open:
    """Open the store in a directory, in place of the one that is open.

    Attributes:
        directory: Where it is.
        handles: How many times.
        timeout: In how many seconds each time.
        die_at: Where the process kills itself meanwhile, as for `Work`.
    """

    directory: Path
    handles: int
    timeout: float
    die_at: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """Let clients work.

    Attributes:
        clients: Who they are and what they do.
        start_at: When they begin, by ``time.monotonic_ns()``; None is at once.
        told: Whether each call is told of when it begins and when it ends, rather than all of them
            at the end.
        die_at: At which site in the adapter, and which time that it is passed, the process kills
            itself; None is never. It takes effect only in a process that was started to count.
    """

    clients: tuple[Client, ...]
    start_at: int | None = None
    told: bool = False
    die_at: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """Let clients work on handles that they open and close themselves; each call is told at once.

    Beside calls, a step is ``open(place)``, of the client's handle, or ``close()``.

    Attributes:
        clients: Who they are and what they do.
        places: The paths by which the store can be opened.
        timeout: In how many seconds each time.
        start_at: When they begin, by ``time.monotonic_ns()``; None is at once.
    """

    clients: tuple[Client, ...]
    places: tuple[Path, ...]
    timeout: float
    start_at: int | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """Close the store.

    Attributes:
        die_at: Where the process kills itself meanwhile, as for `Work`.
    """

    die_at: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Do:
    """Call a function in the worker process, on the thread of its event loop.

    Attributes:
        work: A function of a module, maybe with its arguments bound.
    """

    work: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Leave:
    """End, as a process does that has nothing more to do; what is open is left open."""


@dataclass(frozen=True, slots=True)
class CallBegan:
    """A call is about to be made."""

    number: int
    client: str
    call: Call


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The call of that number came back."""

    number: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Told:
    """A call of clients that use handles, as it is when it begins, or as it is when it ended."""

    number: int
    event: Event


@dataclass(frozen=True, slots=True)
class Done:
    """What was asked is done.

    Attributes:
        events: The calls that were made, unless they were told one by one.
        sites: How often each site in the adapter was passed, if that is counted.
    """

    events: tuple[Event, ...] = ()
    sites: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Failed:
    """What was asked could not be done.

    Attributes:
        error: The adapter's error, as text.
        ours: Whether it is one of the contract's, or the kit's that it was not answered.
        hidden: The engine's error that it stands for and does not carry as its cause.
    """

    error: str
    ours: bool
    hidden: str | None = None


class ForeignError(Exception):
    """Stands for an error of another process that cannot be sent as it is."""

    def __init__(self, kind: str, text: str) -> None:
        """Remember the type's name and the message."""
        super().__init__(kind, text)

    def __str__(self) -> str:
        """As Python words an error."""
        return ": ".join(self.args)


def portable_events(events: Sequence[Event]) -> tuple[Event, ...]:
    """Return the same events, with stand-ins for what cannot be sent to another process."""
    if _survives([event.outcome for event in events]):  # together, for that takes half the time
        return tuple(events)
    return tuple(
        event if event.outcome is None else replace(event, outcome=portable(event.outcome))
        for event in events
    )


def portable(outcome: Outcome) -> Outcome:
    """Return the same outcome, with stand-ins for what cannot be sent to another process."""
    error = outcome.error
    if error is not None and not _survives(error):
        kind, _, said = error_text(error).partition(": ")
        text = kind, said
        ours = isinstance(error, CollectionJobError)
        outcome = replace(outcome, error=RepositoryError(*text) if ours else ForeignError(*text))
    if not _survives(outcome.value):
        outcome = replace(outcome, value=shown(outcome.value))
    return outcome


def _survives(value: Any) -> bool:
    try:
        pickle.loads(pickle.dumps(value))  # noqa: S301 - it has just been written here
    except Exception:  # noqa: BLE001 - a type may do anything when it is copied
        return False
    return True
