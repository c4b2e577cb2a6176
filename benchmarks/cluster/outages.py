"""Outages: how long nobody was answered after a fault, by the repository and by the cluster."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.cluster.calls import Call
from benchmarks.cluster.faults import Happened

__all__ = ["SLACK", "Outage", "late_calls", "late_tasks", "outages", "stale_reads"]

SLACK = 5.0
"""Seconds after the cluster takes writes again within which each caller must be answered."""
_STEADY = ("adder", "keeper", "counter")
_BUSY = 3.0
"""Seconds by which a busy machine may end a call late."""


@dataclass(frozen=True, slots=True)
class Outage:
    """What a fault came to, in seconds since it was inflicted.

    Attributes:
        fault: It.
        cluster: When the cluster took writes again, by a bare connection.
        repository: When the last of the callers was answered again.
        unsure: How many calls ended meanwhile that may have happened.
        not_done: And how many that did not.
    """

    fault: Happened
    cluster: float
    repository: float
    unsure: int
    not_done: int


def _series(calls: Sequence[Call]) -> Mapping[str, list[float]]:
    """Give when each steady caller was answered, and the workers of a process together."""
    series: dict[str, list[float]] = defaultdict(list)
    for call in calls:
        process, *rest = call.task.split()
        if call.is_answered and rest[0] in (*_STEADY, "worker"):
            name = call.task if rest[0] in _STEADY else f"{process} workers"
            series[name].append(call.ended)
    return {name: sorted(times) for name, times in series.items()}


def _longest(times: Sequence[float], began: float, ended: float) -> tuple[float, float]:
    """Give the longest time without an answer in a window: from when to when."""
    within = [began, *(at for at in times if began <= at <= ended), ended]
    return max(pairwise(within), key=lambda gap: gap[1] - gap[0])


def outages(
    faults: Sequence[Happened], calls: Sequence[Call], writes: Sequence[float]
) -> Iterator[Outage]:
    """Measure each fault."""
    series = _series(calls)
    for fault in faults:
        window = fault.began, fault.mended
        _, cluster = _longest(writes, *window)
        gaps = [_longest(times, *window) for times in series.values()]
        # A caller whose longest pause is no longer than others are pauses for its own reasons.
        last = max((end for begin, end in gaps if begin <= cluster), default=cluster)
        during = [call for call in calls if fault.began <= call.ended <= fault.mended]
        yield Outage(
            fault,
            cluster - fault.began,
            last - fault.began,
            sum(call.is_unsure for call in during),
            sum(call.is_not_done for call in during),
        )


def late_tasks(
    faults: Sequence[Happened], calls: Sequence[Call], writes: Sequence[float]
) -> Iterator[str]:
    """Name callers that were not answered within the failover's time and the slack."""
    for name, times in _series(calls).items():
        for fault in faults:
            window = fault.began, fault.mended
            down, up = _longest(writes, *window)
            within = [fault.began, *(at for at in times if window[0] <= at <= window[1])]
            for begin, end in pairwise([*within, fault.mended]):
                least = up if begin <= up and end >= down else begin
                if end - least > SLACK:
                    yield (
                        f"{name} was not answered for {end - begin:.1f} s, until"
                        f" {end - up:.1f} s after the cluster took writes ({fault.name})"
                    )


def late_calls(calls: Sequence[Call], limit: float) -> Iterator[str]:
    """Name calls that took longer than every call may."""
    for call in calls:
        if call.ended - call.began > limit + _BUSY:
            yield f"{call.method} of {call.task} took {call.ended - call.began:.1f} s: {call.error}"


def stale_reads(calls: Sequence[Call]) -> int:
    """Count reads that showed less than was acknowledged before: of a primary that is none."""
    known: dict[str, int] = {}
    stale = 0
    for call in calls:
        if call.method == "save_copy" and call.is_done:
            known[call.job_id] = call.about["number"]
        elif call.method == "get_by_id" and "number" in call.about:
            stale += call.about["number"] < known.get(call.job_id, 0)
    return stale
