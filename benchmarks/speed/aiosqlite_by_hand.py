"""What one would write by hand on aiosqlite, and write well, on the adapter's own tables.

One connection for the reads and one for the writes, both held, WAL, statements prepared once by the
driver's cache, each read one statement, each write one transaction; jobs are built unchecked, as
the adapter does. It keeps the store's laws but for cancellation, which would cost more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiosqlite

from benchmarks.speed.frame import Opener
from collection_jobs import CollectionJob, JobStats, JobStatus
from collection_jobs.adapters.sqlite.rows import counts_of
from collection_jobs.documents import from_micros, to_micros
from collection_jobs.fields import NO_SYMBOLS, NOTHING
from collection_jobs.job import restore_job

_COLUMNS = """j.id, j.source, j.timeframe, j.range_start, j.range_end, j.created_at, j.status,
    j.started_at, j.finished_at, j.error_message, j.revision, s.symbol, s.candles, s.error"""
_GET = f"""SELECT {_COLUMNS} FROM jobs AS j JOIN symbols AS s ON s.job = j.key
    WHERE j.id = ? ORDER BY s.position"""
_BY_STATUS = f"""SELECT {_COLUMNS} FROM
    (SELECT * FROM jobs WHERE status = ? AND (created_at, id) > (?, ?)
     ORDER BY created_at, id LIMIT ?) AS j
    JOIN symbols AS s ON s.job = j.key ORDER BY j.created_at, j.id, s.position"""
_RECENT = f"""SELECT {_COLUMNS} FROM
    (SELECT * FROM jobs ORDER BY created_at DESC, id DESC LIMIT ?) AS j
    JOIN symbols AS s ON s.job = j.key ORDER BY j.created_at DESC, j.id DESC, s.position"""
_STATS = """SELECT total, completed, failed, (candles_high << 32) + candles_low
    FROM jobs WHERE id = ?"""

_INSERT_JOB = """INSERT INTO jobs (id, source, timeframe, range_start, range_end, created_at,
        status, started_at, finished_at, error_message, has_details, total, completed, failed,
        candles_high, candles_low, has_failures, revision)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
        (SELECT last_deleted_revision + 1 FROM store))
    ON CONFLICT (id) DO UPDATE SET source = excluded.source, timeframe = excluded.timeframe,
        range_start = excluded.range_start, range_end = excluded.range_end,
        created_at = excluded.created_at, status = excluded.status,
        started_at = excluded.started_at, finished_at = excluded.finished_at,
        error_message = excluded.error_message, has_details = excluded.has_details,
        total = excluded.total, completed = excluded.completed, failed = excluded.failed,
        candles_high = excluded.candles_high, candles_low = excluded.candles_low,
        has_failures = excluded.has_failures, revision = revision + 1
    RETURNING key, revision"""
_DELETE_SYMBOLS = "DELETE FROM symbols WHERE job = ?"
_INSERT_SYMBOL = """INSERT INTO symbols (job, symbol, position, created_at, candles, error)
    VALUES (?, ?, ?, ?, ?, ?)"""
_UPDATE_STATUS = """UPDATE jobs SET status = ?1, error_message = NULL, revision = revision + 1,
        started_at = CASE ?1 WHEN 'running' THEN ?2 WHEN 'pending' THEN NULL ELSE started_at END,
        finished_at = CASE WHEN ?1 IN ('running', 'pending') THEN NULL ELSE ?2 END
    WHERE id = ?3 AND status IN (SELECT value FROM json_each(?4))"""
# A trigger of the tables counts the outcome in its job, and makes the revision greater.
_OUTCOME = """UPDATE symbols SET candles = ?1, error = ?2, is_permanent = 0,
        cursor = iif(?1 IS NULL, cursor, NULL),
        failures = iif(?2 IS NULL, failures, ifnull(failures, 0) + 1)
    WHERE job = (SELECT key FROM jobs WHERE id = ?3) AND symbol = ?4"""

_FORMER = {
    new: "[" + ",".join(f'"{old}"' for old in JobStatus if old.can_become(new)) + "]"
    for new in JobStatus
}
_STATUSES = {status.value: status for status in JobStatus}


class Store:
    """The methods, as free functions on two connections would be."""

    def __init__(self, reader: aiosqlite.Connection, writer: aiosqlite.Connection) -> None:
        """Work on these."""
        self._reader, self._writer = reader, writer
        self._turn = asyncio.Lock()

    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        rows = await self._reader.execute_fetchall(_GET, (job_id,))
        return next(iter(_jobs(rows)), None)

    async def list_by_status(self, status: JobStatus, limit: int) -> list[CollectionJob]:
        first = to_micros(datetime.min.replace(tzinfo=UTC))
        return await self._listed(_BY_STATUS, (status.value, first, "", limit))

    async def list_after(
        self, status: JobStatus, key: tuple[datetime, str], limit: int
    ) -> list[CollectionJob]:
        return await self._listed(_BY_STATUS, (status.value, to_micros(key[0]), key[1], limit))

    async def list_recent(self, limit: int) -> list[CollectionJob]:
        return await self._listed(_RECENT, (limit,))

    async def get_running_jobs(self) -> list[CollectionJob]:
        return await self.list_by_status(JobStatus.RUNNING, -1)

    async def _listed(self, statement: str, parameters: Iterable[Any]) -> list[CollectionJob]:
        return _jobs(await self._reader.execute_fetchall(statement, parameters))

    async def get_stats(self, job_id: str) -> JobStats | None:
        for row in await self._reader.execute_fetchall(_STATS, (job_id,)):
            return JobStats(*row)
        return None

    async def save(self, job: CollectionJob) -> None:
        await self.save_many([job])

    async def save_many(self, jobs: Sequence[CollectionJob]) -> None:
        async with self._transaction():
            for job in jobs:
                await self._save(job)

    async def _save(self, job: CollectionJob) -> None:
        ((key, revision),) = await self._writer.execute_fetchall(_INSERT_JOB, _values(job))
        if revision > 1:
            await self._writer.execute(_DELETE_SYMBOLS, (key,))
        completed, failed = job.completed_symbols, job.failed_symbols
        created_at = to_micros(job.created_at)
        rows = [
            (key, symbol, position, created_at, completed.get(symbol), failed.get(symbol))
            for position, symbol in enumerate(job.symbols)
        ]
        await self._writer.executemany(_INSERT_SYMBOL, rows)

    async def forget(self, ids: Sequence[str]) -> None:
        """Delete jobs, off the clock."""
        async with self._transaction():
            rows = [(job_id,) for job_id in ids]
            await self._writer.executemany("DELETE FROM jobs WHERE id = ?", rows)

    async def delete(self, job_id: str) -> bool:
        async with self._turn:
            cursor = await self._writer.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
        return cursor.rowcount > 0

    async def update_status(self, job_id: str, status: JobStatus) -> bool:
        now = to_micros(datetime.now(UTC))
        values = (status.value, now, job_id, _FORMER[status])
        async with self._turn:
            cursor = await self._writer.execute(_UPDATE_STATUS, values)
        return cursor.rowcount > 0

    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        await self._outcome(job_id, symbol, None, error)

    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        await self._outcome(job_id, symbol, candles, None)

    async def _outcome(
        self, job_id: str, symbol: str, candles: int | None, error: str | None
    ) -> None:
        async with self._turn:
            cursor = await self._writer.execute(_OUTCOME, (candles, error, job_id, symbol))
        if not cursor.rowcount:
            raise LookupError(job_id, symbol)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        async with self._turn:
            await self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                await self._writer.execute("ROLLBACK")
                raise
            await self._writer.execute("COMMIT")


def _values(job: CollectionJob) -> tuple[Any, ...]:
    return (
        *(job.id, job.source, job.timeframe, to_micros(job.start), to_micros(job.end)),
        *(to_micros(job.created_at), job.status.value),
        None if job.started_at is None else to_micros(job.started_at),
        None if job.finished_at is None else to_micros(job.finished_at),
        job.error_message,
        *counts_of(job),
        bool(job.failed_symbols),
    )


def _jobs(rows: Iterable[Any]) -> list[CollectionJob]:
    """Jobs out of rows that come job by job, a row for each symbol."""
    found: dict[str, tuple[Any, list[str], dict[str, int], dict[str, str]]] = {}
    for row in rows:
        parts = found.get(row[0])
        if parts is None:
            found[row[0]] = parts = row, [], {}, {}
        symbol = row[11]
        parts[1].append(symbol)
        if row[12] is not None:
            parts[2][symbol] = row[12]
        elif row[13] is not None:
            parts[3][symbol] = row[13]
    return [_job(*parts) for parts in found.values()]


def _job(
    row: Any, symbols: list[str], completed: dict[str, int], failed: dict[str, str]
) -> CollectionJob:
    return restore_job(
        (
            *(row[0], row[1], tuple(symbols), row[2], from_micros(row[3]), from_micros(row[4])),
            *(from_micros(row[5]), _STATUSES[row[6]]),
            None if row[7] is None else from_micros(row[7]),
            None if row[8] is None else from_micros(row[8]),
            *(row[9], MappingProxyType(completed), MappingProxyType(failed)),
            # The jobs that are measured have neither metadata nor details of their symbols.
            *(NOTHING, NO_SYMBOLS, NOTHING, NOTHING, row[10]),
        )
    )


def open_by_hand(path: Path, synchronous: str) -> Opener:
    """Return an opener of Store."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Store]:
        async with (
            aiosqlite.connect(path, isolation_level=None) as reader,
            aiosqlite.connect(path, isolation_level=None) as writer,
        ):
            for connection in (reader, writer):
                await connection.execute(f"PRAGMA synchronous = {synchronous}")
                await connection.execute("PRAGMA foreign_keys = ON")
            yield Store(reader, writer)

    return opened
