"""Deadlines: connections that wait for the server are dropped when their calls' time is over.

asyncpg's own time-outs would not do: it asks the server to cancel, over the same network, and waits
for the answer. One timer serves all calls, since all have the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from collection_jobs.adapters.postgres.pooled import PooledConnection

__all__ = ["Deadlines"]

_PRECISION = 0.001
"""Seconds by which a deadline may be taken as over early: an event loop's timer may come so."""


class Deadlines:
    """The connections under way, and a timer that comes at the earliest deadline."""

    def __init__(self, expire: Callable[[float], Iterable[float]]) -> None:
        """Start with none.

        Args:
            expire: Called with the time now; it fails what waits elsewhere and is late, and gives
                the deadlines of the rest.
        """
        self._expire = expire
        self._loop = asyncio.get_running_loop()
        self._waiting: set[PooledConnection] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, pooled: PooledConnection, deadline: float) -> None:
        """Watch a connection that begins to wait for the server."""
        pooled.deadline = deadline
        self._waiting.add(pooled)
        self.watch(deadline)

    def end(self, pooled: PooledConnection) -> None:
        """Stop watching a connection, which waits no more."""
        self._waiting.discard(pooled)

    def now(self) -> float:
        """Return the time up to which deadlines are over.

        Whoever asks whether a call has time left must ask by this clock: by the event loop's own, a
        call whose connection was dropped early would begin again, for less than a millisecond.
        """
        return self._loop.time() + _PRECISION

    def watch(self, deadline: float) -> None:
        """See to it that the timer comes then, or before."""
        if self._timer is None:
            self._timer = self._loop.call_at(deadline, self._ring)
        elif deadline < self._timer.when():
            self._timer.cancel()
            self._timer = self._loop.call_at(deadline, self._ring)

    def stop(self) -> None:
        """Watch nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        now = self.now()
        for pooled in self._waiting:
            if pooled.deadline <= now and not pooled.is_late:
                pooled.drop_late()
        waiting = (pooled.deadline for pooled in self._waiting if not pooled.is_late)
        earliest = min((*waiting, *self._expire(now)), default=None)
        if earliest is not None:
            self.watch(earliest)
