"""Stores of which one handle gets into the way of another of its process, or of another process."""

from __future__ import annotations

import asyncio
import atexit
import fcntl
import os
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO, ClassVar, Self, TypeVar

from typing_extensions import override

from collection_jobs import JobStats, JobStatus, RepositoryError
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository
from tests.mutants.stores import Connection, FileStore, TableStore, forget, mapped_errors
from tests.mutants.table import breaks, is_right

T = TypeVar("T")

HANDLES = "several handles"
ANY_LOSS = (
    *("ATOMIC-1", "STATUS-2", "FAILED-2", "COMPLETED-2", "DURABLE-1"),
    *("SAVE-3", "SAVE-4", "SAVE-5", "MANY-3"),
)
"""What a process that has lost its locks loses depends on who writes what first."""

_HEADER = 100


# POSIX drops every lock of a process on a file when the process closes any descriptor of it
# (https://sqlite.org/howtocorrupt.html, section 2.2).


@breaks(HANDLES, "ATOMIC-1", also=ANY_LOSS)
class ReadsTheHeader(SQLiteCollectionJobRepository):
    """Looks at the first bytes of the file before it connects, to see whose it is."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "jobs.db"
        super().__init__(self.path)

    @override
    async def __aenter__(self) -> Self:
        if self.path.exists() and self.path.read_bytes()[:6] not in (b"", b"SQLite"):
            raise RepositoryError(f"{self.path} is not a SQLite database")
        return await super().__aenter__()


@breaks(HANDLES, "ATOMIC-1", also=ANY_LOSS)
class ChecksItsHealth(TableStore):
    """Sees with each get_stats that the file is still there and is still a database."""

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        with mapped_errors(), self.path.open("rb") as file:
            if not file.read(_HEADER).startswith(b"SQLite"):
                raise RepositoryError("the database is gone")
        return await super().get_stats(job_id)


@breaks(HANDLES, "ATOMIC-1", also=ANY_LOSS)
class BacksUp(TableStore):
    """Copies the file when it is closed, so that there is a backup."""

    @override
    async def close(self) -> None:
        if self.connection is not None and self.path.exists():
            shutil.copy(self.path, self.path.with_suffix(".bak"))
        await super().close()


@breaks(HANDLES, "ATOMIC-1", also=ANY_LOSS)
class ClearsUp(TableStore):
    """Removes what SQLite has left beside the file when it closes: it takes it for stale."""

    @override
    async def close(self) -> None:
        closing = self.connection is not None
        await super().close()
        if closing:
            forget(Path(f"{self.path}-wal"), Path(f"{self.path}-shm"))


@breaks(HANDLES, "ATOMIC-1", also=ANY_LOSS)
class ClearsUpAtTheEnd(TableStore):
    """Does so when its process ends."""

    @override
    async def __aenter__(self) -> Self:
        atexit.register(forget, Path(f"{self.path}-wal"), Path(f"{self.path}-shm"))
        return await super().__aenter__()


@breaks(HANDLES, "ATOMIC-1", also=ANY_LOSS)
class TruncatesTheLog(TableStore):
    """Empties a log that it finds when it is opened: it takes it for a dead process's."""

    @override
    async def __aenter__(self) -> Self:
        with suppress(OSError):
            os.truncate(f"{self.path}-wal", 0)
        return await super().__aenter__()


@breaks(HANDLES, "ATOMIC-1")
class ClosesForAll(TableStore):
    """Has one connection for each file and process, which whoever is closed first closes."""

    connections: ClassVar[dict[Path, Connection]] = {}

    @override
    async def __aenter__(self) -> Self:
        if self.path not in self.connections:
            with self.mapped():
                self.connections[self.path] = self.connect()
        self.connection = self.connections[self.path]
        return self

    @override
    async def close(self) -> None:
        self.connections.pop(self.path, None)
        await super().close()


@breaks(HANDLES, also=ANY_LOSS)
class UnlocksForAll(FileStore):
    """Keeps its lock file open, and whoever is closed first removes it."""

    waits_for_disk: ClassVar[bool] = False
    lock: BinaryIO | None = None

    @override
    async def __aenter__(self) -> Self:
        with mapped_errors():
            self.lock = (self.directory / "lock").open("ab")
        return await super().__aenter__()

    @override
    async def close(self) -> None:
        await super().close()
        if self.lock is not None:
            self.lock.close()
            (self.directory / "lock").unlink(missing_ok=True)

    @override
    @asynccontextmanager
    async def exclusive(self) -> AsyncGenerator[None]:
        async with waited_for(self.lock):
            yield


@breaks(HANDLES, "ATOMIC-1")
class GivesBackWhatRuns(TableStore):
    """Makes running jobs pending when it is opened: it takes them for left over from a crash."""

    @override
    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.transaction(self.give_back)
        return self

    def give_back(self, connection: Connection) -> None:
        """Make what is running pending."""
        for job in self.listed(connection, "WHERE status = 'running'"):
            self.put(connection, job.with_status(JobStatus.PENDING))


@breaks(HANDLES, "SAVE-4")
class CountsForItself(TableStore):
    """Counts revisions in memory, once for all handles of a process, from the greatest stored."""

    counters: ClassVar[dict[str, int]] = {}

    @override
    def next_revision(self, connection: Connection) -> int:
        path = str(self.path.resolve())
        if path not in self.counters:
            found = connection.execute("SELECT coalesce(max(revision), 0) FROM jobs").fetchall()
            self.counters[path] = int(found[0][0])
        self.counters[path] += 1
        return self.counters[path]


@breaks(HANDLES, "ATOMIC-1", also=ANY_LOSS)
class RepairsWhatIsInUse(TableStore):
    """Takes a store without its marker for one that crashed, and empties what was in the making."""

    @override
    async def __aenter__(self) -> Self:
        marker = self.path.with_suffix(".open")
        crashed = self.path.exists() and not marker.exists()
        with mapped_errors():
            marker.touch()
        await super().__aenter__()
        if crashed:
            self.transaction(lambda one: one.execute("DELETE FROM jobs WHERE status = 'running'"))
        return self

    @override
    async def close(self) -> None:
        if self.connection is not None:
            self.path.with_suffix(".open").unlink(missing_ok=True)
        await super().close()


@is_right
class ConnectsForEachCall(TableStore):
    """Has a connection for as long as a call takes."""

    @override
    async def run(self, work: Callable[[Connection], T], *, writes: bool = True) -> T:
        self.opened()
        with self.mapped():
            own = self.connect()
        kept, self.connection = self.connection, own
        try:
            return self.transaction(work)
        finally:
            self.connection = kept
            own.close()


@is_right
class SharesItsConnection(TableStore):
    """Has one connection for each file and process, which whoever is closed last closes."""

    shared: ClassVar[dict[Path, list[TableStore]]] = {}

    @override
    async def __aenter__(self) -> Self:
        users = self.shared.setdefault(self.path.resolve(), [])
        if not users:
            return await self.join(await super().__aenter__(), users)
        self.connection = users[0].connection
        return await self.join(self, users)

    async def join(self, me: Self, users: list[TableStore]) -> Self:
        """Enter the handle among those that use the connection."""
        users.append(me)
        return me

    @override
    async def close(self) -> None:
        users = self.shared.get(self.path.resolve(), [])
        if self in users:
            users.remove(self)
            if not users:
                await super().close()
        self.connection = None


@is_right
class OpensOnce(TableStore):
    """Refuses to be opened a second time in one process."""

    taken: ClassVar[set[Path]] = set()

    @override
    async def __aenter__(self) -> Self:
        if self.path.resolve() in self.taken:
            raise RepositoryError(f"{self.path} is open in this process already")
        await super().__aenter__()
        self.taken.add(self.path.resolve())
        return self

    @override
    async def close(self) -> None:
        if self.connection is not None:
            self.taken.discard(self.path.resolve())
        await super().close()


@is_right
class LocksItsOwnFile(FileStore):
    """Keeps its lock file open and in place, one descriptor for each handle."""

    waits_for_disk: ClassVar[bool] = False
    lock: BinaryIO | None = None

    @override
    async def __aenter__(self) -> Self:
        with mapped_errors():
            self.lock = (self.directory / "lock").open("ab")
        return await super().__aenter__()

    @override
    async def close(self) -> None:
        await super().close()
        if self.lock is not None:
            self.lock.close()

    @override
    @asynccontextmanager
    async def exclusive(self) -> AsyncGenerator[None]:
        async with waited_for(self.lock):
            with mapped_errors():
                self.directory.stat()  # or a store that was moved away would be taken for a new one
            yield


@asynccontextmanager
async def waited_for(file: BinaryIO | None) -> AsyncGenerator[None]:
    """Hold the lock of an open file."""
    while file is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            await asyncio.sleep(0.000_2)
    try:
        yield
    finally:
        if file is not None:
            fcntl.flock(file, fcntl.LOCK_UN)


@breaks(HANDLES, "ATOMIC-1", also=("DURABLE-1",))
class StartsWithAnEmptyFile(FileStore):
    """Looks whether there is a file, and else writes one without jobs: over another's, maybe."""

    @override
    async def __aenter__(self) -> Self:
        if not self.path.exists():
            await asyncio.sleep(0.002)  # as a disk takes
            self.replace_all({}, 0)
            self.store()
        return await super().__aenter__()
