"""Stores that are right while nothing goes wrong around them, and they stay small."""

from __future__ import annotations

import asyncio
import os
import pickle
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

from typing_extensions import override

from collection_jobs import CollectionJob, JobStatus, RepositoryError
from tests.mutants.stores import (
    Connection,
    FileStore,
    Hooked,
    LogStore,
    Memory,
    TableStore,
    mapped_errors,
)
from tests.mutants.tried import tried

T = TypeVar("T")

KILLED = "killed processes"
FAULTS = "failing resources"
CANCELLED = "cancelled calls"
MANY_CALLERS = "many callers"
PENDING = "calls pending at the close"
HANDLES = "several handles"
GROWTH = "growing stores"
PAIRS = "interleavings"
CLOSED = "a closed repository"


# Killed


@tried(KILLED, "DURABLE-1")
class WaitsForItsMark(LogStore):
    """Waits for a lock file to go, which whoever was killed has left."""

    @override
    async def __aenter__(self) -> Self:
        self.mark = self.directory / "lock"
        while True:
            try:
                os.close(os.open(self.mark, os.O_CREAT | os.O_EXCL))
                break
            except FileExistsError:
                await asyncio.sleep(0.01)
            except OSError as error:
                raise RepositoryError("no lock file can be made") from error
        return await super().__aenter__()

    @override
    async def close(self) -> None:
        await super().close()
        with suppress(OSError):
            self.mark.unlink()


@tried(KILLED, "DURABLE-1")
class SnapshotsInPlace(LogStore):
    """Rewrites its log every forty changes, in place."""

    changes = 0

    @override
    def append(self, job_id: str, job: CollectionJob | None) -> None:
        super().append(job_id, job)
        self.changes += 1
        if self.changes % 40 == 0 and self.file is not None:
            os.ftruncate(self.file.fileno(), 0)
            for id_, one in self._jobs.items():
                super().append(id_, one)


@tried(KILLED, "DURABLE-1", "SAVE-4", "SAVE-5")
class CountsInAFileOfItsOwn(LogStore):
    """Writes the counter of revisions to a second file, after the log."""

    @override
    def append(self, job_id: str, job: CollectionJob | None) -> None:
        super().append(job_id, job)
        with mapped_errors():
            (self.directory / "counter").write_text(str(self._revision))

    @override
    def replay(self) -> None:
        super().replay()
        counter = self.directory / "counter"
        with mapped_errors():
            revision = int(counter.read_text() or 0) if counter.exists() else 0
        self._revision = min(self._revision, revision)


@tried(FAULTS, "ERROR-1")
class MakesItsNameOnce(FileStore):
    """Makes its new file only if there is none, and one that was killed has left one."""

    @override
    def store(self) -> None:
        with mapped_errors():
            new = self.path.with_suffix(".new")
            with new.open("xb") as file:
                file.write(pickle.dumps((self._jobs, self._revision)))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)


@tried(KILLED, "DURABLE-1")
class HasTwoDatabases(TableStore):
    """Keeps what is deleted in a database of its own, and commits there first."""

    @override
    async def delete(self, job_id: str) -> bool:
        deleted = self.directory_of_deleted / job_id.encode().hex()[:200]
        if await self.get_by_id(job_id) is None:
            return False
        with mapped_errors():
            self.directory_of_deleted.mkdir(exist_ok=True)
            deleted.write_text("")
        await asyncio.sleep(0)
        return await super().delete(job_id)

    @property
    def directory_of_deleted(self) -> Path:
        """Where what is deleted is marked."""
        return self.path.with_name("deleted")

    @override
    def find(self, connection: Connection, job_id: str) -> CollectionJob | None:
        job = super().find(connection, job_id)
        mark = self.directory_of_deleted / job_id.encode().hex()[:200]
        if job is not None and mark.exists():
            return None
        return job

    @override
    def put(self, connection: Connection, job: CollectionJob) -> None:
        (self.directory_of_deleted / job.id.encode().hex()[:200]).unlink(missing_ok=True)
        super().put(connection, job)


# Failing resources


@tried(FAULTS, "ERROR-1")
class SwallowsRename(FileStore):
    """Ignores that its file could not be renamed, or written."""

    @override
    def store(self) -> None:
        with suppress(RepositoryError):
            super().store()


@tried(FAULTS, "ERROR-1")
class EmptyWhenUnreadable(LogStore):
    """Begins with an empty store where its file cannot be read."""

    @override
    def replay(self) -> None:
        try:
            super().replay()
        except OSError:
            self.replace_all({}, 0)

    @override
    async def __aenter__(self) -> Self:
        try:
            return await super().__aenter__()
        except RepositoryError:
            self.replace_all({}, 0)
            return self


# Cancelled


class Limited(Hooked):
    """Lets one caller in at a time, and awaits within."""

    async def engine(self) -> None:
        """What is awaited while the caller is alone."""
        await asyncio.sleep(0)

    @override
    async def __aenter__(self) -> Self:
        self.slots = asyncio.Semaphore(1)
        return await super().__aenter__()


@tried(CANCELLED, "CANCEL-1")
class ReleasesWhatItHasNot(Limited):
    """Releases in its ``finally`` what it was cancelled before it got: two are let in then."""

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        self._check_open()
        try:
            await self.slots.acquire()
            before = dict(self._jobs)
            await self.engine()
            if dict(self._jobs) != before:
                raise RuntimeError("somebody else was let in")
            return await call()
        finally:
            self.slots.release()


@tried(CANCELLED, "CANCEL-1")
class TurnsCancellationIntoAnError(Limited):
    """Tells a cancellation as a failure of the engine."""

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        self._check_open()
        try:
            await self.engine()
        except asyncio.CancelledError as error:
            raise RepositoryError("the engine was interrupted") from error
        return await call()


@tried(CANCELLED, "CANCEL-1")
class CountsWaiters(Limited):
    """Counts who is within, and does not count down who was cancelled; it lets fifty in."""

    within = 0

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        self._check_open()
        if self.within >= 50:
            raise RepositoryError("too many callers") from OSError("the pool is exhausted")
        self.within += 1
        await self.engine()
        return await self.counted(call)

    async def counted(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make the call, and count down."""
        try:
            return await call()
        finally:
            self.within -= 1


# Together


class OfOneLoop:
    """A lock that its module makes when it is imported."""

    lock = asyncio.Lock()


@tried(PAIRS, "ATOMIC-1", "ERROR-1")
class LockOfTheModule(Hooked):
    """Has one lock for all stores of the process, which belongs to the first loop that waits."""

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        async with OfOneLoop.lock:
            await asyncio.sleep(0)
            return await call()


@tried(CLOSED, "ERROR-1")
class SwallowsWhatItsUserRaises(Memory):
    """Returns true when it is left, so that an error in the block is never heard of."""

    @override
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        await self.close()
        return True


@tried(MANY_CALLERS, "ATOMIC-1", "ERROR-1")
class Recursive(Hooked):
    """Waits for its turn by asking again, one call deeper each time."""

    busy = False

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        return await self.when_free(call, 0)

    async def when_free(self, call: Callable[[], Awaitable[T]], asked: int) -> T:
        """Make the call when nobody else makes one."""
        if self.busy:
            if asked > 24:
                raise RecursionError("maximum recursion depth exceeded")
            await asyncio.sleep(0)
            return await self.when_free(call, asked + 1)
        self.busy = True
        try:
            await asyncio.sleep(0)
            return await call()
        finally:
            self.busy = False


@tried(PENDING, "ERROR-1")
class ForgetsWhoWaits(Hooked):
    """Wakes the next of its waiters when a call has ended, and none when it is closed."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.waiters: list[asyncio.Future[None]] = []
        self.busy = False

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        self._check_open()
        while self.busy:
            waiter = asyncio.get_running_loop().create_future()
            self.waiters.append(waiter)
            await waiter
        self.busy = True
        try:
            await asyncio.sleep(0)
            return await call()
        finally:
            self.busy = False
            if not self._closed:
                for waiter in self.waiters:
                    if not waiter.done():
                        waiter.set_result(None)
                self.waiters.clear()


@tried(HANDLES, "ATOMIC-1", "SAVE-1", "GET-1", "FAILED-1", "FAILED-2", "STATUS-1", "STATUS-2")
class CachesByVersion(TableStore):
    """Keeps jobs until ``data_version`` changes, which its own handle's brothers see too late."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.cache: dict[str, CollectionJob] = {}
        self.files = 0

    @override
    def find(self, connection: Connection, job_id: str) -> CollectionJob | None:
        size = self.path.stat().st_size
        if size != self.files:
            self.cache.clear()
            self.files = size
        job = self.cache.get(job_id)
        if job is None or connection.in_transaction:
            job = super().find(connection, job_id)
            if job is not None:
                self.cache[job_id] = job
        return job


# Growing


class Scaling(Memory):
    """The in-memory repository, which says that it scales."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"scales"})


@tried(GROWTH, "SCALE-1")
class CountsTheStatus(TableStore):
    """Counts the jobs of the new status with each change of status, for a gauge."""

    @override
    def do_update(
        self, connection: Connection, job_id: str, status: JobStatus, error_message: str | None
    ) -> bool:
        query = "SELECT count(*) FROM jobs WHERE status = ?"
        connection.execute(query, (status.value,)).fetchall()
        return super().do_update(connection, job_id, status, error_message)


@tried(GROWTH, "SCALE-1")
class KeepsATrail(TableStore):
    """Writes each change to a trail, and looks up the last of the job without an index."""

    schema: ClassVar[str] = TableStore.schema + (
        "CREATE TABLE IF NOT EXISTS trail (job TEXT, number INTEGER);"
    )

    @override
    def put(self, connection: Connection, job: CollectionJob) -> None:
        super().put(connection, job)
        query = "SELECT max(number) FROM trail WHERE job = ?"
        ((last,),) = connection.execute(query, (job.id,)).fetchall()
        connection.execute("INSERT INTO trail VALUES (?, ?)", (job.id, (last or 0) + 1))


@tried(GROWTH, "SCALE-1")
class RebuildsOnDelete(Scaling):
    """Makes its index of ids anew when a job is deleted."""

    @override
    async def delete(self, job_id: str) -> bool:
        deleted = await super().delete(job_id)
        if deleted:
            self._jobs = {id_: job for id_, job in self._jobs.items() if id_ != job_id}
        return deleted


@tried(GROWTH, "SCALE-1")
class LooksForOlderOnes(Scaling):
    """Looks whether an older job waits, whenever one is claimed."""

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        if status is JobStatus.RUNNING:
            [job for job in self._jobs.values() if job.status is JobStatus.PENDING]
        return await super().update_status(job_id, status, error_message)


@tried(GROWTH, "SCALE-1")
class LooksWhoWaits(Scaling):
    """Looks through those that wait when a job is given back."""

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        if status is JobStatus.PENDING:
            [key for key in self._index.of_status(status).ascending() if key[1] == job_id]
        return await super().update_status(job_id, status, error_message)


@tried(GROWTH, "SCALE-1")
class ReadsTheAncients(Scaling):
    """Finds the newest jobs from the oldest on, where ``since`` is given."""

    @override
    async def list_recent(self, limit: int = 100, since: Any = None) -> list[CollectionJob]:
        if since is not None:
            [key for key in self._index.by_age().ascending() if key[0] >= since]
        return await super().list_recent(limit, since)
