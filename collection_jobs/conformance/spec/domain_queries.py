"""Domains of queries: conditions that stores get wrong, and jobs that they tell apart.

Texts that look alike and are not equal, signs that LIKE, GLOB, regular expressions and paths into
JSON read as something else, instants at which a job was created and a microsecond beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from types import MappingProxyType
from typing import Any

from collection_jobs.conformance.spec.calls import example_job
from collection_jobs.conformance.spec.instants import IN_ZONES, in_zone
from collection_jobs.job import CollectionJob
from collection_jobs.query import JobQuery
from collection_jobs.status import JobStatus

__all__ = ["CONDITIONS", "CURSORS", "jobs_to_find", "paired_queries", "single_queries"]

_MICROSECOND = timedelta(microseconds=1)
_START, _END = example_job().start, example_job().end
_MIDDLE = _START + timedelta(days=40, microseconds=1)

CURSORS: tuple[datetime, ...] = (
    _START,
    _MIDDLE,
    _MIDDLE + _MICROSECOND,
    _END,
    _START - _MICROSECOND,
    _END + _MICROSECOND,
    *(in_zone(name, _MIDDLE - timedelta(days=1)) for name in IN_ZONES),
    *(in_zone(name, _END) for name in IN_ZONES),
)
"""Cursors of the example job: within its range, at its bounds and a microsecond beyond them."""

_NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
_AGES = (_NOON, _NOON + _MICROSECOND, _NOON + timedelta(seconds=1), _NOON - timedelta(days=400))
_ENDS = (_NOON + timedelta(hours=1), _NOON + timedelta(hours=1, microseconds=1), _NOON)
_SOURCES = (
    *("binance", "Binance", "binance ", "b%", "b_nance", "binance.us", "bin\u00e1nce", "b*"),
    *("binan", "'", "[b]inance"),
)
_SYMBOLS = (
    *("BTC", "btc", "BTC/USDT", "BTC ", "%", "B_C", "B*", "B?C", ".*", "[B]TC"),
    *('"BTC"', "BTC,ETH", "BTC|ETH", "BT", "B\u0165C", '["BTC"]', "\\", 'x"BTC', 'BTC"x'),
)
_METADATA: tuple[dict[str, str], ...] = (
    {"ticket": "T-1"},
    {"ticket": "t-1"},
    {"Ticket": "T-1"},
    {"ticket": "T-1", "note": "late"},
    {"ticket": "T%", "note": "l_te"},
    {"a.b": "1", "$a": "1", '"a"': "1", "[0]": "1"},
    {"a": '{"b": "1"}'},
    {"ticket": "", "note": "null"},
    {"tick%": "T-1", "ticket ": "T-1"},
    {"ticket": 'T-1", "note": "late'},
    {"note": "T-1", "late": "ticket"},
    {"ticket": "1"},
    {"ticket": "1.0", "$": "T-1", "*": "T-1"},
    {f"packed {sign}": f"1{sign}note=late{sign}late:note{sign}2" for sign in ";,&|\n\t \x1f"},
)


def _around(instants: tuple[datetime, ...]) -> tuple[datetime, ...]:
    zones = list(IN_ZONES)
    asked = {at + step * _MICROSECOND for at in instants for step in (-1, 0, 1)}
    return tuple(in_zone(zones[at % len(zones)], one) for at, one in enumerate(sorted(asked)))


CONDITIONS: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "statuses": (
            *((), (JobStatus.COMPLETED,), (JobStatus.PENDING, JobStatus.FAILED)),
            *((JobStatus.RUNNING, JobStatus.CANCELLED), tuple(JobStatus)),
        ),
        "source": (*_SOURCES, "b%e", "bi_ance", "binance.*", "nobody"),
        "symbol": (*_SYMBOLS, "B%", "_TC", "B.C", "ETH", "nothing", "BTC%"),
        "metadata": (
            *({}, *_METADATA),
            *({"note": "late"}, {"a.b": "1"}, {"$a": "1"}, {'"a"': "1"}, {"[0]": "1"}),
            *({"ticket": "T_1"}, {"tick_t": "T-1"}, {"a": "1"}, {"ticket": "null"}),
            *({"no such key": ""}, {"note": "late", "ticket": "T-2"}, {"late": "note"}),
        ),
        "created_from": _around(_AGES),
        "created_before": _around(_AGES),
        "finished_before": _around(_ENDS),
        "with_failures": (True, False),
    }
)
"""For each condition of a query, what is asked."""


def jobs_to_find() -> Iterator[CollectionJob]:
    """Yield jobs that the conditions tell apart: most match some, and leave out others."""
    statuses = tuple(JobStatus)
    for number in range(max(len(_SOURCES), len(_SYMBOLS), len(_METADATA))):
        status = statuses[number % len(statuses)]
        own = _SYMBOLS[number % len(_SYMBOLS)]
        symbols = ("XRP", own, "ETH") if number % 3 else ("DOGE", own)
        ended = status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
        yield example_job(
            f"job {number % 7}{'' if number < 7 else chr(64 + number)}",
            source=_SOURCES[number % len(_SOURCES)] if number % 4 else "binance",
            symbols=symbols,
            metadata=_METADATA[number % len(_METADATA)] if number % 6 else {},
            created_at=_AGES[number % len(_AGES)],
            status=status,
            finished_at=_ENDS[number % len(_ENDS)] if ended and number % 5 != 3 else None,
            completed_symbols={own: 5} if number % 2 else {},
            failed_symbols={symbols[0]: "boom"} if number % 4 in (1, 2) else {},
            failure_counts={symbols[0]: 2} if number % 4 in (2, 3) else {},
        )


def single_queries() -> Iterator[JobQuery]:
    """Yield a query for each value of each condition, alone."""
    yield JobQuery()
    for name, values in CONDITIONS.items():
        yield from (JobQuery(**{name: value}) for value in values)


def paired_queries(every: int = 1) -> Iterator[JobQuery]:
    """Yield queries of two conditions, of each two that there are, and some of all of them."""
    for one, other in combinations(CONDITIONS, 2):
        for number in range(0, 6, every):
            yield JobQuery(**{one: _nth(one, number), other: _nth(other, 5 * number + 1)})
    for number in range(0, 12, every):
        yield JobQuery(**{name: _nth(name, number) for name in CONDITIONS if name != "source"})
    yield JobQuery(source="binance", symbol="ETH", created_from=_AGES[3], with_failures=True)
    yield JobQuery(source="binance", symbol="BTC", statuses=(JobStatus.PENDING,))
    for name, values in CONDITIONS.items():
        if name not in ("source", "statuses"):  # which an index has together in most tables
            for value in values[:2]:
                yield JobQuery(source="binance", statuses=tuple(JobStatus), **{name: value})
    of_all = JobQuery(source="binance", statuses=tuple(JobStatus), created_from=_AGES[3])
    yield replace(of_all, created_before=_AGES[0])


def _nth(name: str, number: int) -> Any:
    values = CONDITIONS[name]
    return values[number % len(values)]
