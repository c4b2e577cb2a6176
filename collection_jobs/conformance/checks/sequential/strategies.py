"""Strategies: jobs, texts, times and limits at the edges where stores go wrong.

Arguments are drawn by the kinds of their parameters, from what stores get wrong: `HOSTILE`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st

from collection_jobs.conformance.spec.calls import Change, Held, example_job
from collection_jobs.conformance.spec.operations import Operation
from collection_jobs.conformance.spec.parameters import kind_of
from collection_jobs.job import CollectionJob
from collection_jobs.status import JobStatus

__all__ = [
    "CANDLES",
    "HOSTILE",
    "INSTANTS",
    "LONG_TEXTS",
    "METADATA",
    "NAMES",
    "PLACES",
    "POOLS",
    "SYMBOLS",
    "TEXTS",
    "changes",
    "fields",
    "hostile_arguments",
    "pools",
    "rich_job",
    "with_ids",
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
_CANDLES = st.sampled_from(CANDLES)
_STATUSES = st.sampled_from(JobStatus)
PLACES = st.integers(0, POOL_SIZE - 1)
"""Places in the pool of ids that one history uses: which pool it is, is drawn apart."""
NAMES = st.sampled_from(("job", "other"))
"""Names for the jobs that a caller holds."""


def pools() -> st.SearchStrategy[tuple[str, ...]]:
    """Draw the ids that one history uses."""
    return st.sampled_from(POOLS)


def _instants() -> st.SearchStrategy[datetime]:
    """Draw times that are equal, next to each other, and at the ends of datetime's range."""
    return st.sampled_from(INSTANTS)


def _texts() -> st.SearchStrategy[str]:
    """Free text, hostile and long."""
    # By its place: Hypothesis shows what it samples from, and warns of what takes long to show.
    return st.integers(0, len(TEXTS)).map(_text) | st.text(max_size=20)


def _text(place: int) -> str:
    return TEXTS[place] if place < len(TEXTS) else LONG_TEXTS[1]


def _metadata() -> st.SearchStrategy[dict[str, str]]:
    """Draw metadata of few keys, some of which look alike, with any text."""
    return st.dictionaries(st.sampled_from(_KEYS), _texts(), max_size=3)


def rich_job(job_id: str, **given: object) -> CollectionJob:
    """Return a job in which every field has something to lose; those given are as given."""
    rich: dict[str, object] = {
        "symbols": ("BTC", "ETH", "XRP"),
        "started_at": INSTANTS[1],
        "finished_at": INSTANTS[2],
        "error_message": "boom",
        "completed_symbols": {"BTC": 500},
        "failed_symbols": {"ETH": "boom"},
        "metadata": {"ticket": "T-1", "Ticket": ""},
    }
    return example_job(job_id, **(rich | given))


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
        start, end = sorted(draw(st.lists(_instants(), min_size=2, max_size=2, unique=True)))
        chosen |= {"start": start, "end": end}
    for symbol in symbols:
        outcome = draw(st.sampled_from((None, None, "completed", "failed")))
        if outcome == "completed":
            chosen.setdefault("completed_symbols", {})[symbol] = draw(_CANDLES)
        elif outcome == "failed":
            chosen.setdefault("failed_symbols", {})[symbol] = draw(_texts())
    return chosen


_OPTIONAL_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "created_at": _instants(),
    "status": _STATUSES,
    "source": st.sampled_from(("a", "A ", "\u00e1", "\U0001f600" * 255)),
    "timeframe": st.sampled_from(("1m", "1M", "4h")),
    "started_at": _instants(),
    "finished_at": _instants(),
    "error_message": _texts(),
    "metadata": _metadata(),
}


def changes() -> st.SearchStrategy[Change]:
    """Draw a change to make to a held job before it is saved again; not every job permits each."""
    symbols = st.sampled_from(("BTC", "ETH"))
    failed = st.tuples(symbols, _texts())
    completed = st.tuples(symbols, _CANDLES)
    sources = st.sampled_from(("binance", "kraken"))
    return st.one_of(
        failed.map(lambda arguments: Change("with_failed_symbol", arguments)),
        completed.map(lambda arguments: Change("with_completed_symbol", arguments)),
        sources.map(lambda source: Change("replace", keywords=(("source", source),))),
        _metadata().map(lambda entries: Change("replace", keywords=(("metadata", entries),))),
        st.just(Change("with_revision", (None,))),
        st.tuples(_STATUSES, _instants()).map(
            lambda drawn: Change("with_status", drawn[:1], (("at", drawn[1]),))
        ),
    )


HOSTILE: Mapping[str, st.SearchStrategy[Any]] = MappingProxyType(
    {
        "id": PLACES,
        "symbol": st.sampled_from(("BTC", "ETH", "XRP")),
        "text": _texts(),
        "candles": _CANDLES,
        "status": _STATUSES,
        "limit": st.sampled_from(_COUNTS[::-1]),
        "offset": st.sampled_from(_COUNTS),
        "time": _instants(),
        "key": st.tuples(_instants(), PLACES),
        "jobs": st.lists(
            st.tuples(PLACES, st.sampled_from(("binance", "kraken")), NAMES, st.booleans()),
            max_size=4,
        ),
    }
)
"""For each kind of parameter, what stores get wrong; ids and jobs as `with_ids` completes them."""


def hostile_arguments(operation: Operation) -> dict[str, st.SearchStrategy[Any]]:
    """Return what draws each argument of a call, by the parameter's name."""
    drawn = dict[str, st.SearchStrategy[Any]]()
    for one in operation.parameters:
        values = HOSTILE[kind_of(one.name).name]
        is_optional = not one.is_required and one.default is None
        drawn[one.name] = st.none() | values if is_optional else values
    return drawn


def with_ids(parameter: str, drawn: Any, ids: Sequence[str]) -> Any:
    """Return an argument that `HOSTILE` drew with the ids of this history in their places."""
    kind = kind_of(parameter).name
    if kind == "jobs":
        jobs: list[tuple[int, str, str, bool]] = drawn
        return tuple(
            Held(name) if is_held else example_job(ids[place], source=source)
            for place, source, name, is_held in jobs
        )
    if kind not in ("id", "key") or drawn is None:
        return drawn
    place: int = drawn if kind == "id" else drawn[1]
    return ids[place] if kind == "id" else (drawn[0], ids[place])
