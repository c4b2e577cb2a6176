"""The cases on trial: every planted bug, with the checks meant for it, and every right one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import cast

from collection_jobs.adapters.memory import InMemoryCollectionJobRepository
from collection_jobs.conformance import Target, find_target
from collection_jobs.conformance.checks import CHECKS
from collection_jobs.protocol import CollectionJobRepository
from tests.mutants import race_table, races, real, sequential, torn
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
    for mutant, laws in sequential.BUGS.items():
        yield Case(mutant.__name__, _in_memory(mutant), _CALLER, laws)
    for race, known in race_table.RACES.items():
        name = f"{race.__name__} (race)" if race.__name__ in _TWICE else race.__name__
        yield Case(name, _in_memory(race), ("interleavings",), known.laws, by_chance=False)
    for bug in real.BUGS:
        yield Case(bug.store.__name__, _by_name(bug.store), (bug.check,), bug.laws)


def right_ones() -> Iterator[Case]:
    """Every repository that is odd but right, and both that the project ships."""
    for store in (*sequential.ODD, InMemoryCollectionJobRepository):
        yield Case(store.__name__, _in_memory(store), _EVERY)
    for design in RIGHT:
        if design is not InMemoryCollectionJobRepository:
            yield Case(getattr(design, "__name__", ""), _in_memory(design), _SCHEDULED)
    for odd in real.ODD:
        yield Case(odd.__name__, _by_name(odd), _EVERY)
    yield Case("SQLiteCollectionJobRepository", find_target(None), _EVERY)


_TWICE = {race.__name__ for race in race_table.RACES} & {
    mutant.__name__ for mutant in sequential.BUGS
}


def _in_memory(make: Callable[[], object]) -> Target:
    store = cast("Callable[[], AbstractAsyncContextManager[CollectionJobRepository]]", make)
    return Target("planted", lambda directory: store())


def _by_name(store: type[object]) -> Target:
    """A target that other processes find, too."""
    return find_target(f"{store.__module__}:{store.__name__}")
