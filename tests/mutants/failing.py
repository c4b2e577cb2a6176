"""Stores that let their engine's failures through."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from typing import Self

from typing_extensions import override

from collection_jobs import RepositoryError
from tests.mutants.stores import FileStore, LogStore, TableStore
from tests.mutants.table import breaks

DAMAGED = "damaged stores"


@breaks(DAMAGED, "ERROR-1")
class LetsSQLiteThrough(TableStore):
    """Raises what SQLite raises."""

    @override
    @contextmanager
    def mapped(self) -> Generator[None]:
        yield


@breaks(DAMAGED, "ERROR-1")
class HidesTheCause(TableStore):
    """Raises its error from None: nobody learns what SQLite said."""

    @override
    @contextmanager
    def mapped(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error:
            raise RepositoryError("the store failed") from None


@breaks(DAMAGED, "ERROR-1")
class HidesTheCauseOfItsError(TableStore):
    """Raises another error in the place of its own, which had SQLite's for a cause."""

    @override
    @contextmanager
    def mapped(self) -> Generator[None]:
        try:
            with super().mapped():
                yield
        except RepositoryError as error:
            raise RepositoryError(f"the store failed: {error}") from None


@breaks(DAMAGED, "ERROR-1")
class LetsPickleThrough(FileStore):
    """Has never seen a file that is not as it wrote it."""

    @override
    def load(self) -> None:
        if self.path.exists():
            jobs, revision = pickle.loads(self.path.read_bytes())  # noqa: S301 - our own file
            self.replace_all(jobs, revision)


@breaks(DAMAGED, "ERROR-1")
class CountsOnItsDirectory(LogStore):
    """Maps what goes wrong when it writes, and not what goes wrong when it opens."""

    @override
    async def __aenter__(self) -> Self:
        self.file = self.path.open("ab", buffering=0)
        self.replay()
        return self
