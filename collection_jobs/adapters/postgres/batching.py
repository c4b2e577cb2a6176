"""Which of the calls that wait travel as one statement.

Why this is not SQLite's committer: there one thread does one write after another, and what they
share is the transaction around them. Here they share the statement, several are under way at once,
and what must not share one (two saves of one job, say) is kept apart by the job's id.

Listings share one only where they ask for the same: different pages in one statement spare the
server a part, and the client nothing, whose time is what bounds them (docs/benchmarks.md).
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.adapters.postgres.write import AnyWrite, Sharing

__all__ = ["Read", "ReadKind", "WaitingReads", "WaitingWrites"]

_LARGEST_WEIGHT = 5_000
"""Weight of one statement, from which on it takes no other call: see `Request.weight`."""
_FARTHEST = 1_000
"""How many of the waiting calls are looked at for one batch."""


class ReadKind(Protocol):
    """One kind of reads."""

    together: int
    """The most keys in one statement."""

    async def run(self, pooled: PooledConnection, keys: Sequence[Any]) -> Mapping[Any, Any]:
        """Read what the keys ask for; a key that is missing in the answer has None."""
        ...


@dataclass(eq=False, slots=True)
class Read:
    """One thing to read, and who waits for it.

    Attributes:
        kind: How it is read.
        key: What is read.
        callers: Whom to answer, and each one's deadline by the event loop's clock.
        attempts: How often it was tried, and is to be tried again.
    """

    kind: ReadKind
    key: Hashable
    callers: list[tuple[asyncio.Future[Any], float]]
    attempts: int = 0

    @property
    def deadline(self) -> float:
        """The earliest one; those who came first wait longest."""
        return self.callers[0][1]

    @property
    def is_wanted(self) -> bool:
        """Whether anybody waits for it still."""
        return not all(future.done() for future, _ in self.callers)

    def answer(self, result: Any) -> None:
        """Tell all who wait; each gets a list of its own."""
        for future, _ in self.callers:
            if not future.done():
                future.set_result(list(result) if result.__class__ is list else result)

    def fail(self, error: Callable[[], Exception], until: float = math.inf) -> None:
        """Tell those whose deadline is not after an instant that it cannot be read."""
        for future, deadline in self.callers:
            if deadline <= until and not future.done():
                future.set_exception(error())
        self.callers = [caller for caller in self.callers if caller[1] > until]


class WaitingReads:
    """The reads that wait; equal ones are one."""

    def __init__(self) -> None:
        """Start with none."""
        self._waiting: dict[ReadKind, dict[Hashable, Read]] = {}

    def __bool__(self) -> bool:
        """Whether any waits."""
        return bool(self._waiting)

    def add(
        self, kind: ReadKind, key: Hashable, future: asyncio.Future[Any], deadline: float
    ) -> None:
        """Let one wait, beside those that ask for the same."""
        waiting = self._waiting.setdefault(kind, {})
        read = waiting.get(key)
        if read is None:
            waiting[key] = Read(kind, key, [(future, deadline)])
        else:
            read.callers.append((future, deadline))

    def put_back(self, reads: Iterable[Read]) -> None:
        """Let some wait again."""
        for read in reads:
            waiting = self._waiting.setdefault(read.kind, {})
            other = waiting.setdefault(read.key, read)
            if other is not read:
                other.callers = read.callers + other.callers

    def next(self) -> list[Read]:
        """Take those that share the next statement; those that nobody waits for are passed over.

        The kinds take turns.
        """
        while self._waiting:
            kind = next(iter(self._waiting))
            waiting = self._waiting.pop(kind)
            batch: list[Read] = []
            while waiting and len(batch) < kind.together:
                read = waiting.pop(next(iter(waiting)))
                if read.is_wanted:
                    batch.append(read)
            if waiting:
                self._waiting[kind] = waiting
            if batch:
                return batch
        return []

    def expire(self, now: float, error: Callable[[], Exception]) -> None:
        """Fail those who have waited until their deadline."""
        for kind, waiting in list(self._waiting.items()):
            for key, read in list(waiting.items()):
                read.fail(error, now)
                if not read.callers:
                    del waiting[key]
            if not waiting:
                del self._waiting[kind]

    def deadlines(self) -> Iterator[float]:
        """When those that wait expire."""
        for waiting in self._waiting.values():
            for read in waiting.values():
                yield read.deadline


class WaitingWrites:
    """The writes that wait, in the order of their calls, and the jobs that are being written."""

    def __init__(self) -> None:
        """Start with none."""
        self._waiting: deque[AnyWrite] = deque()
        self._busy: set[str] = set()

    def __bool__(self) -> bool:
        """Whether any waits."""
        return bool(self._waiting)

    def add(self, write: AnyWrite) -> None:
        """Let one wait."""
        self._waiting.append(write)

    def put_back(self, writes: Sequence[AnyWrite]) -> None:
        """Let some wait again, before all others."""
        self._waiting.extendleft(reversed(writes))

    def next(self, *, patient: bool = True) -> list[AnyWrite]:
        """Take those that share the next statement; their jobs are busy until they are `done`.

        A call passes over those that wait before it only where these are about other jobs, and it
        waits while its job is busy. One that was cancelled meanwhile is dropped.

        Args:
            patient: Whether the statement may wait for a lock that is known to be another's.
        """
        batch = _Batch()
        passed: list[AnyWrite] = []
        barred: set[str] = set()
        while self._waiting and not batch.is_full and len(passed) < _FARTHEST:
            write = self._waiting.popleft()
            if write.future.cancelled():
                continue
            free = barred.isdisjoint(write.ids) and self._busy.isdisjoint(write.ids)
            may_start = patient or write.sharing is not Sharing.LOCKED
            if not (free and may_start and batch.take(write)):
                barred.update(write.ids)
                passed.append(write)
        self._waiting.extendleft(reversed(passed))
        for write in batch.writes:
            self._busy.update(write.ids)
        return batch.writes

    def begin(self, write: AnyWrite) -> None:
        """Let one begin at once, while no other waits or is under way; as `next` does it."""
        self._busy.update(write.ids)

    def done(self, writes: Sequence[AnyWrite]) -> None:
        """Let the next ones on these jobs begin."""
        for write in writes:
            self._busy.difference_update(write.ids)

    def expire(self, now: float) -> list[AnyWrite]:
        """Take those that have waited until their deadline."""
        late = [write for write in self._waiting if write.deadline <= now]
        if late:
            self._waiting = deque(write for write in self._waiting if write.deadline > now)
        return late

    def deadlines(self) -> Iterator[float]:
        """When those that wait expire."""
        return (write.deadline for write in self._waiting)

    def take_all(self) -> list[AnyWrite]:
        """Take all that wait."""
        waiting, self._waiting = list(self._waiting), deque()
        return waiting


class _Batch:
    """Writes that share a statement, while they are gathered."""

    def __init__(self) -> None:
        self.writes: list[AnyWrite] = []
        self._first_on: dict[str, AnyWrite] = {}
        self._jobs = self._weight = 0

    @property
    def is_full(self) -> bool:
        return bool(self.writes) and (
            self._jobs >= self.writes[0].kind.together
            or self._weight >= _LARGEST_WEIGHT
            or self.writes[0].sharing is not Sharing.SHARED
        )

    def take(self, write: AnyWrite) -> bool:
        """Add a write if it fits."""
        if self.writes and (
            write.kind is not self.writes[0].kind or write.sharing is not Sharing.SHARED
        ):
            return False
        for job_id in write.ids:
            first = self._first_on.get(job_id)
            if first is not None and not write.kind.may_share(first.request, write.request):
                return False
        for job_id in write.ids:
            self._first_on.setdefault(job_id, write)
        self.writes.append(write)
        self._jobs += max(1, len(write.ids))
        self._weight += write.weight
        return True
