"""Histories: what several clients asked of one repository, when, and what came back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from collection_jobs.conformance.calls import Call, Outcome

__all__ = ["Event", "History", "Made", "is_change"]

Made = Callable[[Call], Awaitable[Outcome]]
"""Makes a call on some repository and says what came of it."""

_CHANGING = frozenset({"save", "delete", "update_status", "add_failed_symbol"})


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
        """The event as a sentence."""
        came = "never came back" if self.outcome is None else str(self.outcome)
        return f"{self.client}: {self.call} {came}"


@dataclass(slots=True)
class History:
    """Records calls as they are made; its clock is a counter of begins and ends."""

    events: list[Event] = field(default_factory=list[Event])
    _now: int = 0

    async def record(self, client: str, call: Call, made: Made) -> Outcome:
        """Make a call and remember it, also when it is cancelled or never comes back."""
        began = self._tick()
        at = len(self.events)
        self.events.append(Event(client, call, began))
        outcome = await made(call)
        self.events[at] = Event(client, call, began, self._tick(), outcome)
        return outcome

    def _tick(self) -> int:
        self._now += 1
        return self._now


def is_change(event: Event) -> bool:
    """Whether the call changed the store, as far as its answer tells, or may have changed it."""
    if event.call.method not in _CHANGING:
        return False
    outcome = event.outcome
    return outcome is None or (outcome.error is None and outcome.value is not False)
