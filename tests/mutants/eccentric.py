"""Right stores that are built as few are: the kit must not find anything against them."""

from __future__ import annotations

import asyncio
import gzip
import os
import pickle
import random
import sqlite3
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from typing_extensions import override

from collection_jobs import CollectionJob, JobStatus, RepositoryClosedError, RepositoryError
from tests.mutants.stores import Connection, Hooked, LogStore, Memory, TableStore, mapped_errors
from tests.mutants.tried import Kept, changed, right

T = TypeVar("T")


@right
class OutcomesInAnyOrder(Kept):
    """Keeps outcomes and metadata in an order of its own, for their order has no meaning."""

    @override
    def kept(self, job: CollectionJob) -> CollectionJob:
        return changed(
            job,
            completed_symbols=dict(sorted(job.completed_symbols.items(), reverse=True)),
            failed_symbols=dict(sorted(job.failed_symbols.items(), reverse=True)),
            metadata=dict(sorted(job.metadata.items(), reverse=True)),
        )


@right
class BucketsByCase(Memory):
    """Finds a bucket by the folded id, and in the bucket the exact id."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.buckets: dict[str, list[str]] = {}

    @override
    def _put(self, job: CollectionJob) -> None:
        super()._put(job)
        bucket = self.buckets.setdefault(job.id.casefold(), [])
        if job.id not in bucket:
            bucket.append(job.id)

    @override
    async def delete(self, job_id: str) -> bool:
        deleted = await super().delete(job_id)
        if deleted:
            self.buckets[job_id.casefold()].remove(job_id)
        return deleted

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        await super().get_by_id(job_id)
        bucket = self.buckets.get(job_id.casefold(), [])
        return self._jobs[job_id] if job_id in bucket else None


@right
class RevisionsAnywhere(Memory):
    """Begins far up, and leaves gaps."""

    @override
    def _put(self, job: CollectionJob) -> None:
        self._revision = max(self._revision, 2**52) + random.randrange(1, 10_000)  # noqa: S311 - a gap
        super()._put(job)


@right
class Gzipped(TableStore):
    """Compresses what it stores."""

    @override
    def put(self, connection: Connection, job: CollectionJob) -> None:
        super().put(connection, job)
        connection.execute(
            "UPDATE jobs SET body = ? WHERE id = ?",
            (gzip.compress(pickle.dumps(job.with_revision(None))), job.id),
        )

    @override
    def job(self, revision: int, body: bytes) -> CollectionJob:
        with mapped_errors():
            try:
                plain = gzip.decompress(body)
            except zlib.error as error:
                raise RepositoryError("not compressed") from error
        return super().job(revision, plain)


@right
class Shards(Memory):
    """Lists what four shards hold by merging them; it does not say that it scales."""

    capabilities: ClassVar[frozenset[str]] = frozenset()

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        await super().list_by_status(status, limit, offset)
        keys = list(self._index.of_status(status).ascending())
        shards = [[key for key in keys if zlib.crc32(key[1].encode()) % 4 == n] for n in range(4)]
        merged = merge(*shards)
        end = min(offset + limit, len(keys))
        return [self._jobs[job_id] for _, job_id in islice(merged, min(offset, end), end)]


@right
class Actor(Hooked):
    """Lets one task make all calls, one after the other."""

    task: asyncio.Task[None] | None = None

    @override
    async def __aenter__(self) -> Self:
        self.inbox: asyncio.Queue[tuple[Any, asyncio.Future[Any]]] = asyncio.Queue()
        self.task = asyncio.create_task(self.work())
        return await super().__aenter__()

    async def work(self) -> None:
        """Make the calls."""
        while True:
            call, answer = await self.inbox.get()
            if answer.cancelled():
                continue
            try:
                result = await call()
            except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets it
                answer.set_exception(error)
            else:
                answer.set_result(result)

    @override
    async def close(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task
            while not self.inbox.empty():
                _, answer = self.inbox.get_nowait()
                if not answer.done():
                    answer.set_exception(RepositoryClosedError("the actor has ended"))
        await super().close()

    @override
    async def around(self, call: Callable[[], Awaitable[T]], *, writes: bool) -> T:
        self._check_open()
        if self.task is None:
            raise RepositoryClosedError("the actor has not begun")
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.inbox.put_nowait((call, answer))
        return await answer


@right
class Seqlock(Memory):
    """Reads without a lock, and again where the number of changes has moved meanwhile."""

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        while True:
            before = self._revision, len(self._jobs)
            job = await super().get_by_id(job_id)
            await asyncio.sleep(0)
            if (self._revision, len(self._jobs)) == before:
                return job


@right
class HasTombstones(Memory):
    """Marks what is deleted, and clears it away now and then."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.dead: dict[str, CollectionJob] = {}

    @override
    async def delete(self, job_id: str) -> bool:
        job = self._jobs.get(job_id)
        deleted = await super().delete(job_id)
        if deleted and job is not None:
            self.dead[job_id] = job
            if len(self.dead) > 50:
                self.dead.clear()
        return deleted


@right
class PutsItsMark(LogStore):
    """Has a lock file with its process's number, and takes that of a process that is gone."""

    @override
    async def __aenter__(self) -> Self:
        self.mark = self.directory / "lock"
        with mapped_errors():
            if self.mark.exists():
                owner = self.mark.read_text().strip()
                if owner and owner != str(os.getpid()) and os.access(f"/proc/{owner}", os.F_OK):
                    raise RepositoryError(f"process {owner} has the store open")
            try:
                self.mark.write_text(str(os.getpid()))
            except OSError:
                self.mark.unlink(missing_ok=True)  # half a number is another process's
                raise
        return await super().__aenter__()

    @override
    async def close(self) -> None:
        await super().close()
        with suppress(OSError):
            self.mark.unlink()


@right
class ReadsElsewhere(TableStore):
    """Has a connection for reading, and one for writing."""

    reader: Connection | None = None

    @override
    async def __aenter__(self) -> Self:
        await super().__aenter__()
        with self.mapped():
            self.reader = sqlite3.connect(self.path, isolation_level=None, timeout=self.busy)
        return self

    @override
    async def close(self) -> None:
        reader, self.reader = self.reader, None
        if reader is not None:
            reader.close()
        await super().close()

    @override
    async def run(self, work: Callable[[Connection], T], *, writes: bool = True) -> T:
        if writes:
            return self.transaction(work)
        self.opened()
        if self.reader is None:
            raise RepositoryClosedError("the table is closed")
        with self.mapped():
            return work(self.reader)


@right
class CommitsForAGroup(TableStore):
    """Commits the changes of all who wait at one moment in one transaction."""

    waiting: ClassVar[int] = 8

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.group: list[tuple[Callable[[Connection], Any], asyncio.Future[Any]]] = []

    @override
    async def run(self, work: Callable[[Connection], T], *, writes: bool = True) -> T:
        if not writes:
            return await super().run(work, writes=writes)
        self.opened()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self.group.append((work, answer))
        if len(self.group) == 1:
            loop.call_soon(self.commit)
        return await answer

    def commit(self) -> None:
        """Make the changes of the group, each undone by itself where it fails."""
        group, self.group = self.group, []
        results: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
        try:
            self.transaction(lambda connection: self.make(connection, group, results))
        except (RepositoryError, RepositoryClosedError) as failure:
            results = [(answer, None, failure) for _, answer in group]
        for answer, result, error in results:
            if answer.done():
                continue
            if error is None:
                answer.set_result(result)
            else:
                answer.set_exception(error)

    def make(self, connection: Connection, group: Any, results: Any) -> None:
        """Make each change within a savepoint."""
        for work, answer in group:
            if answer.cancelled():
                continue
            connection.execute("SAVEPOINT one")
            try:
                results.append((answer, work(connection), None))
            except sqlite3.Error:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, its caller gets it
                connection.execute("ROLLBACK TO one")
                results.append((answer, None, error))
            connection.execute("RELEASE one")
