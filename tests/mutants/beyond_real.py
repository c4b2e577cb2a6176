"""Stores on real files that have all the optional Protocols, and what people get wrong of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from typing_extensions import override

from collection_jobs import CollectionJob, JobNotFoundError, JobStatus
from collection_jobs.job import check_jobs
from collection_jobs.validation import (
    check_candles,
    check_key,
    check_limit,
    check_name,
    check_status,
)
from tests.mutants.cancelling import CANCELLED, engine
from tests.mutants.contending import TOGETHER
from tests.mutants.crashing import KILLED
from tests.mutants.growing import GROWING
from tests.mutants.stores import Connection, TableStore
from tests.mutants.table import breaks, is_right

Key = tuple[datetime, str]


@is_right
class Whole(TableStore):
    """Each call one transaction."""

    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        check_name("job_id", job_id)
        check_name("symbol", symbol)
        check_candles(candles)
        await self.run(lambda connection: self.do_complete(connection, job_id, symbol, candles))

    def do_complete(self, connection: Connection, job_id: str, symbol: str, candles: int) -> None:
        """Record a completion within a transaction."""
        job = self.find(connection, job_id)
        if job is None:
            raise JobNotFoundError(job_id)
        self.put(connection, job.with_completed_symbol(symbol, candles))

    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        wanted = check_jobs(jobs)
        await self.run(lambda connection: self.do_save_many(connection, wanted))

    def do_save_many(self, connection: Connection, jobs: Iterable[CollectionJob]) -> None:
        """Save within a transaction."""
        for job in jobs:
            self.do_save(connection, job)

    async def list_after(
        self, status: JobStatus, after: Key | None = None, limit: int = 100
    ) -> list[CollectionJob]:
        check_status(status)
        check_limit(limit)
        key = ("", "")
        if after is not None:
            created_at, job_id = check_key("after", after)
            key = created_at.astimezone(UTC).isoformat(timespec="microseconds"), job_id
        return await self.page(status, key, min(limit, 2**62))

    async def page(
        self, status: JobStatus, key: tuple[str, str], limit: int
    ) -> list[CollectionJob]:
        """The jobs behind a key."""
        where = "WHERE status = ? AND (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ?"
        return await self.run(
            lambda connection: self.listed(connection, where, status.value, *key, limit),
            writes=False,
        )


@breaks(KILLED, "DURABLE-1")
class CommitsEach(Whole):
    """Saves many in many transactions: some of them may come to be the last."""

    @override
    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        self.opened()
        for job in check_jobs(jobs):
            self.transaction(partial(self.do_save, job=job))


@breaks(TOGETHER, "MANY-3")
class IsSeenToSave(CommitsEach):
    """The same, before the eyes of other processes."""


@breaks(CANCELLED, "CANCEL-1")
class AwaitsEach(Whole):
    """Saves many in many transactions, and can be cancelled between them."""

    @override
    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        for job in check_jobs(jobs):
            await engine()
            await self.save(job)


@breaks(CANCELLED, "CANCEL-1")
class CompletesInTwoHalves(Whole):
    """Takes the failure away in one transaction, and records the candles in the next."""

    @override
    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        job = await self.get_by_id(job_id)
        if job is not None and symbol in job.failed_symbols:
            await super().add_completed_symbol(job_id, symbol, 0)
            await engine()
        await super().add_completed_symbol(job_id, symbol, candles)


@breaks(TOGETHER, "COMPLETED-2", also=("FAILED-2",))
class CompletesACopy(Whole):
    """Reads in one transaction and writes in another."""

    @override
    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        check_candles(candles)
        check_name("symbol", symbol)
        job = await self.get_by_id(job_id)
        if job is None:
            raise JobNotFoundError(job_id)
        await asyncio.sleep(0)
        changed = job.with_completed_symbol(symbol, candles)
        await self.run(lambda connection: self.put(connection, changed))


@breaks(GROWING, "KEY-3")
class PagesByOffset(Whole):
    """Counts the jobs before the key and passes over so many: each page costs all before it."""

    @override
    async def page(self, status: JobStatus, key: tuple[str, str], limit: int) -> Any:
        counted = "SELECT count(*) FROM jobs WHERE status = ? AND (created_at, id) <= (?, ?)"
        where = "WHERE status = ? ORDER BY created_at, id LIMIT ? OFFSET ?"

        def work(connection: Connection) -> list[CollectionJob]:
            ((before,),) = connection.execute(counted, (status.value, *key)).fetchall()
            return self.listed(connection, where, status.value, limit, before)

        return await self.run(work, writes=False)


@is_right
class OnlySavesMany(TableStore):
    """Has one of the three Protocols."""

    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        wanted = check_jobs(jobs)

        def work(connection: Connection) -> None:
            for job in wanted:
                self.do_save(connection, job)

        await self.run(work)


@breaks(KILLED, "DURABLE-1")
class CommitsEveryHundred(Whole):
    """Saves a hundred jobs in each transaction, as guides to bulk inserts advise."""

    @override
    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        wanted = check_jobs(jobs)
        for first in range(0, len(wanted), 100):
            self.transaction(partial(self.do_save_many, jobs=wanted[first : first + 100]))
