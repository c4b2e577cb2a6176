"""Stores on a real file of which a handle goes by what it knows, whatever others have done since.

Each is the SQLite adapter, which asks the file every time, and one shortcut before it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from typing_extensions import override

from collection_jobs import CollectionJob, JobStatus, Lease
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository
from tests.mutants.handling import HANDLES
from tests.mutants.table import breaks

_FINAL = (JobStatus.COMPLETED, JobStatus.CANCELLED)


class Knowing(SQLiteCollectionJobRepository):
    """Made in a directory; right as it is."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "jobs.db")


@breaks(HANDLES, "ATOMIC-1")
class AddsNothingItKnows(Knowing):
    """Says of each id that it has added that it is there, until it deletes the job itself."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.known: set[str] = set()

    @override
    async def add(self, job: CollectionJob) -> bool:
        if isinstance(job, CollectionJob) and job.id in self.known:
            return False
        added = await super().add(job)
        self.known.add(job.id)
        return added

    @override
    async def delete(self, job_id: str) -> bool:
        deleted = await super().delete(job_id)
        self.known.discard(job_id)
        return deleted


@breaks(HANDLES, "ATOMIC-1")
class EndsForGood(Knowing):
    """Remembers which jobs it has ended: nothing can become of them, unless it saves them again."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.ended: set[str] = set()

    @override
    async def update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None = None,
        *,
        lease: Lease | None = None,
    ) -> bool:
        if lease is None and job_id in self.ended and isinstance(status, JobStatus):
            return False
        done = await super().update_status(job_id, status, error_message, lease=lease)
        if done and status in _FINAL:
            self.ended.add(job_id)
        return done

    @override
    async def save(self, job: CollectionJob) -> None:
        await super().save(job)
        self.ended.discard(job.id)


@breaks(HANDLES, "ATOMIC-1")
class PollsNowAndThen(Knowing):
    """Having found nothing to claim, it does not look again for 50 ms."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.until: dict[str | None, float] = {}

    @override
    async def claim_next(
        self,
        worker: str,
        ttl: timedelta,
        *,
        source: str | None = None,
        most_running: int | None = None,
    ) -> Lease | None:
        if time.monotonic() < self.until.get(source, 0):
            return None
        lease = await super().claim_next(worker, ttl, source=source, most_running=most_running)
        if lease is None and most_running is None:
            self.until[source] = time.monotonic() + 0.05
        return lease

    @override
    async def save(self, job: CollectionJob) -> None:
        self.until.clear()
        await super().save(job)


@breaks(HANDLES, "ATOMIC-1")
class TrustsItsOwnLeases(Knowing):
    """Does not ask about a lease that it gave out itself and has not seen the end of."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.tokens: dict[str, int] = {}

    @override
    async def claim(self, job_id: str, worker: str, ttl: timedelta) -> Lease | None:
        lease = await super().claim(job_id, worker, ttl)
        if lease is not None:
            self.tokens[job_id] = lease.token
        return lease

    @override
    async def add_failed_symbol(
        self, job_id: str, symbol: str, error: str, *, lease: Lease | None = None
    ) -> None:
        is_trusted = isinstance(lease, Lease) and self.tokens.get(job_id) == lease.token
        await super().add_failed_symbol(job_id, symbol, error, lease=None if is_trusted else lease)

    @override
    async def update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None = None,
        *,
        lease: Lease | None = None,
    ) -> bool:
        done = await super().update_status(job_id, status, error_message, lease=lease)
        self.tokens.pop(job_id, None)
        return done

    @override
    async def save(self, job: CollectionJob) -> None:
        await super().save(job)
        self.tokens.pop(job.id, None)

    @override
    async def delete(self, job_id: str) -> bool:
        deleted = await super().delete(job_id)
        self.tokens.pop(job_id, None)
        return deleted


@breaks(HANDLES, "ATOMIC-1")
class KnowsItsLeases(Knowing):
    """Keeps the leases that it gave out until they expire, or it changes the job itself."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.leases: dict[str, Lease] = {}

    @override
    async def claim_next(
        self,
        worker: str,
        ttl: timedelta,
        *,
        source: str | None = None,
        most_running: int | None = None,
    ) -> Lease | None:
        lease = await super().claim_next(worker, ttl, source=source, most_running=most_running)
        if lease is not None:
            self.leases[lease.job.id] = lease
        return lease

    @override
    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        renewed = await super().renew(lease, ttl)
        self.leases.pop(renewed.job.id, None)
        return renewed

    @override
    async def delete(self, job_id: str) -> bool:
        deleted = await super().delete(job_id)
        self.leases.pop(job_id, None)
        return deleted

    @override
    async def get_lease(self, job_id: str) -> Lease | None:
        known = self.leases.get(job_id)
        if known is not None and known.expires_at > datetime.now(UTC):
            found = await self.get_by_id(job_id)
            if found is None or found == known.job:
                return known
        return await super().get_lease(job_id)
