"""Stores on real files that record failures and purge jobs, and what people get wrong of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime
from functools import partial

from typing_extensions import override

from collection_jobs import CollectionJob, JobNotFoundError, JobStatus
from collection_jobs.query import check_final_statuses
from collection_jobs.validation import (
    check_bool,
    check_datetime,
    check_limit,
    check_name,
    check_text,
)
from tests.mutants.cancelling import CANCELLED, engine
from tests.mutants.contending import TOGETHER
from tests.mutants.crashing import KILLED
from tests.mutants.growing import GROWING
from tests.mutants.stores import Connection, TableStore
from tests.mutants.table import breaks, is_right

_FINAL = (JobStatus.COMPLETED, JobStatus.CANCELLED)


@is_right
class Recording(TableStore):
    """Each call one transaction; the end of a job is a column with an index."""

    schema = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, created_at TEXT, status TEXT, revision INTEGER, body BLOB, ended TEXT
    ) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_age ON jobs (created_at, id);
CREATE INDEX IF NOT EXISTS by_status ON jobs (status, created_at, id);
CREATE INDEX IF NOT EXISTS by_end ON jobs (status, ended, id);
CREATE TABLE IF NOT EXISTS counter (n INTEGER);
INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counter);
"""

    @override
    def put(self, connection: Connection, job: CollectionJob) -> None:
        revision = self.next_revision(connection)
        ended = None if job.finished_at is None else text_of(job.finished_at)
        row = job.id, text_of(job.created_at), job.status.value, revision, self.body(job), ended
        connection.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?)", row)

    def existing(self, connection: Connection, job_id: str) -> CollectionJob:
        job = self.find(connection, job_id)
        if job is None:
            raise JobNotFoundError(job_id)
        return job

    async def add_failure(
        self, job_id: str, symbol: str, error: str, *, permanent: bool = False
    ) -> None:
        job_id, symbol = check_name("job_id", job_id), check_name("symbol", symbol)
        error, permanent = check_text("error", error), check_bool("permanent", permanent)
        await self.change(
            job_id, lambda job: job.with_failed_symbol(symbol, error, permanent=permanent)
        )

    async def set_cursor(self, job_id: str, symbol: str, until: datetime) -> None:
        job_id, symbol = check_name("job_id", job_id), check_name("symbol", symbol)
        until = check_datetime("until", until)
        await self.change(job_id, lambda job: job.with_cursor(symbol, until))

    async def change(self, job_id: str, how: Callable[[CollectionJob], CollectionJob]) -> None:
        """Read a job and write it changed, in one transaction."""

        def work(connection: Connection) -> None:
            job = self.existing(connection, job_id)
            changed = how(job)
            if changed is not job:
                self.put(connection, changed)

        await self.run(work)

    async def delete_finished(
        self, before: datetime, *, statuses: Collection[JobStatus] = _FINAL, limit: int = 1000
    ) -> int:
        end = text_of(check_datetime("before", before))
        final = [status.value for status in check_final_statuses(statuses)]
        limit = min(check_limit(limit), 2**62)
        return await self.purge(end, final, limit)

    async def purge(self, end: str, final: list[str], limit: int) -> int:
        """Find and delete, in one transaction."""

        def work(connection: Connection) -> int:
            return self.remove(connection, self.due(connection, end, final, limit))

        return await self.run(work)

    def due(self, connection: Connection, end: str, final: list[str], limit: int) -> list[str]:
        marks = ", ".join("?" * len(final))
        asked = f"SELECT id FROM jobs WHERE status IN ({marks}) AND ended < ? ORDER BY ended, id"
        rows = connection.execute(f"{asked} LIMIT ?", (*final, end, limit))
        return [job_id for (job_id,) in rows.fetchall()]

    def remove(self, connection: Connection, ids: list[str]) -> int:
        connection.executemany("DELETE FROM jobs WHERE id = ?", [(job_id,) for job_id in ids])
        return len(ids)


def text_of(instant: datetime) -> str:
    """An instant as text that is ordered as instants are."""
    return instant.isoformat(timespec="microseconds")


class ReadsAndWrites(Recording):
    """Reads in one transaction and writes in another."""

    @override
    async def change(self, job_id: str, how: Callable[[CollectionJob], CollectionJob]) -> None:
        job = self.transaction(partial(self.existing, job_id=job_id))
        await asyncio.sleep(0)
        changed = how(job)
        if changed is not job:
            self.transaction(lambda connection: self.put(connection, changed))


@breaks(TOGETHER, "FAILURE-2", also=("FAILED-2",))
class FailsACopy(ReadsAndWrites):
    """Of two failures at once, one is not counted."""

    @override
    async def set_cursor(self, job_id: str, symbol: str, until: datetime) -> None:
        job_id, symbol = check_name("job_id", job_id), check_name("symbol", symbol)
        until = check_datetime("until", until)
        await Recording.change(self, job_id, lambda job: job.with_cursor(symbol, until))


@breaks(TOGETHER, "CURSOR-1", also=("ATOMIC-1", "FAILED-2"))
class MovesACopy(ReadsAndWrites):
    """A cursor that is set beside a failure takes the failure back."""

    @override
    async def add_failure(
        self, job_id: str, symbol: str, error: str, *, permanent: bool = False
    ) -> None:
        job_id, symbol = check_name("job_id", job_id), check_name("symbol", symbol)
        error, permanent = check_text("error", error), check_bool("permanent", permanent)
        await Recording.change(
            self, job_id, lambda job: job.with_failed_symbol(symbol, error, permanent=permanent)
        )


@breaks(TOGETHER, "PURGE-1", also=("ATOMIC-1",))
class FindsThenDeletes(Recording):
    """Finds ids in one transaction and deletes them in another: what was saved between is lost."""

    @override
    async def purge(self, end: str, final: list[str], limit: int) -> int:
        ids = self.transaction(lambda connection: self.due(connection, end, final, limit))
        await engine()
        return self.transaction(lambda connection: self.remove(connection, ids))


@breaks(CANCELLED, "CANCEL-1")
class MovesOnWhenCancelled(Recording):
    """Shields a cursor: its caller hears of the cancellation at once, and it is moved later."""

    @override
    async def set_cursor(self, job_id: str, symbol: str, until: datetime) -> None:
        moving = asyncio.ensure_future(self.later(job_id, symbol, until))
        # Who was cancelled does not ask for the error.
        moving.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(moving)

    async def later(self, job_id: str, symbol: str, until: datetime) -> None:
        await engine()
        await super().set_cursor(job_id, symbol, until)


class OneByOne(Recording):
    """Deletes each job in a transaction of its own."""

    @override
    async def purge(self, end: str, final: list[str], limit: int) -> int:
        ids = self.transaction(lambda connection: self.due(connection, end, final, limit))
        for job_id in ids:
            await self.between()
            self.transaction(partial(self.remove, ids=[job_id]))
        return len(ids)

    async def between(self) -> None:
        """Wait for nothing."""


@breaks(KILLED, "DURABLE-1")
class DiesBetween(OneByOne):
    """Some of the deletions may come to be the last."""


@breaks(CANCELLED, "CANCEL-1")
class StopsBetween(OneByOne):
    """Can be cancelled between two of them."""

    @override
    async def between(self) -> None:
        await engine()


@breaks(CANCELLED, "CANCEL-1")
class StopsBetweenChunks(Recording):
    """Deletes a hundred in each transaction, to hold its lock for a short time only."""

    @override
    async def purge(self, end: str, final: list[str], limit: int) -> int:
        deleted = 0
        while ids := self.transaction(
            partial(self.due, end=end, final=final, limit=min(100, limit - deleted))
        ):
            deleted += self.transaction(partial(self.remove, ids=ids))
            await engine()
        return deleted


@breaks(KILLED, "DURABLE-1")
class PurgesByTheHundred(Recording):
    """Does the same without a pause: nobody is seen between two transactions, but a kill is."""

    @override
    async def purge(self, end: str, final: list[str], limit: int) -> int:
        deleted = 0

        def work(connection: Connection) -> int:
            ids = self.due(connection, end, final, min(100, limit - deleted))
            return self.remove(connection, ids)

        while gone := self.transaction(work):
            deleted += gone
        return deleted


@breaks(GROWING, "SCALE-1")
class LooksAtAll(Recording):
    """Reads every job to see when it ended."""

    @override
    def due(self, connection: Connection, end: str, final: list[str], limit: int) -> list[str]:
        jobs = self.listed(connection, "ORDER BY id")
        ended = [job for job in jobs if job.status.value in final and job.finished_at is not None]
        found = [(text_of(job.finished_at), job.id) for job in ended if job.finished_at]
        return [job_id for at, job_id in sorted(found) if at < end][:limit]
