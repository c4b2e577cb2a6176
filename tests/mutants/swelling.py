"""Stores whose costs grow with what is easily forgotten: deleted jobs, others' outcomes, age."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from collection_jobs import CollectionJob, JobStats, JobStatus
from tests.mutants.growing import GROWING
from tests.mutants.stores import Connection, LogStore, Memory, TableStore
from tests.mutants.table import breaks, is_right


class Scaling(Memory):
    """The in-memory repository, which says that it scales."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"scales"})


@breaks(GROWING, "SCALE-1")
class WalksPastTombstones(Scaling):
    """Marks deleted jobs in a list, and looks through the list when it is asked for an id."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.tombstones: list[str] = []

    @override
    async def delete(self, job_id: str) -> bool:
        deleted = await super().delete(job_id)
        if deleted:
            self.tombstones.append(job_id)
        return deleted

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        job = self._jobs.get(job_id)
        if job is None and job_id in self.tombstones:
            return None
        return None if job is None else await super().get_stats(job_id)


@breaks(GROWING, "SCALE-1")
class NeverDeletes(TableStore):
    """Marks deleted rows, and passes over the newest of them one by one."""

    schema: ClassVar[str] = TableStore.schema + "CREATE TABLE IF NOT EXISTS gone (id TEXT);"

    @override
    async def delete(self, job_id: str) -> bool:
        deleted = await super().delete(job_id)
        if deleted:
            await self.run(
                lambda connection: connection.execute("INSERT INTO gone VALUES (?)", (job_id,))
            )
        return deleted

    @override
    def find(self, connection: Connection, job_id: str) -> CollectionJob | None:
        query = "SELECT count(*) FROM gone WHERE id = ?"
        connection.execute(query, (job_id,)).fetchall()
        return super().find(connection, job_id)


@breaks(GROWING, "SCALE-1")
class ScansTheOutcomes(TableStore):
    """Has a table of outcomes without an index, of which it counts a job's."""

    schema: ClassVar[str] = (
        TableStore.schema + "CREATE TABLE IF NOT EXISTS outcomes (job TEXT, symbol TEXT);"
    )

    @override
    def put(self, connection: Connection, job: CollectionJob) -> None:
        super().put(connection, job)
        rows = [(job.id, symbol) for symbol in (*job.completed_symbols, *job.failed_symbols)]
        connection.executemany("INSERT INTO outcomes VALUES (?, ?)", rows)

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        query = "SELECT DISTINCT symbol FROM outcomes WHERE job = ?"
        await self.run(
            lambda connection: connection.execute(query, (job_id,)).fetchall(), writes=False
        )
        return await super().get_stats(job_id)


@breaks(GROWING, "SCALE-1")
class CountsWhoRuns(Scaling):
    """Counts the running jobs before it lets another one run."""

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        if len(await self.get_running_jobs()) > 1_000_000:
            return False
        return await super().update_status(job_id, status, error_message)


@breaks(GROWING, "SCALE-1")
class TakesAllSince(Scaling):
    """Collects all jobs since the time that is asked for, and cuts the list then."""

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        if since is None:
            return await super().list_recent(limit)
        return (await super().list_recent(len(self._jobs), since))[: max(0, limit)]


@breaks(GROWING, "SCALE-1")
class LooksFromTheNewest(Scaling):
    """Finds a job by going from the newest to the oldest: new jobs are found at once."""

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        job = self._jobs.get(job_id)
        if job is None:
            return None
        keys = self._index.by_age().descending()
        return next((self._jobs[id_] for _, id_ in keys if id_ == job_id), None)


@breaks(GROWING, "SCALE-1")
class RewritesNowAndThen(LogStore):
    """Writes a snapshot of everything with each 64th change."""

    changes: int = 0

    @override
    def append(self, job_id: str, job: CollectionJob | None) -> None:
        super().append(job_id, job)
        self.changes += 1
        if self.changes % 64 == 0:
            (self.directory / "snapshot").write_bytes(pickle.dumps(self._jobs))


@breaks(GROWING, "SCALE-1")
class ReadsTheWholeFile(LogStore):
    """Reads the log to see how much there is of it before it writes."""

    @override
    def write(self, content: bytes) -> None:
        self.written = len(self.path.read_bytes())
        super().write(content)


@breaks(GROWING, "SCALE-1")
class DeletesByScan(TableStore):
    """Deletes with a condition that no index serves where there is nothing to delete."""

    @override
    async def delete(self, job_id: str) -> bool:
        if not await super().delete(job_id):
            await self.run(
                lambda connection: connection.execute(
                    "DELETE FROM jobs WHERE '' || id = ?", (job_id,)
                )
            )
            return False
        return True


@is_right
class PurgesItsTombstones(Scaling):
    """Marks deleted jobs, and forgets the marks when there are as many as jobs."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.tombstones: set[str] = set()

    @override
    async def delete(self, job_id: str) -> bool:
        deleted = await super().delete(job_id)
        if deleted:
            self.tombstones.add(job_id)
            if len(self.tombstones) > max(64, len(self._jobs)):
                self.tombstones.clear()
        return deleted


@is_right
class MergesItsLog(LogStore):
    """Writes its log anew when that has become twice as long: seldom, and then all of it."""

    limit: int = 1 << 14

    @override
    def append(self, job_id: str, job: CollectionJob | None) -> None:
        super().append(job_id, job)
        with suppress(OSError):  # what was written is written: it is merged another time
            self.merge()

    def merge(self) -> None:
        """Write the log anew, if it has become long."""
        if self.file is None or self.path.stat().st_size < self.limit:
            return
        new = self.path.with_suffix(".new")
        new.unlink(missing_ok=True)
        file = new.open("ab", buffering=0)
        content = b"".join(self.records())
        if file.write(content) < len(content):  # there is no more room
            file.close()
            return
        new.replace(self.path)
        self.file.close()
        self.file = file
        self.limit = max(1 << 14, 2 * self.path.stat().st_size)

    def records(self) -> Iterable[bytes]:
        """All jobs as records, then the revision."""
        for job in self._jobs.values():
            yield framed((job.revision, job.id, job))
        yield framed((self._revision, "", None))


def framed(record: object) -> bytes:
    """A record of the log."""
    content = pickle.dumps(record)
    return len(content).to_bytes(4, "big") + content
