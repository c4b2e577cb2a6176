"""Tokens are counted in the row of the lease, which goes with the job. When the job is deleted and
made again, its first claim has token 1 again, and a worker of the deleted job writes into the new
one.

Take tokens from a counter of the store, such as its revisions, which never gives out one twice.
"""

from __future__ import annotations

from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import CollectionJob
from docs.laws.leased import Leased


class Breach(Leased):
    @override
    def token(self, connection: Connection, job: CollectionJob) -> int | None:
        rows = connection.execute("SELECT attempt FROM leases WHERE job_id = ?", (job.id,))
        return 1 + sum(int(attempt) for (attempt,) in rows.fetchall())


FIX = (Leased.token,)
