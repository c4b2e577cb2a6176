"""Stores on a real file that lease, and what people get wrong among several callers and processes.

Each derives from `Leased` of the page of laws, which keeps leases in a table and is right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from sqlite3 import Connection
from typing import Any, Self

from typing_extensions import override

from collection_jobs import CollectionJob, JobStatus, Lease
from collection_jobs.job import check_job, check_jobs
from collection_jobs.lease import check_lease, check_ttl
from collection_jobs.validation import check_name
from docs.laws.leased import Leased, now
from tests.mutants.bulk import LARGE
from tests.mutants.cancelling import CANCELLED
from tests.mutants.contending import TOGETHER
from tests.mutants.crashing import KILLED
from tests.mutants.growing import GROWING
from tests.mutants.table import breaks, is_right

KILLED_WORKERS = "killed workers"
_EXPIRED = (
    "UPDATE leases SET worker = NULL, token = NULL, expires_at = NULL"
    " WHERE worker IS NOT NULL AND expires_at <= ?"
)


@is_right
class InATable(Leased):
    """Each call one transaction."""


# Openings


@breaks(LARGE, "LEASE-3", also=("LEASE-1",))
class SweepsWhenOpened(Leased):
    """Frees what has expired when it is opened, though who held it may still come back."""

    @override
    async def __aenter__(self) -> Self:
        await super().__aenter__()
        await self.transaction(lambda connection: connection.execute(_EXPIRED, (now(),)))
        return self


@breaks(LARGE, "LEASE-5", also=("LEASE-3",))
class CountsTokensFromThose(Leased):
    """Takes the next token from a counter, which begins at the greatest that is still held."""

    last = 0

    @override
    async def __aenter__(self) -> Self:
        await super().__aenter__()
        rows = await self.transaction(
            lambda connection: connection.execute("SELECT max(token) FROM leases").fetchall()
        )
        self.last = rows[0][0] or 0
        return self

    @override
    def token(self, connection: Connection, job: CollectionJob) -> int | None:
        self.last += 1
        return self.last


# Killed workers


@breaks(KILLED_WORKERS, "LEASE-3")
class KeepsLeasesInMemory(Leased):
    """The jobs are in the file, and the leases in a table that dies with the process."""

    @override
    async def __aenter__(self) -> Self:
        await super().__aenter__()
        await self.transaction(lambda connection: connection.execute("DELETE FROM leases"))
        return self


@breaks(KILLED_WORKERS, "LEASE-2", also=("LEASE-4",))
class FreesAllAtTheStart(Leased):
    """Gives back all that runs when it is opened, for nobody can be at work yet: but others are."""

    @override
    async def __aenter__(self) -> Self:
        await super().__aenter__()
        for job in await self.get_running_jobs():
            await self.save(job.give_back())
        return self


@breaks(KILLED_WORKERS, "LEASE-1")
class SetsTimers(Leased):
    """Sets a timer with each claim, which frees the job: those of a killed process never go off."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.timers: set[str] = set()

    @override
    def take(
        self, connection: Connection, job: CollectionJob, worker: str, ttl: timedelta
    ) -> Lease:
        self.timers.add(job.id)
        return super().take(connection, job, worker, ttl)

    @override
    def is_free(self, connection: Connection, job: CollectionJob) -> bool:
        is_known = job.status is JobStatus.PENDING or job.id in self.timers
        return is_known and super().is_free(connection, job)

    @override
    def next_free(self, connection: Connection, source: str | None) -> CollectionJob | None:
        job = super().next_free(connection, source)
        return job if job is not None and self.is_free(connection, job) else None


@breaks(KILLED_WORKERS, "LEASE-4", also=("LEASE-3",))
class GathersHeartbeats(Leased):
    """Keeps renewals in memory, to write them now and then; a killed process has not."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.renewed: dict[str, tuple[int, int]] = {}

    @override
    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        check_lease(lease)
        ttl = check_ttl(ttl)

        def work(connection: Connection) -> Lease:
            self.fence(connection, lease)
            self.renewed[lease.job.id] = lease.token, self.expiry(ttl) or 0
            return self.current(connection, lease.job.id)

        return await self.transaction(work)

    @override
    def rows_of(self, connection: Connection, job_id: str) -> list[tuple[Any, ...]]:
        rows = super().rows_of(connection, job_id)
        token, expires_at = self.renewed.get(job_id, (None, None))
        return [
            (worker, number, expires_at if number == token else expiry, attempt)
            for worker, number, expiry, attempt in rows
        ]


# Killed processes


@breaks(KILLED, "DURABLE-1", also=("SAVE-4",))
class ForgetsWhoHasWhat(KeepsLeasesInMemory):
    """The same, seen by a look at what a store has kept."""


# Concurrent calls


@breaks(TOGETHER, "LEASE-2", also=("ATOMIC-1", "LEASE-1", "LEASE-6"))
class SelectsThenTakes(Leased):
    """Finds the next job in one transaction, and takes it in another."""

    @override
    async def claim_next(
        self,
        worker: str,
        ttl: timedelta,
        *,
        source: str | None = None,
        most_running: int | None = None,
    ) -> Lease | None:
        if most_running is not None:
            return await super().claim_next(worker, ttl, source=source, most_running=most_running)
        job = await self.transaction(lambda connection: self.next_free(connection, source))
        if job is None:
            return None
        return await self.transaction(lambda connection: self.take(connection, job, worker, ttl))


@breaks(TOGETHER, "LEASE-6", also=("ATOMIC-1",))
class CountsFirst(Leased):
    """Counts in one transaction, and claims in another."""

    @override
    async def claim_next(
        self,
        worker: str,
        ttl: timedelta,
        *,
        source: str | None = None,
        most_running: int | None = None,
    ) -> Lease | None:
        if most_running is not None:
            running = await self.transaction(lambda connection: self.running(connection, source))
            if running >= most_running:
                return None
        return await super().claim_next(worker, ttl, source=source)


@breaks(TOGETHER, "ADD-2", also=("ATOMIC-1",))
class LooksThenAdds(Leased):
    """Looks in one transaction, and inserts in another."""

    @override
    async def add(self, job: CollectionJob) -> bool:
        check_job(job)
        if await self.get_by_id(job.id) is not None:
            return False
        await self.transaction(lambda connection: self.insert(connection, job))
        return True


@breaks(TOGETHER, "ADD-3", also=("ATOMIC-1",))
class AddsOneByOne(Leased):
    """A transaction for each job."""

    @override
    async def add_many(self, jobs: Iterable[CollectionJob]) -> list[bool]:
        return [await self.add(job) for job in check_jobs(jobs)]


@breaks(KILLED, "DURABLE-1")
class AddsByTheThousand(Leased):
    """A transaction for a thousand jobs, as the engine takes so many rows in one statement."""

    @override
    async def add_many(self, jobs: Iterable[CollectionJob]) -> list[bool]:
        wanted = check_jobs(jobs)
        added = list[bool]()
        for first in range(0, len(wanted), 1_000):
            added += await super().add_many(wanted[first : first + 1_000])
        return added


# Cancelled calls


@breaks(CANCELLED, "CANCEL-1")
class RenewsOnWhenCancelled(Leased):
    """Shields a renewal: the caller hears of the cancellation at once, and the renewal goes on."""

    capabilities = Leased.capabilities | {"shared"}

    @override
    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        renewing = asyncio.ensure_future(self.later(lease, ttl))
        # Who was cancelled does not ask for the error.
        renewing.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(renewing)

    async def later(self, lease: Lease, ttl: timedelta) -> Lease:
        await asyncio.sleep(0.002)
        return await super().renew(lease, ttl)


@breaks(CANCELLED, "CANCEL-1")
class ClaimsOnWhenCancelled(Leased):
    """Shields a claim likewise, in a file that one process opens at a time."""

    @override
    async def claim(self, job_id: str, worker: str, ttl: timedelta) -> Lease | None:
        claiming = asyncio.ensure_future(self.later_claimed(job_id, worker, ttl))
        claiming.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(claiming)

    async def later_claimed(self, job_id: str, worker: str, ttl: timedelta) -> Lease | None:
        await asyncio.sleep(0.002)
        return await super().claim(job_id, worker, ttl)


@breaks(CANCELLED, "CANCEL-1")
class ClaimsByHalves(Leased):
    """Makes the job RUNNING, and in a second transaction writes who has it."""

    @override
    async def claim(self, job_id: str, worker: str, ttl: timedelta) -> Lease | None:
        job_id, worker = check_name("job_id", job_id), check_name("worker", worker)
        ttl = check_ttl(ttl)

        def begin(connection: Connection) -> CollectionJob | None:
            job = self.stored(connection, job_id)
            if job is None or not self.is_free(connection, job):
                return None
            former = job.give_back() if job.status is JobStatus.RUNNING else job
            self.write(connection, former.with_status(JobStatus.RUNNING))
            return former

        job = await self.transaction(begin)
        if job is None:
            return None
        return await self.transaction(lambda connection: self.take(connection, job, worker, ttl))


# Growing stores


@breaks(GROWING, "SCALE-1")
class ClaimsByLookingAtAll(Leased):
    """Reads every job that waits, and takes the oldest."""

    @override
    def next_free(self, connection: Connection, source: str | None) -> CollectionJob | None:
        pending = self.listed(connection, "WHERE status = 'pending'")
        expired = [super().next_free(connection, source)]
        of_source = [job for job in pending if source in (None, job.source)]
        free = [*of_source, *(job for job in expired if job is not None)]
        return min(free, key=lambda job: (job.created_at, job.id), default=None)
