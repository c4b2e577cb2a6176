"""The files of the collector: one for each symbol of a job, and pieces of it while it is collected.

The number of the worker's lease, its token, stands in the name of each file, and fences it. A file
appears as a whole, by a rename. A worker that was killed before it could record what it had written
leaves it to the next: of several that hold the same, the one with the greatest token counts.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from candle_sources import Candle

__all__ = ["Piece", "pieces_left", "take_over", "write_candles", "write_piece"]

_TIME = "%Y%m%dT%H%M%S"
_HEAD = "time,open,high,low,close,volume\r\n"


class Piece(NamedTuple):
    """Some of the candles of a symbol, in a file of their own.

    Attributes:
        path: The file.
        until: Up to where it has the candles.
    """

    path: Path
    until: datetime


def take_over(path: Path) -> int | None:
    """Make a file one's own that a former worker left in this folder; return its candles.

    Returns:
        None if there is none: the candles are to be collected.
    """
    start = path.name.partition(".")[0]
    left = sorted(path.parent.glob(f"{start}.*.csv"), key=_token)
    try:
        for former in left:
            former.replace(path)
    except FileNotFoundError:  # its worker woke up, and removed it
        return None
    return len(path.read_text().splitlines()) - 1 if left else None


def pieces_left(path: Path, start: datetime) -> list[Piece]:
    """Make the pieces one's own that former workers left in this folder, as far as they join.

    Args:
        path: The file that is to hold the whole.
        start: From where on the whole is to have the candles.
    """
    found = dict[datetime, tuple[int, Piece]]()
    for one in path.parent.glob(f"{path.name.partition('.')[0]}.*.piece"):
        begin, until = map(_instant, one.name.split(".")[2].split("-"))
        piece = (_token(one), Piece(one, until))
        found[begin] = max(found.get(begin, piece), piece)
    start = start.replace(microsecond=0)  # as in the names
    chain = list[Piece]()
    while start in found:
        _, (former, until) = found.pop(start)
        mine = piece_path(path, start, until)
        try:
            former.replace(mine)
        except FileNotFoundError:  # its worker woke up, and removed it
            break
        chain.append(Piece(mine, until))
        start = until
    return chain


def write_piece(path: Path, start: datetime, until: datetime, candles: Sequence[Candle]) -> Piece:
    """Write a piece of a file, from one instant to another."""
    piece = Piece(piece_path(path, start, until), until)
    _write(piece.path, [], candles)
    return piece


def write_candles(path: Path, pieces: Iterable[Piece], candles: Sequence[Candle]) -> int:
    """Write a file of some pieces, which are removed then, and of candles behind them.

    Returns:
        How many candles it has.

    Raises:
        FileNotFoundError: Another worker has made a piece its own.
    """
    parts = [piece.path.read_bytes().decode() for piece in pieces]
    _write(path, [part.removeprefix(_HEAD) for part in parts], candles)
    for piece in pieces:
        with suppress(FileNotFoundError):
            piece.path.unlink()
    return sum(part.count("\n") - 1 for part in parts) + len(candles)


def piece_path(path: Path, start: datetime, until: datetime) -> Path:
    """Return the file of a piece of another file."""
    name, token, _ = path.name.split(".")
    return path.with_name(f"{name}.{token}.{start:{_TIME}}-{until:{_TIME}}.piece")


def _instant(text: str) -> datetime:
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)


def _token(path: Path) -> int:
    return int(path.name.split(".")[1])


def _write(path: Path, before: Iterable[str], candles: Sequence[Candle]) -> None:
    """Write a file that is there whole or not at all, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")  # no other lease has the same token, and so the same name
    with part.open("w", newline="") as file:
        file.write(_HEAD)
        file.writelines(before)
        rows = csv.writer(file)
        for one in candles:
            rows.writerow([one.at.isoformat(), one.open, one.high, one.low, one.close, one.volume])
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
