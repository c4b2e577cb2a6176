"""Stores that lose or spoil what they acknowledged when their process is killed."""

from __future__ import annotations

import asyncio
import os
import pickle
import struct
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self

from typing_extensions import override

from collection_jobs import CollectionJob, JobStatus, RepositoryError
from tests.mutants.stores import Connection, FileStore, LogStore, Memory, TableStore, mapped_errors
from tests.mutants.table import breaks, is_right

KILLED = "killed processes"


@breaks(KILLED, "DURABLE-1")
class ClaimsToBeDurable(Memory):
    """Says that it is durable, and keeps everything in memory."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"durable", "scales"})


@breaks(KILLED, "DURABLE-1")
class BuffersItsLog(LogStore):
    """Writes to a file object that has a buffer, and acknowledges before it is flushed."""

    @override
    def write(self, content: bytes) -> None:
        with mapped_errors():
            self.buffer.write(content)

    @override
    async def __aenter__(self) -> Self:
        self.buffer: BinaryIO = self.path.open("ab")
        return await super().__aenter__()

    @override
    async def close(self) -> None:
        self.buffer.close()
        await super().close()


@breaks(KILLED, "DURABLE-1")
class FlushesNowAndThen(LogStore):
    """Collects what it has to write for ten milliseconds, and does not make its callers wait."""

    @override
    def write(self, content: bytes) -> None:
        self.waiting = [*getattr(self, "waiting", []), content]
        asyncio.get_running_loop().call_later(0.01, self.flush)

    def flush(self) -> None:
        """Write what waits."""
        waiting, self.waiting = getattr(self, "waiting", []), []
        if self.file is not None and not self.file.closed:
            super().write(b"".join(waiting))

    @override
    async def close(self) -> None:
        self.flush()
        await super().close()


@breaks(KILLED, "DURABLE-1")
class WritesBehind(FileStore):
    """Acknowledges, and lets a task of its own write the file."""

    @override
    def store(self) -> None:
        content = pickle.dumps((self._jobs, self._revision))
        self.content = content
        self.writing = asyncio.get_running_loop().call_later(0.002, self.really_store)

    @override
    def load(self) -> None:
        if not hasattr(self, "content"):
            super().load()

    def really_store(self) -> None:
        """Write the file."""
        super().store()

    @override
    async def close(self) -> None:
        if hasattr(self, "content"):
            self.really_store()
        await super().close()


@breaks(KILLED, "DURABLE-1")
class ForgetsDeletions(LogStore):
    """Writes no record of a deletion."""

    @override
    def append(self, job_id: str, job: CollectionJob | None) -> None:
        if job is not None:
            super().append(job_id, job)


@breaks(KILLED, "DURABLE-1")
class ChokesOnATornEnd(LogStore):
    """Writes a record's length before the record, and cannot read a log that ends in between."""

    @override
    def append(self, job_id: str, job: CollectionJob | None) -> None:
        content = pickle.dumps((self._revision, job_id, job))
        self.write(struct.pack(">I", len(content)))
        self.write(content)

    @override
    def end_of_record(self, content: bytes, at: int) -> int | None:
        end = super().end_of_record(content, at)
        if end is None and at < len(content):
            raise RepositoryError("the log is torn")
        return end


@breaks(KILLED, "DURABLE-1")
class TearsAStatus(LogStore):
    """Logs a change of status as two records: the status, and then its times and message."""

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        before = self._jobs.get(job_id)
        changed = await super().update_status(job_id, status, error_message)
        return changed and before is not None

    @override
    def _put(self, job: CollectionJob) -> None:
        before = self._jobs.get(job.id)
        if before is not None and before.status is not job.status:
            half = before._changed(status=job.status)  # what no adapter may do
            super()._put(half)
        super()._put(job)


@breaks(KILLED, "DURABLE-1")
class LeavesItsLockBehind(LogStore):
    """Keeps others out by a lock file, which a killed process cannot remove."""

    @override
    async def __aenter__(self) -> Self:
        try:
            os.close(os.open(self.directory / "lock", os.O_CREAT | os.O_EXCL))
        except FileExistsError as error:
            raise RepositoryError("the store is open already") from error
        return await super().__aenter__()

    @override
    async def close(self) -> None:
        (self.directory / "lock").unlink(missing_ok=True)
        await super().close()


@breaks(KILLED, "SAVE-4", "SAVE-5")
class CountsAnew(LogStore):
    """Counts revisions from one again each time that it is opened."""

    @override
    def replay(self) -> None:
        super().replay()
        self._revision = 0


@breaks(KILLED, "DURABLE-1")
class WritesInPlace(FileStore):
    """Writes over the file that holds the jobs."""

    @override
    def store(self) -> None:
        content = pickle.dumps((self._jobs, self._revision))
        with mapped_errors(), self.path.open("wb", buffering=0) as file:
            file.write(content[:100])
            file.write(content[100:])
            os.fsync(file.fileno())


@breaks(KILLED, "DURABLE-1")
class RenamesTooEarly(FileStore):
    """Gives the new file its name before it is written."""

    @override
    def store(self) -> None:
        content = pickle.dumps((self._jobs, self._revision))
        new = self.path.with_suffix(".new")
        with mapped_errors(), new.open("wb", buffering=0) as file:
            new.replace(self.path)
            file.write(content)
            os.fsync(file.fileno())


@breaks(KILLED, "DURABLE-1")
class WritesTwoFiles(FileStore):
    """Keeps the statuses in a file of their own, which is renamed after the other."""

    @property
    def statuses(self) -> Path:
        """The other file."""
        return self.directory / "statuses"

    @override
    def store(self) -> None:
        super().store()
        new = self.statuses.with_suffix(".new")
        with mapped_errors(), new.open("wb", buffering=0) as file:
            file.write(pickle.dumps({id_: job.status for id_, job in self._jobs.items()}))
            os.fsync(file.fileno())
            new.replace(self.statuses)

    @override
    def load(self) -> None:
        super().load()
        statuses: dict[str, JobStatus] = {}
        if self.statuses.exists():
            statuses = pickle.loads(self.statuses.read_bytes())  # noqa: S301 - our own file
        jobs: dict[str, Any] = {}
        for id_, job in self._jobs.items():
            if id_ in statuses:
                jobs[id_] = job._changed(status=statuses[id_])  # what no adapter may do
        self.replace_all(jobs, self._revision)


@breaks(KILLED, "DURABLE-1")
class CommitsNowAndThen(TableStore):
    """Commits every tenth change, and when it is closed."""

    changes = 0

    @override
    def transaction(self, work: Any) -> Any:
        connection: Connection = self.opened()
        with self.mapped():
            if not connection.in_transaction:
                connection.execute("BEGIN")
            self.changes += 1
            result = work(connection)
            if self.changes % 10 == 0:
                connection.execute("COMMIT")
            return result

    @override
    async def __aexit__(self, *exc_info: object) -> None:
        if self.connection is not None and self.connection.in_transaction:
            self.connection.execute("COMMIT")
        await super().close()


@breaks(KILLED, "DURABLE-1")
class SavesInTwoTransactions(TableStore):
    """Replaces a row by deleting it in one transaction and inserting it in the next."""

    @override
    def put(self, connection: Connection, job: CollectionJob) -> None:
        if connection.execute("DELETE FROM jobs WHERE id = ?", (job.id,)).rowcount:
            connection.execute("COMMIT")
            connection.execute("BEGIN IMMEDIATE")
        super().put(connection, job)


@breaks(KILLED, "DURABLE-1")
class FailuresByTheHundred(TableStore):
    """Keeps failed symbols in a table of their own, and commits after each hundred rows."""

    schema = (
        TableStore.schema
        + "CREATE TABLE IF NOT EXISTS failures"
        + " (job TEXT, symbol TEXT, error TEXT, PRIMARY KEY (job, symbol));"
    )

    @override
    def body(self, job: CollectionJob) -> bytes:
        return super().body(job._changed(failed_symbols={}))  # what no adapter may do

    @override
    def job(self, revision: int, body: bytes) -> CollectionJob:
        job = super().job(revision, body)
        asked = "SELECT symbol, error FROM failures WHERE job = ?"
        failed = dict(self.opened().execute(asked, (job.id,)).fetchall())
        return job._changed(failed_symbols=failed).with_revision(revision)

    @override
    def put(self, connection: Connection, job: CollectionJob) -> None:
        connection.execute("DELETE FROM failures WHERE job = ?", (job.id,))
        super().put(connection, job)
        for number, (symbol, error) in enumerate(job.failed_symbols.items(), 1):
            connection.execute("INSERT INTO failures VALUES (?, ?, ?)", (job.id, symbol, error))
            if number % 100 == 0:
                connection.execute("COMMIT")
                connection.execute("BEGIN IMMEDIATE")


class Compacts(LogStore):
    """Can write its log anew, without what is of no use any more."""

    def compact(self) -> None:
        """Write a record for each job into a new file, and give it the log's name."""
        with mapped_errors():
            new = self.path.with_suffix(".new")
            new.write_bytes(b"".join(self.records()))
            new.replace(self.path)

    def records(self) -> list[bytes]:
        """The records of all jobs, and the number of the last change."""
        latest = [(self._revision, "", None), *((self._revision, *it) for it in self._jobs.items())]
        return [struct.pack(">I", len(it)) + it for it in map(pickle.dumps, latest)]


@is_right
class CompactsAtBothEnds(Compacts):
    """Does so whenever it is opened, and whenever it is closed."""

    @override
    def replay(self) -> None:
        super().replay()
        self.compact()
        with mapped_errors():
            if self.file is not None:
                self.file.close()
            self.file = self.path.open("ab", buffering=0)

    @override
    async def close(self) -> None:
        if self.file is not None and not self.file.closed:
            self.compact()
        await super().close()


@breaks(KILLED, "DURABLE-1")
class CompactsInPlaceWhenOpened(Compacts):
    """Empties the log that it has read, and fills it again."""

    @override
    def replay(self) -> None:
        super().replay()
        with mapped_errors():
            os.truncate(self.path, 0)
            for record in self.records():
                self.write(record)


@breaks(KILLED, "DURABLE-1")
class CompactsInPlaceWhenClosed(Compacts):
    """Empties the log when it has no more to write, and fills it again."""

    @override
    async def close(self) -> None:
        if self.file is not None and not self.file.closed:
            with mapped_errors():
                os.truncate(self.path, 0)
                for record in self.records():
                    self.write(record)
        await super().close()


@breaks(KILLED, "DURABLE-1")
class RebuildsItsTable(TableStore):
    """Copies its rows to a table of the latest layout when it is opened, and commits each step."""

    @override
    def connect(self) -> Connection:
        connection = super().connect()
        with self.mapped():
            connection.execute("DROP TABLE IF EXISTS jobs_new")
            connection.execute("CREATE TABLE jobs_new AS SELECT * FROM jobs")
            connection.execute("DROP TABLE jobs")
            connection.executescript(f"BEGIN IMMEDIATE; {self.schema} COMMIT;")
            connection.execute("INSERT INTO jobs SELECT * FROM jobs_new")
        return connection
