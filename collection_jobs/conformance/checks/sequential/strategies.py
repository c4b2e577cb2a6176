"""Strategies: jobs, texts, times and limits that reach the corners where stores go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from collection_jobs.conformance.spec.calls import Change
from collection_jobs.status import JobStatus

__all__ = [
    "CANDLES",
    "INSTANTS",
    "LONG_TEXTS",
    "METADATA",
    "POOLS",
    "POOL_SIZE",
    "SYMBOLS",
    "TEXTS",
    "candles",
    "changes",
    "fields",
    "instants",
    "limits",
    "metadata",
    "offsets",
    "pools",
    "statuses",
    "texts",
]

POOL_SIZE = 5
"""So few ids that histories overwrite, delete and bring back the same jobs."""

# Ids that a careless store takes for each other, or orders otherwise than by code point: by case,
# accents, blanks, composition, numbers, wildcards, bytes of UTF-16, length.
POOLS: tuple[tuple[str, ...], ...] = (
    ("a", "b", "A", "a ", "\u00e1"),
    ("a", "Z", "\ufffd", "\U0001f600", "\uff41"),
    ("\u00e1", "a\u0301", "1", "01", "1.0"),
    ("a%", "a_", "ab", "'; DROP TABLE jobs; --", "a/b"),
    ("x" * 255, "x" * 254 + "y", "\U0001f600" * 255, "x", "\u200b"),
)
SYMBOLS: tuple[str, ...] = (
    "BTC",
    "ETH",
    "btc",
    "BTC/USDT",
    "BTC ",
    "[1,2]",
    'a"b',
    "\u00dc\u00df",
    "\U0001f600",
)
TEXTS: tuple[str, ...] = (
    "",
    "boom",
    "None",
    "null",
    " padded ",
    "two\r\nlines",
    'it\'s "quoted" \\ {}%s',
    "\u00fcml\u00e4ut \u65e5\u672c \U0001f600",
    "nul \0 and \ud800 surrogate",
    "a\u0301 decomposed",
    "long " * 2000,
)
# At and behind the 65,535 bytes of UTF-8 that a free text has: of one, two, three and four bytes a
# character, so that the cut falls into the middle of some; and of what grows as it is replaced.
LONG_TEXTS: tuple[str, ...] = (
    "x" * 65_535,
    "x" * 65_536,
    "\u00e9" * 40_000,
    "x" + "\u65e5" * 30_000,
    "\U0001f600" * 20_000,
    "\0" * 30_000,
    "\ud800" * 21_845,
)
# Keys that a careless store takes for each other, for a path, an operator or a number; and more
# entries than it expects. A value of each of TEXTS belongs to one of these keys.
_KEYS: tuple[str, ...] = (
    "ticket",
    "Ticket",
    "ticket ",
    "t\u00efcket",
    "ti\u0308cket",
    "a.b",
    "$a",
    '"a"',
    "[0]",
    "1",
    "null",
    "k" * 255,
    "\U0001f600" * 255,
)
METADATA: tuple[Mapping[str, str], ...] = (
    {},
    {"ticket": ""},
    {"ticket": "T-1"},
    {"ticket": "T-1", "note": "late"},
    {"note": "late", "ticket": "T-1"},
    dict.fromkeys(_KEYS, ""),
    {key: f"{number}" for number, key in enumerate(_KEYS)},
    {key: f"{number}" for number, key in enumerate(_KEYS[::-1])},
    dict(zip(_KEYS, TEXTS, strict=False)),
    {f"key {number}": f"{number}" for number in range(1_000)},
)
_NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
INSTANTS: tuple[datetime, ...] = (
    _NOON,
    _NOON + timedelta(microseconds=1),
    _NOON + timedelta(microseconds=999_999),
    _NOON + timedelta(seconds=1),
    _NOON - timedelta(days=1),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
    datetime.min.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
)
# Around the widths of 32 bits and of a float's mantissa, and the most that a symbol may have.
CANDLES: tuple[int, ...] = (0, 1, 500, 2**31, 2**53 + 1, 2**62, 2**63 - 1)
_COUNTS = (0, 1, 2, 3, 100, 2**31, 2**63, 10**30)


def pools() -> st.SearchStrategy[tuple[str, ...]]:
    """The ids that one history uses."""
    return st.sampled_from(POOLS)


def instants() -> st.SearchStrategy[datetime]:
    """Times that are equal, next to each other, and at the ends of what a datetime can hold."""
    return st.sampled_from(INSTANTS)


def statuses() -> st.SearchStrategy[JobStatus]:
    """Any status."""
    return st.sampled_from(JobStatus)


def texts() -> st.SearchStrategy[str]:
    """Free text, hostile and long."""
    # By its place: Hypothesis shows what it samples from, and warns of what takes long to show.
    return st.integers(0, len(TEXTS)).map(_text) | st.text(max_size=20)


def _text(place: int) -> str:
    return TEXTS[place] if place < len(TEXTS) else LONG_TEXTS[1]


def candles() -> st.SearchStrategy[int]:
    """Numbers of candles."""
    return st.sampled_from(CANDLES)


def metadata() -> st.SearchStrategy[dict[str, str]]:
    """Metadata of few keys, some of which look alike, with any text."""
    return st.dictionaries(st.sampled_from(_KEYS), texts(), max_size=3)


def limits() -> st.SearchStrategy[int]:
    """Limits: none, few, and more than an engine's integers can hold."""
    return st.sampled_from(_COUNTS[::-1])


def offsets() -> st.SearchStrategy[int]:
    """Offsets: none, few, and more than an engine's integers can hold."""
    return st.sampled_from(_COUNTS)


@st.composite
def fields(draw: st.DrawFn) -> dict[str, Any]:
    """Fields of a job, as example_job takes them: most of them left out, any of them given."""
    chosen: dict[str, Any] = {}
    symbols: tuple[str, ...] = ("BTC", "ETH")
    if draw(st.booleans()):
        symbols = tuple(draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, unique=True)))
        chosen["symbols"] = symbols
    for name, strategy in _OPTIONAL_FIELDS.items():
        if draw(st.integers(0, 3)) == 3:
            chosen[name] = draw(strategy)
    if draw(st.integers(0, 3)) == 3:
        start, end = sorted(draw(st.lists(instants(), min_size=2, max_size=2, unique=True)))
        chosen |= {"start": start, "end": end}
    for symbol in symbols:
        outcome = draw(st.sampled_from((None, None, "completed", "failed")))
        if outcome == "completed":
            chosen.setdefault("completed_symbols", {})[symbol] = draw(candles())
        elif outcome == "failed":
            chosen.setdefault("failed_symbols", {})[symbol] = draw(texts())
    return chosen


_OPTIONAL_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "created_at": instants(),
    "status": statuses(),
    "source": st.sampled_from(("a", "A ", "\u00e1", "\U0001f600" * 255)),
    "timeframe": st.sampled_from(("1m", "1M", "4h")),
    "started_at": instants(),
    "finished_at": instants(),
    "error_message": texts(),
    "metadata": metadata(),
}


def changes() -> st.SearchStrategy[Change]:
    """A change to make to a held job before it is saved again; not every job permits every one."""
    symbols = st.sampled_from(("BTC", "ETH"))
    failed = st.tuples(symbols, texts())
    completed = st.tuples(symbols, candles())
    sources = st.sampled_from(("binance", "kraken"))
    return st.one_of(
        failed.map(lambda arguments: Change("with_failed_symbol", arguments)),
        completed.map(lambda arguments: Change("with_completed_symbol", arguments)),
        sources.map(lambda source: Change("replace", keywords=(("source", source),))),
        metadata().map(lambda entries: Change("replace", keywords=(("metadata", entries),))),
        st.just(Change("with_revision", (None,))),
        st.tuples(statuses(), instants()).map(
            lambda drawn: Change("with_status", drawn[:1], (("at", drawn[1]),))
        ),
    )
