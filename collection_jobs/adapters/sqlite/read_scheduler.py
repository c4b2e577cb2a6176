"""ReadScheduler: share the event loop's thread among callers whose reads never suspend."""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["ReadScheduler"]

# Jobs read in one round of the event loop, at some 25 us each. What comes due meanwhile waits for
# three of them: for the rest of this one, for the next before its timer is seen to, and for the one
# after that before its task goes on.
_ROUND = 64
# A budget of this many is worth its suspension and its way through the loop, at some 10 us
# together.
_LEAST = 16


class ReadScheduler:
    """A caller reads until its budget is spent, then yields for one loop iteration.

    Were the callers to suspend without waiting, each round of the loop would hold a read of every
    one: 256 listings of 50 jobs kept all else from running for 0.3 s. So those who wait stand in a
    queue, and in each round only so many go on as read about ``_ROUND`` jobs together, by what the
    budgets of the last round took.

    Attributes:
        left: Jobs that may still be read within this budget; whoever reads takes them off. From 0
            on, ``await next()`` comes before the next read.
    """

    __slots__ = (
        "_budgets",
        "_granted",
        "_in_rounds",
        "_loop",
        "_share",
        "_spent",
        "_waiting",
        "left",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin with none: the first caller waits for a budget, too."""
        self._loop = loop
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._in_rounds = False
        self.left: int = 0
        self._share = self._granted = 0
        self._spent = self._budgets = 0

    async def next(self) -> None:
        """Wait for a budget. A cancelled call takes none."""
        self._end_budget()
        wait_again = self._waiting.append
        while True:
            if not self._in_rounds:
                self._in_rounds = True
                self._loop.call_soon(self._begin_round)
            caller = self._loop.create_future()
            wait_again(caller)
            await caller
            self._end_budget()
            if self._spent < _ROUND:
                break
            wait_again = self._waiting.appendleft  # those before took more than was foreseen
        self._granted = self.left = self._share

    def _end_budget(self) -> None:
        if self._granted:
            self._spent += self._granted - self.left
            self._budgets += 1
            self._granted = self.left = 0

    def _begin_round(self) -> None:
        if not self._waiting:
            self._in_rounds = False
            return
        self._share = max(_LEAST, _ROUND // len(self._waiting))
        jobs_a_budget = max(self._share, self._spent // (self._budgets or 1))
        self._spent = self._budgets = 0
        for _ in range(min(len(self._waiting), max(1, _ROUND // jobs_a_budget))):
            caller = self._waiting.popleft()
            if not caller.done():  # a cancelled caller waits no more
                caller.set_result(None)
        self._loop.call_soon(self._begin_round)  # after those who go on now
