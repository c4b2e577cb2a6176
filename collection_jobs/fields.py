"""The table of the entity's fields: what each holds, how it is checked, since when it exists.

Everything that treats all fields alike derives from it: the entity's own checks, documents, the
JSON of the command line, the columns of the adapters. A store or a format says once for each kind
how it holds a value, and so takes a new field of a known kind without a change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar, cast

from collection_jobs.validation import (
    check_candles,
    check_datetime,
    check_name,
    check_optional_datetime,
    check_optional_text,
    check_positive,
    check_revision,
    check_status,
    check_symbols,
    check_text,
    shown,
    type_name,
)

__all__ = [
    "FIELDS",
    "FIELD_NAMES",
    "MAX_FAILURES",
    "MAX_METADATA",
    "NOTHING",
    "NO_SYMBOLS",
    "POSITIONS",
    "Field",
    "FieldKind",
    "check_metadata",
    "items_of",
    "members_of",
]

_V = TypeVar("_V")

MAX_METADATA = 1_000
"""A job's metadata has at most so many entries, for PostgreSQL holds 256 MB in one JSON value."""

MAX_FAILURES = 2**63 - 1
"""A symbol's failures are counted up to so many, which the largest integer type of databases holds.
"""

NOTHING: Mapping[str, Any] = MappingProxyType({})
"""The mapping of a job without outcomes or without metadata."""

NO_SYMBOLS: frozenset[str] = frozenset()
"""The permanent failures of a job that has none."""

_BUILT_IN: tuple[type, ...] = (frozenset, set, tuple, list)


class FieldKind(Enum):
    """What the values of a field are."""

    NAME = "name"
    """A text of 1 to 255 characters, compared exactly."""
    NAMES = "names"
    """A tuple of names, in their order."""
    NAME_SET = "name set"
    """A frozenset of names."""
    INSTANT = "instant"
    """An aware datetime in UTC."""
    STATUS = "status"
    """A JobStatus."""
    TEXT = "text"
    """Free text."""
    COUNTS = "counts"
    """A read-only mapping of names to integers of 0 to 2**63 - 1."""
    TEXTS = "texts"
    """A read-only mapping of names to free texts."""
    INSTANTS = "instants"
    """A read-only mapping of names to aware datetimes in UTC."""
    INTEGER = "integer"
    """An int of any size."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the entity.

    Attributes:
        name: The attribute of the entity, and the key in documents.
        kind: What its values are.
        check: Gives a value in its normal form, or raises TypeError or ValueError.
        since: The version of documents that has it first.
        optional: Whether it may be None.
    """

    name: str
    kind: FieldKind
    check: Callable[[Any], Any]
    since: int = 1
    optional: bool = False


def _check_completed(outcomes: Mapping[str, int]) -> Mapping[str, int]:
    if outcomes is NOTHING:
        return NOTHING
    checked: dict[str, int] = {}
    items = items_of("completed_symbols", "symbols", outcomes)
    for symbol, candles in items:
        name = check_name("a completed symbol", symbol)
        try:
            checked[name] = check_candles(candles)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{error}, of the completed symbol {shown(name)}") from None
    return _read_only("completed_symbols", "symbol", checked, items)


def _check_failed(outcomes: Mapping[str, str]) -> Mapping[str, str]:
    if outcomes is NOTHING:
        return NOTHING
    items = items_of("failed_symbols", "symbols", outcomes)
    checked = {
        check_name("a failed symbol", symbol): check_text("a failed symbol's error", error)
        for symbol, error in items
    }
    return _read_only("failed_symbols", "symbol", checked, items)


def _check_permanent(symbols: frozenset[str]) -> frozenset[str]:
    if symbols is NO_SYMBOLS:
        return NO_SYMBOLS
    if not issubclass(type(symbols), frozenset | set):
        raise TypeError(
            f"permanent_failures must be a frozenset of symbols, not {type_name(symbols)}: "
            f"{shown(symbols)}"
        )
    names = members_of("permanent_failures", "symbols", symbols)
    return frozenset([check_name("a permanently failed symbol", name) for name in names])


def members_of(field: str, of: str, values: Collection[_V]) -> list[_V]:
    """Read a collection once: a subclass of a built-in one by the slots of that.

    Raises:
        TypeError: It is none, or cannot be read.
    """
    if not issubclass(type(values), Iterable):
        raise TypeError(
            f"{field} must be a collection of {of}, not {type_name(values)}: {shown(values)}"
        )
    kind = next((one for one in _BUILT_IN if issubclass(type(values), one)), None)
    try:
        return list(values if kind is None else vars(kind)["__iter__"](values))
    except Exception as error:
        raise TypeError(
            f"{field} must be a collection that can be read, and it raised {type_name(error)}: "
            f"{shown(values)}"
        ) from error


def _check_failure_counts(counts: Mapping[str, int]) -> Mapping[str, int]:
    return _checked_by_symbol("failure_counts", "a symbol that failed", _check_failures, counts)


def _check_failures(value: int) -> int:
    count = check_positive("a count of failures", value)
    if count > MAX_FAILURES:
        raise ValueError(f"a count of failures must be below 2**63: {shown(count)}")
    return count


def _check_cursors(cursors: Mapping[str, datetime]) -> Mapping[str, datetime]:
    check = partial(check_datetime, "a cursor")
    return _checked_by_symbol("cursors", "a symbol with a cursor", check, cursors)


def _checked_by_symbol(
    field: str, symbol: str, check: Callable[[_V], _V], values: Mapping[str, _V]
) -> Mapping[str, _V]:
    if values is NOTHING:
        return values
    items = items_of(field, "symbols", values)
    checked: dict[str, _V] = {}
    for key, value in items:
        name = check_name(symbol, key)
        try:
            checked[name] = check(value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{error}, of the symbol {shown(name)}") from None
    return _read_only(field, "symbol", checked, items)


def check_metadata(metadata: Mapping[str, str]) -> Mapping[str, str]:
    """Accept at most 1,000 texts by their names, as a read-only mapping."""
    if metadata is NOTHING:
        return NOTHING
    items = items_of("metadata", "texts", metadata)
    if len(items) > MAX_METADATA:
        raise ValueError(f"metadata must have at most {MAX_METADATA:,} keys, not {len(items):,}")
    checked: dict[str, str] = {}
    for key, value in items:
        name = check_name("a metadata key", key)
        try:
            checked[name] = check_text("a metadata value", value)
        except TypeError as error:
            raise TypeError(f"{error}, of the metadata key {shown(name)}") from None
    return _read_only("metadata", "key", checked, items)


def items_of(field: str, of: str, mapping: Mapping[str, _V]) -> list[tuple[str, _V]]:
    """Read a mapping once: a subclass of dict by the slots of dict.

    Raises:
        TypeError: It is no mapping, or cannot be read.
    """
    if type(mapping) is dict:
        return list(cast("dict[str, _V]", mapping).items())
    if issubclass(type(mapping), dict):
        of_dict: Callable[[object], Iterable[tuple[str, _V]]] = vars(dict)["items"]
        return list(of_dict(mapping))
    if not issubclass(type(mapping), Mapping):
        raise TypeError(
            f"{field} must be a mapping of {of}, not {type_name(mapping)}: {shown(mapping)}"
        )
    try:
        return [(key, value) for key, value in mapping.items()]
    except Exception as error:
        raise TypeError(
            f"{field} must be a mapping that can be read, and it raised {type_name(error)}: "
            f"{shown(mapping)}"
        ) from error


def _read_only(
    field: str, key: str, checked: dict[str, _V], items: list[tuple[str, _V]]
) -> Mapping[str, _V]:
    if len(checked) < len(items):  # keys that differ by a __hash__ or __eq__ of their own
        twice, _ = Counter(check_name(f"a {key}", name) for name, _ in items).most_common(1)[0]
        raise ValueError(f"{field} must name each {key} once, and {shown(twice)} is there twice")
    return MappingProxyType(checked) if checked else NOTHING


_optional = partial(Field, optional=True)

FIELDS: tuple[Field, ...] = (
    Field("id", FieldKind.NAME, partial(check_name, "id")),
    Field("source", FieldKind.NAME, partial(check_name, "source")),
    Field("symbols", FieldKind.NAMES, check_symbols),
    Field("timeframe", FieldKind.NAME, partial(check_name, "timeframe")),
    Field("start", FieldKind.INSTANT, partial(check_datetime, "start")),
    Field("end", FieldKind.INSTANT, partial(check_datetime, "end")),
    Field("created_at", FieldKind.INSTANT, partial(check_datetime, "created_at")),
    Field("status", FieldKind.STATUS, check_status),
    _optional("started_at", FieldKind.INSTANT, partial(check_optional_datetime, "started_at")),
    _optional("finished_at", FieldKind.INSTANT, partial(check_optional_datetime, "finished_at")),
    _optional("error_message", FieldKind.TEXT, partial(check_optional_text, "error_message")),
    Field("completed_symbols", FieldKind.COUNTS, _check_completed),
    Field("failed_symbols", FieldKind.TEXTS, _check_failed),
    Field("metadata", FieldKind.TEXTS, check_metadata, since=2),
    Field("permanent_failures", FieldKind.NAME_SET, _check_permanent, since=3),
    Field("failure_counts", FieldKind.COUNTS, _check_failure_counts, since=3),
    Field("cursors", FieldKind.INSTANTS, _check_cursors, since=3),
    _optional("revision", FieldKind.INTEGER, check_revision),
)
"""The fields, in the order of the entity."""

FIELD_NAMES: tuple[str, ...] = tuple(field.name for field in FIELDS)
"""Their names, in the same order."""

POSITIONS: Mapping[str, int] = {name: position for position, name in enumerate(FIELD_NAMES)}
"""The place of each in that order."""
