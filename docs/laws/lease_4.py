"""A renewal adds to the expiry. A worker that sends its heartbeats more often than it has to pushes
the expiry far into the future, and when it dies, nobody takes its job until then.

Count from now, by the engine's clock, be that later or earlier than before.
"""

from __future__ import annotations

from datetime import timedelta
from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import Lease
from docs.laws.leased import Leased


class Breach(Leased):
    @override
    def extend(self, connection: Connection, lease: Lease, ttl: timedelta) -> None:
        connection.execute(
            "UPDATE leases SET expires_at = expires_at + ? WHERE job_id = ?",
            (ttl // timedelta(microseconds=1), lease.job.id),
        )


FIX = (Leased.extend,)
