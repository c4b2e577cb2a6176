"""Commits are expensive, so ten calls share one; but the first nine are acknowledged before it
happens. When the process is killed, by a deployment or by the kernel, their work is lost.

Answer after the commit. Calls may share one if all of them wait for it, as in the package's own
SQLite repository.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from sqlite3 import Connection

from typing_extensions import override

from collection_jobs import RepositoryClosedError
from docs.laws.table import T, Table, mapped_errors


class Breach(Table):
    calls = 0

    @override
    async def transaction(self, work: Callable[[Connection], T]) -> T:
        await asyncio.sleep(0)
        if self.connection is None:
            raise RepositoryClosedError(f"the repository on {self.path} is not open")
        with mapped_errors():
            if not self.connection.in_transaction:
                self.connection.execute("BEGIN IMMEDIATE")
            self.connection.execute("SAVEPOINT call")
            try:
                return work(self.connection)
            except BaseException:
                self.connection.execute("ROLLBACK TO call")
                raise
            finally:
                self.connection.execute("RELEASE call")
                self.calls += 1
                if self.calls % 10 == 0:
                    self.connection.execute("COMMIT")

    @override
    async def __aexit__(self, *error: object) -> None:
        if self.connection is not None and self.connection.in_transaction:
            self.connection.execute("COMMIT")
        await super().__aexit__(*error)


FIX = (Table.transaction,)
