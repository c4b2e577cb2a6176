"""Strategies: jobs, texts, times and limits at the edges where stores go wrong.

The values are those of the domains. Arguments are drawn by the kinds of their parameters, from
what stores get wrong: `HOSTILE`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st

from collection_jobs.conformance.spec.calls import Change, Held, example_job
from collection_jobs.conformance.spec.domain_queries import CONDITIONS, CURSORS
from collection_jobs.conformance.spec.domain_texts import (
    FEW_TEXTS,
    KEYS,
    POOLS,
    SYMBOLS,
    TEXT_CLASSES,
)
from collection_jobs.conformance.spec.domains import (
    CHOSEN,
    COUNTS,
    DOMAINS,
    FEW_INSTANTS,
    INSTANTS,
    OF_SYMBOLS,
    values_of,
)
from collection_jobs.conformance.spec.instants import IN_ZONES, in_zone
from collection_jobs.conformance.spec.operations import Operation
from collection_jobs.conformance.spec.parameters import kind_of
from collection_jobs.fields import FieldKind
from collection_jobs.query import JobQuery
from collection_jobs.status import JobStatus

__all__ = [
    "HOSTILE",
    "NAMES",
    "PLACES",
    "changes",
    "fields",
    "hostile_arguments",
    "pools",
    "queries",
    "with_ids",
]

POOL_SIZE = 5
"""So few ids that histories overwrite, delete and bring back the same jobs."""

_COUNTS = (0, 1, 2, 3, 100, 2**31, 2**63, 10**30)
_CANDLES = st.sampled_from(values_of(COUNTS))
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
    return st.sampled_from(FEW_INSTANTS) | st.sampled_from(values_of(INSTANTS))


def _asked_instants() -> st.SearchStrategy[datetime]:
    """Draw times as callers in several zones give them."""
    return st.builds(in_zone, st.sampled_from(tuple(IN_ZONES)), _instants())


def _texts() -> st.SearchStrategy[str]:
    """Free text, hostile and long."""
    # By its place: Hypothesis shows what it samples from, and warns of what takes long to show.
    few = st.sampled_from(FEW_TEXTS)
    return few | st.integers(0, len(_TEXTS) - 1).map(_text) | st.text(max_size=20)


_TEXTS = values_of(TEXT_CLASSES)


def _text(place: int) -> str:
    text: str = _TEXTS[place]
    return text


def _metadata() -> st.SearchStrategy[dict[str, str]]:
    """Draw metadata of few keys, some of which look alike, with any text."""
    return st.dictionaries(st.sampled_from(KEYS), _texts(), max_size=3)


def _of_kind(kind: FieldKind) -> st.SearchStrategy[Any]:
    """Draw a value of a field of some kind, from its domain."""
    drawn: Mapping[FieldKind, Callable[[], st.SearchStrategy[Any]]] = {
        FieldKind.INSTANT: _instants,
        FieldKind.TEXT: _texts,
        FieldKind.TEXTS: _metadata,
    }
    if kind in drawn:
        return drawn[kind]()
    values = values_of(DOMAINS[kind])
    return st.integers(0, len(values) - 1).map(values.__getitem__)


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
    plain = example_job()
    bounds = chosen.get("start", plain.start), chosen.get("end", plain.end)
    for symbol in symbols:
        for name, value in draw(_of_symbol(symbol, *bounds)).items():
            former = chosen.get(name)
            chosen[name] = value if former is None else former | value
    return chosen


@st.composite
def _of_symbol(draw: st.DrawFn, symbol: str, start: datetime, end: datetime) -> dict[str, Any]:
    """Draw what a job holds of one symbol: an outcome or none, and what goes with it."""
    outcome = draw(st.sampled_from((None, None, "completed", "failed")))
    drawn = dict[str, Any]()
    if outcome == "completed":
        drawn["completed_symbols"] = {symbol: draw(_CANDLES)}
    elif outcome == "failed":
        drawn["failed_symbols"] = {symbol: draw(_texts())}
        drawn["permanent_failures"] = frozenset({symbol} if draw(st.booleans()) else ())
    if outcome is not None and draw(st.booleans()):
        drawn["failure_counts"] = {symbol: draw(st.sampled_from((1, 2, 2**31, 2**62)))}
    if outcome != "completed" and draw(st.integers(0, 3)) == 3:
        drawn["cursors"] = {symbol: min(max(draw(_instants()), start), end)}
    return drawn


_APART = frozenset({"id", "symbols", "start", "end", *OF_SYMBOLS})
"""The fields whose values depend on each other, and the id."""
_OPTIONAL_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    field.name: _of_kind(field.kind) for field in CHOSEN if field.name not in _APART
}


def changes() -> st.SearchStrategy[Change]:
    """Draw a change to make to a held job before it is saved again; not every job permits each."""
    symbols = st.sampled_from(("BTC", "ETH"))
    failed = st.tuples(symbols, _texts())
    completed = st.tuples(symbols, _CANDLES)
    sources = st.sampled_from(("binance", "kraken"))
    return st.one_of(
        st.tuples(failed, st.booleans()).map(_failure),
        completed.map(lambda arguments: Change("with_completed_symbol", arguments)),
        st.tuples(symbols, st.sampled_from(FEW_INSTANTS)).map(
            lambda arguments: Change("with_cursor", arguments)
        ),
        sources.map(lambda source: Change("replace", keywords=(("source", source),))),
        _metadata().map(lambda entries: Change("replace", keywords=(("metadata", entries),))),
        st.just(Change("with_revision", (None,))),
        st.tuples(_STATUSES, _instants()).map(
            lambda drawn: Change("with_status", drawn[:1], (("at", drawn[1]),))
        ),
    )


def _failure(drawn: tuple[tuple[str, str], bool]) -> Change:
    arguments, is_permanent = drawn
    keywords = (("permanent", True),) if is_permanent else ()
    return Change("with_failed_symbol", arguments, keywords)


def queries() -> st.SearchStrategy[JobQuery]:
    """Draw queries of up to three conditions that stores get wrong, or of none."""
    names = st.lists(st.sampled_from(sorted(_ASKED)), max_size=3, unique=True)
    drawn = names.flatmap(lambda some: st.fixed_dictionaries({name: _ASKED[name] for name in some}))
    return drawn.map(lambda given: JobQuery(**given))


_ASKED: Mapping[str, st.SearchStrategy[Any]] = MappingProxyType(
    {name: st.sampled_from(values) for name, values in CONDITIONS.items()}
    | {
        "source": st.sampled_from(("binance", "kraken", *CONDITIONS["source"][:3])),
        "symbol": st.sampled_from(("BTC", "ETH", *SYMBOLS)),
        "metadata": _metadata(),
        "created_from": _asked_instants(),
        "created_before": _asked_instants(),
        "finished_before": _asked_instants(),
    }
)
"""For each condition, what matches some of the jobs that are drawn."""

HOSTILE: Mapping[str, st.SearchStrategy[Any]] = MappingProxyType(
    {
        "id": PLACES,
        "symbol": st.sampled_from(("BTC", "ETH", "XRP")),
        "text": _texts(),
        "candles": _CANDLES,
        "status": _STATUSES,
        "limit": st.sampled_from(_COUNTS[::-1]),
        "offset": st.sampled_from(_COUNTS),
        "time": _asked_instants(),
        "key": st.tuples(_asked_instants(), PLACES),
        "job": st.tuples(PLACES, fields(), NAMES, st.integers(0, 3)),
        "jobs": st.lists(
            st.tuples(PLACES, st.sampled_from(("binance", "kraken")), NAMES, st.booleans()),
            max_size=4,
        ),
        "worker": st.sampled_from(("worker 0", "worker 1", "W\u00f6rker \U0001f600", "w" * 255)),
        "ttl": st.timedeltas(timedelta(minutes=10), timedelta(days=7)),
        "source of a job": st.sampled_from(("binance", "kraken")),
        "most running": st.sampled_from((1, 2, 10**30)),
        "lease": st.sampled_from(("lease", "other_lease")),
        "permanent": st.booleans(),
        "cursor": st.sampled_from(CURSORS),
        "query": queries(),
        "end of a past": _asked_instants(),
        "final statuses": st.sampled_from(
            ((JobStatus.COMPLETED, JobStatus.CANCELLED), (JobStatus.COMPLETED,), ())
        ),
    }
)
"""For each kind of parameter, what stores get wrong; ids and jobs as `with_ids` completes them."""


def hostile_arguments(operation: Operation) -> dict[str, st.SearchStrategy[Any]]:
    """Return what draws each argument of a call, by the parameter's name."""
    drawn = dict[str, st.SearchStrategy[Any]]()
    for one in operation.parameters_of(()):
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
    if kind == "job":
        job: tuple[int, dict[str, Any], str, int] = drawn
        number, given, name, chance = job
        return Held(name) if chance == 0 else example_job(ids[number], **given)
    if kind not in ("id", "key") or drawn is None:
        return drawn
    at: int = drawn if kind == "id" else drawn[1]
    return ids[at] if kind == "id" else (drawn[0], ids[at])
