"""Repositories on aiosqlite, as people write them: each statement is a wait for another thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import aiosqlite
from typing_extensions import override

from collection_jobs import (
    CheckedRepository,
    CollectionJob,
    JobNotFoundError,
    JobStatus,
    RepositoryError,
    StaleJobError,
)
from collection_jobs.documents import from_json, listing_key, to_json
from tests.mutants.table import breaks

SCHEDULES = "interleavings"
TABLES = (
    "CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, status TEXT, key BLOB, document TEXT)",
    "CREATE TABLE IF NOT EXISTS counter (n INTEGER)",
    "CREATE INDEX IF NOT EXISTS by_status ON jobs (status, key)",
    "CREATE INDEX IF NOT EXISTS by_age ON jobs (key)",
    "INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counter)",
)


class AiosqliteRows(CheckedRepository):
    """One connection writes, in transactions, one after another; another one reads.

    Whoever is not cancelled keeps every law: a cancelled caller leaves its transaction open.
    """

    capabilities: ClassVar[frozenset[str]] = frozenset({"durable", "shared"})
    driver_errors = (sqlite3.Error,)

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.path = directory / "jobs.db"

    @override
    async def _open(self) -> None:
        self.lock = asyncio.Lock()
        self.connections = AsyncExitStack()
        self.writer = await self.connection()
        await self.writer.execute("PRAGMA journal_mode=WAL")
        async with self.transaction():
            for statement in TABLES:
                await self.writer.execute(statement)
        self.reader = await self.connection()

    @override
    async def _close(self) -> None:
        # Also what an opening that failed or was cancelled has opened until then.
        await self.connections.aclose()

    async def connection(self) -> aiosqlite.Connection:
        """Connect, until the store is closed."""
        made: list[sqlite3.Connection] = []

        def connect() -> sqlite3.Connection:
            options: dict[str, Any] = {"isolation_level": None, "check_same_thread": False}
            made.append(sqlite3.connect(self.path, timeout=10, **options))
            return made[0]

        connecting = aiosqlite.Connection(connect, iter_chunk_size=64)
        try:
            return await self.connections.enter_async_context(connecting)
        except BaseException:
            # Of a cancelled caller aiosqlite 0.22 ends the thread, and loses what that has opened.
            connecting._thread.join()
            for connection in made:
                connection.close()
            raise

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[None]:
        """Everything within is done at one instant, or not at all."""
        async with self.lock:
            await self.writer.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                await asyncio.shield(self.writer.execute("ROLLBACK"))
                raise
            await asyncio.shield(self.writer.execute("COMMIT"))

    async def rows(self, db: aiosqlite.Connection, rest: str, *values: Any) -> list[CollectionJob]:
        found = await db.execute_fetchall(f"SELECT document FROM jobs {rest}", values)
        return [from_json(document) for (document,) in found]

    async def stored(self, job_id: str) -> CollectionJob | None:
        return next(iter(await self.rows(self.writer, "WHERE id = ?", job_id)), None)

    async def next_revision(self) -> int:
        query = "UPDATE counter SET n = n + 1 RETURNING n"
        ((number,),) = await self.writer.execute_fetchall(query)
        return int(number)

    async def put(self, job: CollectionJob) -> None:
        job = job.with_revision(await self.next_revision())
        values = (job.id, job.status.value, listing_key(job.created_at, job.id), to_json(job))
        await self.writer.execute("REPLACE INTO jobs VALUES (?, ?, ?, ?)", values)

    async def check(self, job: CollectionJob) -> None:
        stored = await self.stored(job.id)
        found = None if stored is None else stored.revision
        if job.revision is not None and job.revision != found:
            raise StaleJobError(job.id, job.revision, found)

    @override
    async def _save(self, job: CollectionJob) -> None:
        async with self.transaction():
            await self.check(job)
            await self.put(job)

    @override
    async def _get(self, job_id: str) -> CollectionJob | None:
        return next(iter(await self.rows(self.reader, "WHERE id = ?", job_id)), None)

    @override
    async def _delete(self, job_id: str) -> bool:
        async with self.transaction():
            done = await self.writer.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
            return done.rowcount > 0

    @override
    async def _list_by_status(
        self, status: JobStatus, limit: int, offset: int
    ) -> list[CollectionJob]:
        rest = "WHERE status = ? ORDER BY key LIMIT ? OFFSET ?"
        return await self.rows(self.reader, rest, status.value, limit, offset)

    @override
    async def _list_recent(self, limit: int, since: datetime | None) -> list[CollectionJob]:
        first = b"" if since is None else listing_key(since, "")
        rest = "WHERE key >= ? ORDER BY key DESC LIMIT ?"
        return await self.rows(self.reader, rest, first, limit)

    @override
    async def _update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None,
        former: frozenset[JobStatus],
    ) -> bool:
        async with self.transaction():
            job = await self.stored(job_id)
            if job is None or job.status not in former:
                return False
            await self.put(job.with_status(status, error_message=error_message))
            return True

    @override
    async def _add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        async with self.transaction():
            job = await self.stored(job_id)
            if job is None:
                raise JobNotFoundError(job_id)
            await self.put(job.with_failed_symbol(symbol, error))


class OpenOnceInAProcess(AiosqliteRows):
    """Refuses a second handle of one process: many have a lock of the process on the directory."""

    opened: ClassVar[set[Path]] = set()

    @override
    async def _open(self) -> None:
        if self.path in self.opened:
            raise RepositoryError(f"{self.path.name} is open in this process already")
        self.opened.add(self.path)
        await super()._open()

    @override
    async def _close(self) -> None:
        self.opened.discard(self.path)
        await super()._close()


_AMID = ("ATOMIC-1", "DELETE-1", "FAILED-2", "SAVE-3", "SAVE-4", "SAVE-5", "STATUS-1", "STATS-1")


@breaks(SCHEDULES, "STATUS-2", also=_AMID)
class ClaimsAfterALook(AiosqliteRows):
    """Reads the status, and then writes the new one, each by itself."""

    @override
    async def _update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None,
        former: frozenset[JobStatus],
    ) -> bool:
        job = await self.stored(job_id)
        if job is None or job.status not in former:
            return False
        await self.put(job.with_status(status, error_message=error_message))
        return True


@breaks(SCHEDULES, "FAILED-2", also=_AMID)
class RecordsInSteps(AiosqliteRows):
    """Reads the job, adds the failure to it, and writes it back."""

    @override
    async def _add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        job = await self.stored(job_id)
        if job is None:
            raise JobNotFoundError(job_id)
        await self.put(job.with_failed_symbol(symbol, error))


@breaks(SCHEDULES, "SAVE-3", also=_AMID)
class ChecksThenSaves(AiosqliteRows):
    """Compares the revision first, and writes in a transaction of its own."""

    @override
    async def _save(self, job: CollectionJob) -> None:
        await self.check(job)
        async with self.transaction():
            await self.put(job)


@breaks(SCHEDULES, "DELETE-1", also=_AMID)
class DeletesWhatItSaw(AiosqliteRows):
    """Looks whether the job is there, and says so once it is gone."""

    @override
    async def _delete(self, job_id: str) -> bool:
        if await self.stored(job_id) is None:
            return False
        await self.writer.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
        return True


@breaks(SCHEDULES, "ATOMIC-1", also=_AMID)
class NumbersBeforehand(AiosqliteRows):
    """Takes the next revision in one statement, and writes the job with it in another."""

    @override
    async def _save(self, job: CollectionJob) -> None:
        if job.revision is not None:
            return await super()._save(job)
        return await self.put(job)


@breaks(SCHEDULES, "ATOMIC-1", also=_AMID)
class ReadsWhatIsNotCommitted(AiosqliteRows):
    """Reads on the connection that writes, and so amid its transactions."""

    @override
    async def _get(self, job_id: str) -> CollectionJob | None:
        return await self.stored(job_id)

    @override
    async def put(self, job: CollectionJob) -> None:
        await self.writer.execute("DELETE FROM jobs WHERE id = ?", (job.id,))
        await super().put(job)


@breaks(SCHEDULES, "ATOMIC-1", also=_AMID)
class KeepsTheLockOfWhatFails(AiosqliteRows):
    """Ends a transaction only where all went well."""

    @asynccontextmanager
    @override
    async def transaction(self) -> AsyncGenerator[None]:
        await self.lock.acquire()
        await self.writer.execute("BEGIN IMMEDIATE")
        yield
        await self.writer.execute("COMMIT")
        self.lock.release()
