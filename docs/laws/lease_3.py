"""A lease that has expired is refused, though nobody else has claimed the job. A worker that was
only slow is told that it lost the job, and what it downloaded is thrown away; the next worker
downloads it again.

Compare the token, and leave the clock to the claims: a lease is lost when somebody else has the
job.
"""

from __future__ import annotations

from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import Lease, LeaseLostError
from docs.laws.leased import Leased, now


class Breach(Leased):
    @override
    def fence(self, connection: Connection, lease: Lease) -> None:
        row = self.row_of(connection, lease.job.id)
        if row is None or row[1] != lease.token or row[2] <= now():
            raise LeaseLostError(lease.job.id, lease.worker)


FIX = (Leased.fence,)
