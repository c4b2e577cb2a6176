"""Undecided histories: those of which no order was found or refuted within a budget of steps.

To find an order is NP-complete (Gibbons and Korach, "Testing shared memories", SIAM J. Comput.
1997), so the search for one has a budget. What it does not decide breaks no law, and shows none to
hold. It is noted here, and whoever runs a check says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from collection_jobs.conformance.history.sequential_spec import JobOperation

__all__ = ["MOST_STEPS", "note", "take_notes"]

MOST_STEPS = 200_000
"""How many ways on a search looks at; `benchmarks/linearizability.py` shows how long that takes."""

_notes: list[str] = []  # of the check under way, which may judge on a thread of its own


def note(operations: Sequence[JobOperation]) -> None:
    """Remember that a history was not decided."""
    calls, clients = len(operations), len({one.event.client for one in operations})
    _notes.append(
        f"{calls:,} calls of {clients:,} clients on one job have so many orders that none was found"
        f" or refuted in {MOST_STEPS:,} steps"
    )


def take_notes() -> list[str]:
    """Return what was noted since the last time."""
    taken = _notes.copy()
    _notes.clear()
    return taken
