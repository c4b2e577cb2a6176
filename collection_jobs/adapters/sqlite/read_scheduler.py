"""ReadScheduler: how callers whose reads never suspend share the event loop's thread."""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["ReadScheduler"]

# Jobs read in one round of the event loop, at some 25 us each. What comes due meanwhile waits for
# three of them: for the rest of this one, for the next before its timer is seen to, and for the one
# after that before its task goes on.
_ROUND = 64
# A turn of this many is worth its suspension and its way through the loop, at some 10 us together.
_LEAST = 16


class ReadScheduler:
    """A caller reads until its budget is spent, then yields for one loop iteration.

    Were the callers to suspend without waiting, each round of the loop would hold a read of every
    one: 256 listings of 50 jobs kept all else from running for 0.3 s. So those who wait stand in a
    queue, and in each round only so many go on as read about ``_ROUND`` jobs together, by what the
    turns of the last round took.

    Attributes:
        left: Jobs that may still be read in this turn; whoever reads takes them off. From 0 on,
            ``await next()`` comes before the next read.
    """

    __slots__ = (
        "_granted",
        "_in_rounds",
        "_loop",
        "_share",
        "_spent",
        "_turns",
        "_waiting",
        "left",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin with none: the first caller waits for its turn, too."""
        self._loop = loop
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._in_rounds = False
        self.left: int = 0
        self._share = self._granted = 0
        self._spent = self._turns = 0

    async def next(self) -> None:
        """Wait for a turn. A cancelled call takes none."""
        self._end_turn()
        wait_again = self._waiting.append
        while True:
            if not self._in_rounds:
                self._in_rounds = True
                self._loop.call_soon(self._begin_round)
            turn = self._loop.create_future()
            wait_again(turn)
            await turn
            self._end_turn()
            if self._spent < _ROUND:
                break
            wait_again = self._waiting.appendleft  # those before took more than was foreseen
        self._granted = self.left = self._share

    def _end_turn(self) -> None:
        if self._granted:
            self._spent += self._granted - self.left
            self._turns += 1
            self._granted = self.left = 0

    def _begin_round(self) -> None:
        if not self._waiting:
            self._in_rounds = False
            return
        self._share = max(_LEAST, _ROUND // len(self._waiting))
        jobs_a_turn = max(self._share, self._spent // (self._turns or 1))
        self._spent = self._turns = 0
        for _ in range(min(len(self._waiting), max(1, _ROUND // jobs_a_turn))):
            turn = self._waiting.popleft()
            if not turn.done():  # a cancelled caller waits no more
                turn.set_result(None)
        self._loop.call_soon(self._begin_round)  # after those who go on now
