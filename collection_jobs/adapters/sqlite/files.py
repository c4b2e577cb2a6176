"""The files of one database: what may be opened, and whether they are still those at its path.

Nothing here opens the database file except through SQLite. POSIX drops every lock that a process
has on a file as soon as the process closes any descriptor of it: a look at the header by ``open()``
takes away the locks of all the process's connections, and other processes take them for gone
(https://sqlite.org/howtocorrupt.html, section 2.2). SQLite itself puts such a close off while one
of its connections, this package's or another's, holds a lock.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from collection_jobs.adapters.sqlite.errors import primary_code
from collection_jobs.errors import RepositoryError

__all__ = ["APPLICATION_ID", "Files", "Identity", "check_openable", "foreign", "identity_of"]

APPLICATION_ID = int.from_bytes(b"CJob", "big")
"""What the header of a store has since its first commit, which is made before the WAL is on."""

# Called for each commit: the path is a str, as SQLite wants it, and looked up no more than needed.
_stat: Callable[[str], os.stat_result] = os.stat

Identity = tuple[int, int]
"""A file's device and inode, which no other file has while this one is open."""

_HEADER_LENGTH = 100

_MOVED = (
    "{!r} or its log was deleted, renamed, replaced or emptied while it was open, so anything"
    " written to it now would be lost: close the repository, and open it again"
)


# A later change within the clock's resolution, up to 2 s on some file systems, shows no other time.
_SETTLED_AFTER = 3 * 10**9

_State = tuple[int, int, int]
"""A folder's device and inode, and when it was changed: of two folders, one may be moved to where
the other was, and they may be of the same instant."""


def _may_change_unseen(folder: os.stat_result) -> bool:
    return folder.st_ctime_ns >= time.time_ns() - _SETTLED_AFTER


def identity_of(path: str) -> Identity | None:
    """Return the device and inode of the file at a path, or None where there is none."""
    try:
        found = _stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


class Files:
    """A database file, its write-ahead log and the index of that, as they were when it was opened.

    Attributes:
        path: The absolute path of the database.
        database: The identity of the database file.
    """

    __slots__ = ("_folder", "_seen", "_side_files", "database", "path")

    def __init__(self, path: str, before: Identity | None) -> None:
        """Remember the files of a database that is open in WAL mode.

        Args:
            path: The absolute path.
            before: What was there before it was opened, if anything was.

        Raises:
            RepositoryError: One of them is gone already, or was replaced.
        """
        self.path: str = path
        self.database: Identity = self._found(path)
        if before not in (None, self.database):
            raise RepositoryError(_MOVED.format(path))
        # SQLite follows symbolic links, and names the other files after where they lead.
        resolved = os.path.realpath(path)
        self._side_files = [
            (name, self._found(name)) for name in (f"{resolved}-wal", f"{resolved}-shm")
        ]
        self._folder = str(Path(path).parent)
        self._seen: _State | None = None

    def _found(self, name: str) -> Identity:
        identity = identity_of(name)
        if identity is None:
            raise RepositoryError(_MOVED.format(self.path))
        return identity

    def check_names(self) -> None:
        """See that no file was deleted, renamed or replaced; mostly takes one call of stat.

        What is done to a name changes the ctime of its folder, and that of a renamed folder: while
        it is what it was at a full check, the folder has the files that it had.

        Raises:
            RepositoryError: One was.
        """
        try:
            found = _stat(self._folder)
        except OSError:
            self.check()
            return
        if (found.st_dev, found.st_ino, found.st_ctime_ns) != self._seen:
            # While the folder changes all the time, there is no need to look at each of its parts.
            self._check(None if _may_change_unseen(found) else self._settled_state())

    def check(self) -> None:
        """See that each is still the file that was opened.

        Raises:
            RepositoryError: One was deleted, renamed or replaced, or the database was emptied.
        """
        self._check(self._settled_state())

    def _check(self, state: _State | None) -> None:
        """Look at each file, after the folder was in a state that shows every further change."""
        try:
            found = _stat(self.path)
        except OSError:
            found = None
        if (
            found is None
            or not found.st_size
            or (found.st_dev, found.st_ino) != self.database
            or any(identity_of(name) != identity for name, identity in self._side_files)
        ):
            raise RepositoryError(_MOVED.format(self.path))
        self._seen = state

    def _settled_state(self) -> _State | None:
        """Return the state of the folder, if every further change will show another time."""
        # A link leads through another folder; and on Windows st_ctime is the time of the creation.
        if os.name == "nt" or os.path.realpath(self.path) != self.path:
            return None
        try:
            found = _stat(self._folder)
        except OSError:
            return None
        if _may_change_unseen(found):
            return None
        return found.st_dev, found.st_ino, found.st_ctime_ns

    @property
    def database_is_in_place(self) -> bool:
        """Whether the database is at its path; if not, SQLite closes it without a checkpoint."""
        return identity_of(self.path) == self.database

    @property
    def log_was_replaced(self) -> bool:
        """Whether beside the database lies another log than the open one.

        A log that is just gone is copied into the database when that is closed. Where there is
        another one, the two would be mixed.
        """
        return any(identity_of(name) not in (None, it) for name, it in self._side_files)


def check_openable(path: str, create: bool) -> None:
    """Refuse what is no store and no place for one, since connecting could change it.

    Args:
        path: The absolute path.
        create: Whether a missing or an empty file may become a store.

    Raises:
        RepositoryError: What is there is not to be opened; it was not touched.
    """
    try:
        found = _stat(path)
    except FileNotFoundError as error:
        if not create:
            raise RepositoryError(f"there is no file {path!r}") from error
        _check_folder(path, error)
        _check_side_files(path)
        return
    except (OSError, ValueError) as error:  # ValueError: no file can have such a name
        raise RepositoryError(
            f"{path!r} cannot be opened: {getattr(error, 'strerror', error)}"
        ) from error
    _check_kind(path, found)
    _check_permissions(path)
    if 0 < found.st_size < _HEADER_LENGTH:  # SQLite would take it for an empty one
        raise _no_database(path)
    if found.st_size:
        if _application_id(path) != APPLICATION_ID:
            raise foreign(path)
    elif not create:
        raise RepositoryError(f"{path!r} is an empty file, not a store of jobs")


def foreign(path: str) -> RepositoryError:
    """Return the refusal of another application's database."""
    return RepositoryError(f"{path!r} is the SQLite database of another application")


def _check_folder(path: str, missing: FileNotFoundError) -> None:
    parent = Path(path).parent
    if not parent.is_dir():
        raise RepositoryError(
            f"{path!r} cannot be created: there is no folder {str(parent)!r}"
        ) from missing
    if not os.access(parent, os.W_OK):
        raise _denied(f"{path!r} cannot be created: its folder is read-only for this user")


def _check_permissions(path: str) -> None:
    """Refuse what SQLite fails on in words that name neither the file nor the reason.

    They are asked for, not tried: closing a file that was opened past SQLite gives up its locks.
    """
    if not os.access(path, os.R_OK):
        raise _denied(f"{path!r} cannot be read by this user")
    resolved = os.path.realpath(path)
    folder = str(Path(resolved).parent)
    if not os.access(folder, os.W_OK) and not Path(f"{resolved}-wal").exists():
        raise _denied(
            f"{path!r} cannot be opened: SQLite keeps its log beside it, and the folder "
            f"{folder!r} is read-only for this user"
        )


def _denied(sentence: str) -> RepositoryError:
    error = RepositoryError(sentence)
    error.__cause__ = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return error


def _check_kind(path: str, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise RepositoryError(f"{path!r} is a folder, not a file")
    if not stat.S_ISREG(found.st_mode):
        raise RepositoryError(f"{path!r} is a device, a pipe or a socket, not a file")
    if found.st_nlink > 1:
        # https://sqlite.org/howtocorrupt.html, section 2.5
        raise RepositoryError(
            f"{path!r} has {found.st_nlink} names (hard links), and SQLite keeps a log for each "
            "name, which damages the file: remove the other names, or use a symbolic link"
        )
    _check_side_files(path)


def _check_side_files(path: str) -> None:
    """Refuse a place where SQLite cannot have its log, before it has made an empty database."""
    resolved = os.path.realpath(path)
    for suffix in ("-wal", "-shm", "-journal"):
        beside = resolved + suffix
        try:
            regular = stat.S_ISREG(_stat(beside).st_mode)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise RepositoryError(
                f"{path!r} cannot be opened: SQLite keeps its log in {beside!r}, "
                f"and opening that failed: {error.strerror}"
            ) from error
        if not regular:
            raise RepositoryError(f"{beside!r}, where SQLite keeps its log, is not a file")


def _application_id(path: str) -> int:
    """Read a database's header through SQLite, without a lock, a log, or any change.

    ``immutable`` makes it read the file alone; only such a connection looks at a database in WAL
    mode and leaves nothing beside it (https://sqlite.org/uri.html). It may look in the middle of a
    checkpoint, when the first page says that there are more pages than the file has: with
    ``writable_schema`` SQLite minds only what the page itself holds.
    """
    try:
        with closing(
            sqlite3.connect(f"{Path(path).as_uri()}?mode=ro&immutable=1", uri=True)
        ) as connection:
            connection.execute("PRAGMA writable_schema = ON")
            ((found,),) = connection.execute("PRAGMA application_id").fetchall()
            return int(found)
    except sqlite3.Error as error:
        if primary_code(error) == sqlite3.SQLITE_NOTADB:
            raise _no_database(path) from error
        raise


def _no_database(path: str) -> RepositoryError:
    return RepositoryError(f"{path!r} is not a SQLite database")
