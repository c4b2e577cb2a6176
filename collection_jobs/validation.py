"""Checks of single values: what the entity and every adapter accept, and how they refuse the rest.

Each check returns the value in its normal form, or raises ``TypeError`` for a wrong type and
``ValueError`` for a wrong value, with a message that names the field and shows the value.
An adapter that runs its arguments through these before it touches its engine keeps INPUT-1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from collection_jobs.status import JobStatus

if TYPE_CHECKING:
    from collection_jobs.job import CollectionJob

__all__ = [
    "MAX_NAME_LENGTH",
    "check_candles",
    "check_datetime",
    "check_job",
    "check_jobs",
    "check_key",
    "check_limit",
    "check_name",
    "check_offset",
    "check_optional_datetime",
    "check_optional_text",
    "check_status",
    "check_text",
    "shown",
    "shown_url",
]

MAX_NAME_LENGTH = 255
"""The most characters that an id, a source, a timeframe or a symbol may have."""

# Compiled when it is first needed: that takes 2 % of the import of the package.
_UNSTORABLE = "[\x00\ud800-\udfff]"
_SHOWN_LENGTH = 100
_USERS_PASSWORD = re.compile(r"(://[^:@/?]*:).*(@)", re.DOTALL)
_PASSWORD_OPTION = re.compile(r"([?&][^=&]*password=)[^&]*", re.IGNORECASE)


def shown(value: object) -> str:
    """Show a value in an error message: its repr, shortened, whatever its type does."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a value's own repr may raise anything, and the message must still come
        text = f"a {type(value).__name__} that cannot be shown"
    if len(text) > _SHOWN_LENGTH:
        text = f"{text[:_SHOWN_LENGTH]}..."
    # A lone surrogate would make the message itself unprintable.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def shown_url(url: str) -> str:
    """A repository's URL as a message, a report or a log may show it: ``***`` for passwords.

    In doubt it hides too much: a password that should have been percent-encoded reaches to the
    last @, and every option whose name ends in "password" has a value that is hidden.
    """
    hidden = _USERS_PASSWORD.sub(r"\1***\2", url)
    return _PASSWORD_OPTION.sub(r"\1***", hidden)


def _wrong_type(field: str, value: object, expected: str) -> TypeError:
    return TypeError(f"{field} must be {expected}, not {type(value).__name__}: {shown(value)}")


def check_name(field: str, value: str) -> str:
    """Accept an id, source, timeframe or symbol: 1..255 characters, no NUL, no lone surrogate."""
    if not isinstance(value, str):
        raise _wrong_type(field, value, "a str")
    if not 0 < len(value) <= MAX_NAME_LENGTH:
        raise ValueError(
            f"{field} must have 1 to {MAX_NAME_LENGTH} characters, not {len(value)}: {shown(value)}"
        )
    if "\0" in value or not (value.isascii() or re.search(_UNSTORABLE, value) is None):
        raise ValueError(f"{field} must have no NUL and no lone surrogate: {shown(value)}")
    return value if type(value) is str else str.__str__(value)


def check_text(field: str, value: str) -> str:
    """Accept free text of any length; NUL and lone surrogates become U+FFFD."""
    if not isinstance(value, str):
        raise _wrong_type(field, value, "a str")
    if "\0" in value or not value.isascii():
        return re.sub(_UNSTORABLE, "\ufffd", value)
    return value if type(value) is str else str.__str__(value)


def check_optional_text(field: str, value: str | None) -> str | None:
    """Accept None, or what check_text accepts."""
    return None if value is None else check_text(field, value)


def check_datetime(field: str, value: datetime) -> datetime:
    """Accept an aware datetime and return it as a plain datetime in UTC, to the microsecond."""
    if not isinstance(value, datetime):
        raise _wrong_type(field, value, "an aware datetime")
    if type(value) is datetime and value.tzinfo is UTC:
        return value if not value.fold else value.replace(fold=0)
    if value.utcoffset() is None:
        raise ValueError(f"{field} must be an aware datetime, not a naive one: {shown(value)}")
    try:
        utc = value.astimezone(UTC)
    except OverflowError:
        raise ValueError(
            f"{field} must lie within the years 1 to 9999 in UTC: {shown(value)}"
        ) from None
    # A subclass (pandas.Timestamp, pendulum.DateTime) becomes the plain type that stores return.
    return datetime(
        utc.year,
        utc.month,
        utc.day,
        utc.hour,
        utc.minute,
        utc.second,
        utc.microsecond,
        UTC,
    )


def check_optional_datetime(field: str, value: datetime | None) -> datetime | None:
    """Accept None, or what check_datetime accepts."""
    return None if value is None else check_datetime(field, value)


def _check_count(field: str, value: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong_type(field, value, "an int")
    if value < 0:
        raise ValueError(f"{field} must be 0 or more: {shown(value)}")
    return value if type(value) is int else int(value)


def check_candles(value: int) -> int:
    """Accept a number of candles: an int of 0 or more, however large."""
    return _check_count("candles", value)


def check_limit(value: int) -> int:
    """Accept the most jobs that a listing may return: an int of 0 or more, however large."""
    return _check_count("limit", value)


def check_offset(value: int) -> int:
    """Accept the number of jobs that a listing passes over: an int of 0 or more, however large."""
    return _check_count("offset", value)


def check_key(field: str, value: tuple[datetime, str]) -> tuple[datetime, str]:
    """Accept the key of a job in a listing: its ``created_at`` and its ``id``."""
    if not isinstance(value, tuple) or len(value) != 2:
        raise _wrong_type(field, value, "a tuple of created_at and id")
    created_at, job_id = value
    return check_datetime(field, created_at), check_name(field, job_id)


def check_status(value: JobStatus) -> JobStatus:
    """Accept a JobStatus; its spelling as a plain str is a wrong type."""
    if not isinstance(value, JobStatus):
        raise _wrong_type("status", value, "a JobStatus")
    return value


def check_jobs(value: Iterable[CollectionJob]) -> list[CollectionJob]:
    """Accept jobs, and go through them, which may be possible only once."""
    if not isinstance(value, Iterable):
        raise _wrong_type("jobs", value, "an iterable of CollectionJob")
    return [check_job(job) for job in value]


def check_job(value: CollectionJob) -> CollectionJob:
    """Accept a CollectionJob: its fields were checked when it was built."""
    # Imported here because the entity itself is built on this module.
    from collection_jobs.job import CollectionJob

    if not isinstance(value, CollectionJob):
        raise _wrong_type("job", value, "a CollectionJob")
    return value
