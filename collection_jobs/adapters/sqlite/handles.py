"""The connections of this process, and the files that it must not open any more.

SQLite knows a file's locks by the process, not by the connection. So there are connections that may
not even be closed, and files of which the process may not have another:

* A forked child inherits what SQLite knew in its parent: it would take the parent's locks for its
  own, and closing a connection could copy a log that it does not own
  (https://sqlite.org/howtocorrupt.html, section 2.6).
* Where the log was replaced under an open database, closing would mix the two logs.
"""

from __future__ import annotations

import os
import sqlite3
from importlib import import_module

from collection_jobs.adapters.sqlite.files import Identity, identity_of
from collection_jobs.errors import RepositoryError

__all__ = ["Handles", "check_allowed"]


class Handles:
    """The connections of one open repository, which are closed together.

    Attributes:
        identity: The identity of the database, once it is known.
    """

    def __init__(self, path: str) -> None:
        """Begin with none.

        Args:
            path: The absolute path of the database, which need not exist yet.
        """
        self._path = path
        self.identity: Identity | None = None
        self._connections: list[sqlite3.Connection] = []
        _open[id(self)] = self

    def add(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        """Take over a connection."""
        self._connections.append(connection)
        return connection

    def close(self) -> sqlite3.Error | None:
        """Close the connections, last in first out; the first failure, if there is one."""
        failure = None
        while self._connections:
            try:
                self._connections.pop().close()
            except sqlite3.Error as error:
                failure = failure or error
        _open.pop(id(self), None)
        return failure

    def abandon(self, why: str) -> None:
        """Never close the connections, and never open the file again in this process.

        Args:
            why: What a refusal says.
        """
        # Imported when it is needed, which is hardly ever.
        import ctypes

        for connection in self._connections:
            # A reference that nothing takes back: the interpreter's end would close them, too.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
        self._connections = []
        _open.pop(id(self), None)
        for identity in (self.identity, identity_of(self._path)):
            if identity is not None:
                _refused[identity] = why


_open: dict[int, Handles] = {}
_refused: dict[Identity, str] = {}


def check_allowed(path: str) -> None:
    """Refuse a file that this process must not open any more.

    Raises:
        RepositoryError: It is such a file; it was not touched.
    """
    identity = identity_of(path)
    why = None if identity is None else _refused.get(identity)
    if why is not None:
        raise RepositoryError(f"{path!r} cannot be opened in this process: {why}")


_FORKED = (
    "it was forked while its parent had the file open, and SQLite's locks do not survive that; "
    "start processes with 'spawn', or fork before the file is opened"
)


def _prepare() -> None:
    """Import what the child needs: it would wait for ever for a thread that is importing it."""
    if _open:
        import_module("ctypes")


def _abandon_all() -> None:
    for handles in list(_open.values()):
        handles.abandon(_FORKED)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_prepare, after_in_child=_abandon_all)
