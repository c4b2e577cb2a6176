"""Jobs made of the domains: with every value once, drawn from a seed, or with all of the fields."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, cast

from collection_jobs.conformance.spec.calls import example_job
from collection_jobs.conformance.spec.domain_texts import NAME_CLASSES
from collection_jobs.conformance.spec.domains import (
    CHOSEN,
    DOMAINS,
    FEW_INSTANTS,
    INSTANTS,
    OF_SYMBOLS,
    SIZES,
    domain_of,
    values_of,
)
from collection_jobs.fields import Field, FieldKind
from collection_jobs.job import CollectionJob

__all__ = ["awkward_jobs", "draw_job", "draw_value", "large_job", "rich_job"]

_VALUES = {kind: values_of(domain) for kind, domain in DOMAINS.items()}
_NAMES = values_of(NAME_CLASSES)
_INSTANTS = tuple(sorted(values_of(INSTANTS)))
_APART = frozenset({"id", "symbols", "start", "end", *OF_SYMBOLS})
"""The fields whose values depend on each other, and the id."""
_PLAIN_FIELDS = tuple(one for one in CHOSEN if one.name not in _APART)
_SYMBOLS_OF_EACH = 9
_A_CURSOR = datetime(2024, 3, 1, 12, 30, 0, 1, tzinfo=UTC)
_LONG = 300
"""The most characters of a text that is drawn, but rarely."""


def awkward_jobs() -> Iterator[CollectionJob]:
    """Yield jobs in which every value of every domain stands once in each field."""
    for number, name in enumerate(_NAMES):
        yield _awkward(name, number)
    for number in range(len(_NAMES), max(map(len, _VALUES.values()))):
        yield _awkward(f"awkward {number}", number)


def _awkward(job_id: str, number: int) -> CollectionJob:
    given: dict[str, Any] = {one.name: _nth(one, number) for one in _PLAIN_FIELDS}
    given |= _range(_nth_of(_INSTANTS, number), number < len(_INSTANTS))
    symbols = tuple(_nth_of(_NAMES, number + step) for step in range(_SYMBOLS_OF_EACH))
    given["symbols"] = symbols
    for one in CHOSEN:
        if one.name in OF_SYMBOLS:
            third = symbols[OF_SYMBOLS[one.name] :: 3]
            values = [_item(one, number, step) for step in range(len(third))]
            given[one.name] = _items(one, dict(zip(third, values, strict=True)))
    return example_job(job_id, **given)


def _item(field: Field, number: int, step: int) -> Any:
    """Return what a field holds of one symbol; a cursor must lie within the range, as its bound."""
    if field.kind is FieldKind.INSTANTS:
        return _nth_of(_INSTANTS, number)
    return _nth_of(values_of(domain_of(field)), number + step)


def _items(field: Field, values: dict[str, Any]) -> Any:
    """Return what a field holds of some symbols: values by them, or the symbols alone."""
    return frozenset(values) if field.kind is FieldKind.NAME_SET else values


def _nth_of(values: tuple[Any, ...], number: int) -> Any:
    return values[number % len(values)]


def _nth(field: Field, number: int) -> Any:
    """Return a value of a field: another for each number, and each of them for some number."""
    values = _VALUES[field.kind]
    if field.kind in SIZES:
        return {_nth_of(_NAMES, number): _nth_of(values, number)} if number else {}
    if field.optional and number >= len(values) - 1:
        return None
    return _nth_of(values, number)


def _range(instant: Any, begins: bool) -> dict[str, Any]:
    """Return a range that begins or ends with an instant, if one can."""
    earliest, latest = _INSTANTS[0], _INSTANTS[-1]
    if instant == latest or (not begins and instant != earliest):
        return {"start": earliest, "end": instant}
    return {"start": instant, "end": latest}


def large_job(job_id: str, symbols: int, **given: Any) -> CollectionJob:
    """Return a job of so many symbols, of which all but a few have outcomes."""
    names = tuple(f"S{number}" for number in range(symbols))
    outcomes = {
        "completed_symbols": {name: number for number, name in enumerate(names[::2])},
        "failed_symbols": dict.fromkeys(names[1::2], "boom"),
        "permanent_failures": frozenset(names[1::2]),
        "failure_counts": {name: number + 1 for number, name in enumerate(names[1::2])},
        "cursors": dict.fromkeys(names[1::2], _A_CURSOR),
    }
    return example_job(job_id, **{"symbols": names, **outcomes, **given})


def draw_value(random: Random, field: Field) -> Any:
    """Draw a value of a field that stands by itself: each class as often as each other."""
    if field.optional and random.random() < 0.3:
        return None
    domain = domain_of(field)
    value = random.choice(domain[random.choice(list(domain))])
    if field.kind in SIZES:
        return {
            random.choice(_NAMES): value,
            **({"ticket": "T-1"} if random.random() < 0.5 else {}),
        }
    return value


def _short(random: Random, value: Any) -> Any:
    """Return most long texts cut, for what is stored by the thousand."""
    if isinstance(value, str) and len(value) > _LONG and random.random() > 0.01:
        return value[:_LONG]
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {key: _short(random, item) for key, item in items}
    return value


def draw_job(random: Random, job_id: str, **given: Any) -> CollectionJob:
    """Draw a job: some of its fields from the whole of their domains, the others plain.

    Args:
        random: Where it comes from.
        job_id: Its id.
        given: Values of fields that are not drawn.
    """
    drawn: dict[str, Any] = {
        one.name: _short(random, draw_value(random, one))
        for one in _PLAIN_FIELDS
        if one.name not in given and random.random() < 0.4
    }
    if random.random() < 0.3:
        drawn["start"], drawn["end"] = sorted(random.sample(_INSTANTS, 2))
    symbols = tuple(random.sample(_NAMES, random.randint(1, 6))) if random.random() < 0.3 else ()
    symbols = given.get("symbols") or (*dict.fromkeys((*symbols, "BTC", "ETH")),)
    drawn["symbols"] = symbols
    for one in CHOSEN:
        if one.name in OF_SYMBOLS and one.name not in given:
            values = values_of(domain_of(one))
            drawn[one.name] = _items(
                one,
                {
                    symbol: _short(random, random.choice(values))
                    for symbol in symbols[OF_SYMBOLS[one.name] :: 3]
                    if random.random() < 0.5
                },
            )
    return example_job(job_id, **_fitting(drawn | given))


def _fitting(given: dict[str, Any]) -> dict[str, Any]:
    """Leave out what no job may hold: marks of symbols that did not fail, cursors out of range."""
    fitting = dict(given)
    plain = example_job()
    start, end = given.get("start", plain.start), given.get("end", plain.end)
    if "permanent_failures" in given:
        fitting["permanent_failures"] = given["permanent_failures"] & given["failed_symbols"].keys()
    if "cursors" in given:
        cursors: dict[str, datetime] = given["cursors"]
        fitting["cursors"] = {
            symbol: min(max(until, start), end) for symbol, until in cursors.items()
        }
    return fitting


def rich_job(job_id: str, **given: object) -> CollectionJob:
    """Return a job in which every field has something to lose; those given are as given."""
    rich: dict[str, object] = {
        "symbols": ("BTC", "ETH", "XRP"),
        "started_at": FEW_INSTANTS[1],
        "finished_at": FEW_INSTANTS[2],
        "error_message": "boom",
        "completed_symbols": {"BTC": 500},
        "failed_symbols": {"ETH": "boom"},
        "metadata": {"ticket": "T-1", "Ticket": ""},
        "permanent_failures": frozenset({"ETH"}),
        "failure_counts": {"BTC": 1, "ETH": 3},
        "cursors": {"XRP": example_job().start + timedelta(days=1, microseconds=1)},
    }
    return example_job(job_id, **(_of_other_fields(rich) | rich | given))


def _of_other_fields(known: Collection[str]) -> dict[str, Any]:
    """Return a value for each optional field that is newer than this module."""
    plain = example_job()
    return {
        field.name: values_of(DOMAINS[field.kind])[0]
        for field in CHOSEN
        if field.optional and field.name not in known and getattr(plain, field.name) is None
    }
