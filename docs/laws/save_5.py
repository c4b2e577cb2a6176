"""A counter in the row begins anew when the row does. A copy of the deleted job then carries the
same number as the new job of its id, and overwrites it.

Count for the whole store, and never go back.
"""

from __future__ import annotations

from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import CollectionJob
from docs.laws.table import Table


class Breach(Table):
    @override
    def next_revision(self, connection: Connection, job: CollectionJob) -> int:
        return (self.revision_of(connection, job.id) or 0) + 1


FIX = (Table.next_revision,)
