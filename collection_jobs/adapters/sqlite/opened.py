"""OpenedFile: how a repository on a SQLite file is opened and closed, and reaches its engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from sqlite3 import Connection
from types import TracebackType
from typing import Any, Self, TypeVar, TypeVarTuple

from collection_jobs.adapters.sqlite.engine import SQLiteEngine
from collection_jobs.adapters.sqlite.errors import sqlite_not_open
from collection_jobs.adapters.sqlite.settings import SQLiteSettings, Synchronous
from collection_jobs.errors import RepositoryError

__all__ = ["SHORT", "OpenedFile"]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

SHORT = 100
"""The longest listing that is tried on the event loop's thread: the contract's default limit."""


class OpenedFile:
    """A file that is opened, used and closed by one event loop."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: Synchronous = "FULL",
        busy_timeout: float = 5.0,
        create: bool = True,
    ) -> None:
        """Remember what to open; open nothing yet.

        Args:
            path: The file; its directory must exist, and be on a local disk.
            synchronous: "FULL", or "NORMAL" if a power cut may lose the last writes.
            busy_timeout: Seconds that a call waits for another connection's lock.
            create: Whether opening creates a store that does not exist; if False, it refuses.

        Raises:
            TypeError: A value has the wrong type.
            ValueError: A value is wrong; instead of ``:memory:``, use
                InMemoryCollectionJobRepository.
        """
        self._settings = SQLiteSettings.of(path, synchronous, busy_timeout, create)
        self._engine: SQLiteEngine | None = None

    @classmethod
    def from_url(cls, url: str, *, create: bool = True) -> Self:
        """Build one from a URL, as :func:`collection_jobs.open_repository` does.

        Args:
            url: ``sqlite:///relative.db`` or ``sqlite:////absolute/path.db``, percent-encoded, with
                the options ``synchronous`` and ``busy_timeout`` as its query.
            create: Whether opening creates a store that does not exist; if False, it refuses.

        Raises:
            ValueError: The URL has another form, or an option has a wrong value.
        """
        settings = SQLiteSettings.from_url(url)
        return cls(
            settings.path,
            synchronous=settings.synchronous,
            busy_timeout=settings.busy_timeout,
            create=create,
        )

    async def __aenter__(self) -> Self:
        """Open the file. A cancelled call closes what it opened before it raises.

        Raises:
            RepositoryError: The repository is already open; the directory is missing; the file is
                not a regular file, has several hard links, is not an SQLite database, belongs to
                another application, has a newer version of the schema, or is locked; there is no
                store and ``create`` is False; or the process was forked while the file was open. A
                file that is refused is left unchanged. A file of an older version is migrated in
                one transaction, and refused if it has a job that this version cannot hold.
        """
        if self._engine is not None:
            self._engine.owner.check()
            raise RepositoryError(f"the repository on {self._settings.path!r} is open already")
        self._engine = engine = SQLiteEngine(self._settings)
        try:
            await engine.open()
        except BaseException:
            self._engine = None
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the repository."""
        await self.close()

    def __del__(self) -> None:
        """End the threads of a repository that nobody closed."""
        engine: SQLiteEngine | None = getattr(self, "_engine", None)  # absent when __init__ raised
        if engine is not None:
            engine.stop()

    async def close(self) -> None:
        """Close the repository once the calls in progress are answered; repeating it does nothing.

        A cancelled call also closes it before it raises.

        Raises:
            RepositoryError: The caller is in another process, thread or event loop; it stays open.
        """
        engine = self._engine
        if engine is not None:
            engine.owner.check()
            self._engine = None
            await engine.close()

    # Neither of these is a coroutine, and a caller's checks of its arguments come before them.

    def _opened(self) -> SQLiteEngine:
        engine = self._engine
        if engine is None:
            raise sqlite_not_open(self._settings)
        engine.owner.check()
        return engine

    def _write(
        self, work: Callable[[Connection, *_Ts], _T], *args: *_Ts
    ) -> Coroutine[Any, Any, _T]:
        return self._opened().write(work, *args)
