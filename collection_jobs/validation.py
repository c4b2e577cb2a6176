"""Checks of single values: what the entity and every adapter accept, and how they refuse the rest.

Each check returns the value in its normal form, or raises ``TypeError`` for a wrong type and
``ValueError`` for a wrong value, with a message that names the field and shows the value.
An adapter that passes its arguments through these before it touches its engine, and uses the values
that they return, satisfies INPUT-1.

The returned values have plain types: an instance of a subclass of ``int``, ``str``, ``datetime`` or
``tuple`` is read with the methods of that type, never with those of the subclass, so its overrides
(``__eq__``, ``__index__``, ``utcoffset``, ...) never reach an engine.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from collection_jobs.free_text import storable_text
from collection_jobs.status import JobStatus

__all__ = [
    "MAX_CANDLES",
    "MAX_NAME_LENGTH",
    "MAX_SYMBOLS",
    "check_bool",
    "check_candles",
    "check_datetime",
    "check_key",
    "check_limit",
    "check_name",
    "check_offset",
    "check_optional_datetime",
    "check_optional_text",
    "check_positive",
    "check_revision",
    "check_status",
    "check_symbols",
    "check_text",
    "shown",
    "type_name",
]

MAX_NAME_LENGTH = 255
"""The most characters that an id, a source, a timeframe or a symbol may have."""

MAX_CANDLES = 2**63 - 1
"""The most candles of one symbol, as many as the largest integer type of databases counts."""

MAX_SYMBOLS = 100_000
"""The most symbols of one job."""

_UNSTORABLE = "[\x00\ud800-\udfff]"  # compiled when it is first needed, as in free_text
_SHOWN_LENGTH = 100
_STATUSES = {status.value: status for status in JobStatus}


def shown(value: object) -> str:
    """Return a value for an error message: its repr, shortened, whatever its type does."""
    try:
        text = str.__str__(repr(_begun(value)))
    except Exception:  # noqa: BLE001 - a value's own repr may raise anything, and the message must still come
        text = f"a {type_name(value)} that cannot be shown"
    text = " ".join(text.splitlines())  # a table of pandas has several
    if len(text) > _SHOWN_LENGTH:
        text = f"{text[:_SHOWN_LENGTH]}..."
    # A lone surrogate would make the message itself unprintable.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _begun(value: object) -> object:
    """As much of a value as is shown, where its whole repr would take long or fail."""
    if type(value) is str or type(value) is bytes:
        return value[: _SHOWN_LENGTH + 1]
    if type(value) is int and value.bit_length() > 4 * _SHOWN_LENGTH:
        return _Hexadecimal(value)  # Python writes no decimal number of some thousand digits
    return value


class _Hexadecimal(int):
    def __repr__(self) -> str:
        return hex(self)


def _is(value: object, kind: type) -> bool:
    """Whether a value is of a type, by what it is and not by the __class__ that it claims."""
    return issubclass(type(value), kind)


_name_of_class: Callable[[type], str] = vars(type)["__name__"].__get__


def type_name(value: object) -> str:
    """Return the name of a value's type, by what it is and not by what a metaclass says of it."""
    return _name_of_class(type(value))


def _wrong_type(field: str, value: object, expected: str) -> TypeError:
    return TypeError(f"{field} must be {expected}, not {type_name(value)}: {shown(value)}")


def _items_of(kind: type[tuple[Any, ...] | list[Any]], value: object) -> tuple[Any, ...]:
    iterate: Callable[[object], Iterator[Any]] = vars(kind)["__iter__"]
    return tuple(iterate(value))


def _plain_str(field: str, value: str) -> str:
    if type(value) is str:
        return value
    if not _is(value, str):
        raise _wrong_type(field, value, "a str")
    return str.__str__(value)


def check_name(field: str, value: str) -> str:
    """Accept an id, source, timeframe or symbol: 1..255 characters, no NUL, no lone surrogate."""
    name = _plain_str(field, value)
    if not 0 < len(name) <= MAX_NAME_LENGTH:
        raise ValueError(
            f"{field} must have 1 to {MAX_NAME_LENGTH} characters, not {len(name)}: {shown(name)}"
        )
    if "\0" in name or not (name.isascii() or re.search(_UNSTORABLE, name) is None):
        raise ValueError(f"{field} must have no NUL and no lone surrogate: {shown(name)}")
    return name


def check_symbols(value: tuple[str, ...]) -> tuple[str, ...]:
    """Accept 1 to 100,000 symbols, each once, as a tuple or a list; keep their order."""
    kind = tuple if _is(value, tuple) else list
    if not _is(value, kind):
        raise _wrong_type("symbols", value, "a tuple of str")
    symbols = _items_of(kind, value)
    if not symbols:
        raise ValueError("symbols must name at least one symbol: ()")
    if len(symbols) > MAX_SYMBOLS:
        raise ValueError(f"symbols must be at most {MAX_SYMBOLS:,}, not {len(symbols):,}")
    checked = tuple([check_name("a symbol", symbol) for symbol in symbols])
    if len(set(checked)) < len(checked):
        twice, _ = Counter(checked).most_common(1)[0]
        raise ValueError(f"symbols must be unique, but {shown(twice)} occurs more than once")
    return checked


def check_text(field: str, value: str) -> str:
    """Accept free text; NUL and lone surrogates become U+FFFD, and long text is truncated.

    At most 65,535 bytes of UTF-8 are kept. Longer text is truncated at a character, and ends in a
    line that says how many bytes were left out.
    """
    return storable_text(_plain_str(field, value))


def check_optional_text(field: str, value: str | None) -> str | None:
    """Accept None, or what check_text accepts."""
    return None if value is None else check_text(field, value)


def check_datetime(field: str, value: datetime) -> datetime:
    """Accept an aware datetime and return it as a plain datetime in UTC, to the microsecond."""
    if type(value) is datetime and value.tzinfo is UTC:
        return value if not value.fold else value.replace(fold=0)
    if not _is(value, datetime):
        raise _wrong_type(field, value, "an aware datetime")
    offset = _utc_offset(field, value)
    if offset is None:
        raise ValueError(f"{field} must be an aware datetime, not a naive one: {shown(value)}")
    if type(value) is not datetime and _is_more_than_datetime(value):
        raise ValueError(
            f"{field} must be at a whole microsecond, in the years 1 to 9999: {shown(value)}"
        )
    try:
        return datetime(*_on_the_clock(value), tzinfo=UTC) - offset
    except OverflowError:
        raise ValueError(
            f"{field} must lie within the years 1 to 9999 in UTC: {shown(value)}"
        ) from None


def _on_the_clock(value: datetime) -> tuple[int, int, int, int, int, int, int]:
    """Take a datetime apart by the slots of datetime: a subclass may say otherwise."""
    return (
        datetime.year.__get__(value),
        datetime.month.__get__(value),
        datetime.day.__get__(value),
        datetime.hour.__get__(value),
        datetime.minute.__get__(value),
        datetime.second.__get__(value),
        datetime.microsecond.__get__(value),
    )


def _utc_offset(field: str, value: datetime) -> timedelta | None:
    """Ask the time zone about the time, once: some answer otherwise the next time."""
    zone = datetime.tzinfo.__get__(value)
    fold = datetime.fold.__get__(value)
    try:
        return datetime(*_on_the_clock(value), tzinfo=zone, fold=fold).utcoffset()
    except Exception as error:
        raise ValueError(
            f"{field} must have a time zone that gives an offset, and"
            f" {shown(zone)} raised {type_name(error)}: {shown(value)}"
        ) from error


def _is_more_than_datetime(value: Any) -> bool:
    """Whether a pandas.Timestamp holds nanoseconds or a year for which datetime has no slots.

    Then its slots hold another instant. No other subclass is asked what it says of itself.
    """
    try:
        nanosecond: Any = getattr(value, "nanosecond", None)
        return nanosecond is not None and bool(nanosecond or value.year != _on_the_clock(value)[0])
    except Exception:  # noqa: BLE001 - a subclass may raise anything, and says nothing by it
        return False


def check_optional_datetime(field: str, value: datetime | None) -> datetime | None:
    """Accept None, or what check_datetime accepts."""
    return None if value is None else check_datetime(field, value)


def _plain_int(value: int) -> int | None:
    """Return the value as a plain int; None where it is of another type."""
    if type(value) is int:
        return value
    return int.__int__(value) if _is(value, int) and type(value) is not bool else None


def _check_count(field: str, value: int) -> int:
    count = _plain_int(value)
    if count is None:
        raise _wrong_type(field, value, "an int")
    if count < 0:
        raise ValueError(f"{field} must be 0 or more: {shown(count)}")
    return count


def check_candles(value: int) -> int:
    """Accept a number of candles: an int of 0 or more, and below 2**63."""
    count = _check_count("candles", value)
    if count > MAX_CANDLES:
        raise ValueError(f"candles must be below 2**63: {shown(count)}")
    return count


def check_bool(field: str, value: bool) -> bool:
    """Accept True or False, and nothing that merely counts as one of them."""
    if value is not True and value is not False:
        raise _wrong_type(field, value, "a bool")
    return value


def check_limit(value: int) -> int:
    """Accept the maximum number of jobs of a listing: an int of 0 or more, however large."""
    return _check_count("limit", value)


def check_offset(value: int) -> int:
    """Accept the number of jobs that a listing skips: an int of 0 or more, however large."""
    return _check_count("offset", value)


def check_positive(field: str, value: int) -> int:
    """Accept an int of 1 or more."""
    count = _check_count(field, value)
    if not count:
        raise ValueError(f"{field} must be 1 or more: 0")
    return count


def check_revision(value: int | None) -> int | None:
    """Accept a revision: None or any int, because a store may count as it likes."""
    if value is None:
        return None
    revision = _plain_int(value)
    if revision is None:
        raise TypeError(f"revision must be an int or None: {shown(value)}")
    return revision


def check_key(field: str, value: tuple[datetime, str]) -> tuple[datetime, str]:
    """Accept the key of a job in a listing: its ``created_at`` and its ``id``."""
    items = _items_of(tuple, value) if _is(value, tuple) else ()
    if len(items) != 2:
        raise _wrong_type(field, value, "a tuple of created_at and id")
    created_at, job_id = items
    return check_datetime(field, created_at), check_name(field, job_id)


def check_status(value: JobStatus) -> JobStatus:
    """Accept a JobStatus; a plain str with the same value is a wrong type."""
    if type(value) is not JobStatus or _STATUSES.get(str.__str__(value)) is not value:
        raise _wrong_type("status", value, "a JobStatus")
    return value
