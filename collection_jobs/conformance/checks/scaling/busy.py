"""Whether the machine is too busy for time on the clock to mean anything."""

from __future__ import annotations

import time

__all__ = ["is_busy"]

_SPIN = 0.01
"""Seconds of work in one look: longer than what a busy system gives a process at once."""
_LOOKS = 5
_DISTURBED = 1.25


def is_busy() -> bool:
    """Return whether work that waits for nothing takes longer on the clock than it is."""
    return min(_stretched() for _ in range(_LOOKS)) > _DISTURBED


def _stretched() -> float:
    began, cpu = time.perf_counter(), time.thread_time()
    while time.thread_time() - cpu < _SPIN:
        pass
    return (time.perf_counter() - began) / _SPIN
