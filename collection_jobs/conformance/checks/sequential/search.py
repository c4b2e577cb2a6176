"""The search for violations that one caller can observe: random walks, shrunk to the shortest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from collection_jobs.conformance.checks.sequential.leasing_machine import LeasingMachine
from collection_jobs.conformance.checks.sequential.machine import LifecycleMachine
from collection_jobs.conformance.checks.sequential.shrinking import shrink_program
from collection_jobs.conformance.report.tokens import pack
from collection_jobs.conformance.running.open_store import OpenStore
from collection_jobs.conformance.running.oracle_runner import OracleRunner
from collection_jobs.conformance.spec.calls import WAIT, Held, Program, Step, id_of
from collection_jobs.conformance.spec.capabilities import LEASES
from collection_jobs.conformance.spec.findings import Finding, LawBroken
from collection_jobs.conformance.spec.signatures import SIGNATURES, jobs_named
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["replay", "search_lifecycle"]

_TRIES = 4
"""How often a program is run again that does not show its violation at once."""
_WAITING = 8
"""How many programs that wait are made at a time: most of theirs is no work."""
_SHOWN = 8

NewStore = Callable[[], OpenStore]
NewStores = Callable[[int], OpenStore[Sequence[CollectionJobRepository]]]


class _Violations:
    """The first violation of each law, and the laws that were known when it was seen."""

    def __init__(self, unwritten: Collection[str]) -> None:
        self.unwritten = unwritten
        self.known: set[str] = set()
        self.first: list[tuple[LawBroken, frozenset[str]]] = []

    def note(self, error: LawBroken) -> None:
        if error.finding.law not in self.known:
            self.first.append((error, frozenset(self.known)))
            self.known.add(error.finding.law)


def search_lifecycle(
    new_store: NewStore,
    new_stores: NewStores,
    programs: Sequence[Program],
    *,
    capabilities: frozenset[str] = frozenset(),
    seed_number: int,
    walks: int,
    steps: int,
    at_once: int = 1,
    unwritten: Collection[str] = (),
    progress: Callable[[int], None] = lambda stores: None,
) -> list[Finding]:
    """Find every law that a caller alone can see broken, each with a shortest program.

    First the programs, which are the same every time; then random walks. A law that was found
    broken is muted from then on and the search goes on from what the store then holds: a fault
    that shows at once does not hide the rarer ones behind it.

    Args:
        new_store: Opens a new, empty store.
        new_stores: Opens so many of them on one event loop.
        programs: Each for a store of its own.
        capabilities: What the adapter can do beyond the nine methods.
        seed_number: Where the random walks come from; the same number, the same walks.
        walks: How many walks to take.
        steps: How many steps a walk takes at most.
        at_once: How many of the programs are made at a time, of those that do not wait.
        unwritten: Methods that the adapter does not have yet: their calls are passed over.
        progress: Told how many stores were opened so far.
    """
    violations = _Violations(unwritten)
    opened = count(1)

    def next_store() -> OpenStore:
        progress(next(opened))
        return new_store()

    for some in _in_groups(programs, at_once):
        for _ in some:
            progress(next(opened))
        for error in _visit(new_stores, some, violations):
            violations.note(error)
    if walks:
        _walk(next_store, violations, capabilities, seed_number, _settings(walks, steps))
    return [_shortest(new_store, error, muted) for error, muted in violations.first]


def _in_groups(programs: Sequence[Program], at_once: int) -> Iterator[Sequence[Program]]:
    """Yield the programs that are made at a time; those that wait do so together, at the end.

    Several at a time are about as long: the next ones begin when the longest is done.
    """
    for waiting, number in ((False, at_once), (True, max(at_once, _WAITING))):
        some = [one for one in programs if any(step.method == WAIT for step in one) == waiting]
        if at_once > 1:
            some.sort(key=len)
        yield from (some[first : first + number] for first in range(0, len(some), number))


def _visit(
    new_stores: NewStores, programs: Sequence[Program], violations: _Violations
) -> list[LawBroken]:
    """Make some programs at once, each on a store of its own; return what broke a law.

    In the order of the programs, whichever was done first: a program knows of no violation that
    another shows meanwhile.
    """
    with new_stores(len(programs)) as stores:
        made = [
            _made(program, repository, violations)
            for program, repository in zip(programs, stores.repository, strict=True)
        ]
        # A single one is made by the task that has opened the store, as most programs do it.
        return stores.run(made[0] if len(made) == 1 else _gathered(made))


async def _gathered(made: Sequence[Coroutine[Any, Any, list[LawBroken]]]) -> list[LawBroken]:
    return [error for errors in await asyncio.gather(*made) for error in errors]


async def _made(
    program: Program, repository: CollectionJobRepository, violations: _Violations
) -> list[LawBroken]:
    known, found = set(violations.known), list[LawBroken]()
    runner = OracleRunner(repository, known, violations.unwritten)
    for step in program:
        try:
            await runner.run(step)
        except LawBroken as error:
            found.append(error)
            known.add(error.finding.law)
    return found


def _walk(
    new_store: NewStore,
    violations: _Violations,
    can_do: frozenset[str],
    seed_number: int,
    the_settings: settings,
) -> None:
    class Walk:
        muted: Collection[str] = violations.known
        unwritten: Collection[str] = violations.unwritten
        capabilities: Collection[str] = can_do

        def new_store(self) -> OpenStore:
            return new_store()

        def broke(self, error: LawBroken) -> None:
            violations.note(error)

    class Machine(Walk, LifecycleMachine):
        pass

    class LeasesToo(Walk, LeasingMachine):
        pass

    machine = LeasesToo if LEASES in can_do else Machine
    seed(seed_number)(machine)
    run_state_machine_as_test(machine, settings=the_settings)


def _settings(walks: int, steps: int) -> settings:
    return settings(
        max_examples=walks,
        stateful_step_count=steps,
        phases=(Phase.generate,),
        deadline=None,
        database=None,
        print_blob=False,
        verbosity=Verbosity.quiet,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
        ],
    )


def _shortest(new_store: NewStore, error: LawBroken, muted: frozenset[str]) -> Finding:
    """Shrink the program of a violation on the calls themselves.

    This is not left to Hypothesis: it would shrink the choices behind the calls, at a hundred
    times the cost, and could not leave out a call within a rule.
    """
    best = error

    def still_breaks(program: Program) -> bool:
        nonlocal best
        again = replay(new_store, program, muted)
        if again is None or again.finding.law != error.finding.law:
            return False
        best = again
        return True

    if not any(still_breaks(error.program) for _ in range(_TRIES)):
        return _seen_once(error)
    shortest = shrink_program(best.program, still_breaks)
    held = {"check": "one caller", "steps": shortest, "muted": sorted(muted)}
    return replace(best.finding, history=tuple(map(str, shortest)), token=pack(held))


def _seen_once(error: LawBroken) -> Finding:
    """Tell a violation that the same calls do not show again by its last calls on the same job."""
    program = error.program
    last = set(_ids_named(program[-1]))
    about = [step for step in program if not last or not last.isdisjoint(_ids_named(step))]
    text = (
        f"{error.finding.message} (seen once; the same {len(program)} calls were made {_TRIES}"
        " times more and did not show it)"
    )
    return replace(error.finding, message=text, history=tuple(map(str, about[-_SHOWN:])))


def _ids_named(step: Step) -> list[str]:
    named = jobs_named(step.method, step.arguments) if step.method in SIGNATURES else ()
    return [str(one) if isinstance(one, Held) else id_of(one) for one in named]


def replay(
    new_store: NewStore, program: Program, muted: frozenset[str] = frozenset()
) -> LawBroken | None:
    """Make the steps of a program again on a new store: the violation that this shows, if any."""
    with new_store() as store:
        runner = OracleRunner(store.repository, muted)

        async def make_all() -> None:
            for step in program:
                await runner.run(step)

        try:
            store.run(make_all())
        except LawBroken as error:
            return error
    return None
