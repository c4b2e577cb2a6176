"""The one place where asyncpg's errors become the contract's (ERROR-1)."""

from __future__ import annotations

import asyncpg

from collection_jobs.adapters.postgres.settings import Settings
from collection_jobs.errors import RepositoryClosedError, RepositoryError

__all__ = [
    "DRIVER_ERRORS",
    "for_caller",
    "is_conflict",
    "is_loss",
    "is_starting",
    "maybe_done",
    "not_open",
]

DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    EOFError,
    OverflowError,  # a text of more than 2 GiB
)
"""What asyncpg raises where PostgreSQL, the network or itself fails."""

_CONFLICTS = frozenset({"40P01", "40001"})  # a deadlock; a serialization failure
_LOCKED = "55P03"
_STARTING = "57P03"


def is_conflict(error: BaseException) -> bool:
    """Whether the transaction was rolled back for another's sake and may just be repeated."""
    return _code(error) in _CONFLICTS


def is_loss(error: BaseException) -> bool:
    """Whether the connection is lost, or the server going down or coming up."""
    code = _code(error)
    if code is not None:
        return code.startswith(("08", "57P"))  # 57P01..57P05: the server ends the session
    return isinstance(error, OSError | EOFError | asyncpg.InternalClientError) or (
        isinstance(error, asyncpg.InterfaceError) and "closed" in str(error)
    )


def is_unsent(error: BaseException) -> bool:
    """Whether asyncpg itself refused, before it sent anything.

    The second kind is what it says of a connection that the server has just ended.
    """
    return isinstance(error, asyncpg.InterfaceError) or (
        isinstance(error, asyncpg.InternalClientError) and "cannot switch to state" in str(error)
    )


def is_starting(error: BaseException) -> bool:
    """Whether the server is there, but cannot serve yet."""
    return _code(error) == _STARTING


def for_caller(error: Exception, settings: Settings) -> Exception:
    """A new RepositoryError caused by the driver's; any other error as it is."""
    if not isinstance(error, DRIVER_ERRORS):
        return error
    if _code(error) == _LOCKED:
        text = f"another transaction has held a lock for more than {settings.lock_timeout:g} s"
    elif is_loss(error):
        text = f"no connection to PostgreSQL ({_said(error)})"
    else:
        text = f"PostgreSQL failed ({_said(error)})"
    return _caused(f"{text}: {settings.name}", error)


def maybe_done(error: BaseException, settings: Settings) -> RepositoryError:
    """The error of a write that was sent, and whose answer was lost with the connection."""
    return _caused(
        "the connection was lost before PostgreSQL answered, so the call may have happened or not"
        f" ({_said(error)}): {settings.name}",
        error,
    )


def not_open(settings: Settings) -> RepositoryClosedError:
    """The refusal of a call before the opening or after the closing."""
    return RepositoryClosedError(
        f"the repository is not open, use it within async with: {settings.name}"
    )


def _caused(text: str, cause: BaseException) -> RepositoryError:
    failure = RepositoryError(text)
    failure.__cause__ = cause
    return failure


def _code(error: BaseException) -> str | None:
    return getattr(error, "sqlstate", None)


def _said(error: BaseException) -> str:
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__
