"""A column of whole seconds seems sufficient: candles begin on the minute. But `created_at` orders
the listings, a range may begin at any instant, and a caller that compares what it saved with what
it reads finds two different jobs. The same happens with `timestamp(0)`, floats, and JSON numbers.

Store the microseconds as an integer, or as text of a fixed width.
"""

from __future__ import annotations

from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import CollectionJob
from docs.laws.table import Table, from_column, to_column


class Breach(Table):
    @override
    def write(self, connection: Connection, job: CollectionJob) -> None:
        super().write(connection, job)
        seconds = int(job.start.timestamp()) * 1_000_000
        connection.execute("UPDATE jobs SET start = ? WHERE id = ?", (seconds, job.id))


FIX = (
    to_column,
    from_column,
)
