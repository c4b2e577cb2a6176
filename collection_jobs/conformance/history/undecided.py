"""Undecided histories: those of which no order was found or refuted within a budget of steps.

To find an order is NP-complete (Gibbons and Korach, "Testing shared memories", SIAM J. Comput.
1997), so the search for one has a budget. What it does not decide breaks no law, and shows none to
hold. It is noted here, and whoever runs a check says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from collection_jobs.conformance.history.sequential_spec import JobOperation

__all__ = ["most_steps", "note", "take_notes"]

_MOST_STEPS = 100_000
_MOST_FOR_EACH = 20

_notes: list[str] = []  # of the check under way, which may judge on a thread of its own


def most_steps(operations: int) -> int:
    """Return how many ways on a search looks at in a history of so many operations.

    `benchmarks/linearizability.py` shows how long that takes.
    """
    return max(_MOST_STEPS, _MOST_FOR_EACH * operations)


def note(operations: Sequence[JobOperation], steps: float) -> None:
    """Remember that a history was not decided in so many steps."""
    calls, clients = len(operations), len({one.event.client for one in operations})
    _notes.append(
        f"{calls:,} calls of {clients:,} clients on one job have so many orders that none was found"
        f" or refuted in {steps:,} steps"
    )


def take_notes() -> list[str]:
    """Return what was noted since the last time."""
    taken = _notes.copy()
    _notes.clear()
    return taken
