"""SCALE-1 and KEY-3: the costs in a small store and in a large one, and of its first and last page.

Both are measured in turn, so that what disturbs one disturbs the other.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field

from collection_jobs.conformance.checks.scaling.costs import DEEP_PAGE, FIRST_PAGE, Cost, measure
from collection_jobs.conformance.checks.scaling.filling import fill
from collection_jobs.conformance.report.capability_report import Observation
from collection_jobs.conformance.running.configuration import Examination, Plan
from collection_jobs.conformance.running.open_store import OpenStore, open_with_timeout
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
    """

    sizes: tuple[int, int]
    worst: float = 0.0
    depth: float | None = None

    def __str__(self) -> str:
        """Say what was covered."""
        small, large = self.sizes
        told = (
            f"the cost of each call with {large:,} jobs instead of {small:,}:"
            f" at most {self.worst:.1f} times the work"
        )
        if self.depth is not None:
            told += f"; of a deep page instead of the first: {self.depth:.1f} times"
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
                costs = store.run(measure(store.repository, name, _TIMES, self.capabilities))
                for call, cost in costs.items():
                    least[call] = cost.least(least.get(call, cost))


def examine_scaling(plan: Plan) -> Examination:
    """Fill two stores, and compare what each call costs on either.

    A store whose calls raise has no costs to compare: then nothing can be said. An adapter that
    does not declare to scale is only looked at, and its growth confirmed once.
    """
    declared = "scales" in plan.capabilities
    seconds = plan.profile.filling if declared else min(plan.profile.filling, _SHORT_FILLING)
    with ExitStack() as opened:
        small, large = (
            opened.enter_context(OpenStore(open_with_timeout(plan.opening(plan.new_directory()))))
            for _ in plan.profile.sizes
        )
        plan.progress(0, 3)
        try:
            sizes = _filled(small, large, plan.profile.sizes, seconds)
            if sizes[1] < _LEAST:
                return _unchecked(f"in {seconds:g} s only {sizes[1]:,} jobs could be saved")
            growth, pair = _Growth(sizes), _Pair((small, large), plan.capabilities)
            plan.progress(1, 3)
            repetitions = plan.profile.repetitions
            growing = _confirmed(pair, growth, repetitions, _CONFIRMATIONS if declared else 1)
            plan.progress(2, 3)
            beyond = METHODS["list_after"] in plan.capabilities
            too_deep = _look_deep(pair, growth, repetitions) if beyond else None
        except Exception as error:  # noqa: BLE001 - whatever a call raises, other checks judge it
            return _unchecked(f"a call raised {type(error).__name__}: {error}")
        plan.progress(3, 3)
    observed = Observation("scales", not growing, str(growth))
    findings = [_finding(growth, growing)] if growing and declared else []
    findings += [] if too_deep is None else [too_deep]
    return Examination(findings, str(growth), {}, (observed,))


def _filled(
    small: OpenStore, large: OpenStore, sizes: tuple[int, int], seconds: float
) -> tuple[int, int]:
    """How many jobs the small and the large store have when they are filled."""
    many = large.run(fill(large.repository, sizes[1], seconds))
    if many < _LEAST:
        return 0, many
    return small.run(fill(small.repository, min(sizes[0], many // _LEAST_FACTOR), seconds)), many


def _unchecked(why: str) -> Examination:
    return Examination([], "", {_LAW: why, _DEPTH_LAW: why})


def _look_deep(pair: _Pair, growth: _Growth, repetitions: int) -> Finding | None:
    """Compare a deep page of the large store with its first one, again where it costs more."""
    for _ in range(_CONFIRMATIONS):
        if _deeper(pair, growth) is None:
            return None
        pair.measure(repetitions)
    found = _deeper(pair, growth)
    if found is None:
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
    in_work: bool


def _confirmed(
    pair: _Pair, growth: _Growth, repetitions: int, confirmations: int
) -> list[_Growing]:
    """Return the calls whose cost grows each time that it is measured."""
    factor = growth.sizes[1] / growth.sizes[0]
    growing: dict[str, _Growing] = {}
    for time in range(1 + confirmations):
        pair.measure(repetitions)
        found = {one.call: one for one in _growing(pair, factor)}
        growing = found if time == 0 else {c: one for c, one in found.items() if c in growing}
        growth.worst = max(_work_factor(*costs) for costs in _costs(pair))
        if not growing:
            break
    return list(growing.values())


def _costs(pair: _Pair) -> list[tuple[Cost, Cost]]:
    small, large = pair.least
    return [(small[call], large[call]) for call in small if call != DEEP_PAGE]


def _work_factor(small: Cost, large: Cost) -> float:
    return (large.cpu + _FLOOR) / (small.cpu + _FLOOR)


def _growing(pair: _Pair, factor: float) -> list[_Growing]:
    # In proportion would be by the factor itself, less what a call costs at any size. A tree grows
    # by its depth, and lists cut into pieces by a root: so much is allowed.
    allowed = max(1.0, (factor / 100) ** (1 / 3))
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
    wall = (other.wall + _FLOOR) / (cost.wall + _FLOOR)
    if work > _CPU * allowed:
        return _Growing(call, cost, other, work, in_work=True)
    if wall > _WALL * allowed:
        return _Growing(call, cost, other, wall, in_work=False)
    return None


def _finding(growth: _Growth, growing: list[_Growing]) -> Finding:
    growing.sort(key=lambda one: one.factor, reverse=True)
    small, large = growth.sizes
    worst = growing[0]
    message = (
        f"{worst.call} costs {worst.factor:.0f} times as much with {large:,} jobs in the store as"
        f" with {small:,}"
    )
    head = f"# Milliseconds of {{}} per call, with {small:,} jobs and with {large:,}:"
    lines = [
        f"await repository.{one.call}  # {_told(one, one.small)} -> {_told(one, one.large)}"
        for one in growing
    ]
    kind = "work" if worst.in_work else "time"
    return Finding(_LAW, message, (head.format(kind), *lines))


def _told(one: _Growing, cost: Cost) -> str:
    return f"{(cost.cpu if one.in_work else cost.wall) * 1e3:.3f} ms"
