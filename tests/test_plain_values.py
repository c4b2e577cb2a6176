"""Values are taken by the slots of their base type, or refused: nobody asks them what they are."""

from __future__ import annotations

import copy
import pickle
import sys
from collections import OrderedDict, UserDict
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from types import MappingProxyType, NoneType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collection_jobs import CollectionJob, JobStatus, open_repository
from collection_jobs import validation as v
from collection_jobs.conformance.spec.calls import example_job
from collection_jobs.free_text import MAX_TEXT_BYTES
from tests.liars import (
    FickleZone,
    Int64,
    LieError,
    LyingDatetime,
    LyingDict,
    LyingInt,
    LyingList,
    LyingStr,
    LyingTuple,
    PretendsToBeInt,
    Stamp,
    WrongZone,
    zones,
)

NOON = datetime(2024, 3, 1, 12, 0, 0, 5, tzinfo=UTC)


def lying(instant: datetime) -> LyingDatetime:
    values = instant.timetuple()[:6]
    return LyingDatetime(*values, instant.microsecond, instant.tzinfo)


def test_the_liars_lie() -> None:
    for value in (LyingStr("a"), LyingInt(1), lying(NOON), LyingDict(a=1), LyingTuple("a")):
        with pytest.raises(LieError):
            repr(value)
        with pytest.raises(LieError):
            bool(value == 5)


# The entity


PLAIN: dict[str, Any] = {
    "id": "a",
    "source": "b",
    "symbols": ("BTC", "ETH", "XRP"),
    "timeframe": "1h",
    "start": NOON,
    "end": NOON + timedelta(days=1),
    "created_at": NOON,
    "started_at": NOON,
    "finished_at": NOON,
    "error_message": "boom",
    "completed_symbols": {"BTC": 2**63 - 1},
    "failed_symbols": {"ETH": "boom"},
    "revision": 7,
}
LYING: dict[str, Any] = {
    **{name: LyingStr(PLAIN[name]) for name in ("id", "source", "timeframe", "error_message")},
    **{name: lying(PLAIN[name]) for name in ("start", "end", "created_at")},
    **{name: lying(PLAIN[name]) for name in ("started_at", "finished_at")},
    "symbols": LyingTuple(map(LyingStr, PLAIN["symbols"])),
    "revision": LyingInt(7),
}


def lying_dict(plain: Mapping[str, Any], kind: Any) -> LyingDict:
    lies = LyingDict()
    put: Any = vars(dict)["__setitem__"]
    for key, value in plain.items():
        # With a hash: no dict can be made with a key that has none.
        put(lies, key, kind(value))
    return lies


PLAIN_TYPES = (str, int, tuple, frozenset, NoneType, datetime, JobStatus, MappingProxyType)


def demand_plain(job: CollectionJob) -> None:
    for name in (item.name for item in fields(job)):
        value: Any = getattr(job, name)
        assert type(value) in PLAIN_TYPES, name
    symbols = (*job.symbols, *job.completed_symbols, *job.failed_symbols)
    assert {type(symbol) for symbol in symbols} == {str}
    assert {type(value) for value in job.completed_symbols.values()} <= {int}
    assert {type(value) for value in job.failed_symbols.values()} <= {str}
    for instant in (job.start, job.end, job.created_at, job.started_at, job.finished_at):
        assert instant is None or (instant.tzinfo is UTC and instant.fold == 0)


def test_a_job_of_lying_values_is_the_plain_job() -> None:
    mappings: dict[str, Any] = {
        "completed_symbols": lying_dict(PLAIN["completed_symbols"], LyingInt),
        "failed_symbols": lying_dict(PLAIN["failed_symbols"], LyingStr),
    }
    job = CollectionJob(**{**PLAIN, **LYING, **mappings})
    assert job == CollectionJob(**PLAIN)
    assert job.revision == 7
    demand_plain(job)
    for copied in (copy.deepcopy(job), pickle.loads(pickle.dumps(job)), replace(job)):  # noqa: S301 - our own
        assert copied == job
        demand_plain(copied)
    symbols: Any = LyingList(PLAIN["symbols"])
    assert replace(job, symbols=symbols).symbols == PLAIN["symbols"]


def test_changes_of_a_job_take_lying_values_as_they_are() -> None:
    job = CollectionJob(**PLAIN)
    changed = (
        job.with_completed_symbol(LyingStr("XRP"), LyingInt(5))
        .with_failed_symbol(LyingStr("BTC"), LyingStr("late"))
        .with_revision(LyingInt(9))
        .start_running(at=lying(NOON))
        .fail(LyingStr("over"), at=lying(NOON))
    )
    demand_plain(changed)
    assert dict(changed.completed_symbols) == {"XRP": 5}
    assert dict(changed.failed_symbols) == {"ETH": "boom", "BTC": "late"}
    assert (changed.revision, changed.error_message) == (9, "over")


class Folded(str):
    """A key that is another one to every dict."""

    __slots__ = ()

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return self is other


@pytest.mark.parametrize("field", ["completed_symbols", "failed_symbols"])
def test_two_outcomes_of_one_symbol_are_refused_and_none_is_lost(field: str) -> None:
    value: Any = 1 if field == "completed_symbols" else "boom"
    twice: Any = {Folded("BTC"): value, Folded("BTC"): value}
    with pytest.raises(ValueError, match=f"{field} must name each symbol once, and 'BTC' is there"):
        CollectionJob(**{**PLAIN, field: twice})
    with pytest.raises(ValueError, match="'BTC' occurs more than once"):
        example_job(symbols=(Folded("BTC"), Folded("BTC")))


class _Unreadable(Mapping[Any, Any]):
    """A mapping whose items are what it is given."""

    def __init__(self, items: Any) -> None:
        self._items = items

    def __getitem__(self, key: Any) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Any:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def items(self) -> Any:
        return super().items() if self._items == ["a"] else self._items

    def __repr__(self) -> str:
        return "<unreadable>"


@pytest.mark.parametrize("field", ["completed_symbols", "failed_symbols"])
@pytest.mark.parametrize("items", [["a"], [1], [(1, 2, 3)], 5, None], ids=repr)
def test_a_mapping_that_cannot_be_read_is_named(field: str, items: Any) -> None:
    outcomes: Any = _Unreadable(items)
    with pytest.raises(TypeError, match=f"{field} must be a mapping .* raised .*<unreadable>"):
        CollectionJob(**PLAIN | {field: outcomes})


class _Nameless(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]  # it is what a metaclass may do
        raise LieError


@pytest.mark.parametrize("field", sorted(PLAIN))
def test_a_type_that_hides_its_name_is_named(field: str) -> None:
    hidden: Any = _Nameless("Hidden", (), {})
    value = hidden()
    with pytest.raises(TypeError, match=f"{field} must be .*Hidden"):
        CollectionJob(**PLAIN | {field: value})


@pytest.mark.parametrize("kind", [UserDict, OrderedDict, MappingProxyType])
def test_any_mapping_of_outcomes_is_taken(kind: Any) -> None:
    job = example_job(completed_symbols=kind({"BTC": 1}))
    assert dict(job.completed_symbols) == {"BTC": 1}
    assert type(job.completed_symbols) is MappingProxyType


# Times


@given(st.datetimes(), st.sampled_from([*zones(), ZoneInfo("Europe/London")]), st.integers(0, 1))
def test_an_instant_is_what_its_time_zone_says(moment: datetime, zone: tzinfo, fold: int) -> None:
    aware = moment.replace(tzinfo=zone, fold=fold)
    try:
        due = aware.astimezone(UTC)
    except OverflowError:
        with pytest.raises(ValueError, match="within the years 1 to 9999"):
            v.check_datetime("since", aware)
        return
    assert v.check_datetime("since", aware) == due
    stamp = Stamp(*aware.timetuple()[:6], aware.microsecond, zone, fold=fold)
    assert v.check_datetime("since", stamp) == due
    assert type(v.check_datetime("since", stamp)) is datetime


def test_a_time_zone_is_asked_once() -> None:
    zone = FickleZone()
    assert v.check_datetime("since", NOON.replace(tzinfo=zone)) == NOON - timedelta(hours=1)
    assert zone.asked == 1
    job = example_job(created_at=NOON.replace(tzinfo=FickleZone()))
    assert job.created_at == job.created_at == NOON - timedelta(hours=1)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (None, ValueError, "since must be an aware datetime, not a naive one"),
        (5, ValueError, "since must have a time zone that gives an offset, .* raised TypeError"),
        (timedelta(days=2), ValueError, "raised ValueError"),
        (KeyError("no such zone"), ValueError, "raised KeyError"),
    ],
)
def test_a_time_zone_without_an_offset_is_named(
    answer: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        v.check_datetime("since", NOON.replace(tzinfo=WrongZone(answer)))


def stamp(nanosecond: float, zone: tzinfo | None = UTC) -> Stamp:
    made = Stamp(2024, 3, 1, 12, 0, 0, 5, zone)
    made.nanosecond = nanosecond
    return made


def test_a_timestamp_with_nanoseconds_is_refused_and_one_without_is_taken() -> None:
    assert v.check_datetime("since", stamp(0)) == NOON
    with pytest.raises(ValueError, match=r"since must be at a whole microsecond.*: .*Stamp\("):
        v.check_datetime("since", stamp(1))
    nat = stamp(float("nan"), zone=None)  # pandas.NaT is a naive datetime of NaN nanoseconds
    with pytest.raises(ValueError, match="created_at must be an aware datetime, not a naive one"):
        example_job(created_at=nat)


# Numbers, texts, keys


class Level(IntEnum):
    FIVE = 5


@pytest.mark.parametrize(
    "check", [v.check_candles, v.check_limit, v.check_offset, v.check_revision]
)
def test_a_number_is_an_int_by_its_slot(check: Any) -> None:
    for value in (5, LyingInt(5), Level.FIVE):
        assert (check(value), type(check(value))) == (5, int)
    wrong = (True, 5.0, Decimal(5), Fraction(5), "5", b"5", 5j, Int64(), PretendsToBeInt())
    for other in wrong:
        with pytest.raises(TypeError, match=r"^(candles|limit|offset|revision) must be an int"):
            check(other)
    with pytest.raises(TypeError, match=r"np\.int64\(5\)"):
        check(Int64())


def test_a_number_out_of_bounds_is_shown() -> None:
    assert v.check_candles(2**63 - 1) == 2**63 - 1
    for candles in (2**63, 2**70, LyingInt(2**63)):
        with pytest.raises(
            ValueError, match=rf"candles must be below 2\*\*63: {int.__repr__(candles)}"
        ):
            v.check_candles(candles)
    with pytest.raises(ValueError, match="candles must be 0 or more: -1"):
        v.check_candles(LyingInt(-1))
    with pytest.raises(ValueError, match=r"candles must be below 2\*\*63: 0x[0-9a-f]{98}\.\.\."):
        v.check_candles(10**50_000)
    with pytest.raises(ValueError, match="ETH"):
        example_job(completed_symbols={"ETH": 2**63})


def test_a_key_of_a_listing_is_taken_by_its_slots() -> None:
    key = v.check_key("after", LyingTuple((lying(NOON), LyingStr("a"))))
    assert (key, type(key), type(key[0]), type(key[1])) == ((NOON, "a"), tuple, datetime, str)


def test_a_status_is_a_member() -> None:
    new: Any = str.__new__
    for forged in ("pending", LyingStr("pending"), None, 5, new(JobStatus, "pending")):
        wrong: Any = forged
        with pytest.raises(TypeError, match="status must be a JobStatus"):
            v.check_status(wrong)
        with pytest.raises(TypeError, match="status must be a JobStatus"):
            example_job(status=wrong)


def test_a_value_whose_repr_has_lines_is_shown_on_one() -> None:
    class Table:
        def __repr__(self) -> str:
            return "BTC  1\nETH  2"

    with pytest.raises(TypeError, match="symbols must be a tuple of str, not Table: BTC  1 ETH  2"):
        example_job(symbols=Table())


# Symbols


def test_a_job_has_at_most_a_hundred_thousand_symbols() -> None:
    symbols = tuple(map(str, range(100_000)))
    assert example_job(symbols=symbols).symbols == symbols
    with pytest.raises(ValueError, match=r"symbols must be at most 100,000, not 100,001"):
        example_job(symbols=(*symbols, "one more"))
    with pytest.raises(ValueError, match="'99999' occurs more than once"):
        example_job(symbols=(*symbols[1:], "99999"))


# The entity is final


async def test_a_job_of_a_subclass_is_refused_and_nothing_is_saved() -> None:
    subclass: Any = type("Tagged", (CollectionJob,), {"__slots__": ("tag",)})
    tagged = subclass(**PLAIN)
    assert getattr(CollectionJob, "__final__", False) or sys.version_info < (3, 11)
    async with open_repository("memory:") as repository:
        many: Any = repository
        for call in (repository.save(tagged), many.save_many([example_job("b"), tagged])):
            with pytest.raises(TypeError, match=r"job must be a CollectionJob itself.*not Tagged"):
                await call
        assert await repository.list_recent() == []


# Free text


def bytes_of(text: str) -> int:
    return len(text.encode())


def repeated(start: str, unit: str, times: int, end: str) -> str:
    return start + unit * times + end


TEXTS = st.builds(
    repeated,
    st.text(max_size=3),
    st.sampled_from(["x", "é", "日", "😀", "\0", "\ud800", "a\r\né"]),
    st.sampled_from([0, 1, 16_383, 16_384, 21_845, 32_768, 65_400, 65_535, 65_536, 70_000]),
    st.text(max_size=3),
)


@given(TEXTS)
def test_a_long_text_is_cut_at_a_character_and_says_how_much_is_missing(text: str) -> None:
    kept = v.check_text("error", text)
    whole = "".join("\ufffd" if c == "\0" or 0xD800 <= ord(c) <= 0xDFFF else c for c in text)
    assert bytes_of(kept) <= MAX_TEXT_BYTES == 65_535
    assert v.check_text("error", kept) == kept
    assert type(kept) is str
    if bytes_of(whole) <= MAX_TEXT_BYTES:
        assert kept == whole
        return
    head, _, note = kept.rpartition("\n")
    assert whole.startswith(head)
    assert note == f"[{bytes_of(whole) - bytes_of(head)} bytes left out]"
    assert bytes_of(head) > MAX_TEXT_BYTES - 64 - 4


@given(TEXTS)
def test_every_free_text_of_a_job_is_cut_alike(text: str) -> None:
    due = v.check_text("error", text)
    job = example_job(error_message=text, failed_symbols={"BTC": text})
    assert job.error_message == job.failed_symbols["BTC"] == due
    assert job.with_failed_symbol("ETH", text).failed_symbols["ETH"] == due
    assert job.with_status(JobStatus.FAILED, error_message=text).error_message == due
    assert replace(job) == job


@pytest.mark.parametrize("unit", ["x", "é", "\ud800", "\0"])
def test_of_a_text_of_fifty_megabytes_the_cut_is_what_it_is_of_a_short_one(unit: str) -> None:
    text = unit * 50_000_000
    size = len(unit.encode(errors="surrogatepass")) if unit != "\0" else 3
    kept = v.check_text("error", text)
    head, _, note = kept.rpartition("\n")
    assert note == f"[{50_000_000 * size - bytes_of(head)} bytes left out]"
    assert head == v.check_text("error", unit * 70_000).rpartition("\n")[0]


# The real ones, where they are installed


def test_pandas_and_numpy_are_refused_by_name_or_taken_exactly() -> None:
    pandas = pytest.importorskip("pandas")
    numpy = pytest.importorskip("numpy")
    assert v.check_datetime("since", pandas.Timestamp(NOON)) == NOON
    tokyo = pandas.Timestamp(NOON).tz_convert("Asia/Tokyo")
    assert v.check_datetime("since", tokyo) == NOON
    assert tokyo.tzinfo is not timezone.utc  # noqa: UP017 - the same object as datetime.UTC
    vast = pandas.Timestamp(numpy.datetime64("20000-01-01", "s")).tz_localize("UTC")
    for wrong in (pandas.NaT, tokyo + pandas.Timedelta(1, "ns"), vast):
        with pytest.raises(ValueError, match="since must be"):
            v.check_datetime("since", wrong)
    for number in (numpy.int64(5), numpy.float64(5), numpy.bool_(True)):
        with pytest.raises(TypeError, match="candles must be an int"):
            v.check_candles(number)
    assert type(v.check_name("id", numpy.str_("a"))) is str
