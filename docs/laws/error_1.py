"""The driver's exceptions reach the caller: a service that catches sqlite3's errors today has to
catch asyncpg's after the next migration. Using a closed repository fails because None has no
attribute of that name.

Map the errors in one place that all calls pass through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from sqlite3 import Connection
from typing import Any

from typing_extensions import override

from docs.laws.table import T, Table, mapped_errors


class Breach(Table):
    @override
    async def transaction(self, work: Callable[[Connection], T]) -> T:
        await asyncio.sleep(0)
        connection: Any = self.connection
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            return work(connection)


FIX = (
    Table.transaction,
    mapped_errors,
)
