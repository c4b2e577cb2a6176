"""What waits comes first, and only when nothing waits is there a look at what has expired. While
there is work, a job whose worker died stays RUNNING for ever, though it is the oldest of all.

Take the older of the two: the oldest that is PENDING, and the oldest of those whose leases have
expired.
"""

from __future__ import annotations

from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import CollectionJob
from docs.laws.leased import Leased


class Breach(Leased):
    @override
    def next_free(self, connection: Connection, source: str | None) -> CollectionJob | None:
        of_source = "" if source is None else "source = ? AND "
        values = () if source is None else (source,)
        waiting = f"WHERE {of_source}status = 'pending' ORDER BY created_at, id LIMIT 1"
        pending = self.listed(connection, waiting, *values)
        return pending[0] if pending else super().next_free(connection, source)


FIX = (Leased.next_free,)
