"""SCALE-1 and KEY-3: the costs in a small store and in a large one, and of its first and last page.

Both are measured in turn, so that what disturbs one disturbs the other.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from collection_jobs.conformance.checks.scaling.busy import is_busy
from collection_jobs.conformance.checks.scaling.costs import (
    CHANGES,
    DEEP_PAGE,
    FIRST_PAGE,
    Cost,
    measure,
    measure_changes,
)
from collection_jobs.conformance.checks.scaling.filling import fill
from collection_jobs.conformance.report.capability_report import Observation
from collection_jobs.conformance.running.configuration import Examination, Plan
from collection_jobs.conformance.running.open_store import OpenStore, open_with_timeout
from collection_jobs.conformance.running.registered import registered
from collection_jobs.conformance.spec.capabilities import METHODS
from collection_jobs.conformance.spec.findings import Finding

__all__ = ["examine_scaling"]

_LAW = "SCALE-1"
_DEPTH_LAW = "KEY-3"

_TIMES = 10
"""Calls of a kind in one measurement."""
_CONFIRMATIONS = 2
"""How often a growth that was seen must be seen again before it is a finding."""
_CPU, _WALL = 3.0, 6.0
"""Up to which factor the cost may be greater in a store of a hundred times as many jobs."""
_FLOOR = 4e-6
"""Seconds that a call may take more whatever the factor: less cannot be measured."""
_FLOOR_MOVED = 65_536
"""Bytes that a call may move more: a tree has some pages more where it is large."""
_WINDOWS = 3
"""How often the mean cost of some hundred changes is measured: work that is due once in a while, as
where a log is merged, falls into one of them, and counts in none."""
_LONG_WINDOW = 3.0
"""Seconds after which the changes are not made again."""
_LEAST_FACTOR = 20
"""How many times as many jobs the large store must have for the comparison to tell anything."""
_LEAST = 200
"""How many jobs it must have at least."""
_SHORT_FILLING = 3.0
"""Seconds for an adapter that does not declare to scale: it may take for ever."""


@dataclass(slots=True)
class _Growth:
    """What was measured.

    Attributes:
        sizes: How many jobs the small and the large store had.
        worst: How many times as much work a call took in the large store, at most.
        depth: How many times as much work a deep page took as the first one; None: not measured.
        opening: How many times as much work the opening took; None: not measured.
        changes: How many times as much work some hundred changes took; None: not measured.
        disturbed: Whether only time on the clock grew, on a machine that was busy.
    """

    sizes: tuple[int, int]
    worst: float = 0.0
    depth: float | None = None
    opening: float | None = None
    changes: float | None = None
    disturbed: bool = False

    def __str__(self) -> str:
        """Say what was covered."""
        small, large = self.sizes
        told = (
            f"the cost of each call with {large:,} jobs instead of {small:,}:"
            f" at most {self.worst:.1f} times the work"
        )
        if self.depth is not None:
            told += f"; of a deep page instead of the first: {self.depth:.1f} times"
        if self.changes is not None:
            told += f"; of some hundred changes, on average: {self.changes:.1f} times"
        if self.opening is not None:
            told += f"; of the opening, of which no law speaks: {self.opening:.1f} times"
        return told


@dataclass(slots=True)
class _Pair:
    """Two open stores, and the least cost of each call on either that was ever measured."""

    stores: tuple[OpenStore, OpenStore]
    capabilities: frozenset[str]
    least: tuple[dict[str, Cost], dict[str, Cost]] = field(default_factory=lambda: ({}, {}))
    measured: int = 0

    def measure(self, repetitions: int) -> None:
        """Measure both in turn, so that what disturbs one disturbs the other."""
        self.least = ({}, {})
        for _ in range(repetitions):
            self.measured += 1
            for store, least in zip(self.stores, self.least, strict=True):
                name = f"probe {self.measured}"
                costs = store.run(
                    measure(registered(store.repository), name, _TIMES, self.capabilities)
                )
                for call, cost in costs.items():
                    least[call] = cost.least(least.get(call, cost))

    def measure_changes(self) -> tuple[Cost, Cost]:
        """Return the least mean cost of some hundred changes on either store."""
        least: list[Cost | None] = [None, None]
        began = time.monotonic()
        for _ in range(_WINDOWS):
            self.measured += 1
            for at, store in enumerate(self.stores):
                name = f"changes {self.measured}"
                cost = store.run(measure_changes(registered(store.repository), name))
                least[at] = cost.least(least[at] or cost)
            if time.monotonic() - began > _LONG_WINDOW:
                break
        small, large = least
        assert small is not None and large is not None  # noqa: PT018,S101 - each was measured once
        return small, large


def examine_scaling(plan: Plan) -> Examination:
    """Fill two stores, and compare what each call costs on either.

    A store whose calls raise has no costs to compare: then nothing can be said. An adapter that
    does not declare to scale is only looked at, and its growth confirmed once.
    """
    declared = "scales" in plan.capabilities
    seconds = plan.profile.filling if declared else min(plan.profile.filling, _SHORT_FILLING)
    plan.progress(0, 3)
    directories = [plan.new_directory() for _ in plan.profile.sizes]
    with ExitStack() as opened:
        small, large = (
            opened.enter_context(OpenStore(open_with_timeout(plan.opening(directory))))
            for directory in directories
        )
        try:
            sizes = _filled(small, large, plan.profile.sizes, seconds)
            if sizes[1] < _LEAST:
                return _unchecked(_too_few(plan, sizes, seconds))
            growth, pair = _Growth(sizes), _Pair((small, large), plan.capabilities)
            findings = _compare(plan, pair, growth, declared=declared)
        except Exception as error:  # noqa: BLE001 - whatever a call raises, other checks judge it
            return _unchecked(f"a call raised {type(error).__name__}: {error}")
    if "durable" in plan.capabilities:
        growth.opening = _opening_factor(plan, directories)
    plan.progress(3, 3)
    return _examined(plan, growth, findings, seconds, declared=declared)


def _examined(
    plan: Plan,
    growth: _Growth,
    findings: dict[str, Finding],
    seconds: float,
    *,
    declared: bool,
) -> Examination:
    """Return what is known; nothing holds of a size that was not reached, or not measured."""
    observed = Observation("scales", _LAW not in findings, str(growth))
    told = [one for law, one in findings.items() if law != _LAW or declared]
    if growth.sizes[1] < plan.profile.sizes[1]:
        why = _too_few(plan, growth.sizes, seconds)
        unchecked = {law: why for law in (_LAW, _DEPTH_LAW) if law not in findings}
        return Examination(told, str(growth), unchecked, (observed,) if findings else ())
    if growth.disturbed and not findings:
        why = "a call took longer in the large store, on a machine too busy to tell why"
        return Examination([], str(growth), {_LAW: why})
    return Examination(told, str(growth), {}, (observed,))


def _too_few(plan: Plan, sizes: tuple[int, int], seconds: float) -> str:
    return f"in {seconds:g} s only {sizes[1]:,} of {plan.profile.sizes[1]:,} jobs could be saved"


def _compare(plan: Plan, pair: _Pair, growth: _Growth, *, declared: bool) -> dict[str, Finding]:
    """Measure and compare; return the findings by their laws."""
    findings = dict[str, Finding]()
    plan.progress(1, 3)
    repetitions = plan.profile.repetitions
    growing = _confirmed(pair, growth, repetitions, _CONFIRMATIONS if declared else 1)
    growing = growing or _growing_on_average(pair, growth)
    if growing:
        findings[_LAW] = _finding(growth, growing)
    plan.progress(2, 3)
    if METHODS["list_after"] in plan.capabilities:
        too_deep = _look_deep(pair, growth, repetitions)
        if too_deep is not None:
            findings[_DEPTH_LAW] = too_deep
    return findings


def _growing_on_average(pair: _Pair, growth: _Growth) -> list[_Growing]:
    """Compare the mean cost of some hundred changes, again where it is greater."""
    growing: list[_Growing] = []
    for _ in range(1 + _CONFIRMATIONS):
        small, large = pair.measure_changes()
        growth.changes = _work_factor(small, large)
        found = _grown(CHANGES, small, large, _allowed(growth))
        if found is None or found.measure == "time":
            return []
        growing = [found]
    return growing


def _opening_factor(plan: Plan, directories: Sequence[Path]) -> float:
    """How many times as much work it takes to open the large store."""
    least = [math.inf, math.inf]
    for _ in range(2):
        for at, directory in enumerate(directories):
            began = time.process_time()
            store = OpenStore(plan.opening(directory))
            least[at] = min(least[at], time.process_time() - began)
            store.close()
    return least[1] / max(least[0], _FLOOR)


def _filled(
    small: OpenStore, large: OpenStore, sizes: tuple[int, int], seconds: float
) -> tuple[int, int]:
    """How many jobs the small and the large store have when they are filled."""
    many = large.run(fill(registered(large.repository), sizes[1], seconds))
    if many < _LEAST:
        return 0, many
    return small.run(
        fill(registered(small.repository), min(sizes[0], many // _LEAST_FACTOR), seconds)
    ), many


def _unchecked(why: str) -> Examination:
    return Examination([], "", {_LAW: why, _DEPTH_LAW: why})


def _look_deep(pair: _Pair, growth: _Growth, repetitions: int) -> Finding | None:
    """Compare a deep page of the large store with its first one, again where it costs more."""
    for _ in range(_CONFIRMATIONS):
        if _deeper(pair, growth) is None:
            return None
        pair.measure(repetitions)
    found = _deeper(pair, growth)
    if found is None or (found.measure == "time" and is_busy()):
        return None
    before = growth.sizes[1] // 2
    message = (
        f"a page behind some {before:,} jobs costs {found.factor:.0f} times as much as the first"
    )
    lines = (
        "# Milliseconds per call:",
        f"await repository.{FIRST_PAGE}  # {_told(found, found.small)}",
        f"await repository.{DEEP_PAGE}  # {_told(found, found.large)}",
    )
    return Finding(_DEPTH_LAW, message, lines)


def _deeper(pair: _Pair, growth: _Growth) -> _Growing | None:
    """Return what a deep page costs beside the first one, if that is much more."""
    _, large = pair.least
    first, deep = large[FIRST_PAGE], large[DEEP_PAGE]
    growth.depth = _work_factor(first, deep)
    return _grown(DEEP_PAGE, first, deep, allowed=1.0)


@dataclass(frozen=True, slots=True)
class _Growing:
    call: str
    small: Cost
    large: Cost
    factor: float
    measure: str


def _confirmed(
    pair: _Pair, growth: _Growth, repetitions: int, confirmations: int
) -> list[_Growing]:
    """Return the calls whose cost grows each time that it is measured."""
    growing: dict[str, _Growing] = {}
    for confirmed in range(1 + confirmations):
        pair.measure(repetitions)
        found = {one.call: one for one in _growing(pair, _allowed(growth))}
        growing = found if confirmed == 0 else {c: one for c, one in found.items() if c in growing}
        growth.worst = max(_work_factor(*costs) for costs in _costs(pair))
        if not growing:
            break
    real = [one for one in growing.values() if one.measure != "time" or not is_busy()]
    growth.disturbed = len(real) < len(growing)
    return real


def _costs(pair: _Pair) -> list[tuple[Cost, Cost]]:
    small, large = pair.least
    return [(small[call], large[call]) for call in small if call != DEEP_PAGE]


def _work_factor(small: Cost, large: Cost) -> float:
    return (large.cpu + _FLOOR) / (small.cpu + _FLOOR)


def _allowed(growth: _Growth) -> float:
    # In proportion would be by the factor itself, less what a call costs at any size. A tree grows
    # by its depth, and lists cut into pieces by a root: so much is allowed.
    factor = growth.sizes[1] / growth.sizes[0]
    return max(1.0, math.pow(factor / 100, 1 / 3))


def _growing(pair: _Pair, allowed: float) -> list[_Growing]:
    small, large = pair.least
    growing: list[_Growing] = []
    for call, cost in small.items():
        found = None if call == DEEP_PAGE else _grown(call, cost, large[call], allowed)
        if found is not None:
            growing.append(found)
    return growing


def _grown(call: str, cost: Cost, other: Cost, allowed: float) -> _Growing | None:
    """Return a cost beside another that may not be much greater, if it is."""
    work = _work_factor(cost, other)
    moved = (other.moved + _FLOOR_MOVED) / (cost.moved + _FLOOR_MOVED)
    wall = (other.wall + _FLOOR) / (cost.wall + _FLOOR)
    if work > _CPU * allowed:
        return _Growing(call, cost, other, work, "work")
    if moved > _CPU * allowed:
        return _Growing(call, cost, other, moved, "bytes")
    if wall > _WALL * allowed:
        return _Growing(call, cost, other, wall, "time")
    return None


def _finding(growth: _Growth, growing: list[_Growing]) -> Finding:
    growing.sort(key=lambda one: one.factor, reverse=True)
    small, large = growth.sizes
    worst = growing[0]
    message = (
        f"{worst.call} costs {worst.factor:.0f} times as much with {large:,} jobs in the store as"
        f" with {small:,}"
    )
    head = f"# {_UNITS[worst.measure]} per call, with {small:,} jobs and with {large:,}:"
    lines = [
        f"await repository.{one.call}  # {_told(one, one.small)} -> {_told(one, one.large)}"
        for one in growing
    ]
    return Finding(_LAW, message, (head, *lines))


_UNITS = {
    "work": "Milliseconds of work",
    "time": "Milliseconds of time",
    "bytes": "Bytes read and written",
}


def _told(one: _Growing, cost: Cost) -> str:
    if one.measure == "bytes":
        return f"{cost.moved:,.0f} bytes"
    return f"{(cost.cpu if one.measure == 'work' else cost.wall) * 1e3:.3f} ms"
