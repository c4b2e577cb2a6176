"""Stores of which a handle does not see at once what another one has done."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

from typing_extensions import override

from collection_jobs import CollectionJob, JobStatus
from tests.mutants.handling import ANY_LOSS, HANDLES
from tests.mutants.stores import Connection, FileStore, TableStore
from tests.mutants.table import breaks


@breaks(HANDLES, "ATOMIC-1", also=ANY_LOSS)
class LeavesACursorOpen(TableStore):
    """Fetches as many rows as it needs, and keeps the cursor: the connection keeps its snapshot."""

    cursor: sqlite3.Cursor | None = None

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        found = await super().list_recent(limit, since)
        with self.mapped():
            query = "SELECT id FROM jobs ORDER BY created_at DESC"
            self.cursor = self.opened().execute(query)
            self.cursor.fetchmany(max(0, min(limit, 10)))
        return found

    @override
    def connect(self) -> Connection:
        return super().connect()


@breaks(HANDLES, "ATOMIC-1", also=ANY_LOSS)
class BlocksWhoWrites(TableStore):
    """Keeps a cursor open on a database without a log, which nobody can write meanwhile."""

    busy = 0.2
    cursor: sqlite3.Cursor | None = None

    @override
    def connect(self) -> Connection:
        connection = super().connect()
        connection.execute("PRAGMA journal_mode = DELETE")
        return connection

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        found = await super().list_by_status(status, limit, offset)
        if limit == 1:
            with self.mapped():
                query = "SELECT id FROM jobs ORDER BY created_at"
                self.cursor = self.opened().execute(query)
                self.cursor.fetchone()
        return found


@breaks(HANDLES, "ATOMIC-1", also=ANY_LOSS)
class TrustsTheTime(FileStore):
    """Reads the file again when its time or its size is another one than before."""

    waits_for_disk = False
    seen: Any = None

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.seen = None

    @override
    def load(self) -> None:
        if self.path.exists():
            found = self.path.stat()
            now = found.st_mtime, found.st_size
            if now == self.seen:
                return
            self.seen = now
        super().load()


@breaks(HANDLES, "ATOMIC-1", also=ANY_LOSS)
class TrustsTheSecond(TrustsTheTime):
    """Does so by whole seconds, as file systems once counted."""

    @override
    def load(self) -> None:
        if self.path.exists():
            now = int(self.path.stat().st_mtime)
            if now == self.seen:
                return
            self.seen = now
        FileStore.load(self)
