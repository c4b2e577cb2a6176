"""`INSERT OR REPLACE`, which is right for `save`. A plan that is made twice resets what a worker
has claimed meanwhile: the job is PENDING again, its outcomes are gone, and both planners hear True.

Insert only where there is no such id (`INSERT ... ON CONFLICT DO NOTHING`), and answer by how many
rows that made.
"""

from __future__ import annotations

from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import CollectionJob
from docs.laws.leased import Leased


class Breach(Leased):
    @override
    def insert(self, connection: Connection, job: CollectionJob) -> bool:
        self.write(connection, job)
        return True


FIX = (Leased.insert,)
