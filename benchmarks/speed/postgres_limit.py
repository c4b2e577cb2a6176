"""The limit on PostgreSQL: the adapter's statements on bare connections, a call at a time.

``Held`` keeps connections and prepared statements; ``Pool`` is what one would write on asyncpg's
pool; ``Pipelined`` sends the calls of all callers down one connection and reads the answers after
that, and builds nothing of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import asyncpg
import psycopg

from benchmarks.speed.frame import Opener
from benchmarks.speed.workload import Call
from collection_jobs import CollectionJob, JobStats, JobStatus
from collection_jobs.adapters.postgres.record_statements import RecordStatements
from collection_jobs.adapters.postgres.records import RecordOutcomes
from collection_jobs.adapters.postgres.requests import (
    ChangeStatus,
    RecordOutcome,
    Request,
    SaveJobs,
)
from collection_jobs.adapters.postgres.rows import job_from_row
from collection_jobs.adapters.postgres.saves import SaveTogether
from collection_jobs.adapters.postgres.session import SESSION
from collection_jobs.adapters.postgres.statements import Statements
from collection_jobs.adapters.postgres.writes import ChangeStatuses

CONNECTIONS = 4
"""As many as the adapter holds by default; more served no candidate better."""

LOCK_LIMIT = "5000"
"""Milliseconds that a write waits for another transaction's lock: the adapter's default."""
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC), ""
_EVERYTHING = 2**63 - 1

Fetch = Callable[..., Awaitable[list[Any]]]
Asked = tuple[str, tuple[Any, ...]]


class Questions:
    """Each call as one statement and its arguments."""

    def __init__(self, schema: str) -> None:
        """Ask by the statements on the tables of a schema."""
        self._statements = Statements.on(schema)
        self._records = RecordStatements.on(schema)

    def get_by_id(self, job_id: str) -> Asked:
        return self._statements.get, ([job_id],)

    def get_stats(self, job_id: str) -> Asked:
        return self._statements.stats, ([job_id],)

    def list_by_status(self, status: JobStatus, limit: int) -> Asked:
        return self._statements.list, (status.value, *_BEFORE_ALL, limit, 0)

    def list_after(self, status: JobStatus, key: tuple[datetime, str], limit: int) -> Asked:
        return self._statements.list, (status.value, *key, limit, 0)

    def list_recent(self, limit: int) -> Asked:
        return self._statements.recent, (_BEFORE_ALL[0], limit)

    def get_running_jobs(self) -> Asked:
        return self.list_by_status(JobStatus.RUNNING, _EVERYTHING)

    def save(self, job: CollectionJob) -> Asked:
        return self.save_many((job,))

    def save_many(self, jobs: Sequence[CollectionJob]) -> Asked:
        return _asked(SaveTogether(self._statements), SaveJobs.of(jobs))

    def delete(self, job_id: str) -> Asked:
        return self._statements.delete, ([job_id], LOCK_LIMIT)

    def update_status(self, job_id: str, status: JobStatus) -> Asked:
        kind = ChangeStatuses(self._statements.update_status)
        return _asked(kind, ChangeStatus(job_id, status.value, None))

    def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> Asked:
        kind = RecordOutcomes(self._records.put_outcome, self._records.put_outcomes)
        return _asked(kind, RecordOutcome(job_id, symbol, None, error))

    def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> Asked:
        kind = RecordOutcomes(self._records.put_outcome, self._records.put_outcomes)
        return _asked(kind, RecordOutcome(job_id, symbol, candles, None))


class _Recorder:
    """Stands for a connection, and remembers what it was asked."""

    asked: Asked
    lock_limit = LOCK_LIMIT

    async def fetch(self, statement: str, *arguments: Any) -> list[Any]:
        self.asked = statement, arguments
        return []


def _asked(kind: Any, request: Request) -> Asked:
    """Return what the adapter would ask for one write."""
    recorder = _Recorder()
    running = kind.run(recorder, [request])
    with suppress(StopIteration):
        running.send(None)  # the recorder never waits, so it runs to its end
    return recorder.asked


class Bare:
    """Questions, asked one by one, and what comes back as the caller wants it."""

    def __init__(self, questions: Questions, fetch: Fetch) -> None:
        """Ask by a function that sends a statement with its arguments."""
        self._ask = questions
        self._fetch = fetch

    async def _answer(self, asked: Asked) -> list[Any]:
        statement, arguments = asked
        return await self._fetch(statement, *arguments)

    async def _jobs(self, asked: Asked) -> list[CollectionJob]:
        return [job_from_row(row) for row in await self._answer(asked)]

    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        return next(iter(await self._jobs(self._ask.get_by_id(job_id))), None)

    async def get_stats(self, job_id: str) -> JobStats | None:
        for _, total, completed, failed, candles in await self._answer(self._ask.get_stats(job_id)):
            return JobStats(total, completed, failed, int(candles or 0))
        return None

    async def list_by_status(self, status: JobStatus, limit: int) -> list[CollectionJob]:
        return await self._jobs(self._ask.list_by_status(status, limit))

    async def list_after(
        self, status: JobStatus, key: tuple[datetime, str], limit: int
    ) -> list[CollectionJob]:
        return await self._jobs(self._ask.list_after(status, key, limit))

    async def list_recent(self, limit: int) -> list[CollectionJob]:
        return await self._jobs(self._ask.list_recent(limit))

    async def get_running_jobs(self) -> list[CollectionJob]:
        return await self._jobs(self._ask.get_running_jobs())

    async def save(self, job: CollectionJob) -> None:
        await self._answer(self._ask.save(job))

    async def save_many(self, jobs: Sequence[CollectionJob]) -> None:
        await self._answer(self._ask.save_many(jobs))

    async def forget(self, ids: Sequence[str]) -> None:
        """Delete jobs, off the clock."""
        await self._fetch(self._ask.delete("")[0], list(ids), LOCK_LIMIT)

    async def delete(self, job_id: str) -> bool:
        return bool(await self._answer(self._ask.delete(job_id)))

    async def update_status(self, job_id: str, status: JobStatus) -> bool:
        return bool(await self._answer(self._ask.update_status(job_id, status)))

    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        await self._answer(self._ask.add_failed_symbol(job_id, symbol, error))

    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        await self._answer(self._ask.add_completed_symbol(job_id, symbol, candles))


def open_held(url: str, schema: str) -> Opener:
    """Return an opener of Bare on connections that are held and prepared."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Bare]:
        connections = [await asyncpg.connect(url) for _ in range(CONNECTIONS)]
        idle: asyncio.LifoQueue[tuple[Any, dict[str, Any]]] = asyncio.LifoQueue()
        for connection in connections:
            await connection.execute(SESSION)
            idle.put_nowait((connection, {}))

        async def fetch(statement: str, *arguments: object) -> list[Any]:
            connection, prepared = idle.get_nowait() if idle.qsize() else await idle.get()
            try:
                if statement not in prepared:
                    prepared[statement] = await connection.prepare(statement)
                rows: list[Any] = await prepared[statement].fetch(*arguments)
                return rows
            finally:
                idle.put_nowait((connection, prepared))

        yield Bare(Questions(schema), fetch)
        for connection in connections:
            await connection.close()

    return opened


def open_pool(url: str, schema: str) -> Opener:
    """Return an opener of Bare on asyncpg's pool, at its defaults."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Bare]:
        async with asyncpg.create_pool(url, setup=_set_up) as pool:
            yield Bare(Questions(schema), pool.fetch)

    async def _set_up(connection: Any) -> None:
        await connection.execute(SESSION)

    return opened


class Pipelined:
    """All callers on one connection in psycopg's pipeline mode, each wave of calls at once."""

    def __init__(self, questions: Questions, connection: Any) -> None:
        """Ask on a connection."""
        self._ask = questions
        self._connection = connection

    async def forget(self, ids: Sequence[str]) -> None:
        """Delete jobs, off the clock."""
        await self._connection.execute(self._ask.delete("")[0], (list(ids), LOCK_LIMIT))

    async def play(self, callers: list[list[Call]]) -> float:
        """Make the calls, and give the seconds that they took."""
        waves = [
            [getattr(self._ask, name)(*args) for name, args in wave]
            for number in range(max(map(len, callers)))
            if (wave := [calls[number] for calls in callers if number < len(calls)])
        ]
        began = perf_counter()
        for wave in waves:
            async with self._connection.pipeline():
                cursors = [
                    await self._connection.execute(statement, arguments, prepare=True)
                    for statement, arguments in wave
                ]
            for cursor in cursors:
                if cursor.description is not None:
                    await cursor.fetchall()
        return perf_counter() - began

    def __getattr__(self, name: str) -> Any:
        """Give the methods that there are questions for, though they are played."""
        return getattr(self._ask, name)


def open_pipelined(url: str, schema: str) -> Opener:
    """Return an opener of Pipelined."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Pipelined]:
        connection = await psycopg.AsyncConnection.connect(
            url, autocommit=True, cursor_factory=psycopg.AsyncRawCursor
        )
        async with connection:
            await connection.execute(SESSION.encode())
            yield Pipelined(Questions(schema), connection)

    return opened
