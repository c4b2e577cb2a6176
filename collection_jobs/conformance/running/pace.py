"""The pace of an adapter: what an opening and a call cost, and how much work that leaves time for.

The amount of work depends on the adapter and not on the machine's mood: the costs are the least of
several measurements, and only their order of magnitude counts. So the same seed gives the same
programs on a busy machine, too.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from collection_jobs.conformance.running.configuration import Profile
from collection_jobs.conformance.running.open_store import OpenStore
from collection_jobs.conformance.running.runner import make
from collection_jobs.conformance.spec.calls import Call
from collection_jobs.conformance.spec.operations import OPERATIONS

__all__ = ["Pace", "less_work", "measure_pace"]

_OPENINGS = 3
_CALLS = 5
"""How often each is measured."""
_MORE_JOBS, _SLOW = 128, 0.005
"""How many jobs are saved to see whether calls take longer, where a call takes no more seconds."""
_STEP = 4
"""By which factor, or a power of it, work is made less."""
_PROCESSES = 2
"""How many processes share the calls of an adapter that waits."""
_CALLS_OF_A_ROUND = 30
_CALLS_OF_A_CANCELLATION = 10
_CALLS_OF_A_LIFE = 20
_CALLS_OF_A_JOB = 12
"""About how many calls each of these makes."""
_KINDS_OF_ROUNDS, _SCENES = 24, 20
"""About how many kinds there are, each of which is made so often."""
_CALLS_OF_ONE_CALLER, _CALLS_AROUND_CANCELLATIONS = 18_000, 11_000
"""About how many calls the fixed programs make, and how many the cancellations at suspensions."""
_MOST_AT_ONCE = 4
"""How many stores are open at a time at most: each may have ten connections to one server."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What an adapter's calls cost.

    Attributes:
        opening: The least seconds that opening and closing a store took.
        call: The least seconds that a change and a read took in the mean.
        growth: How many seconds a call takes longer for each job that is stored, where it is much.
    """

    opening: float = 0.0
    call: float = 0.0
    growth: float = 0.0

    def fitted(self, profile: Profile) -> Profile:
        """Return a profile with less work where each piece takes long, but with some of each."""
        life, most = self._cost(_CALLS_OF_A_LIFE), profile.patience
        rounds = self.call * _CALLS_OF_A_ROUND * _KINDS_OF_ROUNDS
        cancellations = self.call * _CALLS_OF_A_CANCELLATION * _SCENES
        return replace(
            profile,
            walks=less_work(profile.walks, self._cost(profile.steps), most),
            rounds=less_work(profile.rounds, rounds, most),
            cancellations=less_work(profile.cancellations, cancellations, most),
            kills=less_work(profile.kills, life, most),
            scripts=less_work(profile.scripts, life, most),
            smaller=self._divisor_of_large_stores(profile),
            at_once=max(profile.at_once, self._at_once(most)),
            twice=self.call * _CALLS_AROUND_CANCELLATIONS <= most,
        )

    def _divisor_of_large_stores(self, profile: Profile) -> int:
        """Return by which power of the step large stores have to be smaller."""
        divisor = profile.smaller
        while (
            divisor < profile.stored
            and self._on_large_stores(profile, divisor) > profile.patience_with_many
        ):
            divisor *= _STEP
        return divisor

    def _on_large_stores(self, profile: Profile, divisor: int) -> float:
        """Return about how many seconds the check of large stores takes, if they are smaller."""
        a_call = self.call + self.growth * profile.stored / divisor
        return _calls_on_large_stores(profile) / divisor * a_call

    def _at_once(self, most: float) -> int:
        return min(_MOST_AT_ONCE, _divisor(self.call * _CALLS_OF_ONE_CALLER, most))

    def told(self, profile: Profile) -> str:
        """Say what was made less of a profile and why; empty where nothing was."""
        fitted = self.fitted(profile)
        less = [
            f"{getattr(fitted, name):,} of {getattr(profile, name):,} {name}"
            for name in ("walks", "rounds", "cancellations", "kills", "scripts")
            if getattr(fitted, name) < getattr(profile, name)
        ]
        if fitted.smaller > profile.smaller:
            less.append(f"large stores of 1/{fitted.smaller} of the size")
        if not fitted.twice:
            less.append("a second cancellation at every other suspension")
        if not less:
            return ""
        costs = f"opening a store takes {_shown(self.opening)} and a call {_shown(self.call)}"
        if self.growth:
            costs += f", {_shown(1_000 * self.growth)} more with a thousand jobs"
        return f"{costs}, so less was tried: {', '.join(less)}"

    def estimate(self, profile: Profile) -> float:
        """Return about how many seconds the checks of a profile take."""
        fitted, large = self.fitted(profile), _calls_on_large_stores(profile)
        spared = large - large // fitted.smaller
        spared += _CALLS_OF_ONE_CALLER - _CALLS_OF_ONE_CALLER // fitted.at_once
        spared += 0 if fitted.twice else _CALLS_AROUND_CANCELLATIONS // 4
        calls = profile.calls - spared // _PROCESSES
        of_growth = replace(self, call=0.0)._on_large_stores(profile, fitted.smaller)
        return profile.seconds + profile.openings * self.opening + calls * self.call + of_growth

    def _cost(self, calls: int) -> float:
        return self.opening + calls * self.call


def measure_pace(new_store: Callable[[], OpenStore]) -> Pace:
    """Measure what opening a store, a change and a read cost, a few times each."""
    openings: list[float] = []
    calls: list[float] = []
    growth = 0.0
    for number in range(_OPENINGS):
        began = time.perf_counter()
        with new_store() as store:
            opened = time.perf_counter() - began
            calls += [store.run(_timed(store, ("save", "get_by_id"))) for _ in range(_CALLS)]
            if number == _OPENINGS - 1:
                growth = _growth(store, min(calls))
            closing = time.perf_counter()
        openings.append(opened + time.perf_counter() - closing)
    return Pace(min(openings), min(calls), growth)


def _growth(store: OpenStore, call: float) -> float:
    """Return how many seconds a call takes longer for each of some jobs that are saved now."""
    if call > _SLOW:
        return 0.0  # of its large stores there will be little left anyway

    async def save() -> None:
        for number in range(_MORE_JOBS):
            await make(OPERATIONS["save"].call(f"more {number}"), store.repository)

    store.run(save())
    longer = min(store.run(_timed(store, ("save", "get_by_id"))) for _ in range(_CALLS)) - call
    return longer / _MORE_JOBS if longer > call else 0.0


async def _timed(store: OpenStore, methods: tuple[str, ...]) -> float:
    """Return the seconds of a call, in the mean of some methods."""
    began = time.perf_counter()
    for method in methods:
        call: Call = OPERATIONS[method].call("a")
        await make(call, store.repository)
    return (time.perf_counter() - began) / len(methods)


def less_work(number: int, cost: float, patience: float) -> int:
    """Return how many pieces of work to do.

    Args:
        number: How many there are to do.
        cost: The seconds of one.
        patience: The seconds that all of them may take; where they would take longer, fewer are
            done: a quarter, or a quarter of that, and so on, and at least one.
    """
    return number and max(1, number // _divisor(cost * number, patience))


def _divisor(seconds: float, patience: float) -> int:
    """Return by which power of the step some work has to be less to be done in time."""
    if seconds <= patience:
        return 1
    return int(_STEP ** math.ceil(math.log(seconds / patience, _STEP)))


def _calls_on_large_stores(profile: Profile) -> int:
    """Return about how many calls the check of large stores makes: it reads each job often.

    A job that is saved together with a thousand others counts for half of one.
    """
    of_jobs = _CALLS_OF_A_JOB * profile.stored + profile.counted // 2
    return of_jobs + profile.altered + profile.repeated


def _shown(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1e3:.{0 if seconds >= 0.01 else 1}f} ms"
