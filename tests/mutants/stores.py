"""Small stores on real files that keep every law: what the mutants of this package derive from."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import pickle
import sqlite3
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, ClassVar, Self, TypeVar

from typing_extensions import override

from collection_jobs import (
    CollectionJob,
    ICollectionJobRepository,
    JobNotFoundError,
    JobStats,
    JobStatus,
    RepositoryClosedError,
    RepositoryError,
    StaleJobError,
)
from collection_jobs.adapters.job_index import JobIndex
from collection_jobs.adapters.lease_table import LeaseTable
from collection_jobs.conformance.spec.capabilities import METHODS
from collection_jobs.job import check_job
from collection_jobs.validation import (
    check_datetime,
    check_limit,
    check_name,
    check_offset,
    check_optional_text,
    check_status,
    check_text,
)
from tests.mutants.unleased import InMemory

T = TypeVar("T")


class Memory(InMemory):
    """The in-memory repository, made in a directory that it has no use for."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory

    def replace_all(self, jobs: dict[str, CollectionJob], revision: int) -> None:
        """Take other jobs for those that are held."""
        self._jobs, self._revision = jobs, revision
        self._index = JobIndex()
        self._leases = LeaseTable()
        for job in jobs.values():
            self._leases.job_changed(None, job)
            self._index.move(None, job)


for _method in METHODS:  # nothing beyond the nine, which would go past what the mutants change
    setattr(Memory, _method, None)


@contextmanager
def mapped_errors() -> Generator[None]:
    """What a file or its content may raise, as the contract wants it."""
    try:
        yield
    except (OSError, EOFError, ValueError, TypeError, LookupError, pickle.UnpicklingError) as error:
        raise RepositoryError(f"the file is of no use: {error}") from error
    except (ArithmeticError, AttributeError, ImportError, MemoryError, struct.error) as error:
        raise RepositoryError(f"the file is garbage: {error}") from error


class Hooked(Memory):
    """The in-memory repository with something around every call."""

    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        """Make the call."""
        return await call()

    @override
    async def save(self, job: CollectionJob) -> None:
        await self.around(partial(super().save, job), writes=True)

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        return await self.around(partial(super().get_by_id, job_id), writes=False)

    @override
    async def delete(self, job_id: str) -> bool:
        return await self.around(partial(super().delete, job_id), writes=True)

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        call = partial(super().list_by_status, status, limit, offset)
        return await self.around(call, writes=False)

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        return await self.around(partial(super().list_recent, limit, since), writes=False)

    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        return await self.around(super().get_running_jobs, writes=False)

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        call = partial(super().update_status, job_id, status, error_message)
        return await self.around(call, writes=True)

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        await self.around(partial(super().add_failed_symbol, job_id, symbol, error), writes=True)

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        return await self.around(partial(super().get_stats, job_id), writes=False)


class FileStore(Hooked):
    """All jobs in one file, which each change writes anew and renames; a lock file beside it."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"durable", "shared"})
    waits_for_disk: ClassVar[bool] = True

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.path = directory / "jobs"

    @asynccontextmanager
    async def exclusive(self) -> AsyncGenerator[None]:
        """Keep all others out, whichever process they are in."""
        with mapped_errors():
            file = (self.directory / "lock").open("ab")
        with file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(0.000_2)
            yield

    def load(self) -> None:
        """Take the jobs that are in the file."""
        jobs: dict[str, CollectionJob] = {}
        revision = 0
        with mapped_errors():
            if self.path.exists():
                jobs, revision = pickle.loads(self.path.read_bytes())  # noqa: S301 - our own file
            self.replace_all(jobs, revision)

    def store(self) -> None:
        """Put the jobs into the file, whole or not at all."""
        with mapped_errors():
            new = self.path.with_suffix(f".{os.getpid()}")
            with new.open("wb") as file:
                file.write(pickle.dumps((self._jobs, self._revision)))
                file.flush()
                if self.waits_for_disk:
                    os.fsync(file.fileno())
            new.replace(self.path)

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        self._check_open()
        async with self.exclusive():
            self.load()
            result = await call()
            if writes:
                self.store()
        return result


class LogStore(Memory):
    """All changes in one log, which is read when the store is opened, by one process at a time."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"durable", "scales"})

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.path = directory / "log"
        self.file: BinaryIO | None = None

    @override
    async def __aenter__(self) -> Self:
        with mapped_errors():
            self.file = self.path.open("ab", buffering=0)
            self.replay()
        return await super().__aenter__()

    @override
    async def close(self) -> None:
        await super().close()
        if self.file is not None:
            self.file.close()

    def replay(self) -> None:
        """Read the log up to its torn end, and cut that off."""
        jobs: dict[str, CollectionJob] = {}
        revision = at = 0
        content = self.path.read_bytes()
        while (end := self.end_of_record(content, at)) is not None:
            revision, job_id, job = self.record(content[at + 4 : end])
            if job is None:
                jobs.pop(job_id, None)
            else:
                jobs[job_id] = job
            at = end
        os.truncate(self.path, at)
        self.replace_all(jobs, revision)

    def end_of_record(self, content: bytes, at: int) -> int | None:
        """Where the record that begins there ends; None for the torn end."""
        if at + 4 > len(content):
            return None
        (length,) = struct.unpack_from(">I", content, at)
        return None if at + 4 + length > len(content) else at + 4 + int(length)

    def record(self, content: bytes) -> tuple[int, str, CollectionJob | None]:
        """A record's revision, and the job that was written or deleted at it."""
        revision, job_id, job = pickle.loads(content)  # noqa: S301 - our own file
        return int(revision), str(job_id), job

    def append(self, job_id: str, job: CollectionJob | None) -> None:
        """Write a record, and wait for the disk."""
        content = pickle.dumps((self._revision, job_id, job))
        self.write(struct.pack(">I", len(content)) + content)

    def write(self, content: bytes) -> None:
        """Write bytes at the end of the log."""
        if self.file is None:
            raise RepositoryClosedError("the log is closed")
        with mapped_errors():
            end = os.fstat(self.file.fileno()).st_size
            try:
                if self.file.write(content) != len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(self.file.fileno())
            except OSError:
                os.ftruncate(self.file.fileno(), end)
                raise

    @contextmanager
    def undone(self, job_id: str) -> Generator[None]:
        """Take a change back that cannot be written."""
        former = self._jobs.get(job_id)
        try:
            yield
        except RepositoryError:
            jobs = {id_: job for id_, job in self._jobs.items() if id_ != job_id}
            self.replace_all(jobs | ({} if former is None else {job_id: former}), self._revision)
            raise

    @override
    def _put(self, job: CollectionJob) -> None:
        with self.undone(job.id):
            super()._put(job)
            self.append(job.id, self._jobs[job.id])

    @override
    async def delete(self, job_id: str) -> bool:
        with self.undone(job_id):
            deleted = await super().delete(job_id)
            if deleted:
                self.append(job_id, None)
        return deleted


_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, created_at TEXT, status TEXT, revision INTEGER, body BLOB) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_age ON jobs (created_at, id);
CREATE INDEX IF NOT EXISTS by_status ON jobs (status, created_at, id);
CREATE TABLE IF NOT EXISTS counter (n INTEGER);
INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counter);
"""

Connection = sqlite3.Connection


class TableStore(ICollectionJobRepository):
    """Jobs as rows of an SQLite table; each call is one short transaction on the loop's thread."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"durable", "shared", "scales"})
    schema: ClassVar[str] = _SCHEMA
    synchronous: ClassVar[str] = "NORMAL"
    busy: ClassVar[float] = 4.0

    def __init__(self, directory: Path) -> None:
        self.path = directory / "jobs.db"
        self.connection: Connection | None = None

    async def __aenter__(self) -> Self:
        with self.mapped():
            self.connection = self.connect()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()

    def connect(self) -> Connection:
        """Open a connection and see to the schema."""
        connection = sqlite3.connect(
            self.path, timeout=self.busy, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {self.synchronous}")
            connection.executescript(f"BEGIN IMMEDIATE; {self.schema} COMMIT;")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def mapped(self) -> Generator[None]:
        """What SQLite may raise, as the contract wants it."""
        try:
            yield
        except sqlite3.Error as error:
            raise RepositoryError(f"SQLite failed: {error}") from error

    def opened(self) -> Connection:
        """The connection."""
        if self.connection is None:
            raise RepositoryClosedError("the table is closed")
        return self.connection

    def transaction(self, work: Callable[[Connection], T]) -> T:
        """Do the work in a transaction of its own."""
        connection = self.opened()
        with self.mapped():
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(connection)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
            return result

    async def run(self, work: Callable[[Connection], T], *, writes: bool = True) -> T:
        """Do the work; a read needs no transaction."""
        if writes:
            return self.transaction(work)
        with self.mapped():
            return work(self.opened())

    # Rows

    def find(self, connection: Connection, job_id: str) -> CollectionJob | None:
        """One job."""
        rows = connection.execute("SELECT revision, body FROM jobs WHERE id = ?", (job_id,))
        for revision, body in rows.fetchall():
            return self.job(revision, body)
        return None

    def job(self, revision: int, body: bytes) -> CollectionJob:
        """The job that a row holds."""
        with mapped_errors():
            job: CollectionJob = pickle.loads(body)  # noqa: S301 - our own file
            return job.with_revision(revision)

    def next_revision(self, connection: Connection) -> int:
        """Count one more change."""
        connection.execute("UPDATE counter SET n = n + 1")
        ((revision,),) = connection.execute("SELECT n FROM counter").fetchall()
        return int(revision)

    def put(self, connection: Connection, job: CollectionJob) -> None:
        """Write one row."""
        row = (
            job.id,
            job.created_at.astimezone(UTC).isoformat(timespec="microseconds"),
            job.status.value,
            self.next_revision(connection),
            self.body(job),
        )
        connection.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?)", row)

    def body(self, job: CollectionJob) -> bytes:
        """What a row holds of a job."""
        return pickle.dumps(job.with_revision(None))

    def listed(self, connection: Connection, rest: str, *values: object) -> list[CollectionJob]:
        """The jobs that a query selects."""
        rows = connection.execute(f"SELECT revision, body FROM jobs {rest}", values)
        return [self.job(revision, body) for revision, body in rows.fetchall()]

    # The nine

    @override
    async def save(self, job: CollectionJob) -> None:
        check_job(job)
        await self.run(lambda connection: self.do_save(connection, job))

    def do_save(self, connection: Connection, job: CollectionJob) -> None:
        """Save within a transaction."""
        if job.revision is not None:
            stored = self.find(connection, job.id)
            found = None if stored is None else stored.revision
            if found != job.revision:
                raise StaleJobError(job.id, job.revision, found)
        self.put(connection, job)

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        check_name("job_id", job_id)
        return await self.run(lambda connection: self.find(connection, job_id), writes=False)

    @override
    async def delete(self, job_id: str) -> bool:
        check_name("job_id", job_id)
        return await self.run(
            lambda connection: (
                connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,)).rowcount > 0
            )
        )

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        check_status(status)
        check_limit(limit)
        check_offset(offset)
        return await self.run(
            lambda connection: self.listed(
                connection,
                "WHERE status = ? ORDER BY created_at, id LIMIT ? OFFSET ?",
                *(status.value, min(limit, 2**62), min(offset, 2**62)),
            ),
            writes=False,
        )

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        check_limit(limit)
        since = None if since is None else check_datetime("since", since)
        first = "" if since is None else since.astimezone(UTC).isoformat(timespec="microseconds")
        return await self.run(
            lambda connection: self.listed(
                connection,
                "WHERE created_at >= ? ORDER BY created_at DESC, id DESC LIMIT ?",
                *(first, min(limit, 2**62)),
            ),
            writes=False,
        )

    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        return await self.list_by_status(JobStatus.RUNNING, 2**62)

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        check_name("job_id", job_id)
        check_status(status)
        check_optional_text("error_message", error_message)
        return await self.run(
            lambda connection: self.do_update(connection, job_id, status, error_message)
        )

    def do_update(
        self, connection: Connection, job_id: str, status: JobStatus, error_message: str | None
    ) -> bool:
        """Change the status within a transaction."""
        job = self.find(connection, job_id)
        if job is None or not job.status.can_become(status):
            return False
        now = datetime.now(UTC)
        self.put(connection, job.with_status(status, error_message=error_message, at=now))
        return True

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        check_name("job_id", job_id)
        check_name("symbol", symbol)
        check_text("error", error)
        await self.run(lambda connection: self.do_fail(connection, job_id, symbol, error))

    def do_fail(self, connection: Connection, job_id: str, symbol: str, error: str) -> None:
        """Record a failure within a transaction."""
        job = self.find(connection, job_id)
        if job is None:
            raise JobNotFoundError(job_id)
        self.put(connection, job.with_failed_symbol(symbol, error))

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        job = await self.get_by_id(job_id)
        return None if job is None else JobStats.from_job(job)


def forget(*paths: Path) -> None:
    """Remove files that may not be there."""
    for path in paths:
        with suppress(FileNotFoundError):
            path.unlink()
