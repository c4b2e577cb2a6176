"""Repositories with one bug each in what they add and lease, that one caller can see.

Each changes one thing of `Leased`, which is right; its docstring is the bug.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from typing_extensions import override

from collection_jobs import (
    CollectionJob,
    JobNotFoundError,
    JobStatus,
    Lease,
    LeaseLostError,
    StaleJobError,
)
from tests.mutants.leased_rows import Leased, Row
from tests.mutants.rows import age

BUGS: dict[type[Leased], frozenset[str]] = {}


def breaks(*laws: str) -> Callable[[type[Leased]], type[Leased]]:
    """Enter a mutant, with exactly the laws that the kit must find broken."""

    def enter(mutant: type[Leased]) -> type[Leased]:
        BUGS[mutant] = frozenset(laws)
        return mutant

    return enter


# AddsJobs


@breaks("ADD-1")
class AddsByReplacing(Leased):
    """INSERT OR REPLACE: a plan that is made twice resets what a worker has claimed meanwhile."""

    @override
    async def insert(self, job: CollectionJob) -> bool:
        await self.write(job)
        return True


@breaks("ADD-1")
class AddsInAnyCase(Leased):
    """INSERT OR IGNORE, and nobody looks how many rows that made."""

    @override
    async def insert(self, job: CollectionJob) -> bool:
        await super().insert(job)
        return True


@breaks("ADD-1")
class AddsFreshCopiesOnly(Leased):
    """Adds as it saves: a job that carries a revision has to be the stored one."""

    @override
    async def insert(self, job: CollectionJob) -> bool:
        stored = await self.read(job.id)
        if job.revision is not None and (stored is None or stored.revision != job.revision):
            raise StaleJobError(job.id, job.revision, None if stored is None else stored.revision)
        return await super().insert(job)


@breaks("ADD-1")
class AddsAllOrNone(Leased):
    """One INSERT of all rows, in a transaction: where one is there already, none is added."""

    @override
    async def add_many(self, jobs: Iterable[CollectionJob]) -> list[bool]:
        wanted = list(jobs)
        async with self.alone("*", "add_many"):
            if any(job.id in self.rows for job in wanted):
                return [False for _ in wanted]
            return [self.insert_now(job) for job in wanted]


@breaks("ADD-1")
class LooksBeforeItAdds(Leased):
    """Asks once which ids are there; one that comes twice is new both times."""

    @override
    async def add_many(self, jobs: Iterable[CollectionJob]) -> list[bool]:
        wanted = list(jobs)
        async with self.alone("*", "add_many"):
            known = set(self.rows)
            for job in wanted:
                self.insert_now(job)
            return [job.id not in known for job in wanted]


@breaks("ADD-1")
class AnswersInItsOwnOrder(Leased):
    """INSERT ... RETURNING id: which were made comes back in the order of the index."""

    @override
    async def add_many(self, jobs: Iterable[CollectionJob]) -> list[bool]:
        wanted = list(jobs)
        added = await super().add_many(wanted)
        order = sorted(range(len(wanted)), key=lambda at: wanted[at].id)
        return [added[at] for at in order]


@breaks("ADD-1", "ADD-3")
class AnswersForEachId(Leased):
    """Puts the jobs into a dict by their ids, and answers for its entries."""

    @override
    async def add_many(self, jobs: Iterable[CollectionJob]) -> list[bool]:
        return await super().add_many({job.id: job for job in reversed(list(jobs))}.values())


# LEASE-1: which job is taken, and what a claim makes of it


@breaks("LEASE-1")
class TakesTheNewest(Leased):
    """ORDER BY created_at DESC: under load the oldest job waits for ever."""

    @override
    def first(self, free: list[CollectionJob]) -> CollectionJob:
        return max(free, key=age)


@breaks("LEASE-1")
class TakesByInsertion(Leased):
    """LIMIT 1 without an ORDER BY: whichever the engine comes upon first."""

    @override
    def first(self, free: list[CollectionJob]) -> CollectionJob:
        return free[0]


@breaks("LEASE-1")
class PendingFirst(Leased):
    """Looks for expired leases only when nothing is pending: a poor job is never retried."""

    @override
    def first(self, free: list[CollectionJob]) -> CollectionJob:
        pending = [job for job in free if job.status is JobStatus.PENDING]
        return super().first(pending or free)


@breaks("LEASE-1")
class NeverFindsTheDead(Leased):
    """WHERE status = 'pending': what a dead worker left stays RUNNING for ever."""

    @override
    def is_free(self, job: CollectionJob) -> bool:
        return job.status is JobStatus.PENDING


@breaks("LEASE-1")
class TakesWhatHasNoLease(Leased):
    """ORDER BY expires_at NULLS FIRST: a job that runs without a lease is the first to be taken."""

    @override
    def has_expired(self, row: Row | None) -> bool:
        return row is None or super().has_expired(row)


@breaks("LEASE-1")
class ClaimsWhatFailed(Leased):
    """claim(id) is for retries, too."""

    @override
    async def claim(self, job_id: str, worker: str, ttl: timedelta) -> Lease | None:
        job = self.rows.get(job_id)
        if job is not None and job.status is JobStatus.FAILED:
            self.put(job.with_status(JobStatus.PENDING))
        return await super().claim(job_id, worker, ttl)


@breaks("LEASE-1")
class ComparesSourcesRoughly(Leased):
    """A collation that ignores case."""

    @override
    def matches(self, job: CollectionJob, source: str | None) -> bool:
        return source is None or job.source.lower() == source.lower()


@breaks("LEASE-1")
class KeepsTheFormerTimes(Leased):
    """A takeover sets the worker and the expiry, and leaves started_at as it was."""

    @override
    def started(self, job: CollectionJob) -> CollectionJob:
        if job.status is JobStatus.RUNNING:
            return job
        done = super().started(job)
        return done._changed(finished_at=job.finished_at, error_message=job.error_message)


@breaks("SAVE-4")
class ClaimsInSilence(Leased):
    """A claim is an UPDATE of its own, which forgets the revision."""

    @override
    async def take(self, job: CollectionJob, worker: str, ttl: timedelta) -> Lease:
        lease = await super().take(job, worker, ttl)
        self.rows[job.id] = self.rows[job.id].with_revision(job.revision)
        return replace(lease, job=self.rows[job.id])


# LEASE-2: by which clock a lease expires


class OfAClient(Leased):
    """The client writes when its lease expires; the server compares that with its own clock."""

    off = timedelta(seconds=-30)

    @override
    def expiry(self, ttl: timedelta) -> datetime:
        return super().expiry(ttl) + self.off


@breaks("LEASE-1")
class KeepsWhenItBegan(Leased):
    """UPDATE ... SET worker = ?, expires_at = ?: of a job that ran already nothing else is set."""

    @override
    def started(self, job: CollectionJob) -> CollectionJob:
        return job if job.status is JobStatus.RUNNING else super().started(job)


@breaks("LEASE-2", "LEASE-4")
class OfASlowClient(OfAClient):
    """A lease expires by the client's clock, which is half a minute slow: it is over at once."""


@breaks("LEASE-1", "LEASE-6")
class OfAFastClient(OfAClient):
    """A lease expires by the client's clock, which is half a minute fast: it lasts on."""

    off = timedelta(seconds=30)


@breaks("LEASE-2", "LEASE-4")
class CountsInMinutes(Leased):
    """Keeps the expiry in whole minutes."""

    @override
    def expiry(self, ttl: timedelta) -> datetime:
        return super().expiry(ttl).replace(second=0, microsecond=0)


# LEASE-3: who may write


@breaks("LEASE-3")
class RenewsForAnybody(Leased):
    """UPDATE ... SET expires_at WHERE id = ?: whoever asks renews the lease of another."""

    @override
    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        async with self.alone(lease.job.id, "renew"):
            if lease.job.id not in self.leases:
                raise LeaseLostError(lease.job.id, lease.worker)
            self.leases[lease.job.id] = self.renewed(self.leases[lease.job.id], ttl)
            return self.lease_of(self.rows[lease.job.id])


@breaks("LEASE-3")
class KnowsWorkersByName(Leased):
    """WHERE worker = ?: a worker that claims a job again is taken for its former self."""

    @override
    def is_current(self, lease: Lease) -> bool:
        row = self.leases.get(lease.job.id)
        return row is not None and row.worker == lease.worker


@breaks("LEASE-3")
class EndsByTheClock(Leased):
    """A lease that has expired is over, though nobody took the job: the work is thrown away."""

    @override
    def is_current(self, lease: Lease) -> bool:
        return super().is_current(lease) and not self.has_expired(self.leases[lease.job.id])


@breaks("LEASE-3")
class HidesTheExpired(Leased):
    """get_lease shows only leases that have not expired."""

    @override
    async def get_lease(self, job_id: str) -> Lease | None:
        lease = await super().get_lease(job_id)
        return None if self.has_expired(self.leases.get(job_id)) else lease


@breaks("LEASE-3", "LEASE-5")  # who claims such a job begins its attempts anew
class SurvivesACancellation(Leased):
    """The columns of the lease are cleared when a job is COMPLETED or FAILED, and no more."""

    @override
    def left(self, job: CollectionJob) -> None:
        if job.status in (JobStatus.COMPLETED, JobStatus.FAILED):
            super().left(job)


@breaks("LEASE-3")
class EndsWithASave(Leased):
    """A save writes the whole row, and the columns of the lease are NULL in it."""

    @override
    async def save(self, job: CollectionJob) -> None:
        await super().save(job)
        self.leases.pop(job.id, None)


@breaks("LEASE-3")
class SaysFalseWhenLost(Leased):
    """UPDATE ... WHERE token = ?: no row was changed, so it returns False."""

    @override
    async def update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None = None,
        *,
        lease: Lease | None = None,
    ) -> bool:
        try:
            return await super().update_status(job_id, status, error_message, lease=lease)
        except LeaseLostError:
            return False


@breaks("LEASE-3")
class MissesTheDeleted(Leased):
    """Looks for the job first: of one that was deleted it says that there is none."""

    @override
    async def add_failed_symbol(
        self, job_id: str, symbol: str, error: str, *, lease: Lease | None = None
    ) -> None:
        if job_id not in self.rows:
            raise JobNotFoundError(job_id)
        await super().add_failed_symbol(job_id, symbol, error, lease=lease)


@breaks("LEASE-3")
class WritesBeforeItLooks(Leased):
    """Records the outcome, looks at the lease afterwards, and does not take the outcome back."""

    @override
    async def add_completed_symbol(
        self, job_id: str, symbol: str, candles: int, *, lease: Lease | None = None
    ) -> None:
        if lease is not None and job_id not in self.rows:
            raise LeaseLostError(job_id, lease.worker)
        await super().add_completed_symbol(job_id, symbol, candles)
        await self.fence(lease)


@breaks("LEASE-3")
class ForgetsTheLease(Leased):
    """Takes the argument, and does nothing with it."""

    @override
    async def add_failed_symbol(
        self, job_id: str, symbol: str, error: str, *, lease: Lease | None = None
    ) -> None:
        await super().add_failed_symbol(job_id, symbol, error)


# LEASE-4: for how long


@breaks("LEASE-4")
class AddsToTheExpiry(Leased):
    """SET expires_at = expires_at + ttl: with each heartbeat it ends later still."""

    @override
    def renewed(self, row: Row, ttl: timedelta) -> Row:
        return replace(row, expires_at=row.expires_at + ttl)


@breaks("LEASE-4")
class NeverShortens(Leased):
    """SET expires_at = greatest(expires_at, now() + ttl)."""

    @override
    def renewed(self, row: Row, ttl: timedelta) -> Row:
        return replace(row, expires_at=max(row.expires_at, self.expiry(ttl)))


@breaks("LEASE-4")
class RenewsInWholeSeconds(Leased):
    """Gives the engine whole seconds, as EXPIRE of Redis takes them."""

    @override
    def renewed(self, row: Row, ttl: timedelta) -> Row:
        return replace(row, expires_at=self.expiry(timedelta(seconds=ttl // timedelta(seconds=1))))


@breaks("LEASE-1", "LEASE-4")
class RenewsInTheAnswerOnly(Leased):
    """Returns the later expiry, and has not written it."""

    @override
    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        before = self.leases.get(lease.job.id)
        renewed = await super().renew(lease, ttl)
        if before is not None:
            self.leases[lease.job.id] = before
        return renewed


@breaks("SAVE-4")
class CountsHeartbeats(Leased):
    """A trigger raises the revision with every UPDATE: a heartbeat makes copies stale."""

    @override
    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        renewed = await super().renew(lease, ttl)
        self.put(self.rows[lease.job.id])
        return replace(renewed, job=self.rows[lease.job.id])


# LEASE-5: tokens and attempts


@breaks("LEASE-5")
class StartsTokensAgain(Leased):
    """Counts the claims in the row of the job: a new job of that id begins with 1."""

    @override
    def token(self, job: CollectionJob) -> int:
        return self.attempts[job.id]


@breaks("LEASE-5")
class NeverForgetsAttempts(Leased):
    """A job that was given back, or retried by hand, goes on where it stood."""

    @override
    async def update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None = None,
        *,
        lease: Lease | None = None,
    ) -> bool:
        attempts = self.attempts.get(job_id, 0)
        changed = await super().update_status(job_id, status, error_message, lease=lease)
        if job_id in self.rows:
            self.attempts[job_id] = attempts
        return changed


@breaks("LEASE-5")
class ForgetsAttemptsWithTheLease(Leased):
    """Clears the column of the attempts with the others: a save begins them anew."""

    @override
    def left(self, job: CollectionJob) -> None:
        super().left(job)
        self.attempts.pop(job.id, None)


@breaks("LEASE-5")
class KeepsAttemptsOfTheDead(Leased):
    """The attempts are in a table of their own, which a deletion forgets."""

    @override
    async def remove(self, job_id: str) -> bool:
        attempts = self.attempts.get(job_id, 0)
        there = await super().remove(job_id)
        self.attempts[job_id] = attempts
        return there


@breaks("LEASE-5")
class CountsTakeoversOnly(Leased):
    """Counts how often the job was taken over: the first attempt is 0, and shown as 1."""

    @override
    def lease_of(self, job: CollectionJob) -> Lease:
        lease = super().lease_of(job)
        return replace(lease, attempt=max(1, lease.attempt - 1))


# LEASE-6: how many at a time


@breaks("LEASE-6")
class CountsByFormerSource(Leased):
    """Keeps a job's source with its lease, as it was when the job was claimed."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: dict[str, str] = {}

    @override
    async def take(self, job: CollectionJob, worker: str, ttl: timedelta) -> Lease:
        self.sources[job.id] = job.source
        return await super().take(job, worker, ttl)

    @override
    def counts(self, job: CollectionJob, source: str | None) -> bool:
        former = replace(job, source=self.sources.get(job.id, job.source))
        return super().counts(former, source)


@breaks("LEASE-6")
class CountsTheExpired(Leased):
    """Counts every job with a lease: the dead keep the living from working."""

    @override
    def counts(self, job: CollectionJob, source: str | None) -> bool:
        return self.matches(job, source) and job.id in self.leases


@breaks("LEASE-6")
class CountsAllThatRun(Leased):
    """SELECT count(*) WHERE status = 'running': those without a lease, too."""

    @override
    def counts(self, job: CollectionJob, source: str | None) -> bool:
        return self.matches(job, source) and job.status is JobStatus.RUNNING


@breaks("LEASE-6")
class CountsAllSources(Leased):
    """Forgets the source where it counts."""

    @override
    def counts(self, job: CollectionJob, source: str | None) -> bool:
        return super().counts(job, None)


@breaks("LEASE-6")
class AllowsOneMore(Leased):
    """if running > most_running: return None."""

    @override
    def is_full(self, running: int, most: int) -> bool:
        return running > most


@breaks("RUNNING-1")
class CallsTheExpiredDead(Leased):
    """A job whose worker has not renewed its lease is not shown as running any more."""

    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        now = datetime.now(UTC)
        jobs = await super().get_running_jobs()
        leases = [await self.get_lease(job.id) for job in jobs]
        return [
            job
            for job, lease in zip(jobs, leases, strict=True)
            if lease is None or lease.expires_at > now
        ]


@breaks("LEASE-3")
class ComesBackWithTheStatus(Leased):
    """The token is cleared by nothing: a lease is current if it is the last and the job runs."""

    def __init__(self) -> None:
        super().__init__()
        self.last: dict[str, Lease] = {}

    @override
    async def claim(self, job_id: str, worker: str, ttl: timedelta) -> Lease | None:
        lease = await super().claim(job_id, worker, ttl)
        if lease is not None:
            self.last[job_id] = lease
        return lease

    @override
    async def update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None = None,
        *,
        lease: Lease | None = None,
    ) -> bool:
        try:
            return await super().update_status(job_id, status, error_message, lease=lease)
        except LeaseLostError:
            job, last = await self.get_by_id(job_id), self.last.get(job_id)
            runs = job is not None and job.status is JobStatus.RUNNING
            if not runs or last is None or lease is None or lease.token != last.token:
                raise
            return await super().update_status(job_id, status, error_message)
