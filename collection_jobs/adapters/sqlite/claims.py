"""Claims: the methods of `LeasesJobs` that are not of every repository."""

from __future__ import annotations

from datetime import timedelta

from collection_jobs.adapters.sqlite import leases
from collection_jobs.adapters.sqlite.opened import OpenedFile
from collection_jobs.lease import Lease, check_lease, check_ttl
from collection_jobs.validation import check_name, check_positive

__all__ = ["Claims"]


class Claims(OpenedFile):
    """Claims jobs, and holds leases of them."""

    async def claim_next(
        self,
        worker: str,
        ttl: timedelta,
        *,
        source: str | None = None,
        most_running: int | None = None,
    ) -> Lease | None:
        """Claim the oldest job that is PENDING, or RUNNING under a lease that has expired.

        The clock is the machine's. A cancelled call claimed a job or none; the lease of a claim
        that nobody heard of expires.

        Args:
            worker: Who claims, as an id.
            ttl: For how long, 50 milliseconds to 7 days.
            source: Take only jobs of this source; None takes those of any.
            most_running: Take no job while so many jobs of ``source`` (of all, if it is None) are
                RUNNING under leases that have not expired; 1 or more. None sets no limit.

        Returns:
            The lease, or None if there is no such job.

        Raises:
            RepositoryError: SQLite failed.
        """
        return await self._write(
            leases.claim_next,
            check_name("worker", worker),
            check_ttl(ttl),
            None if source is None else check_name("source", source),
            None if most_running is None else check_positive("most_running", most_running),
        )

    async def claim(self, job_id: str, worker: str, ttl: timedelta) -> Lease | None:
        """Claim one job, if it is PENDING, or RUNNING under a lease that has expired.

        A cancelled call claimed the job or nothing.

        Args:
            job_id: The job's id, compared exactly.
            worker: Who claims, as an id.
            ttl: For how long, 50 milliseconds to 7 days.

        Returns:
            The lease, or None if the job is unknown or not to be had; then nothing changed.

        Raises:
            RepositoryError: SQLite failed.
        """
        return await self._write(
            leases.claim,
            check_name("job_id", job_id),
            check_name("worker", worker),
            check_ttl(ttl),
        )

    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        """Move the expiry of a current lease to ``ttl`` from now, also if it has expired.

        A cancelled call moved the expiry or nothing. May be repeated.

        Args:
            lease: The lease, as it was claimed or last renewed.
            ttl: For how long, 50 milliseconds to 7 days; it may be less than was left.

        Returns:
            The lease with its new expiry, the same token, and the job as it is stored now.

        Raises:
            LeaseLostError: The lease is not current; nothing changed.
            RepositoryError: SQLite failed.
        """
        return await self._write(leases.renew, check_lease(lease), check_ttl(ttl))

    async def get_lease(self, job_id: str) -> Lease | None:
        """Read the current lease of a job, whether or not it has expired.

        Args:
            job_id: The job's id, compared exactly.

        Returns:
            The lease; None if the job is unknown, or not RUNNING under a lease.

        Raises:
            RepositoryError: SQLite failed.
        """
        key = check_name("job_id", job_id)
        return await self._opened().read(leases.find_lease, key, leases.find_lease_whole)
