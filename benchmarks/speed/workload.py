"""What the callers of one slice do: the calls of each method, made before the clock starts.

A slice leaves the store as it found it, so that its size and what the indexes hold stay the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any

from benchmarks.speed.jobs import ERROR, SYMBOLS, created_at, job_id, new_job, pending
from collection_jobs import JobStatus

PAGE = 50
"""How many jobs a listing asks for."""
MANY = 10
"""How many jobs save_many saves."""
_FORGETTERS = 256

Call = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Phase:
    """Calls for each of the callers; timed under a method's name, or deletions that tidy up."""

    method: str | None
    callers: list[list[Call]]

    @property
    def calls(self) -> int:
        """How many there are."""
        return sum(map(len, self.callers))


class Workload:
    """The slices on a store of one size."""

    def __init__(self, size: int, seed: int) -> None:
        """Fix the store's size and the random choice of jobs."""
        self.size = size
        self._random = Random(seed)
        self._pending = pending(size)
        self._fresh = count()

    def phases(self, group: str, calls: int, callers: int) -> list[Phase]:
        """Return the phases of one slice: about ``calls`` calls of each method of the group."""
        return list(_GROUPS[group](self, max(calls, callers), callers))

    def _id(self) -> str:
        return job_id(self._random.randrange(self.size))

    def _reads(self, calls: int, callers: int, make: Callable[[], Call]) -> Iterator[Phase]:
        made = [make() for _ in range(calls)]
        yield Phase(made[0][0], _dealt(made, callers))

    def _point(self, method: str) -> Callable[[], Call]:
        return lambda: (method, (self._id(),))

    def _page(self) -> Call:
        key = created_at(self._random.randrange(self.size)), "job-"
        return "list_after", (JobStatus.PENDING, key, PAGE)

    def _save_and_delete(self, calls: int, callers: int) -> Iterator[Phase]:
        jobs = [new_job(next(self._fresh)) for _ in range(calls)]
        yield Phase("save", _dealt([("save", (job,)) for job in jobs], callers))
        self._random.shuffle(jobs)
        yield Phase("delete", _dealt([("delete", (job.id,)) for job in jobs], callers))

    def _save_many(self, calls: int, callers: int) -> Iterator[Phase]:
        batches = [[new_job(next(self._fresh)) for _ in range(MANY)] for _ in range(calls)]
        yield Phase("save_many", _dealt([("save_many", (batch,)) for batch in batches], callers))
        ids = [job.id for batch in batches for job in batch]
        yield Phase(None, _dealt([("delete", (job_id,)) for job_id in ids], _FORGETTERS))

    def _update_status(self, calls: int, callers: int) -> Iterator[Phase]:
        """Each caller takes jobs of its own, and gives each back: two calls."""
        pairs = max(calls // 2, callers)
        numbers = self._random.choices(self._pending, k=pairs)
        if pairs <= len(self._pending):
            numbers = self._random.sample(self._pending, pairs)
        yield Phase(
            "update_status",
            [
                [
                    ("update_status", (job_id(number), status))
                    for number in numbers[caller::callers]
                    for status in (JobStatus.RUNNING, JobStatus.PENDING)
                ]
                for caller in range(callers)
            ],
        )

    def _outcome(self, method: str, outcome: object) -> Callable[[], Call]:
        return lambda: (method, (self._id(), self._random.choice(SYMBOLS), outcome))


def _dealt(calls: Sequence[Call], callers: int) -> list[list[Call]]:
    return [list(calls[caller::callers]) for caller in range(callers)]


Maker = Callable[[Workload, int, int], Iterator[Phase]]


def _each(make: Callable[[Workload], Callable[[], Call]]) -> Maker:
    # A workload's own parts: this module is one thing.
    return lambda work, calls, callers: work._reads(calls, callers, make(work))


def _same(method: str, *args: object) -> Maker:
    return _each(lambda work: lambda: (method, args))


_GROUPS: dict[str, Maker] = {
    "get_by_id": _each(lambda work: work._point("get_by_id")),
    "get_stats": _each(lambda work: work._point("get_stats")),
    "list_by_status": _same("list_by_status", JobStatus.PENDING, PAGE),
    "list_recent": _same("list_recent", PAGE),
    "list_after": _each(lambda work: work._page),
    "get_running_jobs": _same("get_running_jobs"),
    "save, delete": Workload._save_and_delete,
    "update_status": Workload._update_status,
    "add_failed_symbol": _each(lambda work: work._outcome("add_failed_symbol", ERROR)),
    "add_completed_symbol": _each(lambda work: work._outcome("add_completed_symbol", 1_440)),
    "save_many": Workload._save_many,
}

GROUPS = tuple(_GROUPS)
READS = GROUPS[:6]
WRITES = GROUPS[6:]
METHODS = tuple(method for group in GROUPS for method in group.split(", "))
