"""The cases on trial: every planted bug, with the checks meant for it, and every right one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, cast

from collection_jobs.adapters.memory import InMemoryCollectionJobRepository
from collection_jobs.conformance import Target, find_target
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.protocol import CollectionJobRepository
from tests.mutants import (
    beyond,
    beyond_races,
    bulk_limits,
    data_races,
    data_right,
    eccentric,
    finding,
    hidden,
    leasing,
    leasing_races,
    leasing_right,
    mishandling,
    misnaming,
    misordering,
    misrecording,
    misrepresenting,
    purging,
    race_table,
    races,
    real,
    recording,
    sequential,
    threaded_rows,
    timed_rows,
    torn,
    tried,
)
from tests.mutants.right import RIGHT

__all__ = ["LEFT_OUT", "Case", "bugs", "right_ones"]

LEFT_OUT = {
    "leaving": "they end or stop the process that examines them; tests watch it from outside",
    "networked": "they need a proxy that fails; tests/conformance/test_network.py makes it",
}
"""The modules of mutants that are not on trial, and why."""

_CALLER = ("wrong inputs", "a closed repository", "one caller")
_EVERY = tuple(check.name for check in CHECKS)
_DRAWING = frozenset(
    {
        *("one caller", "large stores", "damaged stores", "concurrent calls"),
        *("several handles", "cancelled calls", "killed processes"),
    }
)
"""The checks that draw something in the standard profile: another seed is another search."""
# Designs of concurrent calls; of wrong arguments and of closing they promise nothing.
_NOT_PROMISED = ("wrong inputs", "a closed repository", "calls pending at the close")
_SCHEDULED = tuple(name for name in _EVERY if name not in _NOT_PROMISED)
_RACING = ("interleavings",)
# Those that find or count by looking at every job declare what they derive from declares.
_HOWEVER_LARGE = tuple(name for name in _SCHEDULED if name != "growing stores")
# Imported so that they enter their mutants into race_table, and into tried.
_ENTERING = (
    *(hidden, races, torn),
    *(eccentric, mishandling, misnaming, misordering, misrecording, misrepresenting),
)


@dataclass(frozen=True)
class Case:
    """One repository on trial.

    Attributes:
        name: What the table calls it.
        target: It.
        checks: The names of the checks that look at it.
        laws: The laws that are to convict it; none: it is right.
        by_chance: Whether another seed is another search.
        one_is_enough: Whether one of the laws convicts it: which one shows first is chance.
    """

    name: str
    target: Target
    checks: tuple[str, ...]
    laws: frozenset[str] = frozenset()
    by_chance: bool = True
    one_is_enough: bool = False

    def is_convicted(self, found: AbstractSet[str]) -> bool:
        """Whether these are the laws that are to convict it."""
        return bool(self.laws & found) if self.one_is_enough else self.laws <= found


def bugs() -> Iterator[Case]:
    """Every planted bug that the standard profile is to find."""
    for room in (sequential, beyond, leasing, recording, finding, purging):
        for mutant, laws in room.BUGS.items():
            yield Case(_named(mutant), _in_memory(mutant), _CALLER, laws)
    # Without those that take more than two calls: only thorough looks at them.
    races_alone = {race: entry.laws for race, entry in race_table.RACES.items()}
    beyond_the_nine: dict[Any, frozenset[str]]
    beyond_the_nine = {**beyond_races.RACES, **leasing_races.RACES, **data_races.RACES}
    of_time_and_threads = {**timed_rows.TIMED_RACES, **threaded_rows.THREAD_RACES}
    for race, laws in (races_alone | beyond_the_nine | of_time_and_threads).items():
        yield Case(_named(race), _in_memory(race), _RACING, laws, by_chance=False)
    for store, laws in bulk_limits.BUGS.items():
        yield Case(_named(store), _by_name(store), ("large stores",), laws, by_chance=False)
    for bug in real.BUGS:
        laws = bug.laws or bug.also
        yield _of_one_check(bug.store, bug.check, laws, one_is_enough=not bug.laws)
    for one in tried.TRIED:
        yield _of_one_check(one.store, one.check, one.laws, one_is_enough=True)


def _of_one_check(
    store: type[object], check: str, laws: frozenset[str], *, one_is_enough: bool
) -> Case:
    by_chance = check in _DRAWING
    return Case(_named(store), _by_name(store), (check,), laws, by_chance, one_is_enough)


def right_ones() -> Iterator[Case]:
    """Every repository that is odd but right, and both that the project ships."""
    for_one_caller: tuple[Any, ...] = (*sequential.ODD, *beyond.ODD, beyond.Bare)
    for store in (*for_one_caller, InMemoryCollectionJobRepository):
        yield Case(_named(store), _in_memory(store), _EVERY)
    timely = (*timed_rows.TIMED_RIGHT, *threaded_rows.THREAD_RIGHT)
    designs: tuple[Any, ...] = (*RIGHT, *leasing_right.RIGHT, *timely)
    for design in designs:
        if design is not InMemoryCollectionJobRepository:
            yield Case(_named(design), _in_memory(design), _SCHEDULED)
    for store in data_right.RIGHT:
        yield Case(_named(store), _in_memory(store), _HOWEVER_LARGE)
    for odd in (*real.ODD, *tried.RIGHT):
        yield Case(_named(odd), _by_name(odd), _EVERY)
    yield Case("SQLiteCollectionJobRepository", find_target(None), _EVERY)


def _named(store: object) -> str:
    """Return the module and the name: several modules have mutants of one name."""
    module = getattr(store, "__module__", "").rpartition(".")[2]
    return f"{module}.{getattr(store, '__name__', '')}"


def _in_memory(make: Callable[[], object]) -> Target:
    store = cast("Callable[[], AbstractAsyncContextManager[CollectionJobRepository]]", make)
    return Target("planted", lambda directory: store())


def _by_name(store: type[object]) -> Target:
    """Return a target that other processes find, too."""
    return find_target(f"{store.__module__}:{store.__name__}")
