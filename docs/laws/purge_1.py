"""Old jobs are those that were created long ago, by an index that is there already. But a job of
last year may have ended a minute ago, and its outcomes are what somebody is waiting for.

Ask when a job ended: `finished_at < ?`, with an index on `(status, finished_at, id)`.
"""

from __future__ import annotations

from datetime import datetime
from sqlite3 import Connection

from typing_extensions import override

from docs.laws.found import Found
from docs.laws.table import to_column


class Breach(Found):
    @override
    def ended(self, connection: Connection, before: datetime, final: list[str]) -> list[tuple[str]]:
        rows = connection.execute(
            f"SELECT id FROM jobs WHERE status IN ({', '.join('?' * len(final))})"  # noqa: S608 - marks
            " AND created_at < ? ORDER BY created_at, id",
            (*final, to_column(before)),
        )
        return rows.fetchall()


FIX = (Found.ended,)
