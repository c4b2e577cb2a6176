"""Every job that is RUNNING counts, those whose workers died included. Once as many workers have
died as may work at a time, nobody works for this source any more.

Count those under leases that have not expired; and count in the transaction that claims.
"""

from __future__ import annotations

from sqlite3 import Connection

from typing_extensions import override

from docs.laws.leased import Leased


class Breach(Leased):
    @override
    def running(self, connection: Connection, source: str | None) -> int:
        query = "SELECT count(*) FROM jobs WHERE status = 'running' AND (? IS NULL OR source = ?)"
        ((count,),) = connection.execute(query, (source, source)).fetchall()
        return int(count)


FIX = (Leased.running,)
