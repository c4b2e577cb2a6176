"""Holdings: what a process and its event loop hold that a cancelled call may have left behind."""

from __future__ import annotations

import asyncio
import gc
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

__all__ = ["Holdings"]

_LEAST = 32
"""So many things more are no pool that grows to its size."""
_GRACE, _TRIES = 1.0, 20
"""Seconds for what was left to others to be let go, and how often it is looked at."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """How many things there are of each kind.

    Attributes:
        handles: File handles, sockets too; 0 where the system does not tell.
        threads: Threads.
        tasks: Tasks of the event loop.
    """

    handles: int
    threads: int
    tasks: int

    @classmethod
    def now(cls) -> Self:
        """Count them."""
        try:
            handles = sum(1 for _ in Path("/dev/fd").iterdir())
        except OSError:
            handles = 0
        return cls(handles, threading.active_count(), len(asyncio.all_tasks()))

    @classmethod
    def at_first(cls) -> Self:
        """Count them before calls are cancelled, without what others have left to the collector."""
        counted = cls.now()
        if counted.handles < _LEAST:
            return counted  # too few to hide as many that are lost later
        gc.collect()
        return cls.now()

    @classmethod
    async def leaked(cls, before: Self, times: int) -> str | None:
        """Return what there is more of for most of the cancelled calls, after some time; or None.

        Args:
            before: What there was before.
            times: How many calls were cancelled since.
        """
        told = cls.now()._beyond(before, times)
        for _ in range(_TRIES):
            if told is None:
                return None
            gc.collect()  # what nobody refers to any more is closed
            await asyncio.sleep(_GRACE / _TRIES)
            told = cls.now()._beyond(before, times)
        return told

    def _beyond(self, before: Self, times: int) -> str | None:
        least = max(_LEAST, times // 2)
        for more, what in (
            (self.handles - before.handles, "file handles"),
            (self.threads - before.threads, "threads"),
            (self.tasks - before.tasks, "tasks"),
        ):
            if more >= least:
                return f"the process holds {more} more {what} than before"
        return None
