"""The code acquires a lock in one line and releases it in another. A task that is cancelled in
between, because its client disconnects, never releases the lock. From then on, all calls wait for
ever.

`async with` releases the lock however the block is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from sqlite3 import Connection

from typing_extensions import override

from docs.laws.table import T, Table


class Breach(Table):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.lock = asyncio.Lock()

    @override
    async def transaction(self, work: Callable[[Connection], T]) -> T:
        await self.lock.acquire()
        try:
            result = await super().transaction(work)
        except Exception:
            self.lock.release()
            raise
        self.lock.release()
        return result


class Fix(Table):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.lock = asyncio.Lock()

    @override
    async def transaction(self, work: Callable[[Connection], T]) -> T:
        async with self.lock:
            return await super().transaction(work)
