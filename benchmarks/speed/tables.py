"""The tables, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks.speed.frame import Cell, ratio
from benchmarks.speed.results import Results
from benchmarks.speed.workload import METHODS

OURS = "collection_jobs"
_ENGINES = ("SQLite, synchronous=FULL", "SQLite, synchronous=NORMAL", "PostgreSQL", "in memory")
_ORDER = (
    *("bare driver", "blocking sqlite3", "plain dict"),
    *("held asyncpg", "pipelined psycopg", "pgbench"),
    *("aiosqlite by hand", "asyncpg pool", "SQLAlchemy ORM", "APScheduler 4", "procrastinate"),
)


def tables(results: Results) -> Iterator[str]:
    """Yield a table for each engine and size, and one of how calls grow dearer with the store."""
    for engine in engines(results):
        yield from (f"## {engine[0].upper()}{engine[1:]}", "")
        for size in sorted({cell.size for cell in results.rates if cell.engine == engine}):
            yield from (f"### {size:,} jobs", "", *_table(results, engine, size), "")
        growth = list(_growth(results, engine))
        if growth:
            yield from ("### Cost of a call as the store grows", "", *growth, "")


def anatomy(results: Results) -> Iterator[str]:
    """Where the microseconds of a read on SQLite go."""
    for method, taken in results.anatomy.items():
        if method == next(iter(results.anatomy)):
            yield f"| method | {' | '.join(taken)} |"
            yield "|---" * (len(taken) + 1) + "|"
        built = taken["driver, jobs built"]
        shown = [
            f"{us:.1f} us" + (f" ({built / us:.2f})" if what.startswith("adapter") else "")
            for what, us in taken.items()
        ]
        yield f"| `{method}` | {' | '.join(shown)} |"


def engines(results: Results) -> list[str]:
    """Return the engines that were measured."""
    found = {cell.engine for cell in results.rates}
    return [engine for engine in _ENGINES if engine in found]


def candidates(results: Results, engine: str) -> list[str]:
    """Return the names of the others on an engine: limits first, then the alternatives."""
    found = {
        name for cell, rates in results.rates.items() if cell.engine == engine for name in rates
    }
    return [name for name in _ORDER if name in found]


def callers(results: Results, engine: str) -> list[int]:
    """Return the numbers of callers on an engine."""
    return sorted({cell.callers for cell in results.rates if cell.engine == engine})


def _table(results: Results, engine: str, size: int) -> Iterator[str]:
    """Yield a line for each method: calls a second, and the ratio to each of the others."""
    others, numbers = candidates(results, engine), callers(results, engine)
    heads = [f"calls a second at {' / '.join(map(str, numbers))}", *others]
    yield f"| method | {' | '.join(heads)} |"
    yield "|---" * (len(heads) + 1) + "|"
    for method in METHODS:
        cells = [
            results.rates[Cell(engine, size, number, method)]
            for number in numbers
            if Cell(engine, size, number, method) in results.rates
        ]
        if cells:
            rates = " / ".join(f"{median(cell[OURS]):,.0f}" for cell in cells)
            ratios = [" / ".join(_shown(ratio(cell, OURS, it)) for cell in cells) for it in others]
            shown = ["" if set(it) <= set("-/ ") else it for it in ratios]
            yield f"| `{method}` | {rates} | {' | '.join(shown)} |"


def _shown(value: float | None) -> str:
    """Two figures are what noise leaves of a ratio."""
    if value is None:
        return "-"
    if value >= 10:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 2 else f"{value:.2f}"


def _growth(results: Results, engine: str) -> Iterator[str]:
    sizes = sorted({cell.size for cell in results.rates if cell.engine == engine})
    if len(sizes) < 2:
        return
    least, most = sizes[0], sizes[-1]
    names = [OURS, *candidates(results, engine)]
    numbers = callers(results, engine)
    yield f"| method | {' | '.join(names)} |"
    yield "|---" * (len(names) + 1) + "|"
    for method in METHODS:
        shown = [
            " / ".join(
                _shown(grown(results, engine, method, n, name, least, most)) for n in numbers
            )
            for name in names
        ]
        yield f"| `{method}` | {' | '.join('' if set(it) <= set('-/ ') else it for it in shown)} |"


def grown(
    results: Results, engine: str, method: str, callers: int, name: str, least: int, most: int
) -> float | None:
    """How many times as much a call costs in the largest store as in the smallest."""
    small = results.rates.get(Cell(engine, least, callers, method), {}).get(name, [])
    large = results.rates.get(Cell(engine, most, callers, method), {}).get(name, [])
    both = [few / many for few, many in zip(small, large, strict=False)]
    return median(both) if both else None
