"""A column that is written only when there is a value keeps its old value: the retried job is
PENDING, and still has a time at which it finished.

Write what the lifecycle says, NULL included.
"""

from __future__ import annotations

from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import CollectionJob
from docs.laws.table import Table, to_column


class Breach(Table):
    @override
    def write(self, connection: Connection, job: CollectionJob) -> None:
        former = self.stored(connection, job.id)
        super().write(connection, job)
        if former is not None and job.revision is not None and job.finished_at is None:
            connection.execute(
                "UPDATE jobs SET finished_at = ? WHERE id = ?",
                (to_column(former.finished_at), job.id),
            )


FIX = (Table.write,)
