"""Values of subclasses that say of themselves what is not so; their slots hold the truth."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

TRAPS = (
    *("__str__", "__repr__", "__format__", "__bytes__", "__bool__", "__len__", "__iter__"),
    *("__eq__", "__ne__", "__hash__", "__lt__", "__le__", "__gt__", "__ge__", "__contains__"),
    *("__int__", "__index__", "__float__", "__add__", "__sub__", "__rsub__", "__mod__"),
    *("__getitem__", "__reduce__", "__reduce_ex__", "__getnewargs__", "__conform__"),
    *("encode", "isascii", "replace", "join", "partition", "find", "count", "to_bytes"),
    *("bit_length", "conjugate", "utcoffset", "astimezone", "isoformat", "timestamp", "date"),
    *("timetuple", "utctimetuple", "items", "keys", "values", "get", "copy", "index"),
)
"""Every method through which a value could be asked what it is."""


class LieError(Exception):
    """Somebody asked a value instead of looking into its slots."""


def _lies(self: object, *arguments: object, **keywords: object) -> Any:
    raise LieError


class LyingStr(str):
    """A text that answers nothing."""

    __slots__ = ()


class LyingInt(int):
    """A number that answers nothing."""

    __slots__ = ()


class LyingDict(dict[Any, Any]):
    """A dict that answers nothing."""


class LyingTuple(tuple[Any, ...]):
    """A tuple that answers nothing."""

    __slots__ = ()


class LyingList(list[Any]):
    """A list that answers nothing."""


class LyingTimedelta(timedelta):
    """A duration that answers nothing, and says that it is another one."""


for _name in ("days", "seconds", "microseconds"):
    setattr(LyingTimedelta, _name, None)


class LyingDatetime(datetime):
    """A time that answers nothing, and says that it is another one."""


for _name in ("year", "month", "day", "hour", "minute", "second", "microsecond", "fold", "tzinfo"):
    setattr(LyingDatetime, _name, None)
for _kind in (
    LyingStr,
    LyingInt,
    LyingDict,
    LyingTuple,
    LyingList,
    LyingTimedelta,
    LyingDatetime,
):
    for _trap in TRAPS:
        if hasattr(_kind.__base__, _trap):
            setattr(_kind, _trap, _lies)


class FickleZone(tzinfo):
    """A time zone that says something else each time it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def utcoffset(self, dt: datetime | None) -> timedelta:
        self.asked += 1
        return timedelta(hours=self.asked)

    def dst(self, dt: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, dt: datetime | None) -> str:
        return "fickle"


class WrongZone(FickleZone):
    """A time zone that gives what is no offset."""

    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer

    def utcoffset(self, dt: datetime | None) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Stamp(datetime):
    """What pandas.Timestamp is: a datetime that knows nanoseconds."""

    nanosecond: float = 0


def _five(self: object) -> int:
    return 5


def _int(self: object) -> type[int]:
    return int


PretendsToBeInt: Any = type(
    "PretendsToBeInt", (), {"__class__": property(_int), "__index__": _five}
)
"""Of the class int, if it is to be believed."""


class Int64:
    """What numpy.int64 is: no int, but an index."""

    def __index__(self) -> int:
        return 5

    def __repr__(self) -> str:
        return "np.int64(5)"


def zones() -> Iterator[tzinfo]:
    """Time zones east and west of UTC."""
    yield timezone.utc  # noqa: UP017 - the same object as datetime.UTC
    yield timezone(timedelta(hours=9))
    yield timezone(-timedelta(hours=3, minutes=30, microseconds=1))
