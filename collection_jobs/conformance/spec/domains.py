"""Domains: for each kind of field, the values that stores get wrong, in classes that have names.

What the checks save, and what they draw at random, comes from here, and the report says of each
class whether it was tried. So each class says what its values have in common, and a value belongs
to one class of its kind. `DOMAINS` has an entry for each kind of field, and a new field of a known
kind needs none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any, cast

from collection_jobs.conformance.spec.domain_texts import NAME_CLASSES, TEXT_CLASSES, Domain
from collection_jobs.conformance.spec.model import storable
from collection_jobs.fields import FIELDS, Field, FieldKind
from collection_jobs.status import JobStatus

__all__ = [
    "CHOSEN",
    "COUNTS",
    "DOMAINS",
    "FEW_COUNTS",
    "FEW_INSTANTS",
    "INSTANTS",
    "NONE",
    "OF_SYMBOLS",
    "SIZES",
    "classes_of",
    "classes_of_field",
    "domain_of",
    "values_of",
]

CHOSEN: tuple[Field, ...] = tuple(one for one in FIELDS if one.name != "revision")
"""The fields whose values a caller chooses."""

OF_SYMBOLS: Mapping[str, int] = MappingProxyType(
    {
        "completed_symbols": 0,
        "failed_symbols": 1,
        "permanent_failures": 1,
        "failure_counts": 1,
        "cursors": 2,
    }
)
"""The fields whose items are about symbols of the job: which third of the symbols each is given."""

NONE = "None"
"""The class of the value None, of a field that may have it."""


def _at(*values: int, microsecond: int = 0) -> datetime:
    year, month, day, hour, minute, second = (*values, 0, 0, 0)[:6]
    return datetime(year, month, day, hour, minute, second, microsecond, tzinfo=UTC)


_MICROSECOND = timedelta(microseconds=1)
_NOON = _at(2024, 3, 1, 12)

INSTANTS: Domain = MappingProxyType(
    {
        "within one second": (
            _NOON,
            _NOON + _MICROSECOND,
            _NOON + timedelta(microseconds=999_999),
            _NOON + timedelta(seconds=1),
            _NOON - timedelta(days=1),
        ),
        "the epoch": (_at(1970, 1, 1), _at(1970, 1, 1, microsecond=1)),
        "before the epoch": (
            _at(1969, 12, 31, 23, 59, 59, microsecond=999_999),
            _at(1901, 12, 13, 20, 45, 51, microsecond=1),
            _at(1899, 12, 30, microsecond=3),
        ),
        "before 1678": (_at(1582, 10, 4), _at(1677, 9, 21, 0, 12, 43, microsecond=145_223)),
        "a leap day": (
            _at(2024, 2, 29, 23, 59, 59, microsecond=999_999),
            _at(2000, 2, 29),
        ),
        "beyond 2038": (
            _at(2038, 1, 19, 3, 14, 8),
            _at(2038, 1, 19, 3, 14, 7, microsecond=999_999),
        ),
        "about March 2100": (_at(2100, 2, 28, 23, 59, 59, microsecond=1), _at(2100, 3, 1)),
        "beyond 2106": (_at(2106, 2, 7, 6, 28, 16, microsecond=1),),
        "beyond 2242": (
            _at(2242, 3, 16, 12, 56, 32, microsecond=1),
            _at(2248, 7, 4, 1, 2, 3, microsecond=456_789),
        ),
        "beyond 2262": (
            _at(2262, 4, 11, 23, 47, 16, microsecond=854_776),
            _at(3001, 1, 19, 8, microsecond=999_999),
        ),
        # Of the zones that `running.zones` gives to processes, both sides of each.
        "in a fold": (
            _at(2024, 10, 27, 0, 30),
            _at(2024, 10, 27, 1, 30),
            _at(2024, 4, 6, 14, 45),
            _at(2024, 4, 6, 15, 15),
        ),
        "beside a gap": (
            _at(2024, 3, 31, 0, 59, 59, microsecond=999_999),
            _at(2024, 3, 31, 1),
            _at(2024, 3, 31, 2, 30),
            _at(2024, 10, 5, 15, 30),
        ),
        "year 1": (
            datetime.min.replace(tzinfo=UTC),
            _at(1, 1, 1, 0, 0, 0, microsecond=1),
            _at(1, 12, 31, 23, 59, 59, microsecond=999_999),
        ),
        "year 9999": (_at(9999, 1, 1), datetime.max.replace(tzinfo=UTC)),
    }
)

FEW_INSTANTS: tuple[datetime, ...] = (
    *INSTANTS["within one second"],
    INSTANTS["before the epoch"][0],
    INSTANTS["beyond 2038"][0],
    datetime.min.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
)
"""Where every instant is tried with everything else: the last but one is the least."""

COUNTS: Domain = MappingProxyType(
    {
        "0": (0,),
        "1": (1,),
        "small": (500, 1_000),
        "about 2**7": (127, 128, 255, 256),
        "about 2**15": (2**15 - 1, 2**15, 2**16 - 1, 2**16),
        "about 2**31": (2**31 - 1, 2**31),
        "about 2**32": (2**32 - 1, 2**32),
        # One that no float holds does not follow the one that it is rounded to.
        "about 2**53": (2**53 - 1, 2**53 + 1, 2**53 + 3, 2**53),
        "about 2**63": (2**62, 2**63 - 1),
    }
)

FEW_COUNTS: tuple[int, ...] = (0, 1, 500, 2**31, 2**53 + 1, 2**62, 2**63 - 1)
"""Where every count is tried with everything else."""

DOMAINS: Mapping[FieldKind, Domain] = MappingProxyType(
    {
        FieldKind.NAME: NAME_CLASSES,
        FieldKind.NAMES: NAME_CLASSES,
        FieldKind.NAME_SET: NAME_CLASSES,
        FieldKind.INSTANT: INSTANTS,
        FieldKind.INSTANTS: INSTANTS,
        FieldKind.STATUS: MappingProxyType({one.value: (one,) for one in JobStatus}),
        FieldKind.TEXT: TEXT_CLASSES,
        FieldKind.COUNTS: COUNTS,
        FieldKind.TEXTS: TEXT_CLASSES,
        FieldKind.INTEGER: COUNTS,
    }
)
"""The values of a field; for names and for mappings, those of each item."""

SIZES: Mapping[FieldKind, tuple[int, ...]] = MappingProxyType(
    {
        FieldKind.NAMES: (1, 30, 300, 2_000, 20_000),
        FieldKind.NAME_SET: (0, 1, 30, 300, 1_000),
        FieldKind.INSTANTS: (0, 1, 30, 300, 1_000),
        FieldKind.COUNTS: (0, 1, 30, 300, 1_000),
        FieldKind.TEXTS: (0, 1, 30, 300, 1_000),
    }
)
"""For the kinds of which a value has several items, how many it is to have."""

_CLASS_OF: Mapping[FieldKind, Mapping[object, str]] = MappingProxyType(
    {
        kind: {
            # Also as the entity holds it.
            held: name
            for name, values in domain.items()
            for value in values
            for held in ({value, storable(value)} if isinstance(value, str) else (value,))
        }
        for kind, domain in DOMAINS.items()
    }
)


def values_of(domain: Domain) -> tuple[Any, ...]:
    """Return all values of a domain, class by class."""
    return tuple(value for values in domain.values() for value in values)


@lru_cache(maxsize=64)
def domain_of(field: Field) -> Domain:
    """Return what of the domain of its kind a field may hold: an item, where it holds several."""
    domain = DOMAINS[field.kind]
    if field.kind is not FieldKind.COUNTS:
        return domain
    kept = {
        name: tuple(value for value in values if _is_item(field, value))
        for name, values in domain.items()
    }
    return {name: values for name, values in kept.items() if values}


def _is_item(field: Field, value: int) -> bool:
    """Return whether a field may hold a count; one that grows, also when it has grown by one."""
    grown = value + 1 if field.name == "failure_counts" else value
    try:
        field.check({"a": value, "b": grown})
    except ValueError:
        return False
    return True


def classes_of_field(field: Field) -> tuple[str, ...]:
    """Return the classes of the values of a field, those of its items and of its sizes included."""
    items = SIZES.get(field.kind)
    if items is None:
        return (*DOMAINS[field.kind], *((NONE,) if field.optional else ()))
    of_keys = () if field.kind is FieldKind.NAMES or field.name in OF_SYMBOLS else NAME_CLASSES
    return (
        *domain_of(field),
        *(f"key {name}" for name in of_keys),
        *map(_size_class, items),
    )


def _size_class(size: int) -> str:
    if size == 0:
        return "no item"
    return "1 item" if size == 1 else f"{size:,} items or more"


def classes_of(field: Field, value: Any) -> Iterator[str]:
    """Yield the classes that a value of a field belongs to; none for a value of no class."""
    if value is None:
        yield NONE
        return
    known = _CLASS_OF[field.kind]
    sizes = SIZES.get(field.kind)
    if sizes is None:
        yield from _known(known, (value,))
        return
    size = len(value)
    yield from (_size_class(one) for one in sizes if (size >= one if one > 1 else size == one))
    if field.kind in (FieldKind.NAMES, FieldKind.NAME_SET):
        yield from _known(known, value)
        return
    mapping = cast("Mapping[str, Any]", value)
    yield from _known(known, mapping.values())
    if field.name not in OF_SYMBOLS:
        yield from (f"key {name}" for name in _known(_CLASS_OF[FieldKind.NAME], mapping))


def _known(known: Mapping[object, str], values: Iterable[Any]) -> Iterator[str]:
    return (name for value in values if (name := known.get(value)) is not None)
