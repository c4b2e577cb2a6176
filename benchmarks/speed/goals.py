"""What the project wants to reach, and whether the figures do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

from benchmarks.speed.frame import Cell, ratio
from benchmarks.speed.results import Results
from benchmarks.speed.tables import OURS, engines, grown
from benchmarks.speed.workload import READS, WRITES

_WRITES = frozenset(", ".join(WRITES).split(", "))
_LONGEST_STALL = 0.020
_LONGEST_STALL_OF_LONG_TEXTS = 0.050


@dataclass(frozen=True)
class Goal:
    """A least ratio to one candidate, in the cells that a condition picks."""

    text: str
    engine: str
    other: str
    least: float
    picks: Callable[[Cell], bool]


_LISTINGS = frozenset({"list_by_status", "list_recent", "list_after", "get_running_jobs"})
_OUTCOMES = frozenset({"add_failed_symbol", "add_completed_symbol"})
_LONE_WRITES = frozenset({"save", "delete", "update_status"})

GOALS = (
    Goal(
        "reads, of blocking sqlite3",
        *("SQLite", "blocking sqlite3", 0.9),
        lambda it: it.method in READS,
    ),
    Goal(
        "writes at 16 callers and more, of blocking sqlite3",
        *("SQLite", "blocking sqlite3", 1.0),
        lambda it: it.method in _WRITES and it.callers >= 16,
    ),
    Goal(
        "writes of a lone caller, of blocking sqlite3",
        *("SQLite", "blocking sqlite3", 0.45),
        lambda it: it.method in _WRITES and it.callers == 1,
    ),
    Goal(
        "all but listings at 16 callers, of aiosqlite by hand",
        *("SQLite", "aiosqlite by hand", 2.0),
        lambda it: it.method not in _LISTINGS and it.callers == 16,
    ),
    Goal(
        "listings, of aiosqlite by hand",
        *("SQLite", "aiosqlite by hand", 3.0),
        lambda it: it.method in _LISTINGS,
    ),
    Goal(
        "listings of 50 jobs by a lone caller, of the bare driver",
        *("SQLite", "bare driver", 0.7),
        lambda it: it.method in _LISTINGS - {"get_running_jobs"} and it.callers == 1,
    ),
    Goal(
        "save, delete and update_status of a lone caller, of aiosqlite by hand",
        *("SQLite, synchronous=FULL", "aiosqlite by hand", 1.1),
        lambda it: it.method in _LONE_WRITES and it.callers == 1,
    ),
    Goal(
        "all at 16 callers, of the SQLAlchemy ORM",
        *("SQLite", "SQLAlchemy ORM", 10.0),
        lambda it: it.callers == 16,
    ),
    Goal(
        "all of a lone caller, of a held asyncpg connection",
        *("PostgreSQL", "held asyncpg", 0.9),
        lambda it: it.callers == 1,
    ),
    Goal(
        "save_many of a lone caller, of a held asyncpg connection",
        *("PostgreSQL", "held asyncpg", 0.95),
        lambda it: it.method == "save_many" and it.callers == 1,
    ),
    Goal(
        "all at 64 callers, of an asyncpg pool by hand",
        *("PostgreSQL", "asyncpg pool", 4.0),
        lambda it: it.callers == 64,
    ),
    Goal(
        "outcomes at 64 callers, of an asyncpg pool by hand",
        *("PostgreSQL", "asyncpg pool", 6.0),
        lambda it: it.method in _OUTCOMES and it.callers == 64,
    ),
    Goal(
        "all at 64 callers, of the SQLAlchemy ORM",
        *("PostgreSQL", "SQLAlchemy ORM", 10.0),
        lambda it: it.callers == 64,
    ),
    Goal(
        "all at 64 callers, of pgbench",
        *("PostgreSQL", "pgbench", 1.0),
        lambda it: it.callers == 64,
    ),
)


def goals(results: Results) -> Iterator[str]:
    """Yield a table of the goals: the median of a goal's cells, its worst cell, those that miss."""
    yield "| goal | wanted | median | worst cell | cells that miss it |"
    yield "|---|---|---|---|---|"
    for engine in engines(results):
        for goal in GOALS:
            if engine.startswith(goal.engine):
                yield from _line(results, engine, goal)
        yield from _growth(results, engine)
    yield from _figures(results)


def _line(results: Results, engine: str, goal: Goal) -> Iterator[str]:
    found = {
        cell: value
        for cell, rates in results.rates.items()
        if cell.engine == engine and goal.picks(cell)
        if (value := ratio(rates, OURS, goal.other)) is not None
    }
    if found:
        worst = min(found, key=lambda it: found[it])
        missed = sum(value < goal.least for value in found.values())
        yield (
            f"| {engine}: {goal.text} | at least {goal.least:g} | {median(found.values()):.2f} "
            f"| {found[worst]:.2f} (`{worst.method}`, {_callers(worst.callers)}, "
            f"{worst.size:,} jobs) | {missed} of {len(found)} |"
        )


def _callers(number: int) -> str:
    return "1 caller" if number == 1 else f"{number} callers"


def _growth(results: Results, engine: str) -> Iterator[str]:
    cells = [cell for cell in results.rates if cell.engine == engine]
    least, most = min(it.size for it in cells), max(it.size for it in cells)
    if least == most:
        return
    found = {
        (it.method, it.callers): value
        for it in cells
        if it.size == least
        if (value := grown(results, engine, it.method, it.callers, OURS, least, most)) is not None
    }
    worst = max(found, key=lambda it: found[it])
    missed = sum(value > 1.5 for value in found.values())
    yield (
        f"| {engine}: cost of a call with {most:,} jobs, to that with {least:,} | at most 1.5 "
        f"| {median(found.values()):.2f} | {found[worst]:.2f} (`{worst[0]}`, "
        f"{_callers(worst[1])}) | {missed} of {len(found)} |"
    )


def _figures(results: Results) -> Iterator[str]:
    for name, value in results.figures.items():
        if name.startswith("stall: "):
            what = name.removeprefix("stall: ")
            missed = "1 of 1" if value > _LONGEST_STALL else "0 of 1"
            yield (
                f"| SQLite, synchronous=FULL: lag of the event loop (p99) under 256 callers of "
                f"{what} | at most 20 ms | {value * 1000:.1f} ms | | {missed} |"
            )
        elif name.startswith("long texts: "):
            _, engine, call = name.split(": ")
            missed = "1 of 1" if value > _LONGEST_STALL_OF_LONG_TEXTS else "0 of 1"
            yield (
                f"| {engine}: longest lag of the event loop with 50 MB of errors in a job: {call} "
                f"| at most 50 ms | {value * 1000:.1f} ms | | {missed} |"
            )
    for name, (text, most) in _AT_MOST.items():
        if name in results.figures:
            value = results.figures[name]
            missed = "1 of 1" if value > most else "0 of 1"
            yield f"| {text} | at most {most:g} | {value:.2f} | | {missed} |"
    for name, text in _PLAIN.items():
        if name in results.figures:
            yield f"| {text} | | {results.figures[name]:.2f} | | |"
    if "start: help" in results.figures:
        seconds = results.figures["start: help"]
        missed = "1 of 1" if seconds > _LONGEST_HELP else "0 of 1"
        yield (
            f"| `collection-jobs --help`, processor time | at most {_LONGEST_HELP * 1000:.0f} ms "
            f"| {seconds * 1000:.0f} ms | | {missed} |"
        )


_LONGEST_HELP = 0.150
_AT_MOST: dict[str, tuple[str, float]] = {
    "imports": ("`import collection_jobs`, to dataclasses, enum, datetime and typing", 1.5),
    "start: first read, to by hand": (
        "a process that opens a SQLite file and reads a job, to one with asyncio and sqlite3",
        2.0,
    ),
    "memory": ("memory of a million jobs in memory, to that of the jobs alone", 1.5),
}
_PLAIN = {
    "start: first read, to nothing": "the same, to an interpreter that does nothing",
    "start: import, to nothing": "`import collection_jobs`, to an interpreter that does nothing",
}
