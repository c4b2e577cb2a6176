"""Clocks: how many changes are due before a read, and how many its revision leaves room for.

Almost every change gives the job a greater revision, and every failure one more in its count. So
between what is known now and a read there are at most as many changes as the revisions are apart.
Where more were done before the read began, or more are needed to make the job what the read showed,
no order goes on from here. By how much a revision grows at one change is the store's affair: that
there are fewer changes than the revisions are apart shows nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple

from collection_jobs.conformance.history.pruning import Prospects
from collection_jobs.conformance.history.sequential_spec import JobOperation
from collection_jobs.conformance.spec.judge import PERMITTED
from collection_jobs.conformance.spec.model import Facts, JobState, facts_of

__all__ = ["Clock"]

_RAISES = frozenset({"update_status", "add_failed_symbol", "add_failure", "claim", "claim_next"})
"""Of these, each that changes a job raises its revision: a save may leave the job as it was."""
_LEAVES_COUNTS = _RAISES | {"add_completed_symbol", "set_cursor", "renew"}
"""All but these may leave other counts of failures than there were, or none."""
_AHEAD = 6
"""How many reads ahead are asked: a change that came too early shows at one of the next."""
_BACK = 512
"""How many operations before a read are looked at; earlier ones are not counted."""


class _Shape(NamedTuple):
    """What of a job changes step by step."""

    status: str
    counts: dict[str, int]
    total: int
    failed: frozenset[tuple[str, str]]


class _Read(NamedTuple):
    """A read that shows a revision."""

    at: int
    began: int
    ended: int
    revision: int
    done: int
    """Which changes that raise the revision ended before it began: see `_done_before`."""
    shape: _Shape


class Clock:
    """The reads of one history that show a revision, and the changes that lead to them."""

    def __init__(
        self,
        known: Sequence[JobOperation],
        maybe: Iterable[JobOperation],
        prospects: Prospects,
    ) -> None:
        """Look through the operations.

        Args:
            known: Those that came back, in the order they began in: the search numbers them so.
            maybe: Those that may have happened.
            prospects: What the operations give.
        """
        self._known = known
        self._prospects = prospects
        self._perhaps = min((one.began for one in maybe if not one.reads), default=inf)
        self._reads = list(_reads(known))
        self._places = [one.at for one in self._reads]
        # By its place, what each save leaves behind; None for others that may leave anything.
        self._resets = {
            at: _saved(one)
            for at, one in enumerate(known)
            if not one.reads and not (one.is_plain and one.call.method in _LEAVES_COUNTS)
        }
        self._reset_places = list(self._resets)
        # With the facts themselves, so that no other ones get their identity meanwhile.
        self._shapes: dict[int, tuple[Facts, _Shape | None]] = {}

    def against(self, state: JobState, base: int, mask: int) -> int | None:
        """Return a read that cannot be reached by as many changes as it leaves room for.

        Args:
            state: What is known of the job.
            base: All operations before this one are placed.
            mask: Bit ``i`` is set where operation ``base + i`` is placed.
        """
        now = None if state.facts is None else self._shape(state.facts)
        if now is None:
            return None
        for read in self._ahead(base, mask):
            if self._perhaps <= read.ended:
                continue
            room = inf if state.least is None else read.revision - state.least
            if room >= 0 and self._is_beyond(read, now, room, base, mask):
                return read.at
        return None

    def ranks(self, state: JobState, changes: Iterable[int], base: int, mask: int) -> list[int]:
        """Tell of each change how little it leads to the next read: those of 0 lead there.

        There are no ranks where a deletion may come first, or another change that may leave
        anything.
        """
        now = None if state.facts is None else self._shape(state.facts)
        least = state.least
        ahead = [one for one in self._ahead(base, mask) if least is None or one.revision >= least]
        if now is None or not ahead:
            return []
        read = min(ahead, key=_revision)
        room = inf if least is None else read.revision - least
        after_reset, is_forced = self._by_reset(read, now, base, mask)
        if after_reset is None:
            return []
        if not is_forced and _distance(now, read.shape) <= room:
            return [self._rank_towards(at, now, read.shape) for at in changes]
        spare = room > after_reset
        return [self._rank_before_reset(at, read.shape, spare=spare) for at in changes]

    def _ahead(self, base: int, mask: int) -> Iterator[_Read]:
        first = bisect_left(self._places, base)
        for read in self._reads[first : first + _AHEAD]:
            if not mask >> (read.at - base) & 1:
                yield read

    def _is_beyond(self, read: _Read, now: _Shape, room: float, base: int, mask: int) -> bool:
        """Whether more changes are due before a read than there is room for."""
        due, is_forced = self._by_reset(read, now, base, mask)
        if due is None:
            return False
        is_left = self._prospects.is_left
        lacking = [item for item in read.shape.failed if not is_left(item, read.at, base, mask)]
        if lacking:
            due = inf
        if not is_forced and all(_stays(item, now, read.shape) for item in lacking):
            due = min(due, _distance(now, read.shape))
        return due == inf or due > room or _done(read, base, mask) > room

    def _by_reset(
        self, read: _Read, now: _Shape, base: int, mask: int
    ) -> tuple[float | None, bool]:
        """Return how many changes lead to a read over a save at least, and if one has to be before.

        The number is None where nobody knows, and infinite where none do.
        """
        is_forced, least = False, inf
        places, known = self._reset_places, self._known
        for at in places[bisect_left(places, base) :]:
            one = known[at]
            if one.began > read.ended:
                break
            if mask >> (at - base) & 1:
                continue
            saved = self._resets[at]
            if saved is None:
                return None, False
            # Where there were more failures than it leaves, it has changed something.
            due = _distance(saved, read.shape) + (now.total > saved.total)
            least = min(least, due)
            is_forced = is_forced or (one.ended or 0) < read.began
        return least, is_forced

    def _rank_towards(self, at: int, now: _Shape, then: _Shape) -> int:
        """Rank a change where changes without a save lead to a read."""
        call = self._known[at].call
        if at in self._resets:
            return 4
        if call.method == "update_status":
            status = str(call.arguments[1].value)
            nearer = _away(status, then.status) < _away(now.status, then.status)
            return 0 if nearer else 3
        if call.method not in ("add_failed_symbol", "add_failure"):
            return 1
        symbol, text = call.arguments[1:3]
        due = then.counts.get(symbol, 0) - now.counts.get(symbol, 0)
        if (symbol, text) in then.failed:  # the last of its symbol
            return 0 if due == 1 else 2
        return 0 if due > 1 else 3

    def _rank_before_reset(self, at: int, then: _Shape, *, spare: bool) -> int:
        """Rank a change where a save leads to a read, perhaps with room for changes before it."""
        call = self._known[at].call
        if at in self._resets:
            return 2 if spare else 0
        return 1 if spare and call.arguments[1:3] not in then.failed else 3

    def _shape(self, facts: Facts) -> _Shape | None:
        kept = self._shapes.get(id(facts))
        if kept is None:
            kept = self._shapes[id(facts)] = facts, _shape(facts)
        return kept[1]


def _revision(read: _Read) -> int:
    return read.revision


def _reads(known: Sequence[JobOperation]) -> Iterator[_Read]:
    for at, done in _done_before(known):
        one = known[at]
        if one.shown is None or one.facts is None or one.ended is None:
            continue
        shape, revision = _shape(one.facts), one.shown.revision
        if shape is not None and isinstance(revision, int):
            yield _Read(at, one.began, one.ended, revision, done, shape)


def _shape(facts: Facts) -> _Shape | None:
    """Return the shape of a job; None where its fields are of no such types."""
    counts: dict[str, object] = dict(facts.failure_counts)
    numbers = {name: each for name, each in counts.items() if isinstance(each, int)}
    if len(numbers) < len(counts) or not isinstance(facts.status, str):
        return None
    return _Shape(facts.status, numbers, sum(numbers.values()), facts.failed_symbols)


def _saved(one: JobOperation) -> _Shape | None:
    """Return what a save leaves behind; None for another change."""
    if one.call.method != "save" or not one.is_plain:
        return None
    return _shape(facts_of(one.call.arguments[0]))


def _stays(item: tuple[str, str], now: _Shape, then: _Shape) -> bool:
    """Whether an outcome is there and stays there, for no failure of its symbol is due."""
    return item in now.failed and now.counts.get(item[0]) == then.counts.get(item[0])


def _distance(now: _Shape, then: _Shape) -> float:
    """Return how many changes lead at least from one shape to another without a save."""
    left = then.counts
    for symbol, count in now.counts.items():
        if count > left.get(symbol, 0):
            return inf
    return then.total - now.total + _away(now.status, then.status)


def _away(status: str, other: str) -> float:
    return _DISTANCES.get((status, other), inf)


def _distances() -> dict[tuple[str, str], int]:
    """Return how many changes of status lead at least from one to another, where any do."""
    statuses = {status for change in PERMITTED for status in change}
    found = {(status, status): 0 for status in statuses}
    for _ in statuses:
        for (first, last), number in list(found.items()):
            for status in statuses:
                if (last, status) in PERMITTED:
                    known = found.get((first, status), number + 1)
                    found[first, status] = min(known, number + 1)
    return found


def _done(read: _Read, base: int, mask: int) -> int:
    """Return how many of the changes that were done before a read are not placed."""
    behind = base - read.at + _BACK
    if behind > 0:
        return ((read.done >> behind) & ~mask).bit_count()
    return (read.done & ~(mask >> -behind)).bit_count()


def _done_before(known: Sequence[JobOperation]) -> Iterator[tuple[int, int]]:
    """Yield each operation, and which changes that raise the revision ended before it began.

    Bit ``_BACK - n`` stands for the ``n``-th operation before it.
    """
    done = 0
    under_way: list[tuple[int, int]] = []
    for at, one in enumerate(known):
        while under_way and under_way[0][0] < one.began:
            back = at - heappop(under_way)[1]
            if back <= _BACK:
                done |= 1 << (_BACK - back)
        yield at, done
        if not one.reads and one.is_plain and one.call.method in _RAISES:
            heappush(under_way, (one.ended or 0, at))
        done >>= 1


_DISTANCES = _distances()
