"""Histories: what several clients asked of one repository, when, and what came back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from collection_jobs.conformance.spec.calls import Call, NoAnswer, Outcome
from collection_jobs.conformance.spec.operations import OPERATIONS

__all__ = ["Event", "History", "Recording", "is_change", "is_hung"]

_CHANGING = {name: one.unchanged for name, one in OPERATIONS.items() if one.writes}


@dataclass(frozen=True, slots=True)
class Event:
    """One call of one client, between two instants of a clock that all the clients share.

    Attributes:
        client: Who called.
        call: What was called.
        began: When, on any clock that orders the instants: a counter, or ``time.monotonic_ns()``.
        ended: When it came back; None when it never did, for it was cancelled or its process died.
            Then the call may have happened or not, at any time from ``began`` on.
        outcome: What came back; None exactly when ``ended`` is.
    """

    client: str
    call: Call
    began: int
    ended: int | None = None
    outcome: Outcome | None = None

    def __post_init__(self) -> None:
        """Refuse an event that says it ended without an outcome, or before it began."""
        if (self.ended is None) is not (self.outcome is None):
            raise ValueError(f"an event has an end and an outcome, or neither: {self}")
        if self.ended is not None and self.ended < self.began:
            raise ValueError(f"an event ends after it began: {self}")

    def __str__(self) -> str:
        """Return the event as a sentence."""
        came = "never returned" if self.outcome is None else str(self.outcome)
        return f"{self.client}: {self.call} {came}"


class History:
    """Records calls as they are made; its clock counts the begins and ends.

    Attributes:
        events: The calls, in the order in which they began.
    """

    def __init__(self, clock: Callable[[], int] | None = None) -> None:
        """Start with no calls.

        Args:
            clock: Gives the time, each no less than the one before; None counts.
        """
        self.events: list[Event] = []
        self._clock = count(1).__next__ if clock is None else clock

    def begin(self, client: str, call: Call) -> int:
        """Note that a call is about to be made: until `end` is told of it, it never returned.

        Returns:
            The number of the event.
        """
        self.events.append(Event(client, call, self._clock()))
        return len(self.events) - 1

    def end(self, number: int, outcome: Outcome) -> None:
        """Note that the call of that number came back."""
        begun = self.events[number]
        self.events[number] = Event(begun.client, begun.call, begun.began, self._clock(), outcome)


class Recording(History):
    """Records calls by the clock that all processes of a machine share."""

    def __init__(self) -> None:
        """Start with no calls."""
        super().__init__(time.monotonic_ns)


def is_change(event: Event) -> bool:
    """Whether the call changed the store, as far as its answer tells, or may have changed it."""
    if event.call.method not in _CHANGING:
        return False
    outcome = event.outcome
    if outcome is None:
        return True
    return outcome.error is None and not _CHANGING[event.call.method](outcome.value)


def is_hung(event: Event) -> bool:
    """Whether the kit gave up waiting for the call."""
    return event.outcome is not None and isinstance(event.outcome.error, NoAnswer)
