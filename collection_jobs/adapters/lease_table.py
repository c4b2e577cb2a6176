"""LeaseTable: the leases of the in-memory repository, and which job is to be claimed next."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from heapq import heapify, heappop, heappush
from itertools import islice

from collection_jobs.adapters.sorted_keys import SortedKeys
from collection_jobs.errors import LeaseLostError
from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease
from collection_jobs.status import JobStatus

__all__ = ["LeaseTable"]

_ANY = None
"""Stands for the jobs of every source, beside those of each."""


@dataclass(slots=True)
class _Held:
    """The lease of one job.

    Attributes:
        worker: Who holds it.
        token: The revision that the claim gave the job, which no other claim gives.
        expires_at: From when on the job may be claimed again.
        attempt: How many leases the job had, this one counted.
        is_expired: Whether it was found to have expired: the job is then among the claimable ones.
    """

    worker: str
    token: int
    expires_at: datetime
    attempt: int
    is_expired: bool = False


class LeaseTable:
    """Who holds which job until when; every question costs the same however many jobs there are.

    Leases expire where the time is asked for: one after another leaves a heap and enters the keys
    of the jobs to be claimed, which are sorted as listings are.
    """

    def __init__(self) -> None:
        """Start without a job."""
        self._held: dict[str, _Held] = {}
        self._attempts: dict[str, int] = {}
        self._by_expiry: list[tuple[datetime, str, int]] = []
        self._claimable: dict[str | None, SortedKeys] = {}
        self._running: Counter[str | None] = Counter()

    def job_changed(self, former: CollectionJob | None, job: CollectionJob | None) -> None:
        """Follow a change of a job: None where it was made or deleted.

        A job that is not RUNNING, or not any more, has no lease.
        """
        if former is not None:
            self._remove(former)
        if job is None or job.status is not JobStatus.RUNNING:
            changed = job or former
            if changed is not None:
                self._held.pop(changed.id, None)
        if job is not None:
            self._enter(job)
        elif former is not None:
            self._attempts.pop(former.id, None)

    def given_back(self, job_id: str) -> None:
        """Count the attempts of a job anew: ``update_status`` made it PENDING."""
        self._attempts.pop(job_id, None)

    def claimed(self, job: CollectionJob, worker: str, token: int, expires_at: datetime) -> Lease:
        """Give a job, which is RUNNING already, to a worker."""
        attempt = self._attempts.get(job.id, 0) + 1
        self._attempts[job.id] = attempt
        self._remove(job)
        self._held[job.id] = _Held(worker, token, expires_at, attempt)
        self._enter(job)
        return self.lease_of(job)

    def renewed(self, job: CollectionJob, expires_at: datetime) -> Lease:
        """Move the expiry of a job's lease."""
        self._remove(job)
        held = self._held[job.id]
        held.expires_at, held.is_expired = expires_at, False
        self._enter(job)
        return self.lease_of(job)

    def lease_of(self, job: CollectionJob) -> Lease:
        """Return the current lease of a job that has one."""
        held = self._held[job.id]
        return Lease(
            job=job,
            worker=held.worker,
            token=held.token,
            expires_at=held.expires_at,
            attempt=held.attempt,
        )

    def has(self, job_id: str) -> bool:
        """Return whether a job has a current lease, expired or not."""
        return job_id in self._held

    def check_current(self, lease: Lease) -> None:
        """Refuse a lease that was lost.

        Raises:
            LeaseLostError: The lease is not current.
        """
        held = self._held.get(lease.job.id)
        if held is None or held.token != lease.token:
            raise LeaseLostError(lease.job.id, lease.worker)

    def expire(self, now: datetime, jobs: dict[str, CollectionJob]) -> None:
        """Let every lease expire whose time has come: its job may be claimed."""
        while self._by_expiry and self._by_expiry[0][0] <= now:
            expires_at, job_id, token = heappop(self._by_expiry)
            held = self._held.get(job_id)
            if held is not None and (held.expires_at, held.token) == (expires_at, token):
                self._remove(jobs[job_id])
                held.is_expired = True
                self._enter(jobs[job_id])

    def is_claimable(self, job: CollectionJob) -> bool:
        """Return whether a job may be claimed, as of the last `expire`."""
        held = self._held.get(job.id)
        return job.status is JobStatus.PENDING or (held is not None and held.is_expired)

    def next_claimable(self, source: str | None) -> str | None:
        """Return the id of the oldest job that may be claimed; None if there is none."""
        keys = self._claimable.get(source)
        first = None if keys is None else next(iter(islice(keys.ascending(), 1)), None)
        return None if first is None else first[1]

    def running(self, source: str | None) -> int:
        """Return how many jobs are RUNNING under leases that had not expired at `expire`."""
        return self._running[source]

    def _enter(self, job: CollectionJob) -> None:
        held = self._held.get(job.id)
        if self.is_claimable(job):
            for source in (_ANY, job.source):
                self._claimable.setdefault(source, SortedKeys()).add((job.created_at, job.id))
        elif held is not None:
            self._running.update((_ANY, job.source))
            heappush(self._by_expiry, (held.expires_at, job.id, held.token))
            self._sweep()

    def _remove(self, job: CollectionJob) -> None:
        if self.is_claimable(job):
            for source in (_ANY, job.source):
                keys = self._claimable[source]
                keys.remove((job.created_at, job.id))
                if not keys:
                    del self._claimable[source]
        elif job.id in self._held:
            for source in (_ANY, job.source):
                self._running[source] -= 1
                if not self._running[source]:
                    del self._running[source]

    def _sweep(self) -> None:
        """Drop what renewals left in the heap, once that is most of it."""
        if len(self._by_expiry) > 2 * len(self._held) + 100:
            self._by_expiry = [
                (held.expires_at, job_id, held.token)
                for job_id, held in self._held.items()
                if not held.is_expired
            ]
            heapify(self._by_expiry)
