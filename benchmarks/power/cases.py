"""The cases on trial: every planted bug, with the checks meant for it, and every right one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import cast

from collection_jobs.adapters.memory import InMemoryCollectionJobRepository
from collection_jobs.conformance import Target, find_target
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.protocol import CollectionJobRepository
from tests.mutants import (
    beyond,
    beyond_races,
    leasing,
    leasing_races,
    leasing_right,
    race_table,
    races,
    real,
    sequential,
    torn,
)
from tests.mutants.right import RIGHT

__all__ = ["Case", "bugs", "right_ones"]

_CALLER = ("wrong inputs", "a closed repository", "one caller")
_EVERY = tuple(check.name for check in CHECKS)
# Designs that keep the order of concurrent calls, and check no argument.
_SCHEDULED = tuple(name for name in _EVERY if name not in ("wrong inputs", "a closed repository"))
_RACES = (races, torn)  # each enters its mutants into race_table


@dataclass(frozen=True)
class Case:
    """One repository on trial.

    Attributes:
        name: What the table calls it.
        target: It.
        checks: The names of the checks that look at it.
        laws: The laws that are to convict it; none: it is right.
        by_chance: Whether another seed is another search.
    """

    name: str
    target: Target
    checks: tuple[str, ...]
    laws: frozenset[str] = frozenset()
    by_chance: bool = True


def bugs() -> Iterator[Case]:
    """Every planted bug that the standard profile is to find."""
    alone = {**sequential.BUGS, **beyond.BUGS, **leasing.BUGS}
    known = {race: entry.laws for race, entry in race_table.RACES.items()}
    for mutant, laws in alone.items():
        yield Case(_named(mutant), _in_memory(mutant), _CALLER, laws)
    beyond_the_nine = {**beyond_races.RACES, **leasing_races.RACES}
    for race, laws in (*known.items(), *beyond_the_nine.items()):
        yield Case(_named(race), _in_memory(race), ("interleavings",), laws, by_chance=False)
    for bug in real.BUGS:
        yield Case(_named(bug.store), _by_name(bug.store), (bug.check,), bug.laws)


def right_ones() -> Iterator[Case]:
    """Every repository that is odd but right, and both that the project ships."""
    for store in (*sequential.ODD, *beyond.ODD, beyond.Bare, InMemoryCollectionJobRepository):
        yield Case(_named(store), _in_memory(store), _EVERY)
    for design in RIGHT:
        if design is not InMemoryCollectionJobRepository:
            yield Case(_named(design), _in_memory(design), _SCHEDULED)
    for leased in leasing_right.RIGHT:
        yield Case(_named(leased), _in_memory(leased), _SCHEDULED)
    for odd in real.ODD:
        yield Case(_named(odd), _by_name(odd), _EVERY)
    yield Case("SQLiteCollectionJobRepository", find_target(None), _EVERY)


def _named(store: object) -> str:
    """Return a name that no other has: some rooms of mutants have names that are in others, too."""
    name = getattr(store, "__name__", "")
    room = getattr(store, "__module__", "").rpartition(".")[2]
    return f"{name} ({room})" if room == "torn" or room.startswith("beyond") else name


def _in_memory(make: Callable[[], object]) -> Target:
    store = cast("Callable[[], AbstractAsyncContextManager[CollectionJobRepository]]", make)
    return Target("planted", lambda directory: store())


def _by_name(store: type[object]) -> Target:
    """Return a target that other processes find, too."""
    return find_target(f"{store.__module__}:{store.__name__}")
