"""The one place where SQLite's errors become the contract's (ERROR-1)."""

from __future__ import annotations

import os
import sqlite3
from typing import NoReturn

from collection_jobs.adapters.sqlite.decoding import UndecodableError
from collection_jobs.adapters.sqlite.settings import SQLiteSettings
from collection_jobs.errors import RepositoryClosedError, RepositoryError

__all__ = ["ENGINE_ERRORS", "primary_code", "raise_sqlite_error", "sqlite_error", "sqlite_not_open"]

# The driver refuses a text of more than 2 GiB with an OverflowError, and fails with a SystemError
# where memory lacks for its own error, and with the last one where a damaged file gives SQLite no
# UTF-8 for its own message.
ENGINE_ERRORS = (
    *(sqlite3.Error, UndecodableError, MemoryError, OverflowError),
    *(SystemError, UnicodeDecodeError),
)
"""What SQLite, its driver and the decoding of what is stored raise where they fail."""


def primary_code(error: BaseException) -> int:
    """SQLite's result code without its extension (SQLITE_BUSY_SNAPSHOT is SQLITE_BUSY), or 0."""
    code = getattr(error, "sqlite_errorcode", None)  # absent where Python itself raised the error
    return code & 0xFF if isinstance(code, int) else 0


def sqlite_error(error: BaseException, settings: SQLiteSettings) -> Exception:
    """Return a new RepositoryError caused by a failure of the engine; any other error as it is."""
    if isinstance(error, Exception) and not isinstance(error, ENGINE_ERRORS):
        return error
    failure = RepositoryError(_sentence(error, settings))
    failure.__cause__ = error.__cause__ if isinstance(error, UndecodableError) else error
    return failure


def raise_sqlite_error(error: BaseException, settings: SQLiteSettings) -> NoReturn:
    """Raise what `sqlite_error` makes of a failure of the engine."""
    failure = sqlite_error(error, settings)
    raise failure from failure.__cause__


def _sentence(error: BaseException, settings: SQLiteSettings) -> str:
    code, path = primary_code(error), settings.path
    if code == sqlite3.SQLITE_BUSY:
        return (
            f"another connection has held the lock of {path!r} "
            f"for more than {settings.busy_timeout} s"
        )
    if code == sqlite3.SQLITE_NOTADB:
        return f"{path!r} is not a SQLite database"
    if isinstance(error, UndecodableError):
        return f"{path!r} is damaged: a stored row is not a valid job ({error})"
    if isinstance(error, MemoryError):
        return f"there was not enough memory for a call on {path!r}"
    said = f"SQLite failed on {path!r}: {str(error) or type(error).__name__}"
    if code == sqlite3.SQLITE_READONLY and not os.access(path, os.W_OK):
        return f"{said}; make the file writable for this user"
    return said


def sqlite_not_open(settings: SQLiteSettings) -> RepositoryClosedError:
    """Return the refusal of a call before the opening or after the closing."""
    return RepositoryClosedError(
        f"the repository on {settings.path!r} is not open: use it within async with"
    )
