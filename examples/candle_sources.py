"""Where candles come from: a folder of CSV files, or an exchange through ccxt."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.metadata import PackageNotFoundError, files
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Protocol

__all__ = [
    "Candle",
    "CandleSource",
    "SourceError",
    "SymbolNotFoundError",
    "duration",
    "open_source",
]

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_EPOCH = datetime(1970, 1, 5, tzinfo=UTC)
"""A Monday: candles of any timeframe begin at multiples of it from here."""


class SourceError(Exception):
    """The source has not given the candles; the message says why, for the job's record."""


class SymbolNotFoundError(SourceError):
    """The source does not know the symbol: to ask again is of no use."""


@dataclass(frozen=True, slots=True)
class Candle:
    """One OHLCV bar; ``at`` is when it opens, in UTC."""

    at: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float


class CandleSource(Protocol):
    """What the collector asks for candles."""

    def symbols(self) -> tuple[str, ...]:
        """List what it has candles of, sorted."""
        ...

    def candles(
        self, symbol: str, timeframe: str, start: datetime, end: datetime
    ) -> Iterable[Candle]:
        """Return the candles that open in ``[start, end)``, oldest first.

        Raises:
            SourceError: It cannot give them.
            SymbolNotFoundError: It never will, because it does not know the symbol.
        """
        ...


def open_source(name: str) -> CandleSource:
    """Open the source of a name.

    Args:
        name: A folder of CSV files, one a symbol; ``sample``, for the files that the package
            backtesting ships; or ``ccxt:binance``, for an exchange, by its id.

    Raises:
        SourceError: There is none of that name.
    """
    if name == "sample":
        return CsvFolder(_sample_folder())
    if name.startswith("ccxt:"):
        return Exchange(name.removeprefix("ccxt:"))
    folder = Path(name)
    if not folder.is_dir():
        raise SourceError(
            f"no source {name!r}: name a folder of CSV files, sample, or ccxt:EXCHANGE"
        )
    return CsvFolder(folder)


def duration(timeframe: str) -> timedelta:
    """How long a candle lasts, from the exchanges' spelling: 1m, 4h, 1d, 1w.

    Raises:
        SourceError: It is spelt in another way.
    """
    number, unit = timeframe[:-1], timeframe[-1:]
    if unit not in _UNITS or not (number.isascii() and number.isdigit()) or int(number) == 0:
        raise SourceError(f"cannot read the timeframe {timeframe!r}; it should be as 1m, 4h or 1d")
    return timedelta(**{_UNITS[unit]: int(number)})


class CsvFolder:
    """A folder with one file for each symbol: the time, then open, high, low, close and volume.

    A file of short candles serves longer ones, too. Times without an offset are taken for UTC.
    """

    def __init__(self, folder: Path) -> None:
        """Look at the folder."""
        self._files = {path.stem: path for path in sorted(folder.glob("*.csv"))}

    def symbols(self) -> tuple[str, ...]:
        """Return the names of the files."""
        return tuple(self._files)

    def candles(self, symbol: str, timeframe: str, start: datetime, end: datetime) -> list[Candle]:
        """Read the file, and join its candles to those of the timeframe."""
        path = self._files.get(symbol)
        if path is None:
            raise SymbolNotFoundError(f"no file {symbol}.csv")
        length = duration(timeframe)
        try:
            found = list(_rows(path))
        except (OSError, ValueError, IndexError) as error:
            raise SourceError(f"cannot read {path.name}: {error}") from error
        shortest = min((later.at - one.at for one, later in pairwise(found)), default=length)
        if shortest > length:
            raise SourceError(f"{path.name} has no candles as short as {timeframe}")
        return _joined((one for one in found if start <= one.at < end), length)


def _rows(path: Path) -> Iterator[Candle]:
    with path.open(newline="") as file:
        rows = csv.reader(file)
        next(rows, None)
        for at, *numbers in rows:
            moment = datetime.fromisoformat(at)
            moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
            open_, high, low, close, volume = map(float, numbers[:5])
            yield Candle(moment, open_, high, low, close, volume)


def _joined(candles: Iterable[Candle], length: timedelta) -> list[Candle]:
    joined: list[Candle] = []
    for number, group in groupby(candles, key=lambda one: (one.at - _EPOCH) // length):
        parts = list(group)
        joined.append(
            Candle(
                _EPOCH + number * length,
                parts[0].open,
                max(one.high for one in parts),
                min(one.low for one in parts),
                parts[-1].close,
                sum(one.volume for one in parts),
            )
        )
    return joined


def _sample_folder() -> Path:
    """Return the market data that the package backtesting ships, without importing the package."""
    try:
        shipped = files("backtesting") or []
    except PackageNotFoundError:
        raise SourceError(
            "the sample is part of the package backtesting: pip install --no-deps backtesting"
        ) from None
    return next(Path(str(one.locate())).parent for one in shipped if one.name == "GOOG.csv")


class Exchange:
    """An exchange, through ccxt, page by page; ccxt keeps to its rate limit."""

    def __init__(self, exchange: str) -> None:
        """Connect to nothing yet.

        Raises:
            SourceError: ccxt is not installed, or does not know the exchange.
        """
        try:
            self._ccxt: Any = import_module("ccxt")  # installed by those alone who ask an exchange
        except ImportError:
            raise SourceError("an exchange is asked through ccxt: pip install ccxt") from None
        if exchange not in self._ccxt.exchanges:
            raise SourceError(f"ccxt knows no exchange {exchange!r}")
        self._exchange: Any = getattr(self._ccxt, exchange)()

    def symbols(self) -> tuple[str, ...]:
        """Every market of the exchange."""
        return tuple(sorted(self._exchange.load_markets()))

    def candles(
        self, symbol: str, timeframe: str, start: datetime, end: datetime
    ) -> Iterator[Candle]:
        """Ask for page after page."""
        step = duration(timeframe)
        while start < end:
            try:
                page = self._exchange.fetch_ohlcv(
                    symbol, timeframe, since=int(start.timestamp() * 1000)
                )
            except self._ccxt.BadSymbol as error:
                raise SymbolNotFoundError(f"{type(error).__name__}: {error}") from error
            except self._ccxt.BaseError as error:
                raise SourceError(f"{type(error).__name__}: {error}") from error
            found = [
                Candle(datetime.fromtimestamp(at / 1000, UTC), *numbers) for at, *numbers in page
            ]
            yield from (one for one in found if start <= one.at < end)
            if not found or found[-1].at < start:
                return
            start = found[-1].at + step
