"""The frame: candidates in turn on the same calls, and the medians of their ratios.

Within a round every slice of calls goes to each candidate in random order, one right after the
other, so that whatever else the machine does slows them alike. A ratio is the median, over the
rounds, of the ratio within a round.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from statistics import median
from time import perf_counter, process_time
from typing import Any

from benchmarks.speed.workload import Call, Phase, Workload

Opener = Callable[[], AbstractAsyncContextManager[Any]]

# A candidate that was given this many seconds in one cell sits out the later rounds, from the
# third on: else the slowest would take most of the time.
_ENOUGH = 1.0
_FEWEST_ROUNDS = 3


@dataclass(frozen=True)
class Candidate:
    """Something that stores jobs.

    Attributes:
        name: What the tables call it.
        open: Open it; the object has the methods that the candidate has, by the same names. With
            ``play`` it makes all the calls of a phase by itself, and gives the seconds; with
            ``prepare`` it looks at them before the clock starts; with ``forget`` it deletes many.
        blocking: Its methods are plain functions, called in one thread, one after the other.
    """

    name: str
    open: Opener
    blocking: bool = False


@dataclass(frozen=True, order=True)
class Cell:
    """One line of the tables."""

    engine: str
    size: int
    callers: int
    method: str


Rates = dict[Cell, dict[str, list[float]]]
"""Calls per second: of each cell, by candidate, one for each round."""


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes:
        rounds: How often each slice is measured.
        seconds: When to end, but for the first round: what has a round less is measured less often.
        slice_seconds: How much time a slice should take.
        callers: The numbers of callers.
        seed: Where all random choice comes from.
        by_processor: The methods that wait for nothing but the processor: they are measured by the
            time that all threads of this process got of it, whatever else the machine does.
    """

    rounds: int
    seconds: float
    slice_seconds: float
    callers: tuple[int, ...]
    seed: int = 0
    by_processor: frozenset[str] = frozenset()


@dataclass
class _Runner:
    """One candidate on one store, and how many calls fill its slices."""

    name: str
    store: Any
    blocking: bool
    calls: dict[tuple[str, int], int] = field(default_factory=dict)
    spent: dict[tuple[str, int], float] = field(default_factory=lambda: defaultdict(float))

    def has(self, phase: Phase) -> bool:
        """Whether the candidate has the methods of a phase."""
        names = {name for calls in phase.callers for name, _ in calls}
        return all(hasattr(self.store, name) for name in names)

    async def seconds(self, phase: Phase, by_processor: frozenset[str]) -> float:
        """Make the calls of a phase, and measure them by one of two clocks."""
        now = process_time if phase.method in by_processor else perf_counter
        if phase.method is None and hasattr(self.store, "forget"):
            forgotten = self.store.forget([args[0] for calls in phase.callers for _, args in calls])
            if not self.blocking:
                await forgotten
            return 0.0
        if hasattr(self.store, "play"):
            played: float = await self.store.play(phase.callers)
            return played
        if hasattr(self.store, "prepare"):
            self.store.prepare(phase)
        bound = [_bound(self.store, calls) for calls in phase.callers]
        gc.collect()
        if self.blocking:
            began = now()
            for calls in bound:
                for call, args in calls:
                    call(*args)
        else:
            began = now()
            await asyncio.gather(*[_caller(calls) for calls in bound])
        return now() - began


def _bound(store: Any, calls: Iterable[Call]) -> list[tuple[Callable[..., Any], tuple[Any, ...]]]:
    return [(getattr(store, name), args) for name, args in calls]


async def _caller(calls: list[tuple[Callable[..., Any], tuple[Any, ...]]]) -> None:
    for call, args in calls:
        await call(*args)


async def measure(
    engine: str, stores: dict[int, list[Candidate]], groups: tuple[str, ...], effort: Effort
) -> Rates:
    """Measure candidates on stores of several sizes, each in all the groups that it has."""
    rates: Rates = defaultdict(lambda: defaultdict(list))
    random = Random(effort.seed)
    work = {size: Workload(size, effort.seed) for size in stores}
    async with AsyncExitStack() as opened:
        opened.callback(gc.unfreeze)
        runners = {
            size: [
                _Runner(it.name, await opened.enter_async_context(it.open()), it.blocking)
                for it in candidates
            ]
            for size, candidates in stores.items()
        }
        gc.collect()
        gc.freeze()  # else each collection before a slice would go through all that is open
        slices = [
            (size, group, callers)
            for size in stores
            for group in groups
            for callers in effort.callers
        ]
        began = perf_counter()
        for number in range(effort.rounds):
            print(f"{engine}: round {number + 1} of {effort.rounds}", file=sys.stderr, flush=True)
            for size, group, callers in random.sample(slices, len(slices)):
                if number and perf_counter() - began > effort.seconds:
                    return rates
                for runner in random.sample(runners[size], len(runners[size])):
                    if runner.spent[group, callers] < _ENOUGH or number < _FEWEST_ROUNDS:
                        await _slice(runner, group, callers, work[size], effort, engine, rates)
    return rates


async def _slice(
    runner: _Runner,
    group: str,
    callers: int,
    work: Workload,
    effort: Effort,
    engine: str,
    rates: Rates,
) -> None:
    key = group, callers
    tasks = 1 if runner.blocking else callers  # a blocking one has one caller, whoever waits
    if key not in runner.calls:
        found = await _calls_of_a_slice(runner, group, tasks, work, effort)
        if found is None:
            return
        runner.calls[key] = found
    for phase in work.phases(group, runner.calls[key], tasks):
        if not runner.has(phase):
            continue
        seconds = await runner.seconds(phase, effort.by_processor)
        runner.spent[key] += seconds
        if phase.method is not None:
            cell = Cell(engine, work.size, callers, phase.method)
            rates[cell][runner.name].append(phase.calls / seconds)


async def _calls_of_a_slice(
    runner: _Runner, group: str, tasks: int, work: Workload, effort: Effort
) -> int | None:
    """Warm up, and find how many calls fill a slice; None: it lacks a method."""
    calls, seconds = tasks, 0.0
    while seconds < effort.slice_seconds / 4:
        phases = [it for it in work.phases(group, calls, tasks) if runner.has(it)]
        if not phases:
            return None
        seconds = max([await runner.seconds(phase, effort.by_processor) for phase in phases])
        per_call, calls = seconds / calls, calls * 8
    return max(tasks, int(effort.slice_seconds / per_call))


def ratio(cell: dict[str, list[float]], ours: str, other: str) -> float | None:
    """Return how many times as fast ``ours`` is, the median of the rounds; None: not measured."""
    both = [mine / its for mine, its in zip(cell.get(ours, []), cell.get(other, []), strict=False)]
    return median(both) if both else None
