"""Locks: how long a statement waits for the lock of another transaction.

A statement on several jobs holds the rows that it has reached while it waits for the next one, so
whoever wants one of these waits, too, on any machine. So only a statement on one job waits for as
long as ``lock_timeout``; one on several gives up soon, and goes again without the locked ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from collection_jobs.adapters.postgres.errors import DRIVER_ERRORS
from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.adapters.postgres.session import milliseconds
from collection_jobs.adapters.postgres.settings import PostgresSettings
from collection_jobs.adapters.postgres.write import AnyWrite, Sharing

__all__ = ["Locks"]

_SHORT = 0.1
"""Seconds that a statement waits which holds up others: longer than most commits take."""
_PRECISION = 0.005


class Locks:
    """The time that writes have for locks."""

    def __init__(self, settings: PostgresSettings, locked_jobs: str, most: int) -> None:
        """Start with none.

        Args:
            settings: What the time-outs are.
            locked_jobs: The statement that tells which of some jobs others have locked.
            most: How many statements may wait long at once, so that others have connections.
        """
        self._loop = asyncio.get_running_loop()
        self._timeout = settings.lock_timeout
        self._locked_jobs = locked_jobs
        self._most = most
        self._patient = 0
        self._long_limit = str(milliseconds(self._timeout))
        self._short_limit = str(milliseconds(min(_SHORT, self._timeout)))

    @property
    def may_wait(self) -> bool:
        """Whether one more statement may wait long."""
        return self._patient < self._most

    @contextmanager
    def limited(self, pooled: PooledConnection, batch: list[AnyWrite]) -> Generator[None]:
        """Set how long the statement of some writes waits for a lock."""
        now = self._loop.time()
        first = batch[0]
        is_new = not first.locks_until
        for write in batch:
            if not write.locks_until:
                write.locks_until = now + self._timeout
        patient = len(batch) == 1 and len(first.ids) <= 1 and self.may_wait
        if not patient:
            pooled.lock_limit = self._short_limit
        elif is_new:
            pooled.lock_limit = self._long_limit
        else:
            pooled.lock_limit = str(milliseconds(first.locks_until - now))
        self._patient += patient
        try:
            yield
        finally:
            self._patient -= patient

    async def sorted_out(self, pooled: PooledConnection, batch: list[AnyWrite]) -> list[AnyWrite]:
        """Those of some writes that met a lock which are to be repeated, the locked ones alone."""
        now = self._loop.time() + _PRECISION
        again = [write for write in batch if now < write.locks_until]
        if len(batch) == 1:
            batch[0].sharing = Sharing.LOCKED
            return again
        locked = await self._locked(pooled, batch)
        for write in batch:
            write.attempts += 1
            if not locked.isdisjoint(write.ids):
                write.sharing = Sharing.LOCKED
            elif write.attempts > 1:
                # What no row shows, such as a job that another is about to create.
                write.sharing = Sharing.ALONE
        return again

    async def _locked(self, pooled: PooledConnection, batch: list[AnyWrite]) -> set[str]:
        ids = sorted({job_id for write in batch for job_id in write.ids})
        try:
            return {row[0] for row in await pooled.fetch(self._locked_jobs, ids)}
        except DRIVER_ERRORS:
            return set(ids)
