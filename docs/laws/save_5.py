"""A counter in the row starts again when the row is created again. A copy of the deleted job then
carries the same number as the new job with its id, and overwrites it.

Keep one counter for the whole store, and never reset it.
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
