"""Collection jobs in LMDB: an ordered key-value store in one mapped file, with our own indexes."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from hashlib import sha256
from itertools import groupby, islice, takewhile
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar
from urllib.parse import unquote

import lmdb
from typing_extensions import override

from collection_jobs import (
    CheckedRepository,
    CollectionJob,
    JobNotFoundError,
    JobStatus,
    RepositoryError,
    StaleJobError,
)
from collection_jobs.documents import from_json, listing_key, to_json
from collection_jobs.openable import run_to_end
from collection_jobs.urls import shown_url

__all__ = ["LMDBCollectionJobRepository"]

_T = TypeVar("_T")
_GIBIBYTE = 2**30
_LAYOUT = b"1"
_ROOM_FOR_LOCKS = 2**16
_CUT = 511 - 32
"""Bytes of a key of an index; longer ones go on with the hash of the id."""


class LMDBCollectionJobRepository(CheckedRepository):
    """A repository in an LMDB environment, for any number of processes on one machine.

    LMDB has one writer at a time, over all processes, and readers that see a snapshot and wait for
    nobody. A transaction belongs to the thread that began it and may wait for the writer's lock,
    so each call is one transaction, from its beginning to its end on a thread of the repository's
    own. A call that is cancelled runs to its end first. A process that forks opens the repository
    after the fork.
    """

    capabilities: ClassVar[frozenset[str]] = frozenset({"durable", "shared", "scales"})
    driver_errors = (lmdb.Error, OSError)

    def __init__(
        self, directory: str | os.PathLike[str], *, map_size: int = 16 * _GIBIBYTE
    ) -> None:
        """Remember what to open; nothing is opened yet.

        Args:
            directory: Where LMDB keeps its two files, on a local disk; made if there is none.
            map_size: The most bytes that the store may ever have; address space, not disk.
        """
        self._store = _Store(Path(directory), map_size)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Build one from ``lmdb:///relative/directory`` or ``lmdb:////absolute/directory``.

        Raises:
            ValueError: The URL is neither.
        """
        _, _, path = url.partition(":///")
        if not path:
            raise ValueError(
                f"lmdb:///directory names a directory, and {shown_url(url)!r} does not"
            )
        return cls(unquote(path))

    @override
    def _describe_store(self) -> str:
        return f"the repository in {self._store.directory}"

    @override
    async def _open(self) -> None:
        self._thread = ThreadPoolExecutor(1, "collection-jobs-lmdb")
        await self._run(self._store.open)

    @override
    async def _close(self) -> None:
        await self._run(self._store.close)
        self._thread.shutdown(wait=False)  # it has nothing to do any more, and ends at once

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await run_to_end(asyncio.wrap_future(self._thread.submit(work)))

    @override
    async def _save(self, job: CollectionJob) -> None:
        await self._run(lambda: self._store.save(job))

    @override
    async def _get(self, job_id: str) -> CollectionJob | None:
        return await self._run(lambda: self._store.read(job_id))

    @override
    async def _delete(self, job_id: str) -> bool:
        return await self._run(lambda: self._store.delete(job_id))

    @override
    async def _list_by_status(
        self, status: JobStatus, limit: int, offset: int
    ) -> list[CollectionJob]:
        return await self._run(lambda: self._store.list_by_status(status, limit, offset))

    @override
    async def _list_recent(self, limit: int, since: datetime | None) -> list[CollectionJob]:
        return await self._run(lambda: self._store.list_recent(limit, since))

    @override
    async def _update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None,
        former: frozenset[JobStatus],
    ) -> bool:
        def change(job: CollectionJob) -> CollectionJob | None:
            permitted = job.status in former
            return job.with_status(status, error_message=error_message) if permitted else None

        return await self._run(lambda: self._store.change(job_id, change))

    @override
    async def _add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        if not await self._run(
            lambda: self._store.change(job_id, lambda job: job.with_failed_symbol(symbol, error))
        ):
            raise JobNotFoundError(job_id)


class _Environment:
    """An LMDB environment, shared by the handles of this process.

    To open a file twice in one process breaks LMDB's locks: whichever is closed first drops them.
    """

    _open: ClassVar[dict[tuple[int, int], _Environment]] = {}
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, key: tuple[int, int], directory: Path, map_size: int) -> None:
        self._key = key
        self._handles = 0
        _check_room(directory)
        self.lmdb = lmdb.open(str(directory), map_size=map_size, max_dbs=4)
        try:
            self._check(directory)
        except BaseException:
            self.lmdb.close()
            raise

    def _check(self, directory: Path) -> None:
        # A page beyond the end of the file would end the process when it is read (SIGBUS).
        needed = (self.lmdb.info()["last_pgno"] + 1) * self.lmdb.stat()["psize"]
        size = (directory / "data.mdb").stat().st_size
        if size < needed:
            raise RepositoryError(f"{directory} is damaged: it lacks {needed - size} bytes")
        self.lmdb.reader_check()  # what readers that were killed left behind
        # Here, where no other thread of the process can have a transaction: open_db keeps Python's
        # global lock while it waits for the writer, who may be waiting for just that lock.
        names = (b"jobs", b"recent", b"status", b"store")
        self.databases: tuple[Any, ...] = tuple(self.lmdb.open_db(name) for name in names)

    @classmethod
    def of(cls, directory: Path, map_size: int) -> _Environment:
        directory.mkdir(parents=True, exist_ok=True)
        status = directory.stat()
        key = status.st_dev, status.st_ino
        with cls._lock:
            environment = cls._open.get(key)
            if environment is None:
                environment = cls._open[key] = cls(key, directory, map_size)
            environment._handles += 1
            return environment

    def close(self) -> None:
        with self._lock:
            self._handles -= 1
            if not self._handles:
                del self._open[self._key]
                self.lmdb.close()


def _check_room(directory: Path) -> None:
    """Refuse a full disk: LMDB maps its lock file, and a page without room ends the process."""
    disk = os.statvfs(directory)
    if disk.f_bavail * disk.f_frsize < _ROOM_FOR_LOCKS:
        cause = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(directory))
        raise RepositoryError(f"{directory} cannot be opened: its disk is full") from cause


class _Store:
    """The layout: four ordered maps of bytes, written together in one transaction.

    ``jobs`` is from the hash of an id to the job's JSON, since a key of LMDB has at most 511 bytes
    and an id up to 1,020. ``recent`` and ``status`` are from the order of a listing to that hash.
    ``store`` has the layout's version and the store's last revision.
    """

    def __init__(self, directory: Path, map_size: int) -> None:
        self.directory = directory
        self._map_size = map_size
        self._environment: _Environment | None = None

    def open(self) -> None:
        self._environment = environment = _Environment.of(self.directory, self._map_size)
        self._lmdb = environment.lmdb
        self._jobs, self._recent, self._status, self._store = environment.databases
        with self._lmdb.begin(write=True) as transaction:
            transaction.put(b"layout", _LAYOUT, db=self._store, overwrite=False)
            layout = transaction.get(b"layout", db=self._store)
        if layout != _LAYOUT:
            raise RepositoryError(f"{self.directory} has layout {layout!r}, not {_LAYOUT!r}")

    def close(self) -> None:
        if self._environment is not None:
            self._environment.close()
            self._environment = None

    def save(self, job: CollectionJob) -> None:
        with self._lmdb.begin(write=True) as transaction:
            stored = self._get(transaction, _hash(job.id))
            found = None if stored is None else stored.revision
            if job.revision is not None and job.revision != found:
                raise StaleJobError(job.id, job.revision, found)
            self._put(transaction, stored, job)

    def change(self, job_id: str, how: Callable[[CollectionJob], CollectionJob | None]) -> bool:
        """Change a stored job; False if there is none, or none of the change."""
        with self._lmdb.begin(write=True) as transaction:
            stored = self._get(transaction, _hash(job_id))
            changed = None if stored is None else how(stored)
            if changed is None:
                return False
            self._put(transaction, stored, changed)
            return True

    def delete(self, job_id: str) -> bool:
        with self._lmdb.begin(write=True) as transaction:
            stored = self._get(transaction, _hash(job_id))
            if stored is None:
                return False
            self._unindex(transaction, stored)
            transaction.delete(_hash(job_id), db=self._jobs)
            return True

    def read(self, job_id: str) -> CollectionJob | None:
        with self._lmdb.begin() as transaction:
            return self._get(transaction, _hash(job_id))

    def list_by_status(self, status: JobStatus, limit: int, offset: int) -> list[CollectionJob]:
        prefix = _prefix(status)
        with self._lmdb.begin() as transaction, transaction.cursor(self._status) as cursor:
            if not cursor.set_range(prefix):
                return []
            entries = takewhile(lambda entry: entry[0].startswith(prefix), cursor.iternext())
            return self._page(transaction, entries, limit, offset)

    def list_recent(self, limit: int, since: datetime | None) -> list[CollectionJob]:
        first = b"" if since is None else listing_key(since, "")
        with self._lmdb.begin() as transaction, transaction.cursor(self._recent) as cursor:
            entries = takewhile(lambda entry: entry[0] >= first, cursor.iterprev())
            return self._page(transaction, entries, limit, 0, reverse=True)

    def _page(
        self,
        transaction: lmdb.Transaction,
        entries: Iterator[tuple[bytes, bytes]],
        limit: int,
        offset: int,
        *,
        reverse: bool = False,
    ) -> list[CollectionJob]:
        hashes = islice(self._exactly(transaction, entries, reverse), offset, offset + limit)
        return [self._existing(transaction, hashed) for hashed in hashes]

    def _exactly(
        self, transaction: lmdb.Transaction, entries: Iterator[tuple[bytes, bytes]], reverse: bool
    ) -> Iterator[bytes]:
        """Yield the hashes in the exact order: cut keys may hide the order of their ids."""
        for _, group in groupby(entries, key=lambda entry: entry[0][:_CUT]):
            hashes = [hashed for _, hashed in group]
            if len(hashes) > 1:
                hashes.sort(key=lambda it: self._existing(transaction, it).id, reverse=reverse)
            yield from hashes

    def _get(self, transaction: lmdb.Transaction, hashed: bytes) -> CollectionJob | None:
        found = transaction.get(hashed, db=self._jobs)
        try:
            return None if found is None else from_json(bytes(found))
        except ValueError as error:
            raise RepositoryError(f"the store is damaged: {error}") from error

    def _existing(self, transaction: lmdb.Transaction, hashed: bytes) -> CollectionJob:
        job = self._get(transaction, hashed)
        if job is None:
            raise RepositoryError("the store is damaged: an index names a job that is not there")
        return job

    def _put(
        self, transaction: lmdb.Transaction, stored: CollectionJob | None, job: CollectionJob
    ) -> None:
        """Store a job under the store's next revision; move its keys where they changed."""
        last = transaction.get(b"revision", b"", db=self._store)
        revision = int.from_bytes(last, "big") + 1
        transaction.put(b"revision", revision.to_bytes(16, "big"), db=self._store)
        hashed = _hash(job.id)
        transaction.put(hashed, to_json(job.with_revision(revision)).encode(), db=self._jobs)
        if stored is not None:
            if (stored.created_at, stored.status) == (job.created_at, job.status):
                return
            self._unindex(transaction, stored)
        transaction.put(_key(job), hashed, db=self._recent)
        transaction.put(_key(job, _prefix(job.status)), hashed, db=self._status)

    def _unindex(self, transaction: lmdb.Transaction, job: CollectionJob) -> None:
        transaction.delete(_key(job), db=self._recent)
        transaction.delete(_key(job, _prefix(job.status)), db=self._status)


def _hash(job_id: str) -> bytes:
    return sha256(job_id.encode()).digest()


def _prefix(status: JobStatus) -> bytes:
    return status.value.encode() + b" "


def _key(job: CollectionJob, prefix: bytes = b"") -> bytes:
    key = prefix + listing_key(job.created_at, job.id)
    return key if len(key) <= _CUT else key[:_CUT] + _hash(job.id)
