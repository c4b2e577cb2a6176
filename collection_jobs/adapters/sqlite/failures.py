"""The one place where SQLite's errors become the contract's (ERROR-1)."""

from __future__ import annotations

import sqlite3

from collection_jobs.adapters.sqlite.settings import Settings
from collection_jobs.errors import RepositoryClosedError, RepositoryError

__all__ = ["for_caller", "not_open", "primary_code"]


def primary_code(error: BaseException) -> int:
    """SQLite's result code without its extension (SQLITE_BUSY_SNAPSHOT is SQLITE_BUSY), or 0."""
    code = getattr(error, "sqlite_errorcode", None)  # absent where Python itself raised the error
    return code & 0xFF if isinstance(code, int) else 0


def for_caller(error: Exception, settings: Settings) -> Exception:
    """A new RepositoryError caused by a failure of SQLite; any other error as it is."""
    # The driver refuses a text of more than 2 GiB with the OverflowError.
    if not isinstance(error, sqlite3.Error | OverflowError):
        return error
    code, path = primary_code(error), settings.path
    if code == sqlite3.SQLITE_BUSY:
        text = (
            f"another connection has held the lock of {path!r} "
            f"for more than {settings.busy_timeout} s"
        )
    elif code == sqlite3.SQLITE_NOTADB:
        text = f"{path!r} is not a SQLite database"
    else:
        text = f"SQLite failed on {path!r}: {error}"
    failure = RepositoryError(text)
    failure.__cause__ = error
    return failure


def not_open(settings: Settings) -> RepositoryClosedError:
    """The refusal of a call before the opening or after the closing."""
    return RepositoryClosedError(
        f"the repository on {settings.path!r} is not open: use it within async with"
    )
