"""Instants in time zones: one instant of UTC, as callers elsewhere give it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["IN_ZONES", "in_utc", "in_zone"]


def _fixed(**offset: int) -> Callable[[datetime], datetime]:
    zone = timezone(timedelta(**offset))
    return lambda instant: instant.astimezone(zone)


def _by_database(name: str) -> Callable[[datetime], datetime]:
    def convert(instant: datetime) -> datetime:
        try:
            return instant.astimezone(ZoneInfo(name))
        except ZoneInfoNotFoundError:  # a system without a database of zones
            return instant

    return convert


IN_ZONES: Mapping[str, Callable[[datetime], datetime]] = MappingProxyType(
    {
        "in UTC": lambda instant: instant,
        "far to the east": _fixed(hours=14),
        "far to the west": _fixed(hours=-12),
        "by an offset with seconds": _fixed(hours=5, minutes=30, seconds=17),
        "in a zone with daylight saving": _by_database("Europe/Berlin"),
    }
)
"""By what is particular to a zone, what gives an instant in it."""


def in_zone(name: str, instant: datetime) -> datetime:
    """Return the same instant in a zone; in UTC where its calendar ends before."""
    with suppress(OverflowError):
        return IN_ZONES[name](instant)
    return instant.astimezone(UTC)


def in_utc(instant: Any) -> Any:
    """Give an instant in UTC: in the fold of another zone, it equals no instant of UTC."""
    if instant is None or instant.tzinfo is UTC:
        return instant
    return (instant.replace(tzinfo=None) - instant.utcoffset()).replace(tzinfo=UTC, fold=0)
