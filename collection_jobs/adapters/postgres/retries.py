"""StatementFailure: what the driver's error means for a statement, and whether to repeat it."""

from __future__ import annotations

import logging

from collection_jobs.adapters.postgres.errors import (
    driver_message,
    is_cancelled,
    is_conflict,
    is_locked,
    is_loss,
    is_outdated,
    is_read_only,
    is_silent,
    is_unsent,
    no_answer,
)
from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.adapters.postgres.settings import PostgresSettings

__all__ = ["StatementFailure"]

_LOG = logging.getLogger(__name__)
_MOST_ATTEMPTS = 20
"""How often a call is repeated that was rolled back for another's sake, or lost its connection."""
_MOST_PREPARATIONS = 3
"""How often one whose statement was outdated, or cancelled by a request for another."""


class StatementFailure:
    """One failed statement; a connection that is lost is closed here, too.

    Attributes:
        error: What callers are told as the cause.
        is_in_doubt: Whether the statement may have taken effect all the same.
        is_outdated: Whether it was prepared for what has been dropped, made again or altered.
        is_locked: Whether another transaction held a lock for too long.
        is_passing: Whether it may succeed when it is repeated as it was.
        is_silent: Whether the server did not answer, so that its other sessions may not, either.
    """

    __slots__ = (
        *("_is_certain", "error", "is_in_doubt", "is_locked", "is_outdated", "is_passing"),
        "is_silent",
    )

    def __init__(
        self, pooled: PooledConnection, error: BaseException, settings: PostgresSettings
    ) -> None:
        """Judge the error of a statement."""
        read_only = is_read_only(error)
        if is_loss(error) or read_only:
            pooled.terminate()  # another session may be one of the primary
        lost = pooled.is_lost
        if lost:
            _LOG.warning("a connection to %s was lost: %s", settings.name, driver_message(error))
        self.is_silent: bool = pooled.is_late or is_silent(error)
        self.is_in_doubt: bool = lost and pooled.sent and not (is_unsent(error) or read_only)
        self.is_outdated: bool = not lost and is_outdated(error)
        self.is_locked: bool = not lost and is_locked(error)
        stray = pooled.was_cancelled and is_cancelled(error)
        self._is_certain = not (self.is_outdated or stray or read_only)
        self.is_passing: bool = lost or is_conflict(error) or self.is_outdated or stray
        self.error: Exception = (
            no_answer(settings, error)
            if pooled.is_late or not isinstance(error, Exception)
            else error
        )

    def permits(self, attempts: int, *, together: bool = False) -> bool:
        """Whether a call is repeated after so many attempts.

        Args:
            attempts: How often it was tried.
            together: Whether it failed together with others, of which one may be the cause.
        """
        most = _MOST_ATTEMPTS if self._is_certain else _MOST_PREPARATIONS
        return (self.is_passing or together) and attempts < most
