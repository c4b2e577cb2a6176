"""Symmetry: which changes the search need not tell apart, because no read of the history could.

Two changes are of one kind where they lead from every state to states between which no operation of
the history tells a difference. Of those of one kind that may come next, only the first to end has
to be tried: an order with another one there stays possible when the two change places. To make more
of them alike, what no read shows is written as one value: the text of a failure that is overwritten
unseen, and a time that is known by its span only, where the spans admit the same of what is shown.

What is said here must hold for every operation of the history: when in doubt, two changes differ.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime
from math import inf
from typing import Any

from collection_jobs.conformance.history.sequential_spec import (
    JobOperation,
    Transition,
    transition,
)
from collection_jobs.conformance.spec.calls import Call, Outcome
from collection_jobs.conformance.spec.model import CLOCK_TOLERANCE, Facts, facts_of, storable
from collection_jobs.conformance.spec.operations import OPERATIONS
from collection_jobs.conformance.spec.queries import facts_of_summary
from collection_jobs.conformance.spec.signatures import SAVES
from collection_jobs.lease import Lease

__all__ = ["Symmetry", "is_plain_history"]

_UNSEEN = "an error that no read shows"

# What is said here of methods is true of none that is not named.
_OVERWRITES_ALL = frozenset({"save", "add", "delete"})
"""Of these, each that changes a job leaves of no symbol the outcome that it had."""
_OVERWRITES_ONE = frozenset({"add_failed_symbol", "add_failure", "add_completed_symbol"})
"""Of these, each that changes a job leaves of the symbol that it names another outcome."""
_IGNORES_TIME = frozenset({*_OVERWRITES_ALL, *_OVERWRITES_ONE, "set_cursor"})
"""What these do to a job does not depend on when they are called."""
_SETS_TIME = frozenset({"update_status"})
"""What these do to a job depends on it only by the times that later reads show."""
_LOOKS_AT_TIME = frozenset({"find", "count", "delete_finished"})
"""What these answer depends on such times, and is more than to show them."""
_CHANGES_SEVERAL = frozenset({"save_many", "add_many"})
_OF_LEASES = frozenset({"claim_next", "claim", "renew", "get_lease"})
_READS = frozenset({"get_by_id", "get_stats"})
_LISTS = frozenset({"list_by_status", "list_recent", "get_running_jobs", "list_after"})
_LOOKS_AT_NO_TEXT: frozenset[str] = _IGNORES_TIME.union(
    _SETS_TIME, _LOOKS_AT_TIME, _CHANGES_SEVERAL, _OF_LEASES, _READS, _LISTS
)
"""What these answer depends on the text of no failure, but where they show it."""


class Symmetry:
    """The kinds of the changes of one history.

    Attributes:
        kinds: The kind of each operation; None for reads, and for changes like no other.
        steps: A transition for each operation, which is the same for all of one kind.
    """

    def __init__(self, known: Sequence[JobOperation]) -> None:
        """Look through the operations that came back, which are in the order they began in."""
        shown = [(one, facts) for one in known if (facts := _shown(one)) is not None]
        looks = {one.call.method for one in known if one.facts is None}
        self._texts = _Texts(known, shown) if looks <= _LOOKS_AT_NO_TEXT else None
        looks_at_none = looks <= _LOOKS_AT_NO_TEXT - _LOOKS_AT_TIME
        self._times = _times(facts for _, facts in shown) if looks_at_none else None
        self._number: dict[Hashable, int] = {}
        self._steps: list[Transition] = []
        self.kinds: list[int | None] = []
        self.steps: list[Transition] = []
        for one in known:
            kind = self._kind(one)
            self.kinds.append(kind)
            self.steps.append(one.step if kind is None else self._steps[kind])

    def _kind(self, one: JobOperation) -> int | None:
        method, outcome = one.call.method, one.event.outcome
        sets_time = method in _SETS_TIME
        if one.reads or outcome is None or not (sets_time or method in _IGNORES_TIME):
            return None
        if not one.is_plain:
            return None
        call = self._unseen(one)
        key: Any = call, tuple(job.revision for job in call.jobs), outcome.value
        if sets_time:
            key = *key, self._span(outcome)
        try:
            kind = self._number.setdefault(key, len(self._steps))
        except TypeError:  # an argument or answer without a hash
            return None
        if kind == len(self._steps):
            self._steps.append(transition(call, outcome))
        return kind

    def _unseen(self, one: JobOperation) -> Call:
        """Return the call with a text of its own in the place of one that no read shows."""
        call, at = one.call, _TEXTS.get(one.call.method)
        if at is None or self._texts is None or self._texts.is_seen(one):
            return call
        return Call(call.method, (*call.arguments[:at], _UNSEEN, *call.arguments[at + 1 :]))

    def _span(self, outcome: Outcome) -> Hashable:
        """Return what is the same for spans that admit the same of the times that were shown."""
        if self._times is None:
            return outcome.began, outcome.ended
        first = bisect_left(self._times, outcome.began - CLOCK_TOLERANCE)
        return first, bisect_right(self._times, outcome.ended + CLOCK_TOLERANCE)


def is_plain_history(operations: Iterable[JobOperation]) -> bool:
    """Whether no answer but that of a read depends on the revision of a job, or on its times."""
    for one in operations:
        method = one.call.method
        if method not in _LOOKS_AT_NO_TEXT or method in _LOOKS_AT_TIME:
            return False
        if method in SAVES and any(job.revision is not None for job in one.call.jobs):
            return False
    return True


class _Texts:
    """Which texts of failures a read can have shown before they were overwritten."""

    def __init__(
        self, known: Sequence[JobOperation], shown: Iterable[tuple[JobOperation, Facts]]
    ) -> None:
        self._reads: dict[object, list[tuple[int, float]]] = {}
        for one, facts in shown:
            span = one.began, inf if one.ended is None else one.ended
            for item in facts.failed_symbols:
                self._reads.setdefault(item, []).append(span)
        self._overwriting: dict[str | None, list[JobOperation]] = {}
        for one in known:
            method = one.call.method
            if one.reads or not one.is_plain:
                continue
            if method in _OVERWRITES_ALL:
                self._overwriting.setdefault(None, []).append(one)
            elif method in _OVERWRITES_ONE:
                self._overwriting.setdefault(one.call.arguments[1], []).append(one)
        self._gone = {symbol: _ends(of) for symbol, of in self._overwriting.items()}

    def is_seen(self, one: JobOperation) -> bool:
        """Whether a read may have shown the text of a recorded failure."""
        symbol: str = one.call.arguments[1]
        text: str = one.call.arguments[2]
        if (symbol, _UNSEEN) in self._reads:
            return True
        reads = self._reads.get((symbol, storable(text)), ())
        ended = one.began if one.ended is None else one.ended
        gone = min(self._first_end(symbol, ended), self._first_end(None, ended))
        return any(began <= gone and one.began <= ended for began, ended in reads)

    def _first_end(self, symbol: str | None, after: int) -> float:
        """Return when the first to end has ended of those that overwrite it and began later."""
        overwriting = self._overwriting.get(symbol, ())
        at = bisect_right(overwriting, after, key=_began)
        return self._gone[symbol][at] if overwriting else inf


def _ends(overwriting: Sequence[JobOperation]) -> list[float]:
    """Return for each operation the first end among it and those that began later."""
    ends: list[float] = [inf]
    for one in reversed(overwriting):
        ends.append(min(ends[-1], inf if one.ended is None else one.ended))
    return ends[::-1]


def _began(one: JobOperation) -> int:
    return one.began


def _shown(one: JobOperation) -> Facts | None:
    """Return what an operation showed of the job, be it a read or not."""
    if one.facts is not None:
        return one.facts
    if one.summary is not None:
        return facts_of_summary(one.summary)
    value = None if one.event.outcome is None else one.event.outcome.value
    return facts_of(value.job) if isinstance(value, Lease) else None


def _times(shown: Iterable[Facts]) -> list[datetime]:
    """Return the times of the engine's clock that were shown, in their order."""
    times = {time for facts in shown for time in (facts.started_at, facts.finished_at)}
    return sorted(one for one in times if isinstance(one, datetime) and one.tzinfo is not None)


def _place_of_text(method: str) -> int | None:
    names = [parameter.name for parameter in OPERATIONS[method].parameters]
    return names.index("error") if "error" in names else None


_PLACES: dict[str, int | None] = {name: _place_of_text(name) for name in OPERATIONS}
_TEXTS: dict[str, int] = {name: at for name, at in _PLACES.items() if at is not None}
"""For each method that records a failure, the place of its text."""
