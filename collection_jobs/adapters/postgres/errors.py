"""The one place where asyncpg's errors become the contract's (ERROR-1)."""

from __future__ import annotations

import asyncpg

from collection_jobs.adapters.postgres.settings import PostgresSettings
from collection_jobs.errors import RepositoryClosedError, RepositoryError

__all__ = [
    "DRIVER_ERRORS",
    "ConnectError",
    "NotReplicatedError",
    "driver_message",
    "is_cancelled",
    "is_conflict",
    "is_locked",
    "is_loss",
    "is_outdated",
    "is_read_only",
    "is_silent",
    "is_starting",
    "is_unsent",
    "maybe_done",
    "no_answer",
    "not_sent",
    "postgres_error",
    "postgres_not_open",
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

_CONFLICTS = frozenset({"40P01", "40001"})  # a deadlock; a serialization failure, also a standby's
_LOCKED = "55P03"
_CANCELLED = "57014"
_STARTING = "57P03"
_FORBIDDEN = "42501"
_READ_ONLY = "25006"
# A prepared statement, or a schema that it names, that is not there any more.
_OUTDATED = frozenset({"26000", "3F000"})
_SHARED_SESSION = frozenset({"26000", "42P05"})  # no such prepared statement; one of that name
_GONE = frozenset({"3F000", "42P01", "42703", "42704", "42883"})
_GONE_INSIDE = ("cache lookup failed", "could not open relation")
_INTERNAL = "XX000"


class ConnectError(asyncpg.InterfaceError):
    """What asyncpg raises of other kinds while it connects: a host or an option is wrong."""


class NotReplicatedError(ConnectionError):
    """What a commit comes to that is acknowledged and may be lost in a failover."""


def is_conflict(error: BaseException) -> bool:
    """Whether the transaction was rolled back for another's sake and may just be repeated."""
    return _code(error) in _CONFLICTS


def is_locked(error: BaseException) -> bool:
    """Whether another transaction held a lock for too long."""
    return _code(error) == _LOCKED


def is_cancelled(error: BaseException) -> bool:
    """Whether a request to cancel, or a time-out of the server, has ended the statement."""
    return _code(error) == _CANCELLED


def is_outdated(error: BaseException) -> bool:
    """Whether a statement was prepared for what has been dropped, made again or altered since."""
    code = _code(error) or ""
    return (
        isinstance(error, asyncpg.InvalidCachedStatementError)
        or code in _OUTDATED
        or (code.startswith("42") and code != _FORBIDDEN)
        or (code == _INTERNAL and any(text in str(error) for text in _GONE_INSIDE))
    )


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
    """Whether a server is there, but cannot serve yet; or several, of which none does as asked."""
    return _code(error) == _STARTING or isinstance(error, asyncpg.TargetServerAttributeNotMatched)


def is_read_only(error: BaseException) -> bool:
    """Whether the server takes no writes, such as one that was the primary."""
    return _code(error) == _READ_ONLY


def is_silent(error: BaseException) -> bool:
    """Whether the network, and not the server, has ended a connection that did not answer."""
    return isinstance(error, TimeoutError)


def postgres_error(error: Exception, settings: PostgresSettings) -> Exception:
    """Return a new RepositoryError caused by the driver's; any other error as it is."""
    if not isinstance(error, DRIVER_ERRORS):
        return error
    code = _code(error)
    if isinstance(error, ConnectError):
        text, error = f"cannot connect to PostgreSQL ({error})", _original(error)
    elif code == _LOCKED:
        text = f"another transaction has held a lock for more than {settings.lock_timeout:g} s"
    elif code in _SHARED_SESSION and settings.statement_cache:
        text = (
            "a prepared statement was lost or created by another session; behind a pooler that"
            " shares"
            f" sessions among transactions set statement_cache=0 ({driver_message(error)})"
        )
    elif code in _GONE:
        text = (
            f"the tables of the repository are gone or of another version ({driver_message(error)})"
        )
    elif is_loss(error):
        text = f"no connection to PostgreSQL ({driver_message(error)})"
    else:
        text = f"PostgreSQL failed ({driver_message(error)})"
    return _caused(f"{text}: {settings.name}", error)


def no_answer(settings: PostgresSettings, cause: BaseException | None = None) -> TimeoutError:
    """Return the error of a connection dropped because the server did not answer in time."""
    error = TimeoutError(f"no answer within {settings.command_timeout:g} s")
    error.__cause__ = cause
    return error


def not_sent(settings: PostgresSettings) -> RepositoryError:
    """Return the error of a call whose time was over before it had a connection."""
    text = f"the call could not begin within {settings.command_timeout:g} s, nothing was changed"
    return _caused(f"{text}: {settings.name}", no_answer(settings))


def maybe_done(error: BaseException, settings: PostgresSettings) -> RepositoryError:
    """Return the error of a write that was sent, and whose answer was lost with the connection."""
    if isinstance(error, NotReplicatedError):
        text = (
            "the primary has committed, but gave up waiting for a standby: the call may have"
            " happened, and may be lost if another server becomes the primary"
        )
        return _caused(f"{text} ({driver_message(error)}): {settings.name}", error)
    return _caused(
        "the connection was lost before PostgreSQL answered, so the call may have happened or not"
        f" ({driver_message(error)}): {settings.name}",
        error,
    )


def postgres_not_open(settings: PostgresSettings) -> RepositoryClosedError:
    """Return the error of a call before the opening or after the closing."""
    return RepositoryClosedError(
        f"the repository is not open, use it within async with: {settings.name}"
    )


def _caused(text: str, cause: BaseException) -> RepositoryError:
    failure = RepositoryError(text)
    failure.__cause__ = cause
    return failure


def _original(error: Exception) -> Exception:
    cause = error.__cause__
    return cause if isinstance(cause, Exception) else error


def _code(error: BaseException) -> str | None:
    return getattr(error, "sqlstate", None)


def driver_message(error: BaseException) -> str:
    """Return what an error says first: the lines after it may show the rows of a statement."""
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__
