"""Stores that a full disk, a lack of file handles, a lock or a missing permission undoes."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pickle
import sqlite3
import struct
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import ClassVar, Self

from typing_extensions import override

from collection_jobs import RepositoryClosedError, RepositoryError
from tests.mutants.crashing import CompactsInPlaceWhenClosed
from tests.mutants.stores import Connection, FileStore, LogStore, TableStore, mapped_errors
from tests.mutants.table import breaks, is_right

FAILING = "failing resources"


@breaks(FAILING, "ERROR-1")
class LetsAFullDiskThrough(FileStore):
    """Maps what goes wrong when it reads, and not when it writes."""

    @override
    def store(self) -> None:
        new = self.path.with_suffix(f".{os.getpid()}")
        new.write_bytes(pickle.dumps((self._jobs, self._revision)))
        new.replace(self.path)


@breaks(FAILING, "ERROR-1")
class SwallowsAFullDisk(FileStore):
    """Takes the file for a cache, without which it can do: a failed write is only a pity."""

    @override
    def store(self) -> None:
        with suppress(RepositoryError):
            super().store()


@breaks(FAILING, "ERROR-1")
class TruncatesFirst(FileStore):
    """Empties the file, then writes it: on a full disk it stays empty."""

    @override
    def store(self) -> None:
        with mapped_errors(), self.path.open("wb") as file:
            file.write(pickle.dumps((self._jobs, self._revision)))


@breaks(FAILING, "ERROR-1")
class CompactsWithoutRoom(CompactsInPlaceWhenClosed):
    """Empties its log when it is closed, and fills it again, if there is still room for that."""


@breaks(FAILING, "ERROR-1")
class LeavesHalfARecord(LogStore):
    """Does not cut off the record that had no room, and writes the next one behind it."""

    @override
    def write(self, content: bytes) -> None:
        if self.file is None:
            raise RepositoryClosedError("the log is closed")
        with mapped_errors():
            written = self.file.write(content)
            if written != len(content):
                raise OSError("no room")
            os.fsync(self.file.fileno())


@breaks(FAILING, "ERROR-1")
class TakesAShortWriteForAll(LogStore):
    """Writes without a buffer, and does not look how much was written."""

    @override
    def write(self, content: bytes) -> None:
        if self.file is None:
            raise RepositoryClosedError("the log is closed")
        with mapped_errors():
            self.file.write(content)
            os.fsync(self.file.fileno())


@breaks(FAILING, "ERROR-1")
class KeepsWhatItCouldNotWrite(LogStore):
    """Changes what it holds, then writes the log: what was not written shows until it is closed."""

    @override
    @contextmanager
    def undone(self, job_id: str) -> Generator[None]:
        yield


@breaks(FAILING, "ERROR-1")
class RemembersItsFailure(TableStore):
    """Keeps the error of an opening for all that open the same file later in the process."""

    failures: ClassVar[dict[Path, RepositoryError]] = {}

    @override
    async def __aenter__(self) -> Self:
        if self.path in self.failures:
            raise self.failures[self.path]
        try:
            return await super().__aenter__()
        except RepositoryError as error:
            self.failures[self.path] = error
            raise


@breaks(FAILING, "ERROR-1")
class WaitsForRoom(FileStore):
    """Tries again until the disk has room, however long that takes."""

    @override
    @asynccontextmanager
    async def exclusive(self) -> AsyncGenerator[None]:
        async with super().exclusive():
            while True:
                try:
                    (self.directory / "room").write_bytes(b"is there any?")
                    break
                except OSError:
                    await asyncio.sleep(0.01)
            yield


@breaks(FAILING, "ERROR-1")
class PanicsWithoutRoom(LogStore):
    """Ends the process rather than go on with a log that it cannot write."""

    @override
    def write(self, content: bytes) -> None:
        try:
            super().write(content)
        except RepositoryError:
            os._exit(70)


@breaks(FAILING, "ERROR-1")
class OpensHalf(LogStore):
    """Makes its file, then writes what every file of its kind begins with; or refuses the file."""

    magic: ClassVar[bytes] = struct.pack(">I", 0)

    @override
    async def __aenter__(self) -> Self:
        with mapped_errors():
            is_new = not self.path.exists()
            self.file = self.path.open("ab", buffering=0)
            if is_new:
                (self.path.with_suffix(".kind")).write_bytes(b"log, version 1")
            if (self.path.with_suffix(".kind")).read_bytes() != b"log, version 1":
                raise RepositoryError(f"{self.path} is of another kind")
            self.replay()
        return self


@breaks(FAILING, "ERROR-1")
class DoesNotWaitForALock(FileStore):
    """Asks for the lock once, and raises what flock raises where another has it."""

    waiting: ClassVar[dict[Path, asyncio.Lock]] = {}

    @override
    @asynccontextmanager
    async def exclusive(self) -> AsyncGenerator[None]:
        async with self.waiting.setdefault(self.path, asyncio.Lock()):
            with mapped_errors():
                file = (self.directory / "lock").open("ab")
            with file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield


@breaks(FAILING, "ERROR-1")
class ForgetsWhatIsReadOnly(TableStore):
    """Works on a copy in memory where it may not write, and tells nobody."""

    @override
    def connect(self) -> Connection:
        if not self.path.exists() or os.access(self.path, os.W_OK, effective_ids=True):
            return super().connect()
        copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        source = sqlite3.connect(f"{self.path.as_uri()}?immutable=1", uri=True)
        source.backup(copy)
        source.close()
        return copy


@breaks(FAILING, "ERROR-1")
class HidesWhatFailed(TableStore):
    """Logs what SQLite said when it cannot write, and raises an error that says nothing."""

    @override
    @contextmanager
    def mapped(self) -> Generator[None]:
        try:
            yield
        except sqlite3.OperationalError:
            raise RepositoryError("internal error") from None
        except sqlite3.Error as error:
            raise RepositoryError(f"SQLite failed: {error}") from error


@is_right
class GivesUpAfterAFailure(LogStore):
    """Refuses every call after a failed write until it is opened again, as some databases do."""

    failed: RepositoryError | None = None

    @override
    def write(self, content: bytes) -> None:
        if self.failed is not None:
            raise RepositoryError("a write failed: open the store again") from self.failed
        try:
            super().write(content)
        except RepositoryError as error:
            self.failed = error
            raise


@is_right
class OpensLazily(TableStore):
    """Connects when it is first asked for something."""

    @override
    async def __aenter__(self) -> Self:
        self.entered = True
        return self

    @override
    async def close(self) -> None:
        await super().close()
        self.entered = False

    entered = False

    @override
    def opened(self) -> Connection:
        if self.entered and self.connection is None:
            with self.mapped():
                self.connection = self.connect()
        return super().opened()
