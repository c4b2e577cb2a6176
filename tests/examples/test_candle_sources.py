"""The candles of the example: read whole, joined rightly, refused in one sentence."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from candle_sources import Candle, SourceError, duration, open_source

START = datetime(2024, 1, 1, tzinfo=UTC)
HOURS = "time,open,high,low,close,volume\n" + "".join(
    f"2024-01-01 {hour:02}:00:00,{hour},{hour + 5},{hour - 5},{hour + 1},10\n" for hour in range(24)
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "BTC.csv").write_text(HOURS)
    return tmp_path


def candles(folder: Path, timeframe: str = "1h", symbol: str = "BTC", hours: int = 24) -> object:
    end = START + timedelta(hours=hours)
    return list(open_source(str(folder)).candles(symbol, timeframe, START, end))


def test_a_range_is_half_open(folder: Path) -> None:
    assert candles(folder, hours=2) == [
        Candle(START, 0, 5, -5, 1, 10),
        Candle(START + timedelta(hours=1), 1, 6, -4, 2, 10),
    ]


def test_short_candles_are_joined_to_long_ones(folder: Path) -> None:
    assert candles(folder, "12h") == [
        Candle(START, 0, 16, -5, 12, 120),
        Candle(START + timedelta(hours=12), 12, 28, 7, 24, 120),
    ]


@pytest.mark.parametrize(
    ("symbol", "timeframe", "message"),
    [
        ("BTC", "5m", "BTC.csv has no candles as short as 5m"),
        ("BTC", "1y", "cannot read the timeframe '1y'"),
        ("BTC", "0h", "cannot read the timeframe '0h'"),
        ("ETH", "1h", "no file ETH.csv"),
        ("BAD", "1h", "cannot read BAD.csv: "),
        ("SHORT", "1h", "cannot read SHORT.csv: "),
    ],
)
def test_what_cannot_be_given_is_said_in_a_sentence(
    folder: Path, symbol: str, timeframe: str, message: str
) -> None:
    (folder / "BAD.csv").write_text("time,open\nyesterday,1,2,3,4,5\n")
    (folder / "SHORT.csv").write_text("time,open\n2024-01-01 00:00:00,1\n")
    with pytest.raises(SourceError, match=message):
        candles(folder, timeframe, symbol)


def test_there_is_no_source_of_any_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no source '.*missing'"):
        open_source(str(tmp_path / "missing"))


def test_a_timeframe_is_a_number_and_a_unit() -> None:
    assert duration("15m") == timedelta(minutes=15)
    assert duration("2w") == timedelta(weeks=2)


def test_the_sample_is_real_market_data() -> None:
    sample = open_source("sample")
    assert sample.symbols() == ("BTCUSD", "EURUSD", "GOOG")
    year = sample.candles(
        "GOOG", "1d", datetime(2012, 1, 1, tzinfo=UTC), datetime(2013, 1, 1, tzinfo=UTC)
    )
    assert len(list(year)) == 250


class LimitError(Exception):
    """What a busy exchange raises."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """When an exchange is asked from; it gives ten candles at once, and stands in for a far one."""
    asked: list[int] = []

    def fetch_ohlcv(symbol: str, timeframe: str, since: int) -> list[list[float]]:
        asked.append(since)
        if symbol == "BUSY":
            raise LimitError("too many requests")
        hour = 3_600_000
        first = -(-since // hour) * hour
        last = int((START + timedelta(hours=25)).timestamp() * 1000)
        return [[at, 1, 2, 0, 1, 3] for at in range(first, min(first + 10 * hour, last), hour)]

    module = ModuleType("ccxt")
    there = SimpleNamespace(fetch_ohlcv=fetch_ohlcv, load_markets=lambda: {"B": 1, "A": 2})
    vars(module).update(
        exchanges=["near"], near=lambda: there, BaseError=LimitError, BadSymbol=KeyError
    )
    monkeypatch.setitem(sys.modules, "ccxt", module)
    return asked


def test_an_exchange_is_asked_page_by_page(asked: list[int]) -> None:
    source = open_source("ccxt:near")
    assert source.symbols() == ("A", "B")
    found = list(source.candles("A", "1h", START, START + timedelta(hours=23)))
    assert [one.at for one in found] == [START + timedelta(hours=hour) for hour in range(23)]
    assert len(asked) == 3


def test_an_exchange_that_has_no_more_is_not_asked_for_ever(asked: list[int]) -> None:
    found = list(open_source("ccxt:near").candles("A", "1h", START, START + timedelta(days=9)))
    assert len(found) == 25
    assert len(asked) == 4


def test_the_error_of_an_exchange_is_one_of_the_source(asked: list[int]) -> None:
    with pytest.raises(SourceError, match="LimitError: too many requests"):
        list(open_source("ccxt:near").candles("BUSY", "1h", START, START + timedelta(hours=1)))
    with pytest.raises(SourceError, match="ccxt knows no exchange 'far'"):
        open_source("ccxt:far")
    assert len(asked) == 1
