"""Stores that several callers, handles or processes get into each other's way in."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Self

from typing_extensions import override

from collection_jobs import CollectionJob, JobStats, JobStatus, RepositoryError
from tests.mutants.stores import Connection, FileStore, Hooked, Memory, TableStore
from tests.mutants.table import breaks

TOGETHER = "concurrent calls"
ANY_RACE = ("ATOMIC-1", "DELETE-1", "FAILED-2", "SAVE-3", "SAVE-4", "SAVE-5", "STATS-1", "STATUS-2")


@breaks(TOGETHER, "ATOMIC-1")
class ClaimsToBeShared(Memory):
    """Says that processes may share it, and each of them has a memory of its own."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"shared", "scales"})


@breaks(TOGETHER, "STATUS-2")
class LetsNobodyElseIn(TableStore):
    """Says that processes may share it, and the first locks the others out."""

    @override
    async def __aenter__(self) -> Self:
        try:
            self.lock = os.open(self.path.with_suffix(".lock"), os.O_CREAT | os.O_EXCL)
        except FileExistsError as error:
            raise RepositoryError("the store is open already") from error
        return await super().__aenter__()

    @override
    async def __aexit__(self, *exc_info: object) -> None:
        await super().close()
        os.close(self.lock)
        self.path.with_suffix(".lock").unlink()


@breaks(TOGETHER, "FAILED-2", "STATUS-2", also=ANY_RACE)
class LocksOneProcessOnly(FileStore):
    """Has a lock that the other processes do not see."""

    waits_for_disk: ClassVar[bool] = False

    locks: ClassVar[dict[asyncio.AbstractEventLoop, asyncio.Lock]] = {}

    @override
    @asynccontextmanager
    async def exclusive(self) -> AsyncGenerator[None]:
        lock = self.locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with lock:
            yield


@breaks(TOGETHER, "STATUS-2", also=ANY_RACE)
class LooksThenActs(TableStore):
    """Looks at the status in one transaction, and changes it in another."""

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        job = await self.get_by_id(job_id)
        if job is None or not job.status.can_become(status):
            return False
        changed = job.with_status(status, error_message=error_message, at=datetime.now(UTC))
        return await self.run(lambda connection: self.overwrite(connection, changed))

    def overwrite(self, connection: Connection, job: CollectionJob) -> bool:
        """Write the status over whatever there is by now."""
        stored = self.find(connection, job.id)
        if stored is None:
            return False
        self.put(
            connection,
            stored._changed(  # what no adapter may do
                status=job.status,
                started_at=job.started_at,
                finished_at=job.finished_at,
                error_message=job.error_message,
            ),
        )
        return True


@breaks(TOGETHER, "FAILED-2", also=ANY_RACE)
class ReadsThenWrites(TableStore):
    """Reads the job in one transaction, and writes it back with the failure in another."""

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        job = await self.get_by_id(job_id)
        await asyncio.sleep(0)
        if job is None:
            await super().add_failed_symbol(job_id, symbol, error)
        else:
            changed = job.with_failed_symbol(symbol, error)
            await self.run(lambda connection: self.put(connection, changed))


@breaks(TOGETHER, "SAVE-3", also=ANY_RACE)
class ComparesThenSaves(TableStore):
    """Compares the revision in one transaction, and writes in another."""

    @override
    async def save(self, job: CollectionJob) -> None:
        if job.revision is not None:
            stored = await self.get_by_id(job.id)
            if stored is not None and stored.revision == job.revision:
                await self.run(lambda connection: self.put(connection, job))
                return
        await super().save(job)


@breaks(TOGETHER, "SAVE-4")
class CountsByItself(TableStore):
    """Counts revisions in each process by itself."""

    revision = 0

    @override
    def next_revision(self, connection: Connection) -> int:
        self.revision += 1
        return self.revision


@breaks(TOGETHER, "STATS-1")
class RemembersItsStats(TableStore):
    """Keeps the stats of a job until this handle changes it."""

    @override
    async def __aenter__(self) -> Self:
        self.stats: dict[str, JobStats | None] = {}
        return await super().__aenter__()

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        if job_id not in self.stats:
            self.stats[job_id] = await super().get_stats(job_id)
        return self.stats[job_id]

    @override
    async def run(self, work: Any, *, writes: bool = True) -> Any:
        if writes:
            self.stats.clear()
        return await super().run(work, writes=writes)


@breaks(TOGETHER, "ATOMIC-1")
class RemembersItsJobs(TableStore):
    """Keeps the jobs that it read until this handle changes something."""

    @override
    async def __aenter__(self) -> Self:
        self.jobs: dict[str, CollectionJob | None] = {}
        return await super().__aenter__()

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        if job_id not in self.jobs:
            self.jobs[job_id] = await super().get_by_id(job_id)
        return self.jobs[job_id]

    @override
    async def run(self, work: Any, *, writes: bool = True) -> Any:
        if writes:
            self.jobs.clear()
        return await super().run(work, writes=writes)


@breaks(TOGETHER, "FAILED-2", also=(*ANY_RACE, "STATUS-1"))
class ThreadsWithoutALock(FileStore):
    """Reads, changes and writes its file on threads, with nothing to keep them apart."""

    waits_for_disk: ClassVar[bool] = False
    capabilities: ClassVar[frozenset[str]] = frozenset({"durable"})

    @override
    @asynccontextmanager
    async def exclusive(self) -> AsyncGenerator[None]:
        await asyncio.to_thread(self.path.exists)
        yield

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        self.load()
        job = self._jobs.get(job_id)
        if job is not None and symbol in job.symbols:
            await asyncio.to_thread(self.path.exists)
            self.load()
            self._put(job.with_failed_symbol(symbol, error))
            self.store()
        else:
            await super().add_failed_symbol(job_id, symbol, error)


@breaks(TOGETHER, "ATOMIC-1")
class TakesTwoLocksTwoWays(Memory):
    """Locks the status before the outcomes in one method, and after them in the other."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.status, self.outcomes = asyncio.Lock(), asyncio.Lock()

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        async with self.status:
            await asyncio.sleep(0)
            async with self.outcomes:
                return await super().update_status(job_id, status, error_message)

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        async with self.outcomes:
            await asyncio.sleep(0)
            async with self.status:
                await super().add_failed_symbol(job_id, symbol, error)


@breaks(TOGETHER, "GET-2")
class SharesItsJobs(TableStore):
    """Gives the same changeable job to all callers, whichever handle they ask."""

    shared: ClassVar[dict[tuple[Path, str, int | None], CollectionJob]] = {}

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        job = await super().get_by_id(job_id)
        if job is None:
            return None
        changeable = job._changed(  # what no adapter may do
            completed_symbols=dict(job.completed_symbols),
            failed_symbols=dict(job.failed_symbols),
        )
        return self.shared.setdefault((self.path, job_id, job.revision), changeable)


@breaks(TOGETHER, "GET-2")
class ListsForAllWhoAsk(Hooked):
    """Lists once for all who ask for the same meanwhile, and gives each of them the one list."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.under_way: dict[int, asyncio.Task[list[CollectionJob]]] = {}

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        if since is not None:
            return await super().list_recent(limit, since)
        if limit not in self.under_way:
            self.under_way[limit] = asyncio.ensure_future(self.listed(limit))
        return await asyncio.shield(self.under_way[limit])

    async def listed(self, limit: int) -> list[CollectionJob]:
        """List as soon as all who ask now have done so."""
        await asyncio.sleep(0)
        self.under_way.pop(limit)
        return await super().list_recent(limit)
